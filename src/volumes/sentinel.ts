import { isErrno, type Fs } from '#maildir';

/**
 * The sentinel: a file in a volume's root that says which volume it is. A mount point without
 * its mount has none, and a wrong mount has another's; either way nothing is written, or mail
 * would go into an empty directory and be hidden by the next mount.
 *
 * Text lines `name=value`; unknown names are ignored, so that a later format can add some.
 */
export const SENTINEL_NAME = '.mailfarm-volume';
const FORMAT = '1';
const SENTINEL_OCTETS_MAX = 4096;
const IDENTITY = /^[A-Za-z0-9._-]{1,64}$/;

export interface Sentinel {
  readonly identity: string;
  /** The volume's name when it was made; for people. */
  readonly name: string;
}

/** A volume cannot be given its sentinel. The message says what to do. */
export class SentinelError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'SentinelError';
  }
}

/** What a sentinel's text says, or undefined when it is none (torn, empty, another format). */
export function parseSentinel(text: string): Sentinel | undefined {
  const fields = new Map<string, string>();
  for (const line of text.split('\n')) {
    const equals = line.indexOf('=');
    if (equals > 0) fields.set(line.slice(0, equals), line.slice(equals + 1));
  }
  const identity = fields.get('identity') ?? '';
  // Only a text that ends in its last line is whole: a torn identity could be another's.
  const whole = text.endsWith('\n') && fields.get('format') === FORMAT;
  return whole && IDENTITY.test(identity)
    ? { identity, name: fields.get('name') ?? '' }
    : undefined;
}

/** The text of a sentinel. @throws SentinelError when the identity cannot be one. */
export function formatSentinel(sentinel: Sentinel): string {
  if (!IDENTITY.test(sentinel.identity)) {
    throw new SentinelError(
      `The identity ${JSON.stringify(sentinel.identity)} is not 1 to 64 of A-Z a-z 0-9 . _ -`,
    );
  }
  const name = sentinel.name.replaceAll(/[^ -~]/g, '_');
  return `identity=${sentinel.identity}\nname=${name}\nformat=${FORMAT}\n`;
}

/**
 * Reads the sentinel of the volume at `path`; undefined when there is none or it is torn.
 * @throws a system error other than "not there".
 */
export async function readSentinel(fs: Fs, path: string): Promise<Sentinel | undefined> {
  const text = await readText(fs, `${path}/${SENTINEL_NAME}`);
  return text === undefined ? undefined : parseSentinel(text);
}

async function readText(fs: Fs, file: string): Promise<string | undefined> {
  let fd: number;
  try {
    fd = await fs.openRead(file);
  } catch (error) {
    if (isErrno(error, 'ENOENT') || isErrno(error, 'ENOTDIR')) return undefined;
    throw error;
  }
  try {
    const buffer = Buffer.alloc(SENTINEL_OCTETS_MAX);
    const length = await fs.read(fd, buffer, 0);
    return buffer.toString('latin1', 0, length);
  } finally {
    await fs.close(fd).catch(() => {}); // Nothing was written: no error can matter.
  }
}

/**
 * Gives the mounted directory at `path` its sentinel. Done already is success; a torn sentinel of
 * an earlier attempt is made anew; that of another volume is left alone.
 * @throws SentinelError; a system error (no such directory, no permission, no space).
 */
export async function initVolume(
  fs: Fs,
  path: string,
  sentinel: Sentinel,
): Promise<'made' | 'there'> {
  const file = `${path}/${SENTINEL_NAME}`;
  const text = formatSentinel(sentinel);
  const found = await readText(fs, file);
  const parsed = found === undefined ? undefined : parseSentinel(found);
  if (parsed?.identity === sentinel.identity) return 'there';
  if (parsed !== undefined) {
    throw new SentinelError(
      `${path} is volume ${parsed.name} with identity ${parsed.identity}, ` +
        `not ${sentinel.identity}: give the volume that identity, or mount the right one`,
    );
  }
  if (found !== undefined) await fs.unlink(file);
  await writeWhole(fs, file, Buffer.from(text, 'latin1'));
  return 'made';
}

async function writeWhole(fs: Fs, file: string, bytes: Uint8Array): Promise<void> {
  const fd = await fs.create(file);
  try {
    await fs.write(fd, bytes, 0);
    await fs.fsync(fd);
  } finally {
    await fs.close(fd);
  }
  const directory = await fs.openRead(file.slice(0, file.lastIndexOf('/')));
  try {
    await fs.fsync(directory);
  } finally {
    await fs.close(directory);
  }
}
