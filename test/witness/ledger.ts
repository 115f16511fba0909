/**
 * The ledger: an append-only file of our own, a JSON record a line.
 *
 * Invariant: what `durable` was awaited for survives any death of the witness or its host. Records
 * keep their order. Many records share an fsync: one is under way at a time, and what is appended
 * meanwhile goes with the next.
 *
 * A torn last line (the witness was killed while writing) counts as not written, and is cut off
 * before anything is appended, or the next record would be torn with it.
 */
import { close, closeSync, fsync, fsyncSync, ftruncateSync, openSync, readFileSync } from 'node:fs';
import { write } from 'node:fs';
import { promisify } from 'node:util';
import type { Entry } from './records.ts';

const writeAsync = promisify(write);
const fsyncAsync = promisify(fsync);
const closeAsync = promisify(close);

export class Ledger {
  readonly path: string;
  readonly #fd: number;
  #lines: string[] = [];
  #flushing: Promise<void> | undefined;
  #failed: Error | undefined;

  private constructor(path: string, fd: number) {
    this.path = path;
    this.#fd = fd;
  }

  /** Opens or makes it. @returns what stands in it. @throws Error for what is no ledger. */
  static open(path: string): { readonly ledger: Ledger; readonly entries: readonly Entry[] } {
    const { entries, octets } = readLedger(path);
    const fd = openSync(path, 'a', 0o600); // It has passwords in it.
    try {
      ftruncateSync(fd, octets);
      fsyncSync(fd);
    } catch (error) {
      closeSync(fd);
      throw error;
    }
    return { ledger: new Ledger(path, fd), entries };
  }

  /** Durable some time later. */
  append(entry: Entry): void {
    this.#lines.push(`${JSON.stringify(entry)}\n`);
    if (this.#lines.length > 500) void this.durable().catch(() => {});
  }

  /** Resolves when all that was appended is durable. @throws Error when the disk refuses. */
  async durable(): Promise<void> {
    if (this.#flushing) await this.#flushing;
    while (this.#lines.length > 0) {
      // Others that waited for the same flush may have begun the next.
      this.#flushing ??= this.#flush().finally(() => (this.#flushing = undefined));
      await this.#flushing;
    }
    if (this.#failed) throw this.#failed;
  }

  async close(): Promise<void> {
    await this.durable();
    await closeAsync(this.#fd);
  }

  async #flush(): Promise<void> {
    let octets = Buffer.from(this.#lines.join(''), 'utf8');
    this.#lines = [];
    try {
      while (octets.length > 0) {
        const { bytesWritten } = await writeAsync(this.#fd, octets);
        octets = octets.subarray(bytesWritten);
      }
      await fsyncAsync(this.#fd);
    } catch (error) {
      this.#failed ??= error as Error; // From here on the ledger proves nothing.
      throw error;
    }
  }
}

/** What stands in a ledger, and how many octets of it are whole lines. */
export function readLedger(path: string): {
  readonly entries: readonly Entry[];
  readonly octets: number;
} {
  let content: Buffer;
  try {
    content = readFileSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return { entries: [], octets: 0 };
    throw error;
  }
  const octets = content.lastIndexOf(0x0a) + 1;
  const lines = content.toString('utf8', 0, octets).split('\n').slice(0, -1);
  const entries = lines.map((line, i) => {
    try {
      return JSON.parse(line) as Entry;
    } catch {
      throw new Error(`${path}: line ${i + 1} is no record: this is no ledger, or it is damaged`);
    }
  });
  if (entries.length > 0 && entries[0]?.kind !== 'begin') {
    throw new Error(`${path} is not a ledger of the witness`);
  }
  return { entries, octets };
}
