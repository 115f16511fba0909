/**
 * Uploaded files (RFC 8620 §6.1): facts of the user, so that whatever node is asked next has them.
 *
 * A file is kept in pieces `<id>.<n>` of a mebibyte and, last of all, `<id>.is`, which says how
 * many there are: without it there is no such blob, so what a node left when it died half-way is
 * never read. An id begins with the second it was made in: a listing of names says what is too old,
 * and how much there is.
 *
 * Who removes what is too old: the node that takes the next upload of the user, or begins a session
 * for one, at most once an hour in a worker. `<id>.is` goes first. Two nodes that remove the same
 * disturb nobody; a reader in the middle of a file that is removed a day after it came sees it
 * break off. Beyond the limit of what a user may keep, uploads are refused; two nodes that take
 * some at once overshoot by what they take at once.
 *
 * Not counted for the quota: they are gone in a day, or counted in the message that they became.
 */
import type { Clock } from '../base/clock.ts';
import type { Random } from '../base/random.ts';
import type { UserFacts } from '../mailbox/user-facts.ts';
import { StoreError } from '../volumes/error.ts';
import { UPLOAD_PIECE_BYTES } from './options.ts';
import { BlobError, type KeptBlob, type OpenBlob } from './types.ts';
import { isRecord } from './wire/values.ts';

const DRAWER = 'uploads';
const ID = /^[0-9a-z]{7}[A-Za-z0-9_-]{22}$/;
const NAME = /^([0-9a-z]{7}[A-Za-z0-9_-]{22})\.(is|\d{1,6})$/;
const SWEEP_MS = 3_600_000;
/** A file with nothing in it counts as so much. */
const EMPTY_BYTES = 4_096;

export interface UploadLimits {
  /** Octets of one file, and of all that a user keeps. */
  readonly size: number;
  readonly total: number;
  readonly keepMs: number;
}

export interface UploadsOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly limits: UploadLimits;
}

/** Uploads of all users of a worker. */
export class Uploads {
  readonly #options: UploadsOptions;
  /** By account, when its uploads were looked through; those of long ago are forgotten. */
  readonly #swept = new Map<string, number>();

  constructor(options: UploadsOptions) {
    this.#options = options;
  }

  /** @throws StoreError, BlobError */
  async keep(
    facts: UserFacts,
    content: AsyncIterable<Uint8Array>,
    type: string,
  ): Promise<KeptBlob> {
    const { limits, clock, random } = this.#options;
    const used = await this.#sweep(facts);
    const seconds = Math.floor(clock.now() / 1000).toString(36);
    const id = `${seconds.padStart(7, '0')}${Buffer.from(random.bytes(16)).toString('base64url')}`;
    let [octets, pieces] = [0, 0];
    try {
      for await (const piece of inPieces(content)) {
        octets += piece.length;
        if (octets > limits.size) {
          throw new BlobError('too-large', `A file may have ${limits.size} octets`);
        }
        if (used + octets > limits.total) throw tooMuch(limits);
        await facts.put(DRAWER, `${id}.${pieces}`, piece);
        pieces += 1;
      }
      if (octets === 0 && used + EMPTY_BYTES > limits.total) throw tooMuch(limits);
      const is = Buffer.from(JSON.stringify({ type, octets, pieces }));
      await facts.put(DRAWER, `${id}.is`, is);
    } catch (error) {
      await this.#remove(facts, id, pieces + 1).catch(() => {}); // The sweep does the rest.
      throw error;
    }
    return { blobId: `u${id}`, type, size: octets };
  }

  /** @throws StoreError */
  async open(facts: UserFacts, blobId: string): Promise<OpenBlob | undefined> {
    const id = blobId.slice(1);
    if (!ID.test(id)) return undefined;
    const is = readIs(await facts.read(DRAWER, `${id}.is`));
    if (is === undefined) return undefined;
    const { type, octets, pieces } = is;
    return { octets, type, name: undefined, read: () => readPieces(facts, id, pieces) };
  }

  /** Removes what is too old, where nobody of this worker has looked for an hour. */
  async sweepSometimes(accountId: string, facts: UserFacts): Promise<void> {
    const now = this.#options.clock.now();
    const last = this.#swept.get(accountId);
    if (last !== undefined && now - last < SWEEP_MS) return;
    for (const [id, at] of this.#swept) {
      if (now - at < SWEEP_MS) break; // Oldest first.
      this.#swept.delete(id);
    }
    this.#swept.delete(accountId);
    this.#swept.set(accountId, now);
    await this.#sweep(facts);
  }

  /** @returns octets that are kept, whole pieces; an empty file is a file as well */
  async #sweep(facts: UserFacts): Promise<number> {
    const oldest = (this.#options.clock.now() - this.#options.limits.keepMs) / 1000;
    let kept = 0;
    let last: string | undefined;
    const old = new Map<string, number>();
    for (const name of await facts.list(DRAWER)) {
      const [, id, part] = NAME.exec(name) ?? [];
      if (id === undefined || part === undefined) continue;
      if (Number.parseInt(id.slice(0, 7), 36) >= oldest) {
        // Of `n.0` and `n.is` the former comes first.
        if (part !== 'is') kept += UPLOAD_PIECE_BYTES;
        else if (id !== last) kept += EMPTY_BYTES;
        last = id;
      } else {
        old.set(id, Math.max(old.get(id) ?? 0, part === 'is' ? 0 : Number(part) + 1));
      }
    }
    for (const [id, pieces] of old) await this.#remove(facts, id, pieces);
    return kept;
  }

  async #remove(facts: UserFacts, id: string, pieces: number): Promise<void> {
    await facts.remove(DRAWER, `${id}.is`);
    for (let n = 0; n < pieces; n += 1) await facts.remove(DRAWER, `${id}.${n}`);
  }
}

const tooMuch = ({ total }: UploadLimits): BlobError =>
  new BlobError('too-much', `Files of ${total} octets may be kept at once`);

async function* readPieces(facts: UserFacts, id: string, pieces: number): AsyncGenerator<Buffer> {
  for (let n = 0; n < pieces; n += 1) {
    const piece = await facts.read(DRAWER, `${id}.${n}`);
    if (piece === undefined) throw new StoreError('message-gone', `upload ${id} has no piece ${n}`);
    yield piece;
  }
}

/** Pieces of the full size but the last, whatever sizes they come in. */
async function* inPieces(content: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer> {
  let held: Uint8Array[] = [];
  let octets = 0;
  for await (let piece of content) {
    while (octets + piece.length >= UPLOAD_PIECE_BYTES) {
      const cut = UPLOAD_PIECE_BYTES - octets;
      yield Buffer.concat([...held, piece.subarray(0, cut)]);
      held = [];
      octets = 0;
      piece = piece.subarray(cut);
    }
    if (piece.length === 0) continue;
    held.push(Buffer.from(piece)); // A copy: the giver may use its buffer again.
    octets += piece.length;
  }
  if (octets > 0) yield Buffer.concat(held);
}

interface Is {
  readonly type: string;
  readonly octets: number;
  readonly pieces: number;
}

function readIs(bytes: Buffer | undefined): Is | undefined {
  if (bytes === undefined) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(bytes.toString('utf8'));
  } catch {
    return undefined; // Not written by us.
  }
  if (!isRecord(value)) return undefined;
  const { type, octets, pieces } = value;
  if (typeof type !== 'string' || !isCount(octets) || !isCount(pieces)) return undefined;
  return { type, octets, pieces };
}

const isCount = (value: unknown): value is number =>
  Number.isSafeInteger(value) && Number(value) >= 0;
