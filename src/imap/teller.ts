/**
 * Tells a client what changed in its folder: EXPUNGE or VANISHED, EXISTS, RECENT, FETCH
 * (RFC 9051 §7.3, §7.4; RFC 7162 §3.2.10), after a command, in IDLE, and with NOTIFY at any time
 * between commands. One telling at a time; a large one waits for the client to take it.
 */
import type { Mail, Numbered } from '../mailbox/mail.ts';
import type { Done } from '../net/line-transport.ts';
import { isGone } from './gone.ts';
import { fetchRows } from './command/fetch.ts';
import { fetchPlan } from './command/fetch-rows.ts';
import { UPDATE_BYTES_MAX } from './options.ts';
import type { ImapSession } from './session.ts';
import type { Selected } from './state.ts';
import type { Update } from './view.ts';
import { Watched, type WatchedGroup } from './watched.ts';
import type { FetchItem } from './wire/fetch-items.ts';
import { flagsText } from './wire/flags.ts';
import { formatSequence } from './wire/sequence.ts';

/** What NOTIFY asks for of the folder that is open (RFC 5465 §6.1). */
export interface SelectedWanted {
  /** SELECTED-DELAYED: an EXPUNGE waits for a command after which it may be told. */
  readonly expunges: 'now' | 'later';
  /** Between commands; after one they are told anyway. */
  readonly flags: 'told' | 'not-told';
  /** What new messages are told with. */
  readonly items: readonly FetchItem[];
}

/** What NOTIFY asks for. */
export interface Wanted {
  readonly selected: SelectedWanted | undefined;
  readonly groups: readonly WatchedGroup[];
  /** A STATUS of each at once. */
  readonly sayNow: boolean;
}

const NOTHING: readonly number[] = [];
const IDLE = { expunges: 'now', flags: 'told' } as const;
const MODSEQ: FetchItem = { kind: 'plain', name: 'MODSEQ' };

export class Teller {
  readonly #session: ImapSession;
  /** IDLE runs: changes are told as they come. */
  idle = false;
  #unwatch: (() => void) | undefined;
  #telling: Promise<void> | undefined;
  #notify: { readonly selected: SelectedWanted | undefined; readonly watched: Watched } | undefined;
  /** UIDs whose flags changed and are told after the next command. */
  #unsaid: Set<number> | undefined;
  #overflow: string | undefined; // Not yet said.
  #again = false; // Something came while nothing could be said.

  constructor(session: ImapSession) {
    this.#session = session;
  }

  /** Something is being said whose end has to be waited for: of a literal, perhaps. */
  get telling(): Promise<void> | undefined {
    return this.#telling;
  }

  /** Before a command: flags and new messages are told, so that it meets the newest. */
  catchUp(state: Selected): Done {
    return this.tell(state, 'later');
  }

