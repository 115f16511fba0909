import type { Logger } from '../log/types.ts';
import type { Located } from '../volumes/table.ts';
import { nameOctets, type Entry } from '#maildir';
import { mailboxEvents } from './metrics.ts';
import { READ_CHUNK_BYTES, readWire, shortFile } from './reader.ts';
import type { Maildrop } from './types.ts';
import { uidlOf } from './uidl.ts';
import { lineEndsOf } from './wire.ts';

/** One `remove` of the volume: enough to spare calls, few enough for its deadline. */
const REMOVE_BATCH = 200;

export interface MaildropParts {
  readonly mailbox: Located;
  /** In arrival order; shared with other sessions. */
  readonly entries: readonly Entry[];
  /** Wire octets of each. */
  readonly sizes: Float64Array;
  readonly log: Logger;
  /** Called with their stored octets and number when messages were removed. */
  readonly onRemoved: (octets: number, messages: number) => void;
}

/** A snapshot of a Maildir's INBOX. It holds names and sizes, nothing of the messages. */
export class MaildirMaildrop implements Maildrop {
  readonly #parts: MaildropParts;
  /** Messages that were found under another name than the listing's. */
  #moved: Map<number, Entry> | undefined;

  constructor(parts: MaildropParts) {
    this.#parts = parts;
  }

  get listing(): object {
    return this.#parts.entries;
  }

  get count(): number {
    return this.#parts.entries.length;
  }

  octets(index: number): number {
    this.#entry(index);
    return this.#parts.sizes[index] as number;
  }

  /** The file's name and directory, as they were seen last. */
  entry(index: number): Entry {
    return this.#entry(index);
  }

  uidl(index: number): string {
    return uidlOf(this.#entry(index).name);
  }

  async *read(index: number): AsyncGenerator<Buffer> {
    const { volume, maildir } = this.#parts.mailbox;
    const size = this.octets(index) < READ_CHUNK_BYTES ? 'small' : 'large';
    const source = {
      volume,
      maildir,
      entry: () => this.#entry(index),
      moved: (entry: Entry) => void (this.#moved ??= new Map()).set(index, entry),
    };
    const { stored, sent } = yield* readWire(source, { offset: 0, end: Infinity, size });
    if (sent !== this.octets(index)) await this.#wrongSize(index, stored, sent);
  }

  async remove(indices: readonly number[]): Promise<readonly number[]> {
    const { volume, maildir } = this.#parts.mailbox;
    const failed: number[] = [];
    for (let from = 0; from < indices.length; from += REMOVE_BATCH) {
      const batch = indices.slice(from, from + REMOVE_BATCH);
      const entries = batch.map((index) => this.#entry(index));
      try {
        const errors = await volume.remove({ maildir, entries });
        failed.push(...batch.filter((_, at) => errors[at] !== undefined));
        const removed = entries.filter((_, at) => errors[at] === undefined);
        this.#parts.onRemoved(storedOctets(removed), removed.length);
      } catch {
        // Counted by the volume. The rest would fail as slowly.
        return failed.concat(indices.slice(from));
      }
    }
    return failed;
  }

  #entry(index: number): Entry {
    const entry = this.#moved?.get(index) ?? this.#parts.entries[index];
    if (entry === undefined) throw new RangeError(`No message ${index}`);
    return entry;
  }

  /**
   * The file is not as long as its name says. A short one must not look whole to the client, so
   * this throws; the name that another tool gave is corrected for the next session.
   */
  async #wrongSize(index: number, octets: number, wireOctets: number): Promise<void> {
    const { mailbox, log } = this.#parts;
    const entry = this.#entry(index);
    const short = wireOctets < this.octets(index);
    mailboxEvents.inc(short ? 'short-file' : 'long-file');
    const fields = { maildir: mailbox.maildir, name: entry.name, octets };
    if (lineEndsOf(entry.name) === 'bare-lf') {
      const request = { maildir: mailbox.maildir, entry, octets, wireOctets };
      await mailbox.volume.setSizes(request).catch(() => {});
    }
    if (!short) return log.warn(fields, 'file longer than its name says');
    log.error({ code: 'MF-MBX-001', ...fields }, 'file shorter than its name says');
    throw shortFile(mailbox.maildir, entry.name, octets);
  }
}

/** Sum of S= over names. */
export function storedOctets(entries: readonly Entry[]): number {
  let sum = 0;
  for (const { name } of entries) sum += nameOctets(name) ?? 0;
  return sum;
}

/** The maildrop of a user who never got mail. */
export const EMPTY_MAILDROP: Maildrop = {
  listing: {},
  count: 0,
  octets: (index) => noMessage(index),
  uidl: (index) => noMessage(index),
  read: (index) => noMessage(index),
  remove: async (indices) => (indices.length === 0 ? [] : noMessage(indices[0] ?? 0)),
};

function noMessage(index: number): never {
  throw new RangeError(`No message ${index}`);
}
