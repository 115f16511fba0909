import type { Account } from '../directory/types.ts';
import { StoreError } from '../volumes/error.ts';
import type { Maildrop, MailStore } from './types.ts';
import { uidlOf } from './uidl.ts';
import { lineEndsOf, wireForm } from './wire.ts';

interface MemoryMessage {
  readonly name: string;
  readonly stored: Buffer;
}

/** A store in this process, for tests of protocols; it passes what the Maildir store passes. */
export class MemoryStore implements MailStore {
  readonly #mailboxes = new Map<string, MemoryMessage[]>();
  #count = 0;

  /** Adds a message in stored form (LF line ends), under a name of our own unless given. */
  deliver(account: Account, stored: Uint8Array, name?: string): void {
    const messages = this.#mailboxes.get(account.id) ?? [];
    this.#mailboxes.set(account.id, messages);
    this.#count += 1;
    const random = this.#count.toString(16).padStart(16, '0');
    const own = `${1_700_000_000 + this.#count}.M0P1Q${this.#count}R${random}.memory`;
    messages.push({ name: name ?? own, stored: Buffer.from(stored) });
  }

  async openMaildrop(account: Account): Promise<Maildrop> {
    const messages = this.#mailboxes.get(account.id) ?? [];
    return new MemoryMaildrop(messages);
  }

  async usage(account: Account): Promise<number> {
    const messages = this.#mailboxes.get(account.id) ?? [];
    return messages.reduce((sum, { stored }) => sum + stored.length, 0);
  }
}

class MemoryMaildrop implements Maildrop {
  readonly #mailbox: MemoryMessage[];
  readonly #snapshot: readonly MemoryMessage[];

  constructor(mailbox: MemoryMessage[]) {
    this.#mailbox = mailbox;
    this.#snapshot = [...mailbox];
  }

  get listing(): object {
    return this.#snapshot;
  }

  get count(): number {
    return this.#snapshot.length;
  }

  octets(index: number): number {
    return convert(this.#at(index)).length;
  }

  uidl(index: number): string {
    return uidlOf(this.#at(index).name);
  }

  async *read(index: number): AsyncGenerator<Buffer> {
    const message = this.#at(index);
    if (!this.#mailbox.includes(message)) {
      throw new StoreError('message-gone', `${message.name} was deleted`);
    }
    if (message.stored.length > 0) yield convert(message);
  }

  async remove(indices: readonly number[]): Promise<readonly number[]> {
    for (const index of indices) {
      const at = this.#mailbox.indexOf(this.#at(index));
      if (at >= 0) this.#mailbox.splice(at, 1);
    }
    return [];
  }

  #at(index: number): MemoryMessage {
    const message = this.#snapshot[index];
    if (message === undefined) throw new RangeError(`No message ${index}`);
    return message;
  }
}

const convert = ({ name, stored }: MemoryMessage): Buffer =>
  wireForm(lineEndsOf(name)).convert(stored);
