/** Messages: what each UID is, who put it there, who could have taken it away. */
import type { Exchange, Other, ViolationKind } from './records.ts';
import type { Told, View } from './view.ts';

type Complain = (kind: ViolationKind, client: string, text: string, at: number) => void;

interface Known {
  serial: string | undefined;
  /** First time that anybody was told of it, and last time that somebody was told it went. */
  firstAt: number;
  wentAt: number | undefined;
}

interface Listing {
  readonly exchange: Exchange;
  readonly uids: ReadonlySet<number>;
  /** When the session that lists was begun. */
  readonly begunAt: number;
}

export class Messages {
  readonly #complain: Complain;
  readonly #fresh: boolean;
  readonly #known = new Map<number, Known>();
  /** When a message was first seen with \\Deleted, or earlier. */
  readonly #marked = new Map<number, number>();
  readonly #goneFrom = new Map<number, number>();
  readonly #byUid = new Map<number, Exchange[]>();
  readonly #expunges: Exchange[] = [];
  readonly #copies: Exchange[] = [];
  readonly #appended: { exchange: Exchange; uid: number }[] = [];
  /** How often a serial was appended. */
  readonly #attempts = new Map<string, number>();
  readonly #delivered: Other[] = [];
  /** By serial: when its end was asked for by other means than IMAP, and whether it was done. */
  readonly #removed = new Map<string, { from: number; sure: boolean }>();
  #room: ReadonlyMap<string, number> | undefined;
  readonly #went: { exchange: Exchange; uid: number; at: number }[] = [];
  readonly #listings: Listing[] = [];
  readonly #selects: { exchange: Exchange; uidNext: number; highest: number }[] = [];
  readonly #begun = new Map<string, number>();
  /** When somebody was first told of a MODSEQ this high, ascending. */
  readonly #modseqs: { at: number; modseq: number }[] = [];

  constructor(complain: Complain, fresh: boolean) {
    this.#complain = complain;
    this.#fresh = fresh;
  }

  asked(exchange: Exchange): void {
    const { op, answer } = exchange;
    if (op.kind === 'expunge') this.#expunges.push(exchange);
    if (op.kind === 'copy') this.#copies.push(exchange);
    for (const uid of 'uids' in op ? op.uids : []) {
      this.#byUid.set(uid, [...(this.#byUid.get(uid) ?? []), exchange]);
    }
    if (op.kind !== 'append') return;
    this.#attempts.set(op.serial, (this.#attempts.get(op.serial) ?? 0) + 1);
    const uid = Number(/^\[APPENDUID \d+ (\d+)\]/.exec(answer.text)?.[1] ?? NaN);
    if (Number.isNaN(uid)) return;
    this.#appended.push({ exchange, uid });
    this.#is(exchange, uid, op.serial, answer.doneAt, 'wrong-uid');
  }

  other(other: Other): void {
    const { kind, serial, sentAt, doneAt } = other;
    if (kind === 'removal') {
      const before = this.#removed.get(serial);
      const from = Math.min(before?.from ?? Infinity, sentAt);
      this.#removed.set(serial, { from, sure: doneAt !== undefined || before?.sure === true });
      return;
    }
    this.#attempts.set(serial, (this.#attempts.get(serial) ?? 0) + 1);
    if (doneAt !== undefined) this.#delivered.push(other);
  }

  /** Did others than IMAP clients ask for its end before this moment? */
  isRemovedBefore(uid: number, before: number): boolean {
    const serial = this.#known.get(uid)?.serial ?? '';
    return (this.#removed.get(serial)?.from ?? Infinity) < before;
  }

  /** The message with this UID has this serial, says an answer. */
  #is(
    exchange: Exchange,
    uid: number,
    serial: string | undefined,
    at: number,
    kind: ViolationKind,
  ): void {
    const known = this.#known.get(uid);
    if (known === undefined) {
      this.#known.set(uid, { serial, firstAt: at, wentAt: undefined });
      return;
    }
    known.firstAt = Math.min(known.firstAt, at);
    if (serial === undefined) return;
    known.serial ??= serial;
    if (known.serial === serial) return;
    const text = `UID ${uid} was ${known.serial}, is ${serial}`;
    this.#complain(kind, exchange.client, text, at);
  }

