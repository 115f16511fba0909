/**
 * Nodes that a test runs against a directory of its choice: `mailfarm serve` with a file that says
 * where the directory is, as on a machine of the farm. `startFarm` is the demo with everything.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { systemRandom as random } from '../../src/base/random.ts';
import { demoAdministrator, demoEntries } from '../../src/directory/demo.ts';
import type { SeedEntry } from '../../src/directory/frame.ts';
import { DEFAULT_SUFFIX, layout } from '../../src/directory/schema.ts';
import { makeVolume } from '../../src/volumes/make.ts';
import { freePortBase } from './farm.ts';
import { run, start, type Running, type RunResult } from './process.ts';

const ROOT = join(import.meta.dirname, '../..');
const MAIN = join(ROOT, 'src/cli/main.ts');

/** Services of a test's node, in the order of their ports from the base. */
const SERVICES = ['mx', 'lmtp', 'pop3', 'health'] as const;
type Service = (typeof SERVICES)[number];

/** Who may ask a directory, and where it is. */
export interface DirectoryPlace {
  readonly urls: readonly string[];
  readonly suffix: string;
  readonly admin: { readonly dn: string; readonly password: string };
  readonly frontend: { readonly dn: string; readonly password: string };
}

export interface FarmNode {
  readonly name: string;
  readonly ports: Readonly<Record<Service, number>>;
  readonly process: Running;
  stop(): Promise<void>;
}

/** Where a node of the base listens, as mwListen and `node.listen` say it. */
export const listenOf = (base: number): readonly string[] =>
  SERVICES.map((service, i) => `${service} 127.0.0.1:${base + i}`);

/** What the directory of a test's farm begins with. */
export interface FarmSeed {
  readonly entries: readonly SeedEntry[];
  readonly administrators: readonly string[];
  readonly settings: Readonly<Record<string, string>>;
  /** Of the node `node1`, whose entry is among them. */
  readonly base: number;
}

/**
 * The demo's entries (alice, bob, admin; password `demo`) with two volumes made below `dir`, and
 * an entry of `node1`. Clients of a test come from one address: nothing is throttled.
 */
export async function farmSeed(dir: string, more: Partial<FarmSeed> = {}): Promise<FarmSeed> {
  const base = more.base ?? (await freePortBase());
  const volumes = await Promise.all(
    ['mail1', 'mail2'].map(async (name) => {
      const path = join(dir, name);
      mkdirSync(path, { recursive: true, mode: 0o700 });
      const identity = await makeVolume({ path, name, random });
      return { name, path, identity, weight: 1, state: 'active', use: 'mail' } as const;
    }),
  );
  const node = {
    name: 'node1',
    nid: 1,
    server: 'localhost',
    status: 'spm',
    listen: listenOf(base),
    addresses: [],
    beatAt: undefined,
    version: undefined,
  };
  return {
    base,
    entries: [...demoEntries({ suffix: DEFAULT_SUFFIX, volumes, node }), ...(more.entries ?? [])],
    administrators: [demoAdministrator(DEFAULT_SUFFIX)],
    settings: {
      postmaster: 'admin@example.test',
      'auth.throttle.exempt': '127.0.0.0/8',
      ...more.settings,
    },
  };
}

/** An entry of a user with the demo's password or a hash of another. */
export function userSeed(
  login: string,
  uid: number,
  more: SeedEntry['attributes'] = {},
): SeedEntry {
  const attributes = { objectClass: ['top', 'mwUser'], cn: login, uid: String(uid) };
  return {
    dn: `cn=${login},${layout(DEFAULT_SUFFIX).users}`,
    attributes: { ...attributes, userPassword: 'demo', ...more },
  };
}

/** Writes a node's file and nothing else. @returns its path */
export function writeNodeFile(
  dir: string,
  name: string,
  at: DirectoryPlace,
  who: 'frontend' | 'admin' = 'frontend',
  workers = 2,
): string {
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  const secret = join(dir, `${who}.secret`);
  writeFileSync(secret, `${at[who].password}\n`, { mode: 0o600 });
  const data = join(dir, `state-${name}`);
  mkdirSync(data, { recursive: true, mode: 0o700 });
  const file = join(dir, `${name}.${who}.yaml`);
  const text = stringify({
    name,
    data,
    workers,
    directory: {
      urls: at.urls,
      base: at.suffix,
      'bind-dn': at[who].dn,
      'password-file': secret,
    },
  });
  writeFileSync(file, text);
  return file;
}

/** Starts a node with nothing but its file, and waits for its line. @throws Error with its words */
export async function startNode(options: {
  readonly dir: string;
  readonly name: string;
  readonly at: DirectoryPlace;
  /** Ports that its entry, or the setting `node.listen`, names. */
  readonly base: number;
  readonly workers?: number;
  readonly readyMs?: number;
}): Promise<FarmNode> {
  const { dir, name, at, base, workers } = options;
  const file = writeNodeFile(dir, name, at, 'frontend', workers);
  const running = start([process.execPath, MAIN, 'serve', '--config', file], {
    cwd: ROOT,
    withParent: 'TERM',
  });
  try {
    await running.waitFor(/^mailfarm is ready/m, options.readyMs ?? 240_000);
  } catch (error) {
    await running.stop(2_000);
    throw error;
  }
  const ports = Object.fromEntries(SERVICES.map((service, i) => [service, base + i]));
  return {
    name,
    ports: ports as Record<Service, number>,
    process: running,
    stop: () => running.stop(90_000),
  };
}

/** Runs `mailfarm …` as the administrator of a directory. */
export function administer(
  dir: string,
  at: DirectoryPlace,
): (words: readonly string[], input?: string) => Promise<RunResult> {
  const file = writeNodeFile(dir, 'node1', at, 'admin');
  return (words, input) =>
    run([process.execPath, MAIN, ...words], {
      cwd: ROOT,
      env: { MAILFARM_CONFIG: file },
      ...(input === undefined ? {} : { input: Buffer.from(input) }),
    });
}
