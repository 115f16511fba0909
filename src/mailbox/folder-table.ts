import { StoreError } from '../volumes/error.ts';
import type { Mailbox } from '../volumes/mailboxes.ts';
import type { MailContext } from './context.ts';
import { below, diskName, folderName, INBOX, namesOf, shownName } from './folder-names.ts';
import { readUses, removeUse, writeUse } from './folder-uses.ts';
import { MailError, type SpecialUse } from './mail.ts';
import { writeRemoved } from './removed-folders.ts';
import { explainMissing, noFolder } from './shared-folder.ts';
import { checkUse } from './special-use.ts';
import { setSubscribed } from './subscriptions.ts';
import type { UserFacts } from './user-facts.ts';

/**
 * The folders of a mailbox: making, removing and renaming them.
 *
 * Two front ends at once: both may make one folder, and both succeed; of two that rename one folder
 * one does, the other is told that there is none. A crash in the middle of renaming a folder with
 * others below it leaves some with the old name: each is whole, and the next RENAME goes on (so the
 * folder itself goes last: while it is there under its old name, the new one is not taken).
 */
const MOVED_AT_ONCE = 500;
const MADE = { drawer: 'settings', name: 'folders-made' } as const;

export class FolderTable {
  readonly #context: MailContext;

  constructor(context: MailContext) {
    this.#context = context;
  }

  /** Folders on disk but INBOX; undefined while no mail ever came. @throws StoreError */
  async list(mailbox: Mailbox): Promise<readonly string[] | undefined> {
    try {
      return await mailbox.volume.folders(mailbox.maildir);
    } catch (error) {
      if (!(error instanceof StoreError) || error.kind !== 'mailbox-missing') throw error;
      if (mailbox.stored) throw this.#context.mailboxes.missing(mailbox);
      return undefined;
    }
  }

  /** What folders were said to be for, by name. */
  async said(mailbox: Mailbox, disks: readonly string[]): Promise<ReadonlyMap<string, SpecialUse>> {
    const said = new Map<string, SpecialUse>();
    for (const [disk, use] of await readUses(mailbox)) {
      if (disks.includes(disk)) said.set(shownName(disk), use);
    }
    return said;
  }

  async create(mailbox: Mailbox, name: string, use: SpecialUse | undefined): Promise<void> {
    const disks = (await this.list(mailbox)) ?? [];
    const names = namesOf(disks);
    if (names.has(name)) throw exists(name);
    this.#requireRoom(names.size);
    if (use !== undefined) checkUse(use, await this.said(mailbox, disks));
    await mailbox.volume.createFolder(mailbox.maildir, diskName(name));
    if (use !== undefined) await writeUse(mailbox, use, diskName(name));
  }

  async remove(mailbox: Mailbox, name: string, facts: UserFacts): Promise<void> {
    const disk = namesOf((await this.list(mailbox)) ?? []).get(name);
    if (disk === undefined) throw noFolder(name);
    await this.#noteRemoved(mailbox, disk, facts);
    const uses = await readUses(mailbox);
    try {
      await mailbox.volume.removeFolder(mailbox.maildir, disk);
    } catch (error) {
      throw await this.#explain(error, mailbox, name);
    }
    this.#changed(disk);
    const use = uses.get(disk);
    if (use !== undefined) await removeUse(mailbox, use);
  }

  async rename(
    mailbox: Mailbox,
    { from, to }: { readonly from: string; readonly to: string },
  ): Promise<void> {
    const names = namesOf((await this.list(mailbox)) ?? []);
    if (names.has(to)) throw exists(to);
    if (from === INBOX) return this.#renameInbox(mailbox, to, names.size);
    const moved = below(names.keys(), from);
    if (names.has(from)) moved.push(from); // Last: `to` is there when all is done.
    if (moved.length === 0) throw noFolder(from);
    if (to.startsWith(`${from}/`)) {
      throw new MailError('not-possible', `${from} cannot be moved into itself`);
    }
    const pairs = moved.map((old) => [old, folderName(`${to}${old.slice(from.length)}`)] as const);
    for (const [, name] of pairs) if (names.has(name)) throw exists(name);
    const uses = await readUses(mailbox);
    for (const [old, name] of pairs) {
      const disk = names.get(old) as string;
      await this.#renameOne(mailbox, { disk, name, old });
      const use = uses.get(disk);
      if (use !== undefined) await writeUse(mailbox, use, diskName(name));
    }
  }