  saw(exchange: Exchange, told: Told, at: number): void {
    if (told.uid !== undefined) this.#is(exchange, told.uid, told.serial, at, 'uid-reused');
    if (told.uid !== undefined && told.flags?.includes('\\Deleted') === true) {
      const before = this.#marked.get(told.uid) ?? Infinity;
      this.#marked.set(told.uid, Math.min(before, exchange.answer.sentAt));
    }
    if (told.modseq !== undefined) this.#modseqs.push({ at, modseq: told.modseq });
  }

  went(exchange: Exchange, uid: number | undefined, at: number): void {
    if (uid === undefined) return;
    this.#went.push({ exchange, uid, at });
    const known = this.#known.get(uid);
    if (known !== undefined) known.wentAt = Math.min(known.wentAt ?? at, at);
  }

  selected(exchange: Exchange, view: View): void {
    this.#begun.set(exchange.client, exchange.answer.sentAt);
    this.#selects.push({ exchange, uidNext: view.uidNext, highest: view.highest });
    if (view.rows.length === 0) this.listed(exchange, view);
  }

  listed(exchange: Exchange, view: View): void {
    const begunAt = this.#begun.get(exchange.client) ?? exchange.answer.sentAt;
    this.#listings.push({ exchange, uids: new Set(view.uids), begunAt });
  }

  judge(): void {
    for (const { exchange, uid, at } of this.#went) this.#phantom(exchange, uid, at);
    for (const listing of this.#listings) this.#list(listing);
    for (const select of this.#selects) this.#select(select);
    this.#copyCodes();
    this.#deliveries();
    this.#doubles();
  }

  /** Could anybody have taken it away before this moment? */
  #mayBeGone(uid: number, before: number): boolean {
    let from = this.#goneFrom.get(uid);
    if (from === undefined) {
      from = this.#earliestEnd(uid);
      this.#goneFrom.set(uid, from);
    }
    return from < before;
  }

  /** When somebody first asked for what could take it away. */
  #earliestEnd(uid: number): number {
    const own = this.#byUid.get(uid) ?? [];
    const since = this.#markedSince(uid);
    const ends = [...own.filter(({ op }) => op.kind === 'uid-expunge'), ...this.#expunges].filter(
      ({ answer }) => answer.doneAt > since,
    );
    const moves = own.filter(({ op }) => op.kind === 'move');
    const removedFrom = this.#removed.get(this.#known.get(uid)?.serial ?? '')?.from ?? Infinity;
    return Math.min(removedFrom, ...[...ends, ...moves].map(({ answer }) => answer.sentAt));
  }

  /** When it may have got \\Deleted first: by somebody's STORE, or with what it is a copy of. */
  #markedSince(uid: number): number {
    const marks = (this.#byUid.get(uid) ?? []).filter(
      ({ op }) => op.kind === 'store' && op.how !== 'remove' && op.flags.includes('\\Deleted'),
    );
    const copied = this.#copies.flatMap((exchange) =>
      copiesOf(exchange)
        .filter(({ from, to }) => to === uid && from < uid)
        .map(({ from }) => Math.max(exchange.answer.sentAt, this.#markedSince(from))),
    );
    const seenAt = this.#marked.get(uid) ?? Infinity;
    return Math.min(seenAt, ...marks.map(({ answer }) => answer.sentAt), ...copied);
  }

  #phantom(exchange: Exchange, uid: number, at: number): void {
    if (this.#mayBeGone(uid, at)) return;
    this.#complain('phantom-expunge', exchange.client, `UID ${uid}`, at);
  }

  #list({ exchange, uids, begunAt }: Listing): void {
    const { client, answer, final } = exchange;
    for (const [uid, known] of this.#known) {
      const name = `UID ${uid} (${known.serial})`;
      const all = this.#fresh || final;
      if (uids.has(uid)) {
        const { wentAt } = known;
        if (final && this.#isRemoved(known)) {
          this.#complain('came-back', client, `${name}: removed by POP3`, answer.doneAt);
        }
        if (!all || wentAt === undefined || wentAt >= begunAt) continue;
        const text = `${name}: gone ${Math.round(begunAt - wentAt)} ms before this session began`;
        this.#complain('came-back', client, text, answer.doneAt);
      } else if (all && known.firstAt < begunAt && !this.#mayBeGone(uid, answer.doneAt)) {
        this.#complain('message-lost', client, name, answer.doneAt);
      }
    }
  }

