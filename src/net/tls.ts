/**
 * TLS contexts from files: a default one and one for each served name, taken up anew when the
 * files change, without a restart and without a connection that notices.
 *
 * Files are looked at every few seconds (mtime, size, inode) instead of watched: whoever renews
 * certificates writes, renames, or turns a symbolic link, and inotify sees each of these on another
 * path or not at all. Certificate and key are two files, so between the two writes they do not
 * match. A pair is therefore taken only as a whole: read, parsed, matched; until then the context
 * that was there serves on, and the failure is logged once for each state of the files.
 *
 * Errors: MF-NET-004 cannot be loaded, MF-NET-005 expired
 */
import { X509Certificate } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { createSecureContext, type SecureContext } from 'node:tls';
import type { Clock } from '../base/clock.ts';
import type { Logger } from '../log/types.ts';
import { netNow, tlsReloads } from './metrics.ts';
import type { TlsContexts } from './types.ts';

export interface TlsFiles {
  /** PEM: the certificate, then its chain. */
  readonly cert: string;
  readonly key: string;
}

export interface TlsStoreOptions {
  readonly default: TlsFiles;
  /** By server name: `mail.example.org`, or `*.example.org` for one label in front. */
  readonly domains?: readonly (TlsFiles & { readonly name: string })[];
  /** How often files are looked at, in milliseconds. */
  readonly reloadMs: number;
  /**
   * 48 octets that seal session tickets. The workers of a node share them, or a client that comes
   * back to another worker pays a full handshake. Random ones of this process where not given.
   */
  readonly ticketKeys?: Uint8Array;
  readonly clock: Clock;
  readonly logger: Logger;
}

export interface TlsStore extends TlsContexts {
  /** Looks at the files now. Never rejects. */
  reload(): Promise<void>;
  /** Stops looking at files; contexts stay usable. */
  close(): void;
}

/** Some pair cannot be used at start; `problems` has a sentence for each. */
export class TlsFilesError extends Error {
  readonly problems: readonly string[];
  constructor(problems: readonly string[]) {
    super(problems.join('; '));
    this.name = 'TlsFilesError';
    this.problems = problems;
  }
}

/** TLS 1.0 and 1.1 are not to be used (RFC 8996 §4). */
const VERSION_MIN = 'TLSv1.2';
const FILE_BYTES_MAX = 1024 * 1024;

interface Entry {
  /** Undefined is the default pair. */
  readonly name: string | undefined;
  readonly files: TlsFiles;
  /** State of the files that was last looked at, good or not. */
  seen: string;
  loaded: Loaded | undefined;
}

interface Loaded {
  readonly context: SecureContext;
  /** Milliseconds since 1970. */
  readonly expiresAt: number;
}

/**
 * Loads every pair and begins to look for changes.
 * @throws TlsFilesError naming every pair that cannot be used.
 */
export async function openTlsStore(options: TlsStoreOptions): Promise<TlsStore> {
  const entries: Entry[] = [
    { name: undefined, files: options.default, seen: '', loaded: undefined },
    ...(options.domains ?? []).map((domain) => ({
      name: domain.name.toLowerCase(),
      files: domain,
      seen: '',
      loaded: undefined,
    })),
  ];
  const faults = await Promise.all(entries.map((entry) => refresh(entry, options)));
  const problems = faults.filter((fault) => fault !== undefined);
  if (problems.length > 0) throw new TlsFilesError(problems);
  noteExpiry(entries, options);

  let looking: Promise<void> | undefined;
  const reload = (): Promise<void> => {
    looking ??= lookAtAll(entries, options).finally(() => (looking = undefined));
    return looking;
  };
  const timer = setInterval(() => void reload(), options.reloadMs);
  timer.unref();
  return { context: chooser(entries), reload, close: () => clearInterval(timer) };
}

