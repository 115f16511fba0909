import { openMaildirs, type Fs, type Lie, type Maildirs } from '../src/index.ts';

export const ROOT = '/mail1';

export interface EngineOptions {
  readonly directorySync?: 'always' | 'never';
  readonly onLie?: (lie: Lie) => void;
  readonly node?: string;
}

let engines = 0;

/** An engine whose time stands still and whose chance is a counter: names differ all the same. */
export function engineOn(fs: Fs, options: EngineOptions = {}): Maildirs {
  const seed = ++engines;
  let count = 0;
  return openMaildirs({
    fs,
    clock: { now: () => 1_700_000_000_000.25, sleep: async () => {} },
    random: {
      bytes: (n) => {
        const bytes = Buffer.alloc(n);
        bytes.writeUInt32BE(seed, 0);
        bytes.writeUInt32BE(count++, 4);
        return bytes;
      },
    },
    node: options.node ?? 'mx1.example.test',
    pid: 4711,
    directorySync: options.directorySync ?? 'always',
    ...(options.onLie && { onLie: options.onLie }),
  });
}

/** Octets with every LF as CRLF. */
export const wireOctetsOf = (bytes: Uint8Array): number =>
  bytes.byteLength + bytes.filter((byte) => byte === 0x0a).length;

/** Stages and publishes as callers do: whatever fails before publishing is discarded. */
export async function deliver(
  engine: Maildirs,
  targets: readonly string[],
  bytes: Uint8Array,
): Promise<{ readonly base: string; readonly errors: readonly (Error | undefined)[] }> {
  const maildir = targets[0] as string;
  const base = engine.uniqueName();
  try {
    await engine.stage({ maildir, base, offset: 0, bytes, last: true });
  } catch (error) {
    await engine.discard({ maildir, base }).catch(() => {});
    return { base, errors: targets.map(() => error as Error) };
  }
  const wireOctets = wireOctetsOf(bytes);
  const request = { maildir, base, octets: bytes.byteLength, wireOctets, targets };
  const published = await engine.publish(request);
  return { base, errors: published.map((result) => result.error) };
}

/** The whole message, read in pieces of `length`. */
export async function readAll(
  engine: Maildirs,
  maildir: string,
  entry: { readonly directory: 'new' | 'cur'; readonly name: string },
  length = 65_536,
): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  let at = entry;
  let offset = 0;
  for (;;) {
    const piece = await engine.read({ maildir, entry: at, offset, length });
    pieces.push(piece.bytes);
    offset += piece.bytes.byteLength;
    at = piece.entry;
    if (piece.end) return Buffer.concat(pieces);
  }
}
