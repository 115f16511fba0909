/**
 * Tells a client what changed in its folder: EXPUNGE or VANISHED, EXISTS, RECENT, FETCH
 * (RFC 9051 §7.3, §7.4; RFC 7162 §3.2.10), after a command, in IDLE, and with NOTIFY at any time
 * between commands. One telling at a time; a large one waits for the client to take it.
 */
import type { Mail, Numbered } from '../mailbox/mail.ts';
import type { Done } from '../net/line-transport.ts';
import { isGone } from './gone.ts';
import { UPDATE_BYTES_MAX } from './options.ts';
import type { ImapSession } from './session.ts';
import type { Selected } from './state.ts';
import type { Update } from './view.ts';
import { Watched } from './watched.ts';
import { flagsText } from './wire/flags.ts';
import { formatSequence } from './wire/sequence.ts';

/** What NOTIFY asks for. */
export interface Wanted {
  readonly selected: boolean;
  /** Names of other folders. */
  readonly others: Iterable<string>;
  /** A STATUS of each at once. */
  readonly sayNow: boolean;
}

export class Teller {
  readonly #session: ImapSession;
  /** IDLE runs: changes are told as they come. */
  idle = false;
  #unwatch: (() => void) | undefined;
  #telling: Promise<void> | undefined;
  #notify: { readonly selected: boolean; readonly watched: Watched } | undefined;
  #again = false; // Something came while nothing could be said.

  constructor(session: ImapSession) {
    this.#session = session;
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
    if (!(await isGone(state.folder)) || this.#session.state !== state) return;
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
  }

  /** NOTIFY SET (RFC 5465 §3): what was asked for before counts no more. */
  async notifyOf(mail: Mail, wanted: Wanted): Promise<void> {
    const watched = await Watched.open(this.#session, mail, wanted.others);
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

  /** A folder is open now. */
  selected(state: Selected): void {
    if (this.#notify?.selected === true) this.watch(state);
  }

  /** Between commands NOTIFY tells what came while one ran. */
  commandEnded(): void {
    if (!this.#session.closed) this.#notify?.watched.sayChanges();
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
    if (this.#notify?.selected !== true) this.unwatch();
  }

  #changed(): void {
    const { state } = this.#session;
    const asked = this.idle || this.#notify !== undefined;
    // No EXPUNGE between commands (RFC 9051 §7.5.1) but for NOTIFY; the next command tells.
    if (!asked || (this.#session.busy && !this.idle)) return;
    if (this.#session.congested || this.#telling !== undefined) {
      this.#again = true;
      return;
    }
    this.#notify?.watched.sayChanges();
    if (state.name === 'selected' && (this.idle || this.#notify?.selected === true)) {
      void this.tell(state, 'now');
    }
    this.#session.flush();
  }

  /** The client took what waited. */
  flowed(): void {
    if (!this.#again || this.#session.congested || this.#telling !== undefined) return;
    this.#again = false;
    this.#changed();
  }

  /** Tells what changed since the last time. */
  tell(state: Selected, expunges: 'now' | 'later'): Done {
    if (this.#telling !== undefined) {
      return this.#telling.then(() => this.tell(state, expunges));
    }
    const { folder, view } = state;
    const newest = folder.state;
    if (view.isCurrent(newest)) return;
    const update = view.advance(newest, expunges, this.#session.enabled.condstore);
    if (update === 'reset') return this.#session.folderReplaced(newest);
    if (update === undefined) return;
    this.#sayNumbers(state, update);
    return this.#sayChanges(state, update.changed);
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
    this.#telling = this.#sayRest(state, changed, next);
    return this.#telling;
  }

  async #sayRest(state: Selected, changed: readonly number[], from: number): Promise<void> {
    try {
      for (let next = from; next < changed.length;) {
        this.#session.flush();
        await this.#session.turnOfOthers();
        await this.#session.flowing();
        if (this.#session.state !== state) return; // It was left meanwhile.
        next = this.#sayPiece(state, changed, next);
      }
    } catch {
      // The connection is gone.
    } finally {
      this.#telling = undefined;
    }
    this.flowed();
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