  /** Looks at the folder on a timer and tells what comes, until `unwatch`. */
  watch(state: Selected): void {
    this.#unwatch ??= state.folder.watch((newest) => {
      if (state.view.isCurrent(newest)) void this.#lookForFolder(state);
      this.#changed();
    });
  }

  /** Nothing is new: perhaps since it cannot be looked at any more. */
  async #lookForFolder(state: Selected): Promise<void> {
    const gone = await isGone(state.folder);
    await this.#telling;
    if (!gone || this.#session.state !== state) return;
    this.#session.folderGone();
  }

  unwatch(): void {
    this.#unwatch?.();
    this.#unwatch = undefined;
  }

  /** The folder is left. */
  leave(): void {
    this.unwatch();
    this.idle = false;
    this.#again = false;
    this.#unsaid = undefined;
  }

  /** NOTIFY SET (RFC 5465 §3): what was asked for before counts no more. */
  async notifyOf(mail: Mail, wanted: Wanted): Promise<void> {
    const watched = await Watched.open(this.#session, mail, wanted.groups);
    this.notifyNothing();
    if (this.#session.closed) return watched.close();
    this.#notify = { selected: wanted.selected, watched };
    if (wanted.sayNow) watched.sayAll();
    const { state } = this.#session;
    if (state.name === 'selected') this.selected(state);
  }

  notifyNothing(): void {
    this.#notify?.watched.close();
    this.#notify = undefined;
    if (!this.idle) this.unwatch();
  }

  /** More came to be watched than can be: nothing is from now on (RFC 5465 §5.8). */
  overflow(text: string): void {
    this.notifyNothing();
    this.#overflow = text;
    if (!this.#session.busy || this.idle) this.#sayOverflow();
    this.#session.flush();
  }

  #sayOverflow(): void {
    if (this.#overflow === undefined || this.#telling !== undefined) return;
    this.#session.untagged(`OK [NOTIFICATIONOVERFLOW] ${this.#overflow}`);
    this.#overflow = undefined;
  }

  /** A folder is open now. */
  selected(state: Selected): void {
    if (this.#notify?.selected !== undefined) this.watch(state);
  }

  /** Between commands NOTIFY tells what came while one ran. */
  commandEnded(): void {
    if (this.#session.closed) return;
    this.#sayOverflow();
    this.#notify?.watched.sayChanges();
  }

  /** Something of a watched folder may be another. */
  stir(): void {
    this.#changed();
  }

  /** The session is over. */
  close(): void {
    this.leave();
    this.notifyNothing();
  }

  /** IDLE begins; the folder is looked at now. */
  startIdle(): void {
    this.idle = true;
    const { state } = this.#session;
    if (state.name !== 'selected') return;
    this.watch(state);
    state.folder.refresh().then(
      () => this.#changed(),
      () => {}, // The watch looks again.
    );
  }

  endIdle(): void {
    this.idle = false;
    if (this.#notify?.selected === undefined) this.unwatch();
  }

  #changed(): void {
    const { state } = this.#session;
    const asked = this.idle || this.#notify !== undefined;
    // No EXPUNGE between commands (RFC 9051 §7.5.1) but for NOTIFY; the next command tells.
    if (!asked || (this.#session.busy && !this.idle)) return;
    if (this.#session.blocked || this.#telling !== undefined) {
      this.#again = true;
      return;
    }
    this.#notify?.watched.sayChanges();
    const selected = this.#notify?.selected;
    if (state.name === 'selected' && (this.idle || selected !== undefined)) {
      const { expunges, flags } = this.idle || selected === undefined ? IDLE : selected;
      void this.tell(state, expunges, flags);
    }
    this.#session.flush();
  }

  /** The client took what waited. */
  flowed(): void {
    if (!this.#again || this.#session.blocked || this.#telling !== undefined) return;
    this.#again = false;
    this.#changed();
  }

  /** Tells what changed since the last time. */
  tell(state: Selected, expunges: 'now' | 'later', flags: SelectedWanted['flags'] = 'told'): Done {
    if (this.#telling !== undefined) {
      return this.#telling.then(() => this.tell(state, expunges, flags));
    }
    const { folder, view } = state;
    const newest = folder.state;
    if (view.isCurrent(newest) && this.#unsaid === undefined) return;
    if (this.#session.state !== state) return;
    const before = view.count;
    const update = view.advance(newest, expunges, this.#session.enabled.condstore);
    if (update === 'reset') return this.#session.folderReplaced(newest);
    if (update !== undefined) this.#sayNumbers(state, update);
    const changed = this.#flagsToSay(state, update?.changed ?? NOTHING, flags);
    const said = this.#sayChanges(state, changed);
    const items = this.#notify?.selected?.items ?? [];
    if (update?.exists === undefined || items.length === 0) return said;
    return this.#hold(this.#sayNew(state, items, before - update.expunged.length, said));
  }

  /** Numbers of messages whose flags are told now; the others wait for a command. */
  #flagsToSay(
    { view }: Selected,
    changed: readonly number[],
    flags: SelectedWanted['flags'],
  ): readonly number[] {
    if (flags === 'told' && this.#unsaid === undefined) return changed;
    const uids = (this.#unsaid ??= new Set());
    for (const number of changed) uids.add((view.at(number) as Numbered).uid);
    if (flags === 'not-told') return NOTHING;
    this.#unsaid = undefined;
    const numbers = [...uids].map((uid) => view.numberOf(uid)).filter((number) => number > 0);
    return numbers.toSorted((a, b) => a - b);
  }

  /** New messages with what the client wants to know of them (RFC 5465 §5.2). */
  async #sayNew(
    state: Selected,
    items: readonly FetchItem[],
    from: number,
    said: Done,
  ): Promise<void> {
    await said;
    const { enabled } = this.#session;
    const has = (name: string): boolean =>
      items.some((item) => item.kind === 'plain' && item.name === name);
    const modseq = enabled.condstore && has('FLAGS') && !has('MODSEQ'); // RFC 7162 §3.1.
    const all: readonly FetchItem[] = modseq ? [...items, MODSEQ] : items;
    const request = { items: all, changedSince: undefined, vanished: 'not-told' } as const;
    const plan = fetchPlan(request, enabled.qresync || enabled.rev2 ? 'uid' : 'sequence');
    const spans = [[from, state.view.count]] as const;
    const job = { session: this.#session, state, spans, finish: () => {} };
    await fetchRows({ ...job, plan: { ...plan, seen: false } });
    this.#session.flush();
  }

  /** No command runs until this is said. Never rejects. */
  #hold(work: Promise<void>): Promise<void> {
    const telling = work
      .catch((error: unknown) => this.#session.tellingFailed(error))
      .then(() => {
        if (this.#telling === telling) this.#telling = undefined;
        this.flowed();
      });
    this.#telling = telling;
    return telling;
  }

  #sayNumbers({ view }: Selected, update: Update): void {
    const session = this.#session;
    if (session.enabled.qresync && update.vanished.length > 0) {
      session.untagged(`VANISHED ${formatSequence(update.vanished)}`);
    } else {
      for (const number of update.expunged) session.untagged(`${number} EXPUNGE`);
    }
    if (update.exists === undefined) return;
    session.untagged(`${update.exists} EXISTS`);
    if (!session.enabled.rev2) session.untagged(`${view.recent.size} RECENT`);
  }

  /** FETCH with flags of the messages numbered so. */
  sayFlags(state: Selected, numbers: readonly number[]): Done {
    return this.#sayChanges(state, numbers);
  }

  #sayChanges(state: Selected, changed: readonly number[]): Done {
    const next = this.#sayPiece(state, changed, 0);
    if (next >= changed.length) return;
    return this.#hold(this.#sayRest(state, changed, next));
  }

  async #sayRest(state: Selected, changed: readonly number[], from: number): Promise<void> {
    for (let next = from; next < changed.length;) {
      this.#session.flush();
      await this.#session.turnOfOthers();
      await this.#session.flowing();
      if (this.#session.state !== state) return; // It was left meanwhile.
      next = this.#sayPiece(state, changed, next);
    }
  }

  #sayPiece(state: Selected, changed: readonly number[], from: number): number {
    let text = '';
    let index = from;
    for (; index < changed.length && text.length < UPDATE_BYTES_MAX; index += 1) {
      const number = changed[index] as number;
      text += this.#fetchLine(state, number, state.view.at(number) as Numbered);
    }
    this.#session.say(text);
    return index;
  }

  #fetchLine({ view }: Selected, number: number, message: Numbered): string {
    const { enabled } = this.#session;
    const flags = flagsText(message, !enabled.rev2 && view.recent.has(message.uid));
    const uid = enabled.qresync || enabled.rev2 ? `UID ${message.uid} ` : '';
    const modseq = enabled.condstore ? ` MODSEQ (${message.modseq})` : '';
    return `* ${number} FETCH (${uid}FLAGS (${flags})${modseq})\r\n`;
  }
}
