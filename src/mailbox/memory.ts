import { systemClock, type Clock } from '../base/clock.ts';
import type { Account } from '../directory/types.ts';
import { StoreError } from '../volumes/error.ts';
import type { Numbered } from '#maildir';
import type { Mail } from './mail.ts';
import { MemoryMail, type MemoryLimits } from './memory-mail.ts';
import { MemoryMailbox, wireOctetsOf, type MemoryFolderData } from './memory-mailbox.ts';
import type { Maildrop, MailStore } from './types.ts';
import { uidlOf } from './uidl.ts';
import { lineEndsOf, wireForm } from './wire.ts';

const LIMITS: MemoryLimits = { foldersMax: 1000, messageMax: 50 * 1024 * 1024 };

/** A store in this process, for tests of protocols; it passes what the Maildir store passes. */
export class MemoryStore implements MailStore {
  readonly #mailboxes = new Map<string, MemoryMailbox>();
  readonly #clock: Clock;
  readonly #limits: MemoryLimits;

  constructor(clock: Clock = systemClock, limits: MemoryLimits = LIMITS) {
    this.#clock = clock;
    this.#limits = limits;
  }

  /** Adds a message in stored form (LF line ends), under a name of our own unless given. */
  deliver(account: Account, stored: Uint8Array, name?: string): void {
    const message = {
      stored: Buffer.from(stored),
      directory: 'new',
      letters: '',
      keywords: [],
      date: this.#clock.now(),
      ...(name !== undefined && { name }),
    } as const;
    this.#mailbox(account).inbox.put([message]);
  }

  async openMaildrop(account: Account): Promise<Maildrop> {
    return new MemoryMaildrop(this.#mailbox(account).inbox);
  }

  async openMail(account: Account): Promise<Mail> {
    return new MemoryMail(account, this.#mailbox(account), this.#limits);
  }

  async usage(account: Account): Promise<number> {
    return this.#mailbox(account).octets;
  }

  #mailbox(account: Account): MemoryMailbox {
    const known = this.#mailboxes.get(account.id) ?? new MemoryMailbox(this.#clock);
    this.#mailboxes.set(account.id, known);
    return known;
  }
}

class MemoryMaildrop implements Maildrop {
  readonly #inbox: MemoryFolderData;
  readonly #snapshot: readonly Numbered[];
  /** Sizes stay when a message goes. */
  readonly #octets: readonly number[];

  constructor(inbox: MemoryFolderData) {
    this.#inbox = inbox;
    this.#snapshot = inbox.state.messages;
    this.#octets = this.#snapshot.map(({ key, entry }) =>
      wireOctetsOf(entry.name, inbox.contents.get(key) as Buffer),
    );
  }

  get listing(): object {
    return this.#snapshot;
  }

  get count(): number {
    return this.#snapshot.length;
  }

  octets(index: number): number {
    this.#at(index);
    return this.#octets[index] as number;
  }

  uidl(index: number): string {
    return uidlOf(this.#at(index).entry.name);
  }

  async *read(index: number): AsyncGenerator<Buffer> {
    const { key, entry } = this.#at(index);
    const stored = this.#inbox.contents.get(key);
    if (stored === undefined) throw new StoreError('message-gone', `${key} was deleted`);
    if (stored.length > 0) yield wireForm(lineEndsOf(entry.name)).convert(stored);
  }

  async remove(indices: readonly number[]): Promise<readonly number[]> {
    this.#inbox.expunge(indices.map((index) => this.#at(index).uid));
    return [];
  }

  #at(index: number): Numbered {
    const message = this.#snapshot[index];
    if (message === undefined) throw new RangeError(`No message ${index}`);
    return message;
  }
}
