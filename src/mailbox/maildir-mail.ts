import type { Added, FolderRef } from '#maildir';
import type { Account } from '../directory/types.ts';
import { StoreError } from '../volumes/error.ts';
import type { Mailbox } from '../volumes/mailboxes.ts';
import type { MailContext } from './context.ts';
import { byName, diskName, folderName, INBOX, namesOf, newFolderName } from './folder-names.ts';
import { FolderTable } from './folder-table.ts';
import {
  MailError,
  type Draft,
  type DraftOptions,
  type Folder,
  type FolderInfo,
  type Mail,
  type Quota,
  type SpecialUse,
} from './mail.ts';
import { MaildirDraft, tooLarge } from './maildir-draft.ts';
import { MaildirFolder } from './maildir-folder.ts';
import { explainMissing, noFolder, type Placed } from './shared-folder.ts';
import { usesOf } from './special-use.ts';
import { setSubscribed, subscribedNames } from './subscriptions.ts';
import { MaildirFacts } from './user-facts.ts';

/** Drafts of one APPEND that are made durable at once. */
const PARALLEL = 4;

/**
 * A user's mail in Maildir++ folders on a volume. It keeps nothing but what is open.
 *
 * Somebody who never got mail has an INBOX that is empty; his first SELECT, draft, folder or
 * subscription makes his mailbox as a first delivery does (`volumes/mailboxes.ts`). A mailbox that
 * is placed and not there is an error, whatever is asked.
 */
export class MaildirMail implements Mail {
  readonly facts = new MaildirFacts({
    open: () => this.#mailbox(),
    ensure: () => this.#ensured(),
  });
  readonly #context: MailContext;
  readonly #table: FolderTable;
  readonly #open = new Set<MaildirFolder>();
  /** Folders whose name on disk is not the one we would write, from the last listing. */
  #odd: ReadonlyMap<string, string> = new Map();

  constructor(context: MailContext) {
    this.#context = context;
    this.#table = new FolderTable(context);
  }

  get account(): Account {
    return this.#context.account;
  }