  /**
   * With the folders that the farm gives to new users, if this is one: who has INBOX only and was
   * not given any before.
   */
  async withNew(
    mailbox: Mailbox,
    names: ReadonlyMap<string, string>,
  ): Promise<ReadonlyMap<string, string>> {
    const wanted = this.#context.options['mailbox.folders.new'];
    if (wanted.length === 0 || names.size > 1) return names;
    const { volume, maildir } = mailbox;
    const ref = { maildir, folder: '' };
    if ((await volume.facts.facts(ref, MADE.drawer)).includes(MADE.name)) return names;
    const all = new Map(names);
    for (const given of wanted) {
      const name = folderName(given);
      await volume.createFolder(maildir, diskName(name));
      const max = this.#context.options['mailbox.folders.max'];
      await setSubscribed(mailbox, name, { subscribed: 'yes', max });
      all.set(name, diskName(name));
    }
    await volume.facts.putFact({ ref, ...MADE, bytes: Buffer.alloc(0), durable: true });
    return all;
  }

  /** INBOX stays, empty; its messages are in the new folder (RFC 9051 §6.3.6). */
  async #renameInbox(mailbox: Mailbox, to: string, count: number): Promise<void> {
    this.#requireRoom(count);
    const { volume, maildir } = mailbox;
    const inbox = { maildir, folder: '' };
    const target = { maildir, folder: diskName(to) };
    await volume.createFolder(maildir, target.folder);
    const { state } = await volume.journals.sync(inbox);
    const uids = state.messages.map(({ uid }) => uid);
    const { uidValidity } = state;
    for (let from = 0; from < uids.length; from += MOVED_AT_ONCE) {
      const some = uids.slice(from, from + MOVED_AT_ONCE);
      await volume.journals.move(inbox, some, target, uidValidity);
    }
    const { folders, hints, account } = this.#context;
    const known = volume.journals.known(inbox);
    if (known !== undefined) folders.peek(account, '')?.take(known);
    hints.tell(account.id, INBOX);
  }

  async #renameOne(
    mailbox: Mailbox,
    { disk, name, old }: { readonly disk: string; readonly name: string; readonly old: string },
  ): Promise<void> {
    const { volume, maildir } = mailbox;
    const to = diskName(name);
    try {
      await volume.journals.rename({ maildir, folder: disk }, { maildir, folder: to });
    } catch (error) {
      throw await this.#explain(error, mailbox, old);
    }
    this.#changed(disk);
    this.#changed(to);
  }

  /** What is in a folder that is to go. Where it cannot be written the folder goes all the same. */
  async #noteRemoved(
    { volume, maildir }: Mailbox,
    folder: string,
    facts: UserFacts,
  ): Promise<void> {
    try {
      const { state } = await volume.journals.sync({ maildir, folder });
      await writeRemoved(facts, state, this.#context.clock.now());
    } catch (error) {
      if (!(error instanceof StoreError)) throw error;
    }
  }

  #changed(disk: string): void {
    const { folders, usage, account } = this.#context;
    folders.forget(account, disk);
    usage.forget(account.id);
  }

  #requireRoom(count: number): void {
    const max = this.#context.options['mailbox.folders.max'];
    if (count < max) return;
    throw new MailError('too-many-folders', `There are ${max} folders, which is the limit`);
  }

  async #explain(error: unknown, mailbox: Mailbox, name: string): Promise<unknown> {
    if (!(error instanceof StoreError) || error.kind !== 'mailbox-missing') return error;
    const { mailboxes } = this.#context;
    return explainMissing({ mailboxes, mailbox, name, isInbox: false });
  }
}

const exists = (name: string): MailError =>
  new MailError('folder-exists', `There is a folder ${name}`);
