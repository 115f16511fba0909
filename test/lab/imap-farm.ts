/**
 * `mailfarm serve` on the three hosts with IMAP on each, MX on two, POP3 on one: one farm with a
 * volume on each of the server's disks. Users lie where the test says, so that it can look at
 * their files on the server's own disk.
 */
import { chmodSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
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
import type { NodeEntry, VolumeEntry } from '../../src/directory/types.ts';
import { makeVolume } from '../../src/volumes/make.ts';
import type { Connection } from '../harness/chat.ts';
import { ImapChat } from '../harness/imap-chat.ts';
import { userSeed } from '../harness/nodes.ts';
import { Pop3Chat } from '../harness/pop3-chat.ts';
import { SmtpChat } from '../harness/smtp-chat.ts';
import { type Client, CLIENTS, type HostProcess, mountOf, startOn } from './inside.ts';

const SERVER = '10.99.0.1';
const DIR = '/tmp/imap-farm';
const PLACE = 'imap-farm';
const FRONTEND_PASSWORD = 'frontend-secret';
const PASSWORD = 'demo';
/** `mailbox.watch.max` of this farm. */
const IDLE_LOOK = '3s';
const READY_TURNS = 3_000;
const PORTS = { mx: 2527, pop3: 1112, imap: 1143, health: 8094 } as const;
const SERVICES: Readonly<Record<Client, readonly (keyof typeof PORTS)[]>> = {
  c1: ['mx', 'imap', 'health'],
  c2: ['mx', 'imap', 'health'],
  c3: ['pop3', 'imap', 'health'],
};
type Disk = 'mail1' | 'mail2';

const hostOf = (client: Client): string => `10.99.0.1${client.slice(1)}`;

/** Users by name, with the disk that they are on. */
export type Users = Readonly<Record<string, Disk>>;

export class ImapFarm {
  readonly password = PASSWORD;
  readonly #users: Users;
  readonly #directory: EmbeddedServer;
  readonly #nodes = new Map<Client, HostProcess>();
  readonly #sessions: ImapChat[] = [];
  #starts = 0;

  private constructor(users: Users, directory: EmbeddedServer) {
    this.#users = users;
    this.#directory = directory;
  }

  /** All three nodes run. */
  static async open(users: Users): Promise<ImapFarm> {
    mkdirSync(DIR, { recursive: true });
    const disks = ['mail1', 'mail2'] as const;
    const volumes: VolumeEntry[] = [];
    for (const disk of disks) {
      const path = join(mountOf('c1', disk), PLACE);
      mkdirSync(path, { mode: 0o700 });
      const identity = await makeVolume({ path, name: disk, random });
      const common = { weight: 1, state: 'active', use: 'mail' } as const;
      volumes.push({ name: disk, path: `/mnt/${disk}/${PLACE}`, identity, ...common });
    }
    for (const [user, disk] of Object.entries(users)) {
      for (const part of ['tmp', 'new', 'cur']) {
        mkdirSync(join(mountOf('c1', disk), PLACE, user, part), { recursive: true, mode: 0o700 });
      }
    }
    writeFileSync(join(DIR, 'secret'), `${FRONTEND_PASSWORD}\n`);
    chmodSync(join(DIR, 'secret'), 0o600);
    const farm = new ImapFarm(users, await serveDirectory(users, volumes));
    try {
      await Promise.all(CLIENTS.map((client) => farm.start(client)));
    } catch (error) {
      await farm.close();
      throw error;
    }
    return farm;
  }

  /** Resolves when it says that it is ready. */
  async start(client: Client): Promise<void> {
    const data = join(DIR, `state-${client}`);
    mkdirSync(data, { recursive: true, mode: 0o700 });
    const file = join(DIR, `${client}.yaml`);
    const directory = {
      urls: [this.#directory.url],
      base: DEFAULT_SUFFIX,
      'bind-dn': layout(DEFAULT_SUFFIX).frontend,
      'password-file': join(DIR, 'secret'),
    };
    writeFileSync(file, stringify({ name: client, data, workers: 1, directory }));
    const argv = [process.execPath, 'src/cli/main.ts', 'serve', '--config', file];
    const node = await startOn(client, `imap-${client}-${this.#starts++}`, argv);
    this.#nodes.set(client, node);
    for (let turn = 0; !/^mailfarm is ready/m.test(node.output()); turn++) {
      if (turn > READY_TURNS) throw new Error(`${client} is not ready:\n${node.output()}`);
      await sleep(100);
    }
  }

  /** kill -9 of all its processes. */
  async kill(client: Client): Promise<void> {
    await this.#nodes.get(client)?.signal('KILL');
    this.#nodes.delete(client);
  }

  async close(): Promise<void> {
    for (const node of this.#nodes.values()) await node.signal('KILL').catch(() => undefined);
    await this.#directory.close();
  }

  imap(client: Client): Connection {
    return { host: hostOf(client), port: PORTS.imap };
  }

  login(user: string): string {
    return `${user}@example.test`;
  }

  async session(client: Client, user: string): Promise<ImapChat> {
    const chat = await ImapChat.login(this.imap(client), this.login(user), PASSWORD);
    this.#sessions.push(chat);
    return chat;
  }

  /** Whatever a test has left open. */
  endSessions(): void {
    for (const { stream } of this.#sessions.splice(0)) stream.destroy();
  }

  pop3(user: string): Promise<Pop3Chat> {
    return Pop3Chat.login({ host: hostOf('c3'), port: PORTS.pop3 }, this.login(user), PASSWORD);
  }

  /** As the MX of a host takes it. @returns the last reply's code, or 'broken' */
  async deliver(client: 'c1' | 'c2', user: string, message: Buffer): Promise<number | 'broken'> {
    let chat: SmtpChat | undefined;
    try {
      ({ chat } = await SmtpChat.open({ host: hostOf(client), port: PORTS.mx }));
      await chat.hello();
      return (await chat.send('sender@world.example', [this.login(user)], message)).code;
    } catch {
      return 'broken';
    } finally {
      chat?.stream.destroy();
    }
  }

  /** The user's Maildir: on the server's own disk, as a client has it, as its own processes do. */
  atServer(user: string): string {
    return join('/mnt/srv', this.#diskOf(user), PLACE, user);
  }

  on(client: Client, user: string): string {
    return join(mountOf(client, this.#diskOf(user)), PLACE, user);
  }

  asSeenBy(user: string): string {
    return join('/mnt', this.#diskOf(user), PLACE, user);
  }

  #diskOf(user: string): Disk {
    const disk = this.#users[user];
    if (disk === undefined) throw new Error(`no user ${user}`);
    return disk;
  }

  /** Names of the messages of a folder. */
  names(user: string, folder = ''): string[] {
    const at = folder === '' ? this.atServer(user) : join(this.atServer(user), `.${folder}`);
    return ['new', 'cur'].flatMap((part) => readdirSync(join(at, part)));
  }
}

function serveDirectory(users: Users, volumes: readonly VolumeEntry[]): Promise<EmbeddedServer> {
  const nodeOf = (client: Client, index: number): NodeEntry => ({
    name: client,
    nid: 51 + index,
    server: hostOf(client),
    status: 'spm',
    listen: SERVICES[client].map((service) => `${service} ${hostOf(client)}:${PORTS[service]}`),
    addresses: [],
    beatAt: undefined,
    version: undefined,
  });
  const entries = CLIENTS.flatMap((client, index) => {
    const node = nodeOf(client, index);
    const all = demoEntries({ suffix: DEFAULT_SUFFIX, volumes, node });
    return index === 0 ? all : all.filter(({ dn }) => dn.startsWith(`cn=${client},`));
  });
  const seeds = Object.entries(users).map(([user, disk], index) =>
    userSeed(`${user}@example.test`, 6000 + index, { mwPath: `/mnt/${disk}/${PLACE}/${user}` }),
  );
  return serveEmbeddedDirectory({
    host: SERVER,
    port: 0,
    data: join(DIR, 'directory'),
    options: { 'directory.embedded.password.scheme': 'SSHA512' },
    firstStart: {
      adminPassword: 'admin-secret',
      frontendPassword: FRONTEND_PASSWORD,
      administrators: [demoAdministrator(DEFAULT_SUFFIX)],
      settings: {
        postmaster: 'admin@example.test',
        'auth.throttle.exempt': '10.99.0.0/24',
        'net.limits.exempt': '10.99.0.0/24',
        'mx.rate.exempt': '10.99.0.0/24',
        'pop3.plaintext-auth': 'always',
        'imap.plaintext-auth': 'always',
        // The longest pause between looks in IDLE; 30 s would only make the tests longer.
        'mailbox.watch.max': IDLE_LOOK,
        // A kernel as slow as this one is no volume that is down; no probe is counted as work.
        'volume.deadline': '60s',
        'volume.probe.deadline': '60s',
        'volume.probe.interval': '60s',
        'volume.full.retry': '1s',
        'volume.reserve.bytes': '0',
        'volume.reserve.inodes': '0',
      },
      entries: [...entries, ...seeds],
    },
  });
}