  async folders(): Promise<readonly FolderInfo[]> {
    const mailbox = await this.#mailbox();
    const disks = mailbox && (await this.#table.list(mailbox));
    if (mailbox === undefined || disks === undefined) {
      return [{ name: INBOX, use: undefined, subscribed: false }];
    }
    const [names, said, subscribed] = await Promise.all([
      this.#table.withNew(mailbox, this.#seen(disks)),
      this.#table.said(mailbox, disks),
      subscribedNames(mailbox),
    ]);
    const sorted = [...names.keys()].toSorted(byName);
    const uses = usesOf(sorted, said);
    return sorted.map((name) => ({
      name,
      use: uses.get(name),
      subscribed: subscribed.has(name),
    }));
  }

  async create(given: string, use?: SpecialUse): Promise<void> {
    const name = newFolderName(given);
    await this.#table.create(await this.#ensured(), name, use);
  }

  async remove(given: string): Promise<void> {
    const name = folderName(given);
    if (name === INBOX) throw new MailError('not-possible', 'INBOX cannot be removed');
    await this.#table.remove(await this.#made(name), name, this.facts);
  }

  async rename(from: string, to: string): Promise<void> {
    const names = { from: folderName(from), to: newFolderName(to) };
    const mailbox = names.from === INBOX ? await this.#ensured() : await this.#made(names.from);
    await this.#table.rename(mailbox, names);
  }

  async subscribe(given: string, subscribed: 'yes' | 'no'): Promise<void> {
    const name = folderName(given);
    const max = this.#context.options['mailbox.folders.max'];
    await setSubscribed(await this.#ensured(), name, { subscribed, max });
  }

  async subscriptions(): Promise<readonly string[]> {
    const mailbox = await this.#mailbox();
    if (mailbox === undefined || (await this.#table.list(mailbox)) === undefined) return [];
    return [...(await subscribedNames(mailbox))].toSorted(byName);
  }

  async open(given: string): Promise<Folder> {
    const name = folderName(given);
    const disk = this.#odd.get(name) ?? diskName(name);
    try {
      return await this.#opened(name, disk);
    } catch (error) {
      if (!isNoFolder(error)) throw error;
      const odd = await this.#oddDisk(name);
      if (odd === undefined || odd === disk) throw error;
      return this.#opened(name, odd);
    }
  }

  async quota(): Promise<Quota> {
    const { octets, messages } = await this.#context.usage.of(this.account);
    return { octets, messages, octetsMax: this.account.quotaBytes };
  }

  async draft(given: string, options: DraftOptions): Promise<Draft> {
    const name = folderName(given);
    const max = this.#context.options['mailbox.message.max'];
    const placed = await this.#target(name);
    if ((options.octets ?? 0) > max) throw tooLarge(max);
    await this.#requireQuota((options.before ?? 0) + (options.octets ?? 0));
    return new MaildirDraft(placed, { ...options, now: this.#context.clock.now() }, max);
  }

  async append(given: string, drafts: readonly Draft[]): Promise<Added> {
    const name = folderName(given);
    const ours = drafts.map((draft) => {
      if (draft instanceof MaildirDraft) return draft;
      throw new TypeError('a draft of another store');
    });
    const octets = ours.reduce((sum, draft) => sum + draft.octets, 0);
    try {
      const placed = await this.#target(name);
      if (ours.some((draft) => draft.placed.ref.folder !== placed.ref.folder)) {
        throw new TypeError('a draft for another folder');
      }
      await this.#requireQuota(octets);
      const staged = await inTurn(ours, (draft) => draft.finish());
      const added = await placed.mailbox.volume.journals.add(placed.ref, staged);
      for (const draft of ours) draft.added();
      this.#appended(name, placed.ref, { added, octets });
      return added;
    } catch (error) {
      await Promise.allSettled(ours.map((draft) => draft.discard()));
      throw await this.#explain(error, name, ours[0]?.placed.mailbox);
    }
  }

  close(): void {
    for (const folder of this.#open) folder.close();
  }

  #appended(
    name: string,
    ref: FolderRef,
    { added, octets }: { readonly added: Added; readonly octets: number },
  ): void {
    const { folders, usage, hints, account } = this.#context;
    folders.peek(account, ref.folder)?.take(added.state);
    usage.added(account.id, octets, added.uids.length);
    hints.tell(account.id, name);
  }

  async #opened(name: string, disk: string): Promise<Folder> {
    const { folders, account } = this.#context;
    const shared = folders.enter(account, { name, disk });
    try {
      const placed = await shared.placed();
      if (placed === undefined && disk !== '') throw noFolder(name);
      if (shared.state === undefined) await shared.refresh();
    } catch (error) {
      folders.leave(account, disk, shared);
      throw error;
    }
    const folder = new MaildirFolder({
      context: this.#context,
      shared,
      target: async (to) => {
        const named = folderName(to);
        return { ref: (await this.#target(named)).ref, name: named };
      },
      requireQuota: (octets) => this.#requireQuota(octets),
      onClose: () => {
        this.#open.delete(folder);
        folders.leave(account, disk, shared);
      },
    });
    this.#open.add(folder);
    return folder;
  }

  /** Where new messages of a folder go; it is there. @throws MailError, StoreError */
  async #target(name: string): Promise<Placed> {
    if (name === INBOX) return placedIn(await this.#ensured(), '');
    const mailbox = await this.#made(name);
    for (const disk of [this.#odd.get(name) ?? diskName(name), await this.#oddDisk(name)]) {
      if (disk === undefined) break;
      const placed = placedIn(mailbox, disk);
      const { volume, maildir } = mailbox;
      if (volume.journals.known(placed.ref) !== undefined) return placed;
      if (await volume.exists(`${maildir}/.${disk}`)) return placed;
    }
    throw await this.#explain(new StoreError('mailbox-missing', name), name, mailbox);
  }

  /** Undefined while no mail ever came. */
  #mailbox(): Promise<Mailbox | undefined> {
    return this.#context.mailboxes.open(this.account);
  }

  #ensured(): Promise<Mailbox> {
    return this.#context.mailboxes.ensure(this.account);
  }

  /** Somebody without a mailbox has no such folder. */
  async #made(name: string): Promise<Mailbox> {
    const mailbox = await this.#mailbox();
    if (mailbox === undefined) throw noFolder(name);
    return mailbox;
  }

  #seen(disks: readonly string[]): ReadonlyMap<string, string> {
    const names = namesOf(disks);
    this.#odd = new Map([...names].filter(([name, disk]) => diskName(name) !== disk));
    return names;
  }

  async #oddDisk(name: string): Promise<string | undefined> {
    const mailbox = await this.#mailbox();
    const disks = mailbox && (await this.#table.list(mailbox));
    if (disks !== undefined) this.#seen(disks);
    return this.#odd.get(name);
  }

  async #requireQuota(octets: number): Promise<void> {
    const { quotaBytes } = this.account;
    if (quotaBytes === 0) return;
    const use = await this.#context.usage.of(this.account);
    if (use.octets + octets <= quotaBytes) return;
    throw new MailError('over-quota', `The mailbox may hold ${quotaBytes} octets`);
  }

  async #explain(error: unknown, name: string, mailbox: Mailbox | undefined): Promise<unknown> {
    const isMissing = error instanceof StoreError && error.kind === 'mailbox-missing';
    if (!isMissing || mailbox === undefined) return error;
    const { mailboxes } = this.#context;
    return explainMissing({ mailboxes, mailbox, name, isInbox: name === INBOX });
  }
}

const placedIn = (mailbox: Mailbox, folder: string): Placed => ({
  mailbox,
  ref: { maildir: mailbox.maildir, folder },
});

const isNoFolder = (error: unknown): boolean =>
  error instanceof MailError && error.kind === 'no-such-folder';

/** Some at once; results in order. */
async function inTurn<T, R>(items: readonly T[], work: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  for (let from = 0; from < items.length; from += PARALLEL) {
    results.push(...(await Promise.all(items.slice(from, from + PARALLEL).map(work))));
  }
  return results;
}
