/** What one session knows of its folder, built from what the server says and from nothing else. */
import type { Op, ViolationKind } from './records.ts';
import type { Response, Value } from './wire.ts';

export interface Row {
  uid: number | undefined;
  flags: readonly string[] | undefined;
  modseq: number | undefined;
  serial: string | undefined;
}

/** One untagged FETCH, as far as it said. */
export interface Told {
  readonly sequence: number;
  readonly uid?: number;
  /** The response had the UID itself; else it is that of the row. */
  readonly named: boolean;
  readonly flags?: readonly string[];
  readonly modseq?: number;
  readonly serial?: string;
}

type Complain = (kind: ViolationKind, text: string, at: number) => void;

/** Commands in answer to which no EXPUNGE may come: sequence numbers would change meanwhile. */
const STEADY: ReadonlySet<string> = new Set(['fetch', 'store']);

export class View {
  readonly rows: Row[] = [];
  uidNext = 0;
  uidValidity = 0;
  highest = 0;
  readonly #complain: Complain;
  #selecting = false;

  constructor(complain: Complain) {
    this.#complain = complain;
  }

  /** A SELECT begins: what was known does not count. */
  begin(): void {
    this.rows.length = 0;
    this.#selecting = true;
  }

  end(): void {
    this.#selecting = false;
  }

  get uids(): number[] {
    return this.rows.flatMap(({ uid }) => (uid === undefined ? [] : [uid]));
  }

  /** @returns the row that a FETCH spoke of, or the one that EXPUNGE took */
  take(response: Response, op: Op): { readonly told: Told } | { readonly gone: Row } | undefined {
    const { values, at, text } = response;
    const [first, second] = values;
    if (first === 'OK' && typeof second === 'string') this.#code(second, at);
    if (typeof first !== 'string' || !/^\d+$/.test(first)) return undefined;
    const number = Number(first);
    if (second === 'EXISTS') this.#exists(number, text, at);
    else if (second === 'EXPUNGE') return this.#expunge(number, op, text, at);
    else if (second === 'FETCH') return this.#fetch(number, values[2], text, at);
    return undefined;
  }

  #code(text: string, at: number): void {
    const [, name, value] = /^\[(UIDNEXT|UIDVALIDITY|HIGHESTMODSEQ) (\d+)\]/.exec(text) ?? [];
    const number = Number(value);
    if (name === 'UIDNEXT') this.uidNext = number;
    if (name === 'HIGHESTMODSEQ') this.highest = Math.max(this.highest, number);
    if (name !== 'UIDVALIDITY') return;
    if (this.uidValidity !== 0 && this.uidValidity !== number) {
      this.#complain('uidvalidity', `was ${this.uidValidity}, is ${number}`, at);
    }
    this.uidValidity = number;
  }

  #exists(count: number, text: string, at: number): void {
    if (count < this.rows.length && !this.#selecting) {
      this.#complain('view', `${text}, after ${this.rows.length}`, at);
    }
    while (this.rows.length < count) {
      this.rows.push({ uid: undefined, flags: undefined, modseq: undefined, serial: undefined });
    }
  }

  #expunge(number: number, op: Op, text: string, at: number): { readonly gone: Row } | undefined {
    const bySequence = 'by' in op && op.by === 'sequence' && STEADY.has(op.kind);
    if (bySequence) this.#complain('expunge-forbidden', `${text} during ${op.kind}`, at);
    const [gone] = this.rows.splice(number - 1, 1);
    if (number > 0 && gone !== undefined) return { gone };
    this.#complain('view', `${text} of ${this.rows.length}`, at);
    return undefined;
  }

  #fetch(
    sequence: number,
    list: Value | undefined,
    text: string,
    at: number,
  ): { readonly told: Told } | undefined {
    const said = attributes(Array.isArray(list) ? list : []);
    const told: Told = { sequence, named: said.uid !== undefined, ...said };
    const row = this.rows[sequence - 1];
    if (row === undefined) {
      this.#complain('view', `${text}, of ${this.rows.length} messages`, at);
      return undefined;
    }
    if (told.uid !== undefined) this.#uid(row, sequence, told.uid, at);
    if (told.modseq !== undefined && told.modseq < (row.modseq ?? 0)) {
      this.#complain('modseq-back', `${text}, after MODSEQ ${row.modseq}`, at);
    }
    Object.assign(row, said);
    return { told: row.uid === undefined ? told : { ...told, uid: row.uid } };
  }

  #uid(row: Row, sequence: number, uid: number, at: number): void {
    if (row.uid !== undefined && row.uid !== uid) {
      this.#complain('view', `message ${sequence} was UID ${row.uid}, is UID ${uid}`, at);
    }
    const before = this.rows[sequence - 2]?.uid ?? 0;
    const after = this.rows[sequence]?.uid ?? Infinity;
    if (uid <= before || uid >= after) {
      this.#complain('uid-order', `UID ${uid} between ${before} and ${after}`, at);
    }
  }
}

function attributes(list: readonly Value[]): Omit<Told, 'sequence' | 'named'> {
  const found: { uid?: number; flags?: string[]; modseq?: number; serial?: string } = {};
  for (let i = 0; i + 1 < list.length; i += 2) {
    const [name, value] = [list[i], list[i + 1]];
    if (name === 'UID') found.uid = Number(value);
    if (name === 'MODSEQ' && Array.isArray(value)) found.modseq = Number(value[0]);
    if (name === 'FLAGS' && Array.isArray(value)) {
      const flags = value.map(String).filter((flag) => flag.toLowerCase() !== '\\recent');
      found.flags = flags.toSorted();
    }
    if (typeof name === 'string' && name.startsWith('BODY[')) {
      const serial = /X-Serial: (\S+)/i.exec(String(value))?.[1];
      if (serial !== undefined) found.serial = serial;
    }
  }
  return found;
}
