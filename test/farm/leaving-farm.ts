/**
 * A farm that sends, and the world that it sends to: a DNS server, hosts on port 25 of loopback
 * addresses of their own. The farm is the demo with several nodes; `relay…` nodes mount no mail.
 */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { systemClock } from '../../src/base/clock.ts';
import { readNodeFile } from '../../src/config/node-file.ts';
import { openAdmin, type Admin } from '../../src/directory/admin/admin.ts';
import { directoryAccess } from '../../src/roles/directory.ts';
import { startDns, type DnsServer, type DnsTable } from '../harness/dns-server.ts';
import { freePortBase, startFarm, type Farm } from '../harness/farm.ts';
import { start, type Running } from '../harness/process.ts';
import { SmtpChat, type SmtpReply } from '../harness/smtp-chat.ts';
import { startStrangePeer, type PeerBehaviour, type StrangePeer } from '../harness/strange-peer.ts';
import { fetch } from './letters.ts';

const ROOT = join(import.meta.dirname, '../..');
const MAIN = 'src/cli/main.ts';
const SMTP = 25;
/** Room for a busy machine. */
const READY_MS = 240_000;

/** Times of minutes made seconds, and a world that is all loopback. */
const SETTINGS = {
  'relay.destinations.private': 'allow',
  'relay.retry.min': '1s',
  'relay.retry.max': '2s',
  'spool.slot': '1s',
  'spool.look': '200ms',
  'relay.ip': 'v4',
  'auth.throttle.exempt': '127.0.0.0/8',
} as const;

export interface World {
  readonly dns: DnsServer;
  /** A host that MX records of `domain` name. */
  host(domain: string, behaviour?: PeerBehaviour): Promise<StrangePeer>;
  /** Domain that an address answers for, whoever listens there. */
  point(domain: string, address: string): void;
  stop(): Promise<void>;
}

export async function startWorld(table: DnsTable = {}): Promise<World> {
  const dns = await startDns(table);
  const hosts: StrangePeer[] = [];
  const point = (domain: string, address: string): void =>
    dns.set({ [domain]: { MX: [[10, `mx.${domain}`]] }, [`mx.${domain}`]: { A: [address] } });
  return {
    dns,
    point,
    host: async (domain, behaviour = {}) => {
      const host = await startStrangePeer({ port: SMTP, name: `mx.${domain}`, ...behaviour });
      hosts.push(host);
      point(domain, host.host);
      return host;
    },
    stop: async () => {
      await Promise.all(hosts.map((host) => host.stop()));
      await dns.stop();
    },
  };
}

/** The demo with the settings. */
export async function startSendingFarm(
  dir: string,
  world: Pick<World, 'dns'>,
  settings: Readonly<Record<string, string>> = {},
): Promise<Farm> {
  const all = { ...SETTINGS, 'dns.servers': world.dns.address, ...settings };
  return await startFarm({ dir, readyMs: READY_MS, settings: all });
}

/** Changes settings and waits until the demo's node has taken them up; others look themselves. */
export async function set(
  farm: Farm,
  settings: Readonly<Record<string, string | undefined>>,
): Promise<void> {
  await withAdmin(farm, async (admin) => {
    for (const [name, value] of Object.entries(settings)) await admin.settings.set(name, value);
  });
  const [node] = childrenOf(farm.pid).filter((pid) => {
    const words = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
    return words.includes('serve') && words.includes('--config');
  });
  if (node === undefined) throw new Error('the demo has no node');
  const before = childrenOf(node);
  process.kill(node, 'SIGHUP');
  const gone = (): boolean => !childrenOf(node).some((pid) => before.includes(pid));
  await until('workers with the new settings', gone, READY_MS);
}

export function childrenOf(pid: number): number[] {
  const text = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8');
  return text.split(' ').filter(Boolean).map(Number);
}

/** What an administrator does, without a process for each step. */
export async function withAdmin<T>(
  farm: Pick<Farm, 'dir'>,
  work: (admin: Admin) => Promise<T>,
): Promise<T> {
  const read = await readNodeFile(join(farm.dir, 'admin.yaml'));
  if (!read.ok) throw new Error(read.problems.map(({ message }) => message).join('; '));
  const admin = await openAdmin({ ...directoryAccess(read.value), clock: systemClock });
  try {
    return await work(admin);
  } finally {
    await admin.close();
  }
}

