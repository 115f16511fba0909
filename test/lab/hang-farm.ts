/**
 * A front end of the laboratory whose volumes can be hung one by one: each is mounted through a
 * proxy of its own (`nfs-proxy.ts`), so that to the client each has a server of its own.
 *
 * Nothing in this process may touch a path below /mnt/hang: its threads would hang too. Mailboxes
 * are made on the server's own disk.
 */
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { stringify } from 'yaml';
import { systemRandom as random } from '../../src/base/random.ts';
import { demoAdministrator, demoEntries } from '../../src/directory/demo.ts';
import {
  serveEmbeddedDirectory,
  type EmbeddedServer,
} from '../../src/directory/embedded/server.ts';
import { DEFAULT_SUFFIX, layout } from '../../src/directory/schema.ts';
import { makeVolume } from '../../src/volumes/make.ts';
import { ImapChat } from '../harness/imap-chat.ts';
import { userSeed } from '../harness/nodes.ts';
import { Pop3Chat } from '../harness/pop3-chat.ts';
import { SmtpChat } from '../harness/smtp-chat.ts';
import { asRoot, type HostProcess, startOn } from './inside.ts';
import { NfsProxy } from './nfs-proxy.ts';

const HOST = '10.99.0.13';
const SERVER = '10.99.0.1';
const PORTS = { mx: 2526, lmtp: 2424, pop3: 1111, imap: 1144, health: 8091 } as const;
const EXPORTS = [
  [0, '/mnt/srv'],
  [1, '/mnt/srv/mail1'],
  [2, '/mnt/srv/mail2'],
] as const;
const FIRST_PROXY_PORT = 2101;
const PASSWORD = 'frontend-secret';
const DIR = '/tmp/hang';

export const userOf = (volume: string, n = 0): string => `${volume}u${n}@example.test`;
export const letter = (text: string): Buffer => Buffer.from(`Subject: lab\r\n\r\n${text}\r\n`);

interface HangFarmOptions {
  readonly volumes: readonly string[];
  /** The server's disk that they are on; `mail2` fills quickly. */
  readonly disk?: 'mail1' | 'mail2';
  readonly usersEach: number;
  readonly settings?: Readonly<Record<string, string>>;
  readonly workers?: number;
  /** Loaded by every process of the front end before its own code. */
  readonly preload?: string;
}

export class HangFarm {
  readonly #options: HangFarmOptions;
  readonly #proxies = new Map<string, NfsProxy>();
  readonly #started: HostProcess[] = [];
  readonly #since = Date.now();
  #starts = 0;
  #directory: EmbeddedServer | undefined;

  private constructor(options: HangFarmOptions) {
    this.#options = options;
  }

