import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import { mkdir, open, readdir, readFile, rename, rm, truncate } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import type { Logger } from '../../log/types.ts';
import { parseDn, dnKey } from '../dn.ts';
import type { Entry } from './entry.ts';
import { deleteToLdif, entryToLdif, readLdif, recordToEntry } from './ldif.ts';

/**
 * The embedded directory on disk: local state of the host that serves it, not a mail volume.
 *
 *     directory.ldif      the whole tree at some moment, with its generation G
 *     changes-G.ldif      what changed since then, one batch after the other
 *
 * A batch names the newest entryCSN of the tree after it, which a delete leaves on no entry.
 * A change is acknowledged when its batch is on disk. A batch carries its length and checksum, so
 * a crash leaves at most one torn batch at the end, which was not acknowledged and is dropped.
 * When the journal has grown, the tree is written to a temporary file, synced, renamed to
 * directory.ldif with generation G+1, and changes-(G+1).ldif starts empty: whatever moment the
 * host stops at, exactly one snapshot and the journal of its generation are found.
 * Why not the whole file for each change: at 200,000 users that is 100 MB for one alias.
 *
 * Errors: MF-DIR-010 torn, MF-DIR-011 damaged, MF-DIR-013 cannot write.
 */
export type StoredChange =
  | { readonly kind: 'put'; readonly entry: Entry }
  | { readonly kind: 'delete'; readonly entry: Entry };

/** The data on disk is damaged, or cannot be written. */
export class StoreFailure extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'StoreFailure';
  }
}

export interface StoreOptions {
  readonly directory: string;
  /** Octets after which the journal is folded into the snapshot. */
  readonly journalBytesMax: () => number;
  readonly logger: Logger;
}

const SNAPSHOT = 'directory.ldif';
const TEMPORARY = 'directory.ldif.new';
const journalName = (generation: number): string => `changes-${generation}.ldif`;
const SLICE_BYTES = 1_048_576;

export class Store {
  readonly #options: StoreOptions;
  #generation: number;
  #journal: FileHandle;
  #bytes: number;
  #snapshotBytes: number;
  #broken: Error | undefined;

  private constructor(init: {
    options: StoreOptions;
    generation: number;
    journal: FileHandle;
    bytes: number;
    snapshotBytes: number;
  }) {
    this.#options = init.options;
    this.#generation = init.generation;
    this.#journal = init.journal;
    this.#bytes = init.bytes;
    this.#snapshotBytes = init.snapshotBytes;
  }

  /**
   * Reads what is there; an empty or missing directory is an empty tree.
   * @throws StoreFailure (MF-DIR-011) when it is damaged anywhere but in a torn last batch.
   */
  static async open(
    options: StoreOptions,
    load: (change: StoredChange) => void,
    saw: (contextCsn: string) => void = () => {},
  ): Promise<Store> {
    await mkdir(options.directory, { recursive: true, mode: 0o700 });
    const snapshot = await readSnapshot(join(options.directory, SNAPSHOT));
    for (const entry of snapshot.entries) load({ kind: 'put', entry });
    const path = join(options.directory, journalName(snapshot.generation));
    const bytes = await replay(path, options.logger, { load, saw });
    const flags = constants.O_CREAT | constants.O_WRONLY | constants.O_APPEND;
    const journal = await open(path, flags, 0o600);
    await journal.datasync();
    await removeOthers(options.directory, journalName(snapshot.generation));
    await syncDirectory(options.directory);
    const { generation, bytes: snapshotBytes } = snapshot;
    return new Store({ options, generation, journal, bytes, snapshotBytes });
  }

  /** Resolves when the changes are on disk, all or none. @throws StoreFailure (MF-DIR-013) */
  async append(changes: readonly StoredChange[], contextCsn = ''): Promise<void> {
    if (this.#broken) throw new StoreFailure('The journal is broken (MF-DIR-013)');
    const mark = contextCsn === '' ? '' : `${CSN_MARK}${contextCsn}\n\n`;
    const body = `${changes.map(changeToLdif).join('')}${mark}`;
    const batch = Buffer.from(`${header(Buffer.from(body))}${body}`);
    try {
      await this.#journal.appendFile(batch);
      await this.#journal.datasync();
      this.#bytes += batch.length;
    } catch (error) {
      await this.#undo(error);
      throw new StoreFailure('The journal cannot be written (MF-DIR-013)', { cause: error });
    }
  }

  /** Takes back what a failed append may have left. */
  async #undo(cause: unknown): Promise<void> {
    this.#options.logger.error({ err: cause }, 'MF-DIR-013 cannot write the directory journal');
    try {
      await this.#journal.truncate(this.#bytes);
      await this.#journal.datasync();
    } catch (error) {
      this.#broken = error instanceof Error ? error : new Error(String(error));
    }
  }

  get foldIsDue(): boolean {
    return this.#bytes > Math.max(this.#options.journalBytesMax(), this.#snapshotBytes / 2);
  }

  /** Writes the tree as the next generation. The caller lets no change happen meanwhile. */
  async fold(entries: Iterable<Entry>): Promise<void> {
    const { directory } = this.#options;
    const generation = this.#generation + 1;
    const bytes = await writeSnapshot(join(directory, TEMPORARY), generation, entries);
    const path = join(directory, journalName(generation));
    const flags = constants.O_CREAT | constants.O_TRUNC | constants.O_WRONLY | constants.O_APPEND;
    const journal = await open(path, flags, 0o600);
    await journal.datasync();
    await rename(join(directory, TEMPORARY), join(directory, SNAPSHOT));
    // From here the old journal no longer counts; nothing may be written to it any more.
    const previous = this.#journal;
    this.#journal = journal;
    this.#generation = generation;
    this.#bytes = 0;
    this.#snapshotBytes = bytes;
    try {
      await syncDirectory(directory);
    } catch (error) {
      this.#broken = error instanceof Error ? error : new Error(String(error));
      throw error;
    }
    await previous.close();
    await removeOthers(directory, journalName(generation));
  }