export interface SendingNode {
  readonly name: string;
  /** In the order of the services given. */
  readonly ports: readonly number[];
  readonly process: Running;
  stop(): Promise<void>;
  /** Its own disk is erased, and it is started from its file. */
  setUpAnew(): Promise<void>;
  /** After it has ended; of the tree that it had, or another. */
  startAgain(tree?: string): Promise<void>;
}

/** One more node of the farm, on this machine; `more` ends its file. */
export async function addNode(
  farm: Farm,
  name: string,
  services: readonly string[],
  given: {
    readonly nid: number;
    readonly more?: string;
    readonly workers?: number;
    readonly env?: Readonly<Record<string, string>>;
    /** Of the release that it runs; this one. */
    readonly tree?: string;
  },
): Promise<SendingNode> {
  const { nid, more = '', workers = 1, env = {} } = given;
  let { tree = ROOT } = given;
  const base = await freePortBase();
  const listen = services.map((service, i) => `${service} 127.0.0.1:${base + i}`);
  await withAdmin(farm, (admin) =>
    admin.nodes.add(name, { nid, server: 'localhost', status: 'sm', listen }),
  );
  const state = join(farm.dir, `state-${name}`);
  mkdirSync(state);
  const text = readFileSync(join(farm.dir, 'node.yaml'), 'utf8')
    .replace(/^name: .*$/m, `name: ${name}`)
    .replace(/^data: .*$/m, `data: ${state}`)
    .replace(/^workers: .*$/m, `workers: ${workers}`);
  const file = join(farm.dir, `${name}.yaml`);
  writeFileSync(file, `${text}${more}`);
  const ports = services.map((_, i) => base + i);
  let running = await serve(file, env, tree);
  return {
    name,
    ports,
    get process() {
      return running;
    },
    stop: () => running.stop(90_000),
    startAgain: async (other = tree) => {
      tree = other;
      running = await serve(file, env, tree);
    },
    setUpAnew: async () => {
      await running.stop(90_000);
      rmSync(state, { recursive: true });
      mkdirSync(state);
      running = await serve(file, env, tree);
    },
  };
}

async function serve(
  file: string,
  env: Readonly<Record<string, string>>,
  tree: string,
): Promise<Running> {
  const running = start([process.execPath, MAIN, 'serve', '--config', file], {
    cwd: tree,
    env,
    withParent: 'TERM',
  });
  await running.waitFor(/^mailfarm is ready/m, READY_MS);
  return running;
}

/** A letter of a user, over TLS. */
export async function submit(
  port: number,
  letter: { readonly from: string; readonly to: readonly string[]; readonly subject?: string },
): Promise<SmtpReply> {
  const { from, to, subject = 'hello' } = letter;
  const { chat } = await SmtpChat.open({ port, tls: { rejectUnauthorized: false } });
  try {
    await chat.hello();
    const plain = Buffer.from(`\0${from}\0demo`).toString('base64');
    const login = await chat.command(`AUTH PLAIN ${plain}`);
    if (login.code !== 235) return login;
    const text = `From: ${from}\r\nTo: ${to.join(', ')}\r\nSubject: ${subject}\r\n\r\nbody\r\n`;
    return await chat.send(from, to, Buffer.from(text));
  } finally {
    chat.stream.destroy();
  }
}

/** A letter without a login, and the reply that decided. */
export async function give(
  to: { readonly port: number; readonly host?: string; readonly from?: string },
  sender: string,
  recipient: string,
  subject = 'hello',
): Promise<SmtpReply> {
  const { chat } = await SmtpChat.open(to);
  try {
    await chat.hello();
    const text = `From: ${sender}\r\nTo: ${recipient}\r\nSubject: ${subject}\r\n\r\nbody\r\n`;
    return await chat.send(sender, [recipient], Buffer.from(text));
  } finally {
    chat.stream.destroy();
  }
}

/** Waits until something holds; a busy machine gets its time. @throws Error with `what` */
export async function until(
  what: string,
  holds: () => boolean | Promise<boolean>,
  ms = 120_000,
): Promise<void> {
  const end = performance.now() + ms;
  while (!(await holds())) {
    if (performance.now() > end) throw new Error(`not within ${ms} ms: ${what}`);
    await sleep(100);
  }
}

/** Letters of a user whose subject has a word, once there are so many. */
export async function mailOf(
  pop3: number,
  user: string,
  word: string,
  count = 1,
): Promise<readonly string[]> {
  let found: readonly string[] = [];
  await until(`${count} letters of ${user} about ${word}`, async () => {
    found = (await fetch(pop3, user)).filter((text) => text.includes(word));
    return found.length >= count;
  });
  return found;
}
