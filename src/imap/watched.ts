/**
 * Folders other than the selected one that NOTIFY tells of (RFC 5465): messages by STATUS (§4),
 * names and subscriptions by LIST (§5.4, §5.5).
 *
 * Messages: each folder is watched as for IDLE. Names: a change that this process makes is looked
 * at once; those of other hosts when `imap.notify.interval` is over, which costs a listing of the
 * Maildir. Each look takes folders in that are new and let those go that are no more; so PERSONAL
 * means what is there, not what was there when the client asked.
 */
import type { Folder, FolderState, Mail } from '../mailbox/mail.ts';
import { countsOf } from './command/status.ts';
import type { NamesWatcher, Renamed } from './folder-events.ts';
import { Refusal } from './replies.ts';
import type { ImapSession } from './session.ts';
import { quoted } from './wire/text.ts';

/** What we know to tell (§5). */
export const FOLDER_EVENTS = [
  'MessageNew',
  'MessageExpunge',
  'FlagChange',
  'MailboxName',
  'SubscriptionChange',
] as const;
export type FolderEvent = (typeof FOLDER_EVENTS)[number];

/** Which folders, and of which changes; in the order that the client wrote them. */
export interface WatchedGroup {
  /** INBOXES, PERSONAL, SUBSCRIBED, SUBTREE, MAILBOXES (§6). */
  readonly kind: string;
  readonly names: readonly string[];
  readonly events: ReadonlySet<FolderEvent>;
}

/** Folders whose messages one session watches; more is NOTIFICATIONOVERFLOW (§5.8). */
export const WATCHED_MAX = 100;

interface Name {
  readonly exists: boolean;
  readonly subscribed: boolean;
}

interface Followed {
  readonly folder: Folder;
  readonly flags: boolean;
  /** What the client was told. */
  told: FolderState | undefined;
}

export class Watched implements NamesWatcher {
  readonly #session: ImapSession;
  readonly #mail: Mail;
  readonly #groups: readonly WatchedGroup[];
  readonly #followed = new Map<string, Followed>();
  #names: ReadonlyMap<string, Name> = new Map();
  /** LIST responses that wait until something may be said. */
  #lines: string[] = [];
  #looking: Promise<void> | undefined;
  /** It begins when the one that runs is over. */
  #next: Promise<void> | undefined;
  /** That no look has surely seen. */
  readonly #renames: Renamed[] = [];
  #closed = false;
  #leave: (() => void) | undefined;
  dueAt = 0;

  private constructor(session: ImapSession, mail: Mail, groups: readonly WatchedGroup[]) {
    this.#session = session;
    this.#mail = mail;
    this.#groups = groups;
  }

  /** @throws Refusal for too many folders, StoreError */
  static async open(
    session: ImapSession,
    mail: Mail,
    groups: readonly WatchedGroup[],
  ): Promise<Watched> {
    const watched = new Watched(session, mail, groups);
    if (groups.length === 0) return watched;
    try {
      watched.#names = await watched.#ask();
      await watched.#follow();
      for (const followed of watched.#followed.values()) followed.told = followed.folder.state;
    } catch (error) {
      watched.close();
      throw error;
    }
    watched.#leave = session.shared.folderEvents.watch(watched);
    return watched;
  }

  get accountId(): string {
    return this.#mail.account.id;
  }

  /** A STATUS of each, whether it changed or not (§3.1). */
  sayAll(): void {
    for (const followed of this.#followed.values()) this.#say(followed);
  }

  /** What is not as the client was told. */
  sayChanges(): void {
    for (const line of this.#lines.splice(0)) this.#session.untagged(line);
    for (const followed of this.#followed.values()) {
      if (isNews(followed)) this.#say(followed);
    }
  }

  #say(followed: Followed): void {
    const { folder } = followed;
    const { state: selected, enabled } = this.#session;
    const { state } = folder;
    followed.told = state;
    if (selected.name === 'selected' && selected.folder.name === folder.name) return;
    const items = [
      `MESSAGES ${state.messages.length}`,
      `UIDNEXT ${state.uidNext}`,
      `UIDVALIDITY ${state.uidValidity}`,
      `UNSEEN ${countsOf(state).unseen}`,
    ];
    if (enabled.condstore) items.push(`HIGHESTMODSEQ ${state.modseq}`);
    this.#session.untagged(`STATUS ${this.#session.mailbox(folder.name)} (${items.join(' ')})`);
  }

  /** Looks at the names now; all who ask while a look runs have one more. Never rejects. */
  look(renamed?: Renamed): Promise<void> {
    const { clock, values } = this.#session.shared;
    this.dueAt = clock.now() + values['imap.notify.interval'];
    if (renamed !== undefined) this.#renames.push(renamed);
    return (this.#next ??= this.#lookAfter(this.#looking));
  }

  async #lookAfter(before: Promise<void> | undefined): Promise<void> {
    await before;
    this.#looking = this.#next;
    this.#next = undefined;
    if (this.#closed) return;
    const seen = this.#renames.length; // What is renamed from here on, this look sees or the next.
    try {
      const names = await this.#ask();
      this.#compare(names, this.#renames);
      this.#renames.splice(0, seen);
      this.#names = names;
      await this.#follow();
    } catch (error) {
      // What else fails is told by the next look.
      if (error instanceof Refusal) return this.#session.teller.overflow(error.message);
    }
    this.#session.teller.stir();
  }

  async #ask(): Promise<ReadonlyMap<string, Name>> {
    const names = new Map<string, Name>();
    for (const name of await this.#mail.subscriptions()) {
      names.set(name, { exists: false, subscribed: true });
    }
    for (const { name, subscribed } of await this.#mail.folders()) {
      names.set(name, { exists: true, subscribed });
    }
    return names;
  }

  /** The first group that has a folder says what is told of it (§6). */
  #groupOf(name: string, { subscribed }: Name): WatchedGroup | undefined {
    return this.#groups.find(
      ({ kind, names }) =>
        kind === 'PERSONAL' ||
        (kind === 'INBOXES' && name === 'INBOX') ||
        (kind === 'SUBSCRIBED' && subscribed) ||
        (kind === 'MAILBOXES' && names.includes(name)) ||
        (kind === 'SUBTREE' && names.some((top) => name === top || name.startsWith(`${top}/`))),
    );
  }