  async close(): Promise<void> {
    await this.#journal.close();
  }
}

/** A comment, so that LDIF stays LDIF. No value starts a line: names do. */
const CSN_MARK = '# contextCSN ';

const changeToLdif = (change: StoredChange): string =>
  change.kind === 'put' ? entryToLdif(change.entry, 'add') : deleteToLdif(change.entry.dn);

const checksum = (body: Buffer): string =>
  createHash('sha256').update(body).digest('hex').slice(0, 16);

const header = (body: Buffer): string => `# batch length=${body.length} sum=${checksum(body)}\n`;
const HEADER = /^# batch length=(\d{1,10}) sum=([0-9a-f]{16})\n/;
const HEADER_BYTES_MAX = 64;

/** The batch at `at`, or undefined where there is no whole one. */
function batchAt(bytes: Buffer, at: number): { body: Buffer; end: number } | undefined {
  const found = HEADER.exec(bytes.toString('latin1', at, at + HEADER_BYTES_MAX));
  if (!found) return undefined;
  const start = at + found[0].length;
  const end = start + Number(found[1]);
  const body = bytes.subarray(start, end);
  return end <= bytes.length && checksum(body) === found[2] ? { body, end } : undefined;
}

/** @returns the octets of the journal that count. */
async function replay(
  path: string,
  logger: Logger,
  into: { load: (change: StoredChange) => void; saw: (contextCsn: string) => void },
): Promise<number> {
  const bytes = await readOrEmpty(path);
  let at = 0;
  for (let batch = batchAt(bytes, at); batch; batch = batchAt(bytes, at)) {
    const text = batch.body.toString('utf8');
    for (const [, csn = ''] of text.matchAll(/^# contextCSN (\S+)$/gm)) into.saw(csn);
    for (const record of readLdif(text)) {
      const entry = recordToEntry(record);
      into.load({ kind: record.changetype === 'delete' ? 'delete' : 'put', entry });
    }
    at = batch.end;
  }
  if (at === bytes.length) return at;
  refuseDamage(path, bytes, at);
  logger.warn(
    { path, octets: bytes.length - at },
    'MF-DIR-010 the last record of the directory journal was torn and is dropped',
  );
  await truncate(path, at);
  return at;
}

/** A whole batch behind a broken one means damage, not a crash. */
function refuseDamage(path: string, bytes: Buffer, at: number): void {
  const mark = Buffer.from('\n# batch length=');
  for (let next = bytes.indexOf(mark, at); next >= 0; next = bytes.indexOf(mark, next + 1)) {
    if (!batchAt(bytes, next + 1)) continue;
    throw new StoreFailure(`${path} is damaged at octet ${at} (MF-DIR-011)`);
  }
}

async function readSnapshot(
  path: string,
): Promise<{ generation: number; bytes: number; entries: readonly Entry[] }> {
  const bytes = await readOrEmpty(path);
  if (bytes.length === 0) return { generation: 0, bytes: 0, entries: [] };
  const text = bytes.toString('utf8');
  const generation = /^# Mailfarm directory, generation (\d{1,15})\n/.exec(text)?.[1];
  let entries: Entry[];
  try {
    entries = [...readLdif(text)].map(recordToEntry);
  } catch (error) {
    throw new StoreFailure(`${path} is damaged: ${String(error)} (MF-DIR-011)`, { cause: error });
  }
  // A file somebody wrote by hand has neither line; one of ours has both.
  if (generation !== undefined && !text.endsWith(`# end, ${entries.length} entries\n`)) {
    throw new StoreFailure(`${path} is damaged: its end is missing (MF-DIR-011)`);
  }
  return { generation: Number(generation ?? 0), bytes: bytes.length, entries };
}

/** @returns octets written */
async function writeSnapshot(
  path: string,
  generation: number,
  entries: Iterable<Entry>,
): Promise<number> {
  const file = await open(path, 'w', 0o600);
  try {
    let bytes = 0;
    let count = 0;
    let slice = `# Mailfarm directory, generation ${generation}\nversion: 1\n\n`;
    for (const entry of entries) {
      slice += entryToLdif(entry);
      count += 1;
      if (slice.length < SLICE_BYTES) continue;
      bytes += slice.length;
      await file.appendFile(slice);
      slice = '';
    }
    slice += `# end, ${count} entries\n`;
    await file.appendFile(slice);
    await file.sync();
    return bytes + slice.length;
  } finally {
    await file.close();
  }
}

async function readOrEmpty(path: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT')
      return Buffer.alloc(0);
    throw error;
  }
}

/** Journals of other generations and a snapshot that was never finished. */
async function removeOthers(directory: string, keep: string): Promise<void> {
  for (const name of await readdir(directory)) {
    const ours = /^changes-\d+\.ldif$/.test(name) || name === TEMPORARY;
    if (ours && name !== keep) await rm(join(directory, name), { force: true });
  }
}

async function syncDirectory(directory: string): Promise<void> {
  const handle = await open(directory, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** The key of a DN in its string form, for whoever has only that. @throws DnError */
export const keyOf = (dn: string): string => dnKey(parseDn(dn));
