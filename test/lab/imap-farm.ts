/**
 * `mailfarm serve` on the three hosts, unless the test says otherwise with IMAP on each, MX on two,
 * POP3 on one: one farm with a volume on each of the server's disks. Users lie where the test says,
 * so that it can look at their files on the server's own disk.
 */
import { chmodSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { stringify } from 'yaml';
import { systemRandom as random } from '../../src/base/random.ts';
import { openAdmin } from '../../src/directory/admin/admin.ts';
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
import { makeCertificate } from '../harness/certificate.ts';
import { userSeed } from '../harness/nodes.ts';
import { Pop3Chat } from '../harness/pop3-chat.ts';
import { SmtpChat } from '../harness/smtp-chat.ts';
import { type Client, CLIENTS, type HostProcess, mountOf, startOn } from './inside.ts';

const SERVER = '10.99.0.1';
const FRONTEND_PASSWORD = 'frontend-secret';
const ADMIN_PASSWORD = 'admin-secret';
const PASSWORD = 'demo';
/** `mailbox.watch.max` of this farm. */
const IDLE_LOOK = '3s';
const READY_TURNS = 3_000;
const PORTS = { mx: 2527, pop3: 1112, imap: 1143, https: 8443, hints: 8095, health: 8094 } as const;
type Service = keyof typeof PORTS;
const SERVICES: Readonly<Record<Client, readonly Service[]>> = {
  c1: ['mx', 'imap', 'health'],
  c2: ['mx', 'imap', 'health'],
  c3: ['pop3', 'imap', 'health'],
};
type Disk = 'mail1' | 'mail2';

const hostOf = (client: Client): string => `10.99.0.1${client.slice(1)}`;

/** Users by name, with the disk that they are on. */
export type Users = Readonly<Record<string, Disk>>;

export interface ImapFarmOptions {
  /** Its folder on the volumes. */
  readonly name: string;
  /** On each host, in place of the usual. */
  readonly services: readonly Service[];
  /** Hosts whose nodes it has from the beginning, and starts. */
  readonly clients: readonly Client[];
  readonly settings: Readonly<Record<string, string>>;
}
const PLACE = 'imap-farm';

export class ImapFarm {
  readonly password = PASSWORD;
  readonly #users: Users;
  readonly #place: string;
  readonly #directory: EmbeddedServer;
  readonly #services: readonly Service[] | undefined;
  readonly #nodes = new Map<Client, HostProcess>();
  readonly #sessions: ImapChat[] = [];
  #starts = 0;

  private constructor(
    users: Users,
    options: Partial<ImapFarmOptions> & Pick<ImapFarmOptions, 'name'>,
    directory: EmbeddedServer,
  ) {
    this.#users = users;
    this.#place = options.name;
    this.#services = options.services;
    this.#directory = directory;
  }

  /** Its nodes run. */
  static async open(users: Users, options: Partial<ImapFarmOptions> = {}): Promise<ImapFarm> {
    const place = options.name ?? PLACE;
    mkdirSync(join('/tmp', place), { recursive: true });
    const disks = ['mail1', 'mail2'] as const;
    const volumes: VolumeEntry[] = [];
    for (const disk of disks) {
      const path = join(mountOf('c1', disk), place);
      mkdirSync(path, { mode: 0o700 });
      const identity = await makeVolume({ path, name: disk, random });
      const common = { weight: 1, state: 'active', use: 'mail' } as const;
      volumes.push({ name: disk, path: `/mnt/${disk}/${place}`, identity, ...common });
    }
    for (const [user, disk] of Object.entries(users)) {
      for (const part of ['tmp', 'new', 'cur']) {
        mkdirSync(join(mountOf('c1', disk), place, user, part), { recursive: true, mode: 0o700 });
      }
    }
    const secret = join('/tmp', place, 'secret');
    writeFileSync(secret, `${FRONTEND_PASSWORD}\n`);
    chmodSync(secret, 0o600);
    const named = { ...options, name: place };
    const farm = new ImapFarm(users, named, await serveDirectory(users, volumes, named));
    try {
      await Promise.all((options.clients ?? CLIENTS).map((client) => farm.start(client)));
    } catch (error) {
      await farm.close();
      throw error;
    }
    return farm;
  }

  /** Resolves when it says that it is ready. */
  async start(client: Client): Promise<void> {
    const dir = join('/tmp', this.#place);
    const data = join(dir, `state-${client}`);
    mkdirSync(data, { recursive: true, mode: 0o700 });
    const file = join(dir, `${client}.yaml`);
    const directory = {
      urls: [this.#directory.url],
      base: DEFAULT_SUFFIX,
      'bind-dn': layout(DEFAULT_SUFFIX).frontend,
      'password-file': join(dir, 'secret'),
    };
    const text = { name: client, data, workers: 1, directory };
    const pair = this.#services?.includes('https') === true && (await makeCertificate(data));
    const tls = pair && { tls: { default: { cert: pair.certificate, key: pair.key } } };
    writeFileSync(file, stringify({ ...text, ...tls }));
    const argv = [process.execPath, 'src/cli/main.ts', 'serve', '--config', file];
    const node = await startOn(client, `${this.#place}-${client}-${this.#starts++}`, argv);
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

  /** One more node, with the usual services or those that the farm was opened with. */
  async join(client: Client): Promise<void> {
    const suffix = DEFAULT_SUFFIX;
    const who = { bindDn: layout(suffix).admin, bindPassword: ADMIN_PASSWORD };
    const admin = await openAdmin({ urls: [this.#directory.url], suffix, ...who });
    const { name, nid, ...node } = nodeOf(client, this.#services);
    try {
      await admin.nodes.add(name, { nid, server: node.server, status: 'spm', listen: node.listen });
    } finally {
      await admin.close();
    }
    await this.start(client);
  }

  runs(client: Client): boolean {
    return this.#nodes.has(client);
  }

  mx(client: Client): Connection {
    return { host: hostOf(client), port: PORTS.mx };
  }

  https(client: Client): Connection & { readonly host: string } {
    return { host: hostOf(client), port: PORTS.https };
  }

  /** Sum of a metric's values with this label, as a node tells them. */
  async metric(client: Client, row: string): Promise<number> {
    const text = await fetch(`http://${hostOf(client)}:${PORTS.health}/metrics`);
    const lines = (await text.text()).split('\n').filter((line) => line.startsWith(`${row} `));
    return lines.reduce((sum, line) => sum + Number(line.split(' ')[1]), 0);
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

  pop3(user: string, client: Client = 'c3'): Promise<Pop3Chat> {
    return Pop3Chat.login({ host: hostOf(client), port: PORTS.pop3 }, this.login(user), PASSWORD);
  }

  /** As the MX of a host takes it. @returns the last reply's code, or 'broken' */
  async deliver(client: Client, user: string, message: Buffer): Promise<number | 'broken'> {
    let chat: SmtpChat | undefined;
    try {
      ({ chat } = await SmtpChat.open(this.mx(client)));
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
    return join('/mnt/srv', this.#diskOf(user), this.#place, user);
  }

  on(client: Client, user: string): string {
    return join(mountOf(client, this.#diskOf(user)), this.#place, user);
  }

  asSeenBy(user: string): string {
    return join('/mnt', this.#diskOf(user), this.#place, user);
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

function nodeOf(client: Client, services = SERVICES[client]): NodeEntry {
  return {
    name: client,
    nid: 51 + CLIENTS.indexOf(client),
    server: hostOf(client),
    status: 'spm',
    listen: services.map((service) => `${service} ${hostOf(client)}:${PORTS[service]}`),
    addresses: [],
    beatAt: undefined,
    version: undefined,
  };
}

function serveDirectory(
  users: Users,
  volumes: readonly VolumeEntry[],
  options: Partial<ImapFarmOptions> & Pick<ImapFarmOptions, 'name'>,
): Promise<EmbeddedServer> {
  const { name: place, clients = CLIENTS, services, settings = {} } = options;
  const entries = clients.flatMap((client, index) => {
    const node = nodeOf(client, services);
    const all = demoEntries({ suffix: DEFAULT_SUFFIX, volumes, node });
    return index === 0 ? all : all.filter(({ dn }) => dn.startsWith(`cn=${client},`));
  });
  const seeds = Object.entries(users).map(([user, disk], index) =>
    userSeed(`${user}@example.test`, 6000 + index, { mwPath: `/mnt/${disk}/${place}/${user}` }),
  );
  return serveEmbeddedDirectory({
    host: SERVER,
    port: 0,
    data: join('/tmp', place, 'directory'),
    options: { 'directory.embedded.password.scheme': 'SSHA512' },
    firstStart: {
      adminPassword: ADMIN_PASSWORD,
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
        ...settings,
      },
      entries: [...entries, ...seeds],
    },
  });
}