/** By name, then by wildcard, then the default (RFC 6066 §3, RFC 9525 §6.3). */
function chooser(entries: readonly Entry[]): TlsContexts['context'] {
  const byName = new Map(entries.map((entry) => [entry.name, entry]));
  return (servername) => {
    const name = servername?.toLowerCase().replace(/\.$/, '');
    const wildcard = name === undefined ? undefined : `*${name.slice(name.indexOf('.'))}`;
    const entry = byName.get(name) ?? byName.get(wildcard) ?? byName.get(undefined);
    if (!entry?.loaded) throw new Error('A TLS store without its default pair');
    return entry.loaded.context;
  };
}

async function lookAtAll(entries: readonly Entry[], options: TlsStoreOptions): Promise<void> {
  for (const entry of entries) {
    const before = entry.loaded;
    const fault = await refresh(entry, options);
    const files = { cert: entry.files.cert, name: entry.name ?? '(default)' };
    if (fault !== undefined) {
      tlsReloads.inc('failed');
      options.logger.error(
        { code: 'MF-NET-004', ...files, problem: fault },
        'certificate cannot be loaded, the old one stays in use: MF-NET-004',
      );
    } else if (entry.loaded !== before) {
      tlsReloads.inc('loaded');
      options.logger.info(files, 'certificate loaded anew');
    }
  }
  noteExpiry(entries, options);
}

/**
 * Loads a pair when its files changed since the last look.
 * @returns what is wrong, once for each state of the files; undefined when nothing is or changed.
 */
async function refresh(entry: Entry, options: TlsStoreOptions): Promise<string | undefined> {
  const { cert, key } = entry.files;
  const state = `${await stateOf(cert)} ${await stateOf(key)}`;
  if (state === entry.seen) return undefined;
  try {
    const loaded = await load(entry.files, options.ticketKeys);
    // A file that changed while it was read is looked at again next time.
    entry.seen = `${await stateOf(cert)} ${await stateOf(key)}` === state ? state : '';
    entry.loaded = loaded;
    return undefined;
  } catch (error) {
    entry.seen = state;
    return `${cert} and ${key}: ${(error as Error).message}`;
  }
}

async function stateOf(path: string): Promise<string> {
  try {
    const { mtimeMs, size, ino } = await stat(path);
    return `${mtimeMs}/${size}/${ino}`;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? 'unknown';
  }
}

async function load(files: TlsFiles, ticketKeys: Uint8Array | undefined): Promise<Loaded> {
  const [cert, key] = await Promise.all([readPem(files.cert), readPem(files.key)]);
  const context = createSecureContext({
    cert,
    key, // Throws when it does not belong to the certificate.
    minVersion: VERSION_MIN,
    sessionIdContext: 'mailfarm',
    ...(ticketKeys && { ticketKeys: Buffer.from(ticketKeys) }),
  });
  return { context, expiresAt: Date.parse(new X509Certificate(cert).validTo) };
}

async function readPem(path: string): Promise<Buffer> {
  if ((await stat(path)).size > FILE_BYTES_MAX) throw new Error(`${path} is no PEM file: too big`);
  const text = await readFile(path);
  // OpenSSL takes an empty file for "no certificate", which is not what anybody means.
  if (!text.includes('-----END ')) throw new Error(`${path} is no whole PEM file`);
  return text;
}

function noteExpiry(entries: readonly Entry[], options: TlsStoreOptions): void {
  const first = Math.min(...entries.map((entry) => entry.loaded?.expiresAt ?? Infinity));
  netNow.certificateExpiry = Math.floor(first / 1000);
  for (const { loaded, files } of entries) {
    if (!loaded || loaded.expiresAt > options.clock.now() || warned.has(loaded)) continue;
    warned.add(loaded);
    options.logger.error(
      { code: 'MF-NET-005', cert: files.cert },
      'certificate in use has expired: MF-NET-005',
    );
  }
}

const warned = new WeakSet<Loaded>(); // Said once for each certificate, not every five seconds.

/** Answers an SNICallback; a name that has no context fails the handshake, not the process. */
export function answerSni(
  contextOf: ((servername: string) => SecureContext) | undefined,
  servername: string,
  done: (error: Error | null, context?: SecureContext) => void,
): void {
  try {
    done(null, contextOf?.(servername));
  } catch (error) {
    done(error instanceof Error ? error : new Error(String(error)));
  }
}
