import { Book } from './book.ts';
import { Ledger } from './ledger.ts';
import { notBefore, now } from './options.ts';
import type { Entry } from './records.ts';
import type { Violation, ViolationKind } from './violation.ts';

const VIOLATIONS_MAX = 1_000;

/** Where everything is written down: into the ledger and into what is known, in one order. */
export class Desk {
  readonly book = new Book();
  readonly ledger: Ledger;
  readonly #told = new Set<string>();

  constructor(path: string) {
    const { ledger, entries } = Ledger.open(path);
    this.ledger = ledger;
    for (const entry of entries) {
      this.book.apply(entry);
      if ('at' in entry) notBefore(entry.at);
    }
    for (const { kind, mailbox, letter, uidl } of this.book.violations) {
      this.#told.add(`${kind} ${mailbox} ${letter ?? uidl}`);
    }
  }

  put(entry: Entry): void {
    this.book.apply(entry);
    this.ledger.append(entry);
  }

  /** Each once for a letter in a mailbox: later sessions would say it again and again. */
  violate(kind: ViolationKind, text: string, where: Partial<Violation>): void {
    const { mailbox, letter, uidl } = where;
    const key = `${kind} ${mailbox} ${letter ?? uidl}`;
    const named = letter !== undefined || uidl !== undefined;
    if (named && this.#told.has(key)) return;
    this.#told.add(key);
    if (this.book.violations.length >= VIOLATIONS_MAX) return;
    const violation = { kind, at: now(), phase: this.book.phase, ...where, text };
    this.put({ kind: 'violation', violation });
  }
}
