import { systemRandom, type Random } from '../../base/random.ts';
import type { LdapDirectoryOptions } from '../client/directory.ts';
import { SnapshotWriter } from './build.ts';
import { SnapshotError } from './format.ts';
import { inspectSnapshot } from './open.ts';
import { checkSchemes } from './passwords.ts';
import { readDirectory } from './farm.ts';
import { Records, type About, type Reading } from './records.ts';

export interface WriteOptions {
  readonly output: string;
  readonly withPasswords?: boolean;
  /** Replaces a newer snapshot, or one with more users by a tenth. */
  readonly force?: boolean;
  readonly random?: Random;
}

/** So many users, and a tenth of all, may go between two snapshots without anybody's word. */
const GONE_MAX = 10;

/**
 * Reads the live directory and writes a snapshot of it, in the place of the one before.
 * @throws SnapshotError; then the one before stays
 */
export async function writeSnapshot(
  options: WriteOptions & { readonly directory: LdapDirectoryOptions },
): Promise<About> {
  const before = await inspectSnapshot(options.output).catch(() => undefined);
  const sameTree = before?.about.suffix === options.directory.suffix;
  const notBefore = sameTree && !options.force ? (before?.about.contextCsn ?? []) : [];
  const reading = await readDirectory(options.directory, {
    withPasswords: options.withPasswords === true,
    notBefore,
  }).catch((error: unknown) => {
    if (notBefore.length === 0 || !(error instanceof SnapshotError)) throw error;
    const hint = `${options.output} is of ${notBefore.join(' ')}; --force replaces a newer one`;
    throw new SnapshotError(`${error.message} (${hint})`, { cause: error });
  });
  const users = before && sameTree ? before.about.counts.users : 0;
  const gone = users - reading.users.length;
  if (!options.force && gone > Math.max(GONE_MAX, users / 10)) {
    throw new SnapshotError(
      `${reading.source} shows ${reading.users.length} users, ${options.output} has ${users}: ` +
        'it is left as it is; --force replaces it',
    );
  }
  return await writeReading(reading, options);
}

/** Writes what was read. @throws SnapshotError, also when the file cannot be written */
export async function writeReading(reading: Reading, options: WriteOptions): Promise<About> {
  const withPasswords = options.withPasswords === true;
  if (withPasswords) checkSchemes(reading.users.map((entry) => reading.passwordsOf(entry)));
  let writer: SnapshotWriter | undefined;
  try {
    writer = await SnapshotWriter.create(options.output, options.random ?? systemRandom);
    const about = await new Records(writer, reading).write(withPasswords);
    await writer.finish({ createdAt: reading.createdAt, withPasswords });
    return about;
  } catch (error) {
    await writer?.abandon();
    throw new SnapshotError(`${options.output} cannot be written: ${(error as Error).message}`, {
      cause: error,
    });
  }
}