  #select(select: { exchange: Exchange; uidNext: number; highest: number }): void {
    const { exchange, uidNext, highest } = select;
    const { answer, client } = exchange;
    for (const [uid, { firstAt }] of this.#known) {
      if (firstAt < answer.sentAt && this.#fresh && uid >= uidNext) {
        this.#complain('uid-order', client, `UIDNEXT ${uidNext}, UID ${uid} known`, answer.doneAt);
      }
    }
    const told = this.#modseqs.filter(({ at }) => at < answer.sentAt);
    const known = Math.max(0, ...told.map(({ modseq }) => modseq));
    if (this.#fresh && highest !== 0 && highest < known) {
      const text = `HIGHESTMODSEQ ${highest}, though ${known} was told before`;
      this.#complain('modseq-back', client, text, answer.doneAt);
    }
    for (const { exchange: later, uid } of this.#appended) {
      if (later.answer.sentAt < answer.doneAt || uid >= uidNext) continue;
      const text = `APPENDUID ${uid} after UIDNEXT ${uidNext} was told to ${client}`;
      this.#complain('uid-order', later.client, text, later.answer.doneAt);
    }
  }

  /** COPYUID within the folder: both are the same letter. */
  #copyCodes(): void {
    for (const exchange of this.#copies) {
      for (const { from, to } of copiesOf(exchange)) {
        const [a, b] = [this.#known.get(from)?.serial, this.#known.get(to)?.serial];
        if (a === undefined || b === undefined || a === b) continue;
        const text = `COPYUID ${from} → ${to}: ${a} and ${b}`;
        this.#complain('wrong-uid', exchange.client, text, exchange.answer.doneAt);
      }
    }
  }

  /** Removed for sure, and there was one of it only. */
  #isRemoved({ serial = '' }: Known): boolean {
    return this.#removed.get(serial)?.sure === true && this.#rooms().get(serial) === 1;
  }

  /** Somebody saw it, or it was removed before anybody could. */
  #deliveries(): void {
    const serials = new Set([...this.#known.values()].map(({ serial }) => serial));
    for (const { serial, who, doneAt = 0 } of this.#delivered) {
      if (serials.has(serial) || this.#removed.has(serial)) continue;
      this.#complain('message-lost', who, `${serial} was delivered, nobody ever saw it`, doneAt);
    }
  }

  /** How often each serial may be there, or have been. */
  #rooms(): ReadonlyMap<string, number> {
    if (this.#room !== undefined) return this.#room;
    const room = new Map(this.#attempts);
    for (const { op } of this.#copies) {
      for (const uid of 'uids' in op ? op.uids : []) {
        const serial = this.#known.get(uid)?.serial;
        if (serial !== undefined) room.set(serial, (room.get(serial) ?? 0) + 1);
      }
    }
    this.#room = room;
    return room;
  }

  #doubles(): void {
    const count = new Map<string, number>();
    for (const { serial } of this.#known.values()) {
      if (serial !== undefined) count.set(serial, (count.get(serial) ?? 0) + 1);
    }
    const room = this.#rooms();
    for (const [serial, found] of count) {
      const most = room.get(serial) ?? 0;
      if (found <= most) continue;
      this.#complain('doubled', '', `${serial}: ${found} UIDs, ${most} could be`, Date.now());
    }
  }
}

/** What COPYUID (RFC 9051 §7.1) says of an answer's copies, in its order. */
export function copiesOf({ answer }: Exchange): { readonly from: number; readonly to: number }[] {
  const texts = [answer.text, ...answer.untagged.map(({ text }) => text)];
  const code = texts.map((text) => /\[COPYUID \d+ (\S+) (\S+)\]/.exec(text)).find(Boolean);
  const to = uidsOf(code?.[2] ?? '');
  return uidsOf(code?.[1] ?? '').map((from, at) => ({ from, to: to[at] ?? 0 }));
}

/** `3:5,9` in its order. */
function uidsOf(set: string): number[] {
  if (set === '') return [];
  return set.split(',').flatMap((part) => {
    const [from = 0, to = from] = part.split(':').map(Number);
    const step = to < from ? -1 : 1;
    return Array.from({ length: Math.abs(to - from) + 1 }, (_, i) => from + i * step);
  });
}
