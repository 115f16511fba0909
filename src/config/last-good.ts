/**
 * The last good settings of the farm, so that a node can start while the directory is away.
 * A cache: deleting it costs only that. Mode 0600, since settings may hold what is nobody's
 * business; written beside and renamed, so that a crash leaves the old file or the new one; with
 * a checksum, so that a torn or edited file counts as no file.
 *
 * The file lies on the node's own disk, never on a volume.
 */
import { createHash } from 'node:crypto';
import { open, readFile, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../base/clock.ts';

export interface LastGood {
  /** Milliseconds since 1970 when the directory gave them. */
  readonly savedAt: number;
  readonly settings: ReadonlyMap<string, string>;
  /** `SERVICE HOST:PORT` values of the node's entry, needed to start without the directory. */
  readonly listen: readonly string[];
}

const NAME = 'last-good.json';
const FORMAT = 1;
const FILE_BYTES_MAX = 4 * 1024 * 1024;

/** Where the file lies in a node's state directory. */
export const lastGoodPath = (data: string): string => join(data, NAME);

/** The state directory does not take the file; the node goes on without a cache. */
export class LastGoodError extends Error {
  readonly code = 'MF-CONFIG-001';
  constructor(path: string, cause: unknown) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    super(`${path} cannot be written: ${reason}: MF-CONFIG-001`, { cause });
    this.name = 'LastGoodError';
  }
}

/** Writes the file atomically. @throws LastGoodError. */
export async function writeLastGood(
  data: string,
  state: Omit<LastGood, 'savedAt'>,
  clock: Clock,
): Promise<void> {
  const payload = JSON.stringify({
    savedAt: Math.round(clock.now()),
    settings: Object.fromEntries(state.settings),
    listen: state.listen,
  });
  const text = `${JSON.stringify({ format: FORMAT, sha256: digest(payload) })}\n${payload}\n`;
  const path = lastGoodPath(data);
  const beside = `${path}.${process.pid}.new`;
  try {
    const file = await open(beside, 'w', 0o600);
    try {
      await file.chmod(0o600); // A leftover of a crash may have another mode.
      await file.writeFile(text);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(beside, path);
  } catch (error) {
    await rm(beside, { force: true }).catch(() => {});
    throw new LastGoodError(path, error);
  }
}

/** What was written last, or undefined: no file, a torn one, a changed one, an older format. */
export async function readLastGood(data: string): Promise<LastGood | undefined> {
  try {
    const path = lastGoodPath(data);
    if ((await stat(path)).size > FILE_BYTES_MAX) return undefined;
    const [head = '', payload = '', end] = (await readFile(path, 'utf8')).split('\n');
    const { format, sha256 } = JSON.parse(head) as Record<string, unknown> & HeadLine;
    if (format !== FORMAT || sha256 !== digest(payload) || end !== '') return undefined;
    const state = JSON.parse(payload) as PayloadLine;
    return {
      savedAt: state.savedAt,
      settings: new Map(Object.entries(state.settings)),
      listen: state.listen,
    };
  } catch {
    return undefined; // Whatever is wrong with a cache, it is as if it were not there.
  }
}

type HeadLine = { readonly format: unknown; readonly sha256: unknown };

interface PayloadLine {
  readonly savedAt: number;
  readonly settings: Readonly<Record<string, string>>;
  readonly listen: readonly string[];
}

const digest = (text: string): string => createHash('sha256').update(text).digest('hex');
