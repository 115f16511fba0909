import { emailIdOf } from '#maildir';
import type { Expunged, FolderState } from './mail.ts';
import type { UserFacts } from './user-facts.ts';

/**
 * What lay in folders that were removed: a journal goes with its folder, and who knew the emails in
 * it is to be told that they are gone (RFC 8620 §5.2). One fact for each, `<seconds>-<journal id>`,
 * written before the folder goes and kept for 30 days.
 *
 * Harmless to lose: without it clients are told that changes cannot be calculated. One of a folder
 * that is there still (its removal failed) says nothing, since the folder itself is asked.
 */
const DRAWER = 'removed';
const NAME = /^(\d{1,12})-([0-9a-f]{16})$/;
const KEPT_SECONDS = 30 * 24 * 3600;
const SECOND_MS = 1000;

export interface RemovedFolder {
  readonly expungedSince: number;
  readonly messages: readonly { readonly uid: number; readonly emailId: string }[];
  readonly expunged: readonly Expunged[];
}

/** @throws StoreError */
export async function writeRemoved(
  facts: UserFacts,
  state: FolderState,
  now: number,
): Promise<void> {
  if (state.uidNext === 1) return; // Nothing ever was in it.
  const { expungedSince, messages, expunged } = state;
  const removed: RemovedFolder = {
    expungedSince,
    messages: messages.map(({ uid, key }) => ({ uid, emailId: emailIdOf(key) })),
    expunged,
  };
  const name = `${Math.floor(now / SECOND_MS)}-${state.journalId}`;
  await facts.put(DRAWER, name, Buffer.from(JSON.stringify(removed)));
}

/** Those of a user, as far as this process has read them. */
export class RemovedFolders {
  readonly #facts: UserFacts;
  /** By name of the fact. */
  readonly #read = new Map<string, RemovedFolder | undefined>();
  #byJournal: ReadonlyMap<string, RemovedFolder> = new Map();

  constructor(facts: UserFacts) {
    this.#facts = facts;
  }

  /** Reads what is new; the same object when nothing is. Old ones go. @throws StoreError */
  async load(now: number): Promise<ReadonlyMap<string, RemovedFolder>> {
    const names = (await this.#facts.list(DRAWER)).filter((name) => NAME.test(name));
    const gone = new Set(this.#read.keys());
    let changed = false;
    for (const name of names) {
      if (gone.delete(name)) continue;
      if (isOld(name, now)) await this.#facts.remove(DRAWER, name);
      else this.#read.set(name, await this.#readOne(name));
      changed = true;
    }
    for (const name of gone) this.#read.delete(name);
    if (changed || gone.size > 0) this.#byJournal = new Map(this.#told());
    return this.#byJournal;
  }

  *#told(): Generator<[string, RemovedFolder]> {
    for (const [name, folder] of this.#read) {
      if (folder) yield [NAME.exec(name)?.[2] as string, folder];
    }
  }

  /** Undefined: gone meanwhile, or nothing that we have written. */
  async #readOne(name: string): Promise<RemovedFolder | undefined> {
    const bytes = await this.#facts.read(DRAWER, name);
    try {
      return bytes && (JSON.parse(bytes.toString()) as RemovedFolder);
    } catch {
      return undefined;
    }
  }
}

function isOld(name: string, now: number): boolean {
  const seconds = Number(NAME.exec(name)?.[1]);
  return seconds < now / SECOND_MS - KEPT_SECONDS;
}
