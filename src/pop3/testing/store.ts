import type { Account } from '../../directory/types.ts';
import type { Mail } from '../../mailbox/mail.ts';
import type { Maildrop, MailStore } from '../../mailbox/types.ts';
import { StoreError, type StoreErrorKind } from '../../volumes/error.ts';

export interface StoredMessage {
  readonly uidl: string;
  readonly wire: Buffer;
}

/** A store of wire-form messages that fails on demand: what a real one cannot be asked to do. */
export class FaultyStore implements MailStore {
  messages: StoredMessage[];
  chunkBytes = 65_536;
  openFails: StoreErrorKind | Error | undefined;
  /** Fails the read of any message before this piece (0 is the first). */
  readFails: { readonly piece: number; readonly error: StoreErrorKind | Error } | undefined;
  removeFails: 'all' | 'throws' | readonly number[] = [];
  /** Before a piece is given; to hold a command. */
  beforePiece: (() => Promise<void>) | undefined;
  openReads = 0;

  constructor(bodies: readonly (string | Buffer)[]) {
    this.messages = bodies.map((body, index) => ({
      uidl: `u${index + 1}`,
      wire: typeof body === 'string' ? Buffer.from(body) : body,
    }));
  }

  async openMaildrop(_account: Account): Promise<Maildrop> {
    if (this.openFails !== undefined) throw asError(this.openFails);
    return new FaultyDrop(this, [...this.messages]);
  }

  async openMail(_account: Account): Promise<Mail> {
    throw new Error('POP3 opens no folders');
  }

  async usage(_account: Account): Promise<number> {
    return this.messages.reduce((sum, { wire }) => sum + wire.length, 0);
  }
}

class FaultyDrop implements Maildrop {
  readonly listing = {};
  readonly #store: FaultyStore;
  readonly #snapshot: readonly StoredMessage[];

  constructor(store: FaultyStore, snapshot: readonly StoredMessage[]) {
    this.#store = store;
    this.#snapshot = snapshot;
  }

  get count(): number {
    return this.#snapshot.length;
  }

  octets(index: number): number {
    return this.#at(index).wire.length;
  }

  uidl(index: number): string {
    return this.#at(index).uidl;
  }

  async *read(index: number): AsyncGenerator<Buffer> {
    const { wire, uidl } = this.#at(index);
    const store = this.#store;
    store.openReads += 1;
    try {
      if (!store.messages.some((message) => message.uidl === uidl)) {
        throw new StoreError('message-gone', `message ${uidl} is gone`);
      }
      let piece = 0;
      for (let at = 0; at < wire.length; at += store.chunkBytes) {
        if (store.readFails?.piece === piece) throw asError(store.readFails.error);
        await store.beforePiece?.();
        yield wire.subarray(at, at + store.chunkBytes);
        piece += 1;
      }
    } finally {
      store.openReads -= 1;
    }
  }

  async remove(indices: readonly number[]): Promise<readonly number[]> {
    const fails = this.#store.removeFails;
    if (fails === 'throws') throw new StoreError('volume-down', 'mail1 does not answer');
    if (fails === 'all') return indices;
    const gone = new Set<string>();
    for (const index of indices) if (!fails.includes(index)) gone.add(this.#at(index).uidl);
    this.#store.messages = this.#store.messages.filter(({ uidl }) => !gone.has(uidl));
    return indices.filter((index) => fails.includes(index));
  }

  #at(index: number): StoredMessage {
    const message = this.#snapshot[index];
    if (message === undefined) throw new RangeError(`no message ${index}`);
    return message;
  }
}

const asError = (error: StoreErrorKind | Error): Error =>
  typeof error === 'string' ? new StoreError(error, `made to fail: ${error}`) : error;
