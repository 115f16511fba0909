/**
 * Private keys for signatures (RFC 6376), by the domain of a letter's author: from the directory
 * (`secret('dkim', …)`, which only senders may read) for the selectors that the domain's entry
 * names, else from files, `<relay.dkim.path>/DOMAIN/SELECTOR.pem`.
 *
 * A key that is there and cannot be used is our own trouble, so the letter waits: sent unsigned, a
 * domain whose policy asks for signatures would have it refused for good. A domain without any key
 * sends unsigned. Keys are kept for minutes: removed from the directory they are used no longer
 * than that. While the directory is away a key that was read goes on being used.
 */
import { createPrivateKey } from 'node:crypto';
import { open, readdir, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../base/clock.ts';
import { dkimSecretName, DirectoryUnavailable, type Directory } from '../directory/types.ts';
import type { Logger } from '../log/types.ts';
import { dkimKeyProblem, type DkimKey } from '../message/dkim/keys.ts';

/** A key that should be there cannot be used: the letter waits. */
export class DkimKeyError extends Error {
  readonly code: 'MF-REL-002' | 'MF-REL-003';
  constructor(code: DkimKeyError['code'], message: string, options?: ErrorOptions) {
    super(`${message}: ${code}`, options);
    this.name = 'DkimKeyError';
    this.code = code;
  }
}

export interface DkimKeysParts {
  readonly directory: Pick<Directory, 'domain' | 'secret'>;
  readonly clock: Clock;
  readonly logger: Logger;
  /** `relay.dkim.path`; '' is none. */
  readonly path: string;
  readonly refreshMs: number;
}

interface Kept {
  readonly keys: Promise<readonly DkimKey[]>;
  /** From when it was read until when it counts, ms. */
  readonly at: number;
  readonly until: number;
}

/** Domains whose keys are kept; beyond it the oldest is read again. */
const KEPT_MAX = 10_000;
/** A fault is told and looked at again no more often than this, whatever waits for it. */
const FAULT_KEPT_MS = 10_000;
/** The first key of a domain signs at once. The directory keeps entries, and is told of changes. */
const NONE_KEPT_MS = 1000;
const FILE_OCTETS_MAX = 65_536;
/** Anything that somebody else could read it by. */
const OTHERS = 0o077;
const DOMAIN = /^[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?$/;
const KEY_FILE = /^([a-z0-9](?:[a-z0-9.-]{0,61}[a-z0-9])?)\.pem$/i;

export class DkimKeys {
  readonly #parts: DkimKeysParts;
  readonly #kept = new Map<string, Kept>();

  constructor(parts: DkimKeysParts) {
    this.#parts = parts;
  }

  /**
   * Keys for letters of authors in a domain (A-labels, lower case); [] where it has none.
   * @throws DkimKeyError, DirectoryUnavailable
   */
  async of(domain: string): Promise<readonly DkimKey[]> {
    if (!DOMAIN.test(domain) || domain.includes('..')) return [];
    const { clock, refreshMs } = this.#parts;
    const now = clock.now();
    const kept = this.#kept.get(domain);
    if (kept !== undefined && kept.at <= now && now < kept.until) return kept.keys;
    const keys = this.#read(domain);
    this.#keep(domain, { keys, at: now, until: now + refreshMs });
    try {
      const found = await keys;
      const until = now + Math.min(NONE_KEPT_MS, refreshMs);
      if (found.length === 0) this.#keep(domain, { keys, at: now, until });
      return found;
    } catch (error) {
      const isAway = error instanceof DirectoryUnavailable;
      // What was known goes on; a fault of ours is looked at again soon.
      const next = isAway && kept !== undefined ? kept.keys : keys;
      this.#keep(domain, { keys: next, at: now, until: now + Math.min(FAULT_KEPT_MS, refreshMs) });
      if (error instanceof DkimKeyError) {
        const fields = { code: error.code, domain, err: error };
        this.#parts.logger.warn(fields, 'a DKIM key cannot be used, letters of the domain wait');
      }
      return next;
    }
  }

  #keep(domain: string, kept: Kept): void {
    this.#kept.delete(domain);
    this.#kept.set(domain, kept);
    const [oldest] = this.#kept.keys();
    if (this.#kept.size > KEPT_MAX && oldest !== undefined) this.#kept.delete(oldest);
  }

  async #read(domain: string): Promise<readonly DkimKey[]> {
    const [entry, files] = await Promise.all([
      this.#parts.directory.domain(domain),
      this.#files(domain),
    ]);
    const selectors = [...new Set([...(entry?.dkim ?? []), ...files.keys()])];
    return Promise.all(selectors.map((one) => this.#key(domain, one, files.get(one))));
  }

  async #key(domain: string, selector: string, file: string | undefined): Promise<DkimKey> {
    const name = dkimSecretName(domain, selector);
    const text = file ? await readKeyFile(file) : await this.#parts.directory.secret('dkim', name);
    if (text === undefined) throw new DkimKeyError('MF-REL-003', `There is no key ${name}`);
    const key = privateKeyOf(name, text);
    const problem = dkimKeyProblem(key);
    if (problem === undefined) return { domain, selector, key };
    throw new DkimKeyError('MF-REL-003', `The key ${name} cannot be used: ${problem}`);
  }

  /** Selector to path. */
  async #files(domain: string): Promise<ReadonlyMap<string, string>> {
    const { path } = this.#parts;
    if (path === '') return new Map();
    const folder = join(path, domain);
    try {
      const names = await readdir(folder);
      return new Map(
        names.toSorted().flatMap((name): [string, string][] => {
          const selector = KEY_FILE.exec(name)?.[1];
          return selector === undefined ? [] : [[selector, join(folder, name)]];
        }),
      );
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return new Map();
      throw new DkimKeyError('MF-REL-003', `${folder} cannot be read`, { cause: error });
    }
  }
}

function privateKeyOf(name: string, text: string): ReturnType<typeof createPrivateKey> {
  try {
    return createPrivateKey(text);
  } catch (error) {
    // The text of the error may quote the key; its code does not.
    const why = (error as NodeJS.ErrnoException).code ?? 'not PEM';
    throw new DkimKeyError('MF-REL-003', `The key ${name} is none (${why})`);
  }
}

/** @throws DkimKeyError when others than its owner may read it */
async function readKeyFile(path: string): Promise<string> {
  let file: FileHandle | undefined;
  try {
    file = await open(path, 'r');
    const { mode, size } = await file.stat();
    if ((mode & OTHERS) !== 0) {
      const octal = (mode & 0o777).toString(8);
      throw new DkimKeyError('MF-REL-002', `${path} has mode ${octal}, others may read it`);
    }
    if (size > FILE_OCTETS_MAX) throw new DkimKeyError('MF-REL-003', `${path} is no key`);
    return await file.readFile('utf8');
  } catch (error) {
    if (error instanceof DkimKeyError) throw error;
    throw new DkimKeyError('MF-REL-003', `${path} cannot be read`, { cause: error });
  } finally {
    await file?.close();
  }
}