  static async open(options: HangFarmOptions): Promise<HangFarm> {
    const farm = new HangFarm(options);
    await asRoot('rm', '-rf', DIR, farm.#atServer);
    for (const dir of [DIR, farm.#atServer]) mkdirSync(dir, { mode: 0o755 });
    // The proxies' connections come from ports that anybody may have.
    const common = 'rw,sync,no_subtree_check,root_squash,insecure';
    for (const [fsid, path] of EXPORTS) {
      await asRoot('exportfs', '-o', `${common},fsid=${fsid}`, `${SERVER}:${path}`);
    }
    await asRoot('exportfs', '-f');
    const mounted: Mounted[] = [];
    for (const volume of options.volumes) mounted.push(await farm.#mount(volume, mounted.length));
    await farm.#serveDirectory(mounted);
    writeFileSync(join(DIR, 'secret'), `${PASSWORD}\n`);
    chmodSync(join(DIR, 'secret'), 0o600);
    return farm;
  }

  get #disk(): string {
    return this.#options.disk ?? 'mail1';
  }

  /** Where the volumes are on the server's disk. */
  get #atServer(): string {
    return `/mnt/srv/${this.#disk}/hang`;
  }

  proxy(volume: string): NfsProxy {
    const proxy = this.#proxies.get(volume);
    if (proxy === undefined) throw new Error(`no volume ${volume}`);
    return proxy;
  }

  /** Starts `mailfarm serve`; always on the same ports. Resolves when it says that it is ready. */
  async start(): Promise<HostProcess> {
    const { workers = 1, preload } = this.#options;
    const data = join(DIR, 'state');
    mkdirSync(data, { recursive: true, mode: 0o700 });
    const file = join(DIR, 'hang.yaml');
    const access = {
      urls: [this.#directory?.url],
      base: DEFAULT_SUFFIX,
      'bind-dn': layout(DEFAULT_SUFFIX).frontend,
      'password-file': join(DIR, 'secret'),
    };
    writeFileSync(file, stringify({ name: 'hang', data, workers, directory: access }));
    const loaded = preload === undefined ? [] : ['env', `NODE_OPTIONS=--import=${preload}`];
    const serve = [process.execPath, 'src/cli/main.ts', 'serve', '--config', file];
    // A name that no farm before it had: its log begins empty.
    const name = `node-hang-${this.#since}-${this.#starts++}`;
    const node = await startOn('c3', name, [...loaded, ...serve]);
    this.#started.push(node);
    for (let turn = 0; !/^mailfarm is ready/m.test(node.output()); turn++) {
      if (turn > 2400) throw new Error(`not ready:\n${node.output()}`);
      await sleep(50);
    }
    return node;
  }

  /** Ends every front end at once. */
  async killAll(): Promise<void> {
    for (const node of this.#started.splice(0)) await node.signal('KILL').catch(() => undefined);
    await sleep(500);
  }

  /** Everything passes, processes end, nothing is mounted any more. */
  async close(): Promise<void> {
    for (const proxy of this.#proxies.values()) proxy.pass();
    await this.killAll();
    for (const volume of this.#proxies.keys()) {
      await asRoot('umount', '-f', '-l', `/mnt/hang/${volume}`).catch(() => undefined);
    }
    for (const proxy of this.#proxies.values()) proxy.close();
    for (const [, path] of EXPORTS) await asRoot('exportfs', '-u', `${SERVER}:${path}`);
    await this.#directory?.close();
  }

  async #mount(volume: string, index: number): Promise<Mounted> {
    const atServer = join(this.#atServer, volume);
    for (let n = 0; n < this.#options.usersEach; n++) {
      for (const part of ['tmp', 'new', 'cur']) {
        mkdirSync(join(atServer, `u${n}`, part), { recursive: true, mode: 0o700 });
      }
    }
    const identity = await makeVolume({ path: atServer, name: volume, random });
    const port = FIRST_PROXY_PORT + index;
    const server = { host: SERVER, port: 2049 };
    const name = `px${String(index).padStart(3, '0')}`;
    this.#proxies.set(volume, await NfsProxy.listen({ host: SERVER, port, server, name }));
    const path = `/mnt/hang/${volume}`;
    await asRoot('mkdir', '-p', path);
    const options = `vers=4.2,hard,noatime,nosharecache,lookupcache=positive,port=${port}`;
    const mount = ['mount', '-t', 'nfs4', '-o', `${options},clientaddr=${HOST}`];
    const what = [`${SERVER}:/${this.#disk}/hang/${volume}`, path];
    await asRoot('nsenter', '--net=/run/netns/c3', ...mount, ...what);
    return { name: volume, path, identity };
  }

  async #serveDirectory(mounted: readonly Mounted[]): Promise<void> {
    const { usersEach, settings } = this.#options;
    const volumes = mounted.map(
      (one) => ({ ...one, weight: 1, state: 'active', use: 'mail' }) as const,
    );
    const node = {
      name: 'hang',
      nid: 31,
      server: HOST,
      status: 'spm',
      listen: Object.entries(PORTS).map(([service, port]) => `${service} ${HOST}:${port}`),
      addresses: [],
      beatAt: undefined,
      version: undefined,
    };
    const users = mounted.flatMap(({ name, path }, v) =>
      Array.from({ length: usersEach }, (_, n) =>
        userSeed(userOf(name, n), 5000 + v * 1000 + n, { mwPath: `${path}/u${n}` }),
      ),
    );
    this.#directory = await serveEmbeddedDirectory({
      host: SERVER,
      port: 0,
      data: join(DIR, 'directory'),
      options: { 'directory.embedded.password.scheme': 'SSHA512' },
      firstStart: {
        adminPassword: 'admin-secret',
        frontendPassword: PASSWORD,
        administrators: [demoAdministrator(DEFAULT_SUFFIX)],
        settings: {
          postmaster: 'admin@example.test',
          'auth.throttle.exempt': '10.99.0.0/24',
          'net.limits.exempt': '10.99.0.0/24',
          'mx.rate.exempt': '10.99.0.0/24',
          'pop3.plaintext-auth': 'always',
          'imap.plaintext-auth': 'always',
          ...settings,
        },
        entries: [...demoEntries({ suffix: DEFAULT_SUFFIX, volumes, node }), ...users],
      },
    });
  }
}

interface Mounted {
  readonly name: string;
  readonly path: string;
  readonly identity: string;
}

/** What came of one attempt, and how long it took. */
export interface Outcome {
  /** `250`, `451`, `+OK`, `-ERR SYS/TEMP`, or `broken` when the connection ended first. */
  readonly said: string;
  readonly ms: number;
}

async function timed(work: () => Promise<string>): Promise<Outcome> {
  const began = performance.now();
  const said = await work().catch(() => 'broken');
  return { said, ms: performance.now() - began };
}

/** Sends one letter. Says the last reply's code. */
export const send = (to: string, text = 'letter', by: 'mx' | 'lmtp' = 'mx'): Promise<Outcome> =>
  timed(async () => {
    const { chat } = await SmtpChat.open({ host: HOST, port: PORTS[by] });
    try {
      await chat.hello(by === 'mx' ? 'EHLO' : 'LHLO');
      await chat.command('MAIL FROM:<sender@world.example>');
      const rcpt = await chat.command(`RCPT TO:<${to}>`);
      return String(rcpt.code === 250 ? (await chat.data(letter(text))).code : rcpt.code);
    } finally {
      chat.stream.destroy();
    }
  });

/** Signs in and leaves. Says the answer to PASS. */
export const poll = (user: string): Promise<Outcome> =>
  timed(async () => {
    const { chat } = await Pop3Chat.open({ host: HOST, port: PORTS.pop3 });
    try {
      await chat.expect(`USER ${user}`);
      const reply = await chat.command('PASS demo');
      if (!reply.ok) return `-ERR ${reply.code}`;
      await chat.command('QUIT');
      return '+OK';
    } finally {
      chat.stream.destroy();
    }
  });

export const signIn = (user: string): Promise<Pop3Chat> =>
  Pop3Chat.login({ host: HOST, port: PORTS.pop3 }, user, 'demo');

/** @throws Error with the server's answer when it is not let in */
export const imap = (user: string): Promise<ImapChat> =>
  ImapChat.login({ host: HOST, port: PORTS.imap }, user, 'demo');

export async function http(path: string): Promise<{ status: number; body: string; ms: number }> {
  const began = performance.now();
  const response = await fetch(`http://${HOST}:${PORTS.health}${path}`);
  const body = await response.text();
  return { status: response.status, body, ms: performance.now() - began };
}

/** A metric of the page, added up over what is between braces. */
export const metric = (page: string, name: string, labels = ''): number =>
  page
    .split('\n')
    .filter((line) => line.startsWith(`${name} `) || line.startsWith(`${name}{`))
    .filter((line) => line.includes(labels))
    .reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);

/** Processes that a process started. */
export const childrenOf = async (pid: number): Promise<readonly number[]> =>
  (await asRoot('pgrep', '-P', String(pid)).catch(() => ''))
    .split('\n')
    .filter(Boolean)
    .map(Number);

/** A process's state (`Z` when only threads that hang are left), or undefined when it is gone. */
export function stateOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2, stat.lastIndexOf(')') + 3);
  } catch {
    return undefined;
  }
}

/** Who listens on the front end's ports: process ids. */
export async function listeners(): Promise<readonly number[]> {
  const out = await asRoot('ip', 'netns', 'exec', 'c3', 'ss', '-Hltnp');
  const ports = Object.values(PORTS).map((port) => `:${port} `);
  const lines = out.split('\n').filter((line) => ports.some((port) => line.includes(port)));
  const pids = lines.flatMap((line) =>
    [...line.matchAll(/pid=(\d+)/g)].map(([, pid]) => Number(pid)),
  );
  return [...new Set(pids)];
}
