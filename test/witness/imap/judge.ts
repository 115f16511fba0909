/**
 * What must follow from what clients of one folder asked and were told.
 *
 * One order of changes explains every view. Change numbers (MODSEQ, RFC 7162) are that order: each
 * change of a message has one, the same for everybody, so
 * - a message has one set of flags at one MODSEQ, whoever is told of it; for a session neither a
 *   message's MODSEQ nor HIGHESTMODSEQ goes back;
 * - a view that holds a change holds every earlier one too: when a NOOP is answered, no message of
 *   the view is older than a change that others were told of and that is below the view's newest;
 * - what a session sees follows its own grammar: sequence numbers, UIDs that ascend, EXISTS that
 *   only EXPUNGE lowers, no EXPUNGE while it would move numbers under a command.
 *
 * Nothing comes of nothing. A flag that is there was set by somebody who had asked before it was
 * seen; one that was set with success and is not there at a later MODSEQ, or in the end, was taken
 * away by somebody who had not finished before it was set. So for messages: whatever went was
 * expunged or moved by somebody who had asked before, and had been marked before; whatever is
 * there under a serial was appended or copied, as often at most. A UID is one serial for ever.
 *
 * Others than IMAP clients may work in the folder: what an MX delivered with success is there,
 * once, unless somebody took it away; what POP3 removed counts as expunged when it said QUIT.
 *
 * Times are of one clock and used in one direction only: what had ended before something began came
 * first. Where clients talk to several hosts, `fresh` says whether a session that begins must know
 * all that others were told before; without it a view may be older, never contradictory.
 */
import { Changes } from './changes.ts';
import { Messages } from './messages.ts';
import type { Exchange, Filed, Sessions, Violation, ViolationKind } from './records.ts';
import { type Row, View } from './view.ts';

export interface JudgeOptions {
  readonly fresh: boolean;
}

/** Words of NO that may come at any time: others work on the same messages. */
const GOOD_NO = /^\[(EXPUNGEISSUED|UNAVAILABLE|INUSE|NONEXISTENT)\]|no longer exist/i;

/** A view as it was when a NOOP was answered. */
interface Moment {
  readonly exchange: Exchange;
  readonly modseqs: ReadonlyMap<number, number>;
}

export class Judge {
  readonly violations: Violation[] = [];
  readonly #changes: Changes;
  readonly #messages: Messages;
  readonly #moments: Moment[] = [];
  readonly #ends = new Map<string, readonly Row[]>();

  constructor(options: JudgeOptions) {
    const complain = (kind: ViolationKind, client: string, text: string, at: number): void =>
      void this.violations.push({ kind, client, text, at });
    this.#changes = new Changes(complain);
    this.#messages = new Messages(complain, options.fresh);
  }

  judge(sessions: Sessions): readonly Violation[] {
    const byClient = Map.groupBy(sessions.exchanges, ({ client }) => client);
    for (const exchange of sessions.exchanges) {
      this.#changes.asked(exchange);
      this.#messages.asked(exchange);
    }
    for (const other of sessions.others ?? []) this.#messages.other(other);
    for (const [client, exchanges] of byClient) this.#replay(client, exchanges);
    for (const moment of this.#moments) this.#holes(moment);
    this.#changes.judge((uid, before) => this.#messages.isRemovedBefore(uid, before));
    this.#messages.judge();
    this.#end(sessions.files);
    return this.violations;
  }

  /** One client's session once more, as it was told. */
  #replay(client: string, exchanges: readonly Exchange[]): void {
    const view = new View((kind, text, at) => this.violations.push({ kind, client, text, at }));
    for (const exchange of exchanges) {
      const { op, answer } = exchange;
      if (op.kind === 'select') view.begin();
      for (const response of answer.untagged) {
        const taken = view.take(response, op);
        if (taken === undefined) continue;
        if ('gone' in taken) this.#messages.went(exchange, taken.gone.uid, response.at);
        else {
          this.#changes.saw(exchange, taken.told, response.at);
          this.#messages.saw(exchange, taken.told, response.at);
        }
      }
      view.end();
      if (op.kind === 'select') this.#messages.selected(exchange, view);
      this.#status(exchange);
      const known = view.rows.every(({ uid, modseq }) => uid !== undefined && modseq !== undefined);
      if (op.kind === 'fetch' && known) this.#messages.listed(exchange, view);
      if (op.kind === 'noop') {
        const modseqs = new Map<number, number>();
        for (const { uid, modseq } of view.rows) {
          if (uid !== undefined && modseq !== undefined) modseqs.set(uid, modseq);
        }
        this.#moments.push({ exchange, modseqs });
      }
    }
    if (exchanges.at(-1)?.final === true) this.#ends.set(client, view.rows);
  }

  #status({ client, op, answer }: Exchange): void {
    if (answer.status === 'OK') return;
    if (answer.status === 'NO' && GOOD_NO.test(answer.text)) return;
    const text = `${op.kind}: ${answer.status} ${answer.text}`;
    this.violations.push({ kind: 'wrong-answer', client, text, at: answer.doneAt });
  }

  #holes({ exchange, modseqs }: Moment): void {
    const newest = Math.max(0, ...modseqs.values());
    for (const [uid, modseq] of modseqs) {
      const missed = this.#changes.between(uid, modseq, newest, exchange.answer.sentAt);
      if (missed === undefined) continue;
      const text = `UID ${uid} at MODSEQ ${modseq}; ${missed} came before ${newest}, which is seen`;
      this.violations.push({
        kind: 'hole',
        client: exchange.client,
        text,
        at: exchange.answer.doneAt,
      });
    }
  }

  /** All the same, and the same as the files. */
  #end(files: readonly Filed[] | undefined): void {
    const shown = [...this.#ends].map(([client, rows]) => ({
      client,
      text: rows.map(({ uid, flags }) => `${uid} (${flags?.join(' ')})`).join(', '),
    }));
    const [first] = shown;
    for (const { client, text } of shown) {
      if (first === undefined || text === first.text) continue;
      const both = `${first.client}: ${first.text}; ${client}: ${text}`;
      this.violations.push({ kind: 'views-differ', client, text: both, at: Date.now() });
    }
    const rows = [...this.#ends.values()][0];
    if (files === undefined || rows === undefined) return;
    const told = rows.map(({ serial, flags }) => fileText(serial ?? '?', flags ?? [])).toSorted();
    const found = files.map(({ serial, flags }) => fileText(serial, flags)).toSorted();
    if (told.join() === found.join()) return;
    const text = `files: ${found.join(', ')}; clients: ${told.join(', ')}`;
    this.violations.push({ kind: 'files-differ', client: '', text, at: Date.now() });
  }
}

const fileText = (serial: string, flags: readonly string[]): string =>
  `${serial} ${flags.filter((flag) => flag.startsWith('\\')).join(' ')}`;
