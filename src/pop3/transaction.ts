import type { Account } from '../directory/types.ts';
import type { Maildrop } from '../mailbox/types.ts';

/** What exists while a mailbox is open: the snapshot and the marks of DELE (RFC 1939 §5). */
export class Transaction {
  readonly name = 'transaction';
  readonly account: Account;
  readonly drop: Maildrop;
  #deleted: Uint8Array | undefined; // A byte for each message, made by the first DELE.
  #deletedCount = 0;
  #octets = -1; // Of the messages not marked; -1 until somebody asks.

  constructor(account: Account, drop: Maildrop) {
    this.account = account;
    this.drop = drop;
  }

  /** Messages that are not marked. */
  get count(): number {
    return this.drop.count - this.#deletedCount;
  }

  /** Octets of the messages that are not marked. */
  get octets(): number {
    if (this.#octets < 0) {
      this.#octets = 0;
      for (let index = 0; index < this.drop.count; index += 1) {
        if (!this.isDeleted(index)) this.#octets += this.drop.octets(index);
      }
    }
    return this.#octets;
  }

  isDeleted(index: number): boolean {
    return this.#deleted !== undefined && this.#deleted[index] === 1;
  }

  delete(index: number): void {
    if (this.isDeleted(index)) return;
    this.#deleted ??= new Uint8Array(this.drop.count);
    this.#deleted[index] = 1;
    this.#deletedCount += 1;
    if (this.#octets >= 0) this.#octets -= this.drop.octets(index);
  }

  undelete(): void {
    this.#deleted = undefined;
    this.#deletedCount = 0;
    this.#octets = -1;
  }

  /** Indices of the marked messages, in order. */
  marked(): number[] {
    const indices: number[] = [];
    if (this.#deleted === undefined) return indices;
    for (let index = 0; index < this.#deleted.length; index += 1) {
      if (this.#deleted[index] === 1) indices.push(index);
    }
    return indices;
  }
}