  #compare(now: ReadonlyMap<string, Name>, renames: readonly Renamed[]): void {
    for (const name of new Set([...this.#names.keys(), ...now.keys()])) {
      const before = this.#names.get(name) ?? NO_NAME;
      const after = now.get(name) ?? NO_NAME;
      const group = this.#groupOf(name, before.subscribed ? before : after);
      if (before.exists !== after.exists) {
        if (group?.events.has('MailboxName') !== true) continue;
        const old = movedBy(renames, (one) => moved(name, one.to, one.from));
        const to = movedBy(renames, (one) => moved(name, one.from, one.to));
        if (before.exists && to !== undefined && now.get(to)?.exists === true) continue;
        this.#lines.push(this.#line(name, after, old));
      } else if (before.subscribed !== after.subscribed) {
        if (group?.events.has('SubscriptionChange') !== true) continue;
        this.#lines.push(this.#line(name, after, undefined));
      }
    }
  }

  #line(name: string, { exists, subscribed }: Name, old: string | undefined): string {
    const session = this.#session;
    const attributes: string[] = [];
    if (!exists) attributes.push(String.raw`\NonExistent`);
    if (subscribed) attributes.push(String.raw`\Subscribed`);
    const separator = quoted(session.shared.values['imap.separator']);
    const was = old === undefined ? '' : ` ("OLDNAME" (${session.mailbox(old)}))`;
    return `LIST (${attributes.join(' ')}) ${separator} ${session.mailbox(name)}${was}`;
  }

  /** Opens folders whose messages count and that are new, and lets go of the others. */
  async #follow(): Promise<void> {
    const wanted = new Map<string, WatchedGroup>();
    for (const [name, info] of this.#names) {
      const group = info.exists ? this.#groupOf(name, info) : undefined;
      if (group?.events.has('MessageNew') === true) wanted.set(name, group);
    }
    if (wanted.size > WATCHED_MAX) {
      throw new Refusal('NOTIFICATIONOVERFLOW', `At most ${WATCHED_MAX} folders can be watched`);
    }
    for (const [name, { folder }] of this.#followed) {
      if (wanted.has(name)) continue;
      folder.close();
      this.#followed.delete(name);
    }
    for (const [name, { events }] of wanted) {
      if (this.#followed.has(name)) continue;
      const folder = await this.#mail.open(name);
      if (this.#closed) return folder.close();
      this.#followed.set(name, { folder, flags: events.has('FlagChange'), told: undefined });
      await folder.refresh();
      folder.watch(() => this.#session.teller.stir());
    }
  }

  close(): void {
    this.#closed = true;
    this.#leave?.();
    for (const { folder } of this.#followed.values()) folder.close();
    this.#followed.clear();
    this.#lines = [];
  }
}

const NO_NAME: Name = { exists: false, subscribed: false };

/** The name that `name` has when what is at or below `from` is at or below `to`. */
function moved(name: string, from: string, to: string): string | undefined {
  if (name === from) return to;
  return name.startsWith(`${from}/`) ? `${to}${name.slice(from.length)}` : undefined;
}

/** By the last of them that moved it. */
const movedBy = (
  renames: readonly Renamed[],
  by: (one: Renamed) => string | undefined,
): string | undefined => renames.map(by).findLast((name) => name !== undefined);

function isNews({ folder, told, flags }: Followed): boolean {
  const { state } = folder;
  if (state === told) return false;
  if (flags || told === undefined) return true;
  return (
    state.messages.length !== told.messages.length ||
    state.uidNext !== told.uidNext ||
    state.uidValidity !== told.uidValidity
  );
}
