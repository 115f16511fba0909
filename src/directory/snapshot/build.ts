import { createHash } from 'node:crypto';
import { open, rename, rm, type FileHandle } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import type { Random } from '../../base/random.ts';
import * as format from './format.ts';
import type { RecordBody, Slot } from './format.ts';

const WRITE_BYTES = 1024 * 1024;
/** Slots of a page that are used on average: seldom is one full, and then the next one goes on. */
const SLOTS_USED = 16;

/**
 * Writes a snapshot beside its place and renames it when it is whole and synced. Whoever looks
 * sees the old file or the new one; a crash leaves the old one, and a `.new` file that the next
 * run overwrites.
 */
export class SnapshotWriter {
  readonly #path: string;
  readonly #beside: string;
  readonly #file: FileHandle;
  readonly #identity: number;
  readonly #digest = createHash('sha256');
  readonly #slots: Slot[] = [];
  #pending: Buffer[] = [];
  #pendingBytes = 0;
  #at = format.HEADER_BYTES;
  #written = format.HEADER_BYTES;
  #records = 0;

  private constructor(path: string, beside: string, file: FileHandle, identity: number) {
    this.#path = path;
    this.#beside = beside;
    this.#file = file;
    this.#identity = identity;
  }

  /** @throws errors of the file system */
  static async create(path: string, random: Random): Promise<SnapshotWriter> {
    const full = resolve(path);
    const beside = `${full}.new`;
    await rm(beside, { force: true }); // A leftover may have another owner or mode.
    const file = await open(beside, 'wx', 0o600);
    const identity = Buffer.from(random.bytes(4)).readUInt32LE(0);
    return new SnapshotWriter(full, beside, file, identity);
  }

  /** Adds a record and gives its place, which other records may name. */
  async add(body: RecordBody): Promise<number> {
    const at = this.#at;
    const bytes = format.encodeRecord(body, this.#identity, at);
    for (const key of body.keys) this.#slots.push({ hash: format.keyHash(key), at });
    this.#records += 1;
    await this.#put(bytes);
    return at;
  }

  /** One more key for a record that is there already; the record must name it. */
  link(key: string, at: number): void {
    this.#slots.push({ hash: format.keyHash(key), at });
  }

  /** Pages, header, fsync, rename, fsync of the folder. Afterwards the snapshot is in place. */
  async finish(about: {
    readonly createdAt: number;
    readonly withPasswords: boolean;
  }): Promise<void> {
    const pagesAt = this.#at;
    const pages = Math.max(1, Math.ceil(this.#slots.length / SLOTS_USED));
    for (const page of this.#pages(pages)) await this.#put(page);
    await this.#flush();
    const header = format.encodeHeader({
      ...about,
      identity: this.#identity,
      records: this.#records,
      pagesAt,
      pages,
      fileBytes: this.#at,
      digest: this.#digest.digest(),
    });
    await this.#file.write(header, 0, header.length, 0);
    await this.#file.sync();
    await this.#file.close();
    await rename(this.#beside, this.#path);
    const folder = await open(dirname(this.#path));
    try {
      await folder.sync();
    } finally {
      await folder.close();
    }
  }

  /** Leaves what is in place as it is. */
  async abandon(): Promise<void> {
    await this.#file.close().catch(() => {});
    await rm(this.#beside, { force: true });
  }

  /** What does not fit into a page goes into the next one, around the end if need be. */
  *#pages(pages: number): Generator<Buffer> {
    const filled: Slot[][] = Array.from({ length: pages }, () => []);
    const more = new Set<number>();
    for (const slot of this.#slots) {
      let index = format.pageOfHash(slot.hash, pages);
      while ((filled[index]?.length ?? 0) >= format.SLOTS_PER_PAGE) {
        more.add(index);
        index = (index + 1) % pages;
      }
      filled[index]?.push(slot);
    }
    for (const [index, slots] of filled.entries()) {
      yield format.encodePage(
        { slots, more: more.has(index) },
        { identity: this.#identity, index },
      );
    }
  }

  async #put(bytes: Buffer): Promise<void> {
    this.#pending.push(bytes);
    this.#pendingBytes += bytes.length;
    this.#at += bytes.length;
    if (this.#pendingBytes >= WRITE_BYTES) await this.#flush();
  }

  async #flush(): Promise<void> {
    const bytes = Buffer.concat(this.#pending);
    this.#pending = [];
    this.#pendingBytes = 0;
    this.#digest.update(bytes);
    for (let done = 0; done < bytes.length;) {
      const { bytesWritten } = await this.#file.write(
        bytes,
        done,
        bytes.length - done,
        this.#written,
      );
      done += bytesWritten;
      this.#written += bytesWritten;
    }
  }
}
