import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { stringify } from 'yaml';
import { systemRandom as random } from '../../src/base/random.ts';
import { demoAdministrator, demoEntries } from '../../src/directory/demo.ts';
import {
  serveEmbeddedDirectory,
  type EmbeddedServer,
} from '../../src/directory/embedded/server.ts';
import type { SeedEntry } from '../../src/directory/frame.ts';
import { DEFAULT_SUFFIX, layout } from '../../src/directory/schema.ts';
import { makeVolume } from '../../src/volumes/make.ts';
import { userSeed } from '../harness/nodes.ts';
import { Pop3Chat } from '../harness/pop3-chat.ts';
import { SmtpChat } from '../harness/smtp-chat.ts';
import { callsOf, type Client, type HostProcess, mountOf, startOn } from './inside.ts';

// `mailfarm serve` on two hosts: each has its own network, its own NFS client and sees the volume
// under the same path. The directory is a third party's.

const HOSTS = { c1: '10.99.0.11', c2: '10.99.0.12' } as const;
type Host = keyof typeof HOSTS;
const PORTS = { mx: 2525, pop3: 1110, health: 8090 } as const;
const USERS = Array.from({ length: 4 }, (_, i) => `user${i}@example.test`);
const DIR = '/tmp/nodes';
const VOLUME = 'farm';

const FRONTEND_PASSWORD = 'frontend-secret';

let directory: EmbeddedServer;
const nodes = new Map<Host, HostProcess>();
let starts = 0;

const listenOn = (host: Host): string[] =>
  Object.entries(PORTS).map(([service, port]) => `${service} ${HOSTS[host]}:${port}`);

async function startNode(host: Host): Promise<void> {
  const data = join(DIR, `state-${host}`);
  mkdirSync(data, { recursive: true, mode: 0o700 });
  const file = join(DIR, `${host}.yaml`);
  const access = {
    urls: [directory.url],
    base: DEFAULT_SUFFIX,
    'bind-dn': layout(DEFAULT_SUFFIX).frontend,
    'password-file': join(DIR, 'secret'),
  };
  writeFileSync(file, stringify({ name: host, data, workers: 1, directory: access }));
  const argv = [process.execPath, 'src/cli/main.ts', 'serve', '--config', file];
  const started = await startOn(host, `node-${host}-${starts++}`, argv);
  nodes.set(host, started);
  for (let turn = 0; !/^mailfarm is ready/m.test(started.output()); turn++) {
    if (turn > 2400) throw new Error(`${host} is not ready:\n${started.output()}`);
    await sleep(100);
  }
}

beforeAll(async () => {
  mkdirSync(DIR, { recursive: true });
  const path = join(mountOf('c1'), VOLUME);
  mkdirSync(path, { mode: 0o700 });
  const identity = await makeVolume({ path, name: 'mail1', random });
  const nodeOf = (host: Host, nid: number) => ({
    name: host,
    nid,
    server: HOSTS[host],
    status: 'spm',
    listen: listenOn(host),
    addresses: [],
    beatAt: undefined,
    version: undefined,
  });
  const volumes = [
    {
      name: 'mail1',
      path: `/mnt/mail1/${VOLUME}`,
      identity,
      weight: 1,
      state: 'active',
      use: 'mail',
    } as const,
  ];
  const entriesOf = (node: ReturnType<typeof nodeOf>): readonly SeedEntry[] =>
    demoEntries({ suffix: DEFAULT_SUFFIX, volumes, node });
  const second = entriesOf(nodeOf('c2', 12)).filter(({ dn }) => dn.startsWith('cn=c2,'));
  directory = await serveEmbeddedDirectory({
    host: '10.99.0.1',
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
        'pop3.plaintext-auth': 'always',
      },
      entries: [
        ...entriesOf(nodeOf('c1', 11)),
        ...second,
        ...USERS.map((login, i) => userSeed(login, 4000 + i)),
      ],
    },
  });
  writeFileSync(join(DIR, 'secret'), `${FRONTEND_PASSWORD}\n`);
  chmodSync(join(DIR, 'secret'), 0o600);
  await Promise.all([startNode('c1'), startNode('c2')]);
}, 120_000);

afterAll(async () => {
  for (const node of nodes.values()) await node.signal('KILL').catch(() => undefined);
  await directory?.close();
});

/** @returns the reply's code, or undefined when the connection broke first */
async function send(host: Host, to: string, body: string): Promise<number | undefined> {
  let chat: SmtpChat | undefined;
  try {
    ({ chat } = await SmtpChat.open({ host: HOSTS[host], port: PORTS.mx }));
    await chat.hello();
    await chat.command('MAIL FROM:<sender@world.example>');
    const rcpt = await chat.command(`RCPT TO:<${to}>`);
    if (rcpt.code !== 250) return rcpt.code;
    return (await chat.data(Buffer.from(`Subject: lab\r\n\r\n${body}\r\n`))).code;
  } catch {
    return undefined;
  } finally {
    chat?.stream.destroy();
  }
}

/** UIDL to the letter's last line. */
async function mailboxOf(host: Host, user: string): Promise<Map<string, string>> {
  const chat = await Pop3Chat.login({ host: HOSTS[host], port: PORTS.pop3 }, user, 'demo');
  try {
    await chat.expect('UIDL');
    const found = new Map<string, string>();
    for (const line of await chat.lines()) {
      const [number = '', uidl = ''] = line.toString('latin1').split(' ');
      found.set(uidl, number);
    }
    for (const [uidl, number] of found) {
      await chat.expect(`RETR ${number}`);
      found.set(uidl, (await chat.lines()).at(-1)?.toString('latin1') ?? '');
    }
    await chat.expect('QUIT');
    return found;
  } finally {
    chat.stream.destroy();
  }
}

test('[N-01] [S2-02] [S2-05] letters in by one host are out by the other at once, UIDLs the same', async () => {
  for (const [i, user] of USERS.entries()) {
    for (let n = 0; n < 5; n++) {
      const [one, two] = n % 2 === 0 ? (['c1', 'c2'] as const) : (['c2', 'c1'] as const);
      expect(await send(one, user, `letter ${i}-${n}`)).toBe(250);
      const there = await mailboxOf(two, user);
      expect([...there.values()]).toContain(`letter ${i}-${n}`);
      expect(await mailboxOf(one, user)).toEqual(there);
      expect(there.size).toBe(n + 1);
    }
  }
  // It went over NFS, from both.
  for (const host of ['c1', 'c2'] as const satisfies Client[]) {
    expect(callsOf(host).get('RENAME')).toBeGreaterThan(5);
  }
});

test('[N-01] what one host deletes is gone on the other; a session of that other ends well', async () => {
  const user = USERS[0] ?? '';
  const open = await Pop3Chat.login({ host: HOSTS.c2, port: PORTS.pop3 }, user, 'demo');
  const chat = await Pop3Chat.login({ host: HOSTS.c1, port: PORTS.pop3 }, user, 'demo');
  for (const n of [1, 2]) await chat.expect(`DELE ${n}`);
  await chat.expect('QUIT');
  chat.stream.destroy();
  expect((await open.command('RETR 1')).ok).toBe(false);
  await open.expect('DELE 1');
  await open.expect('QUIT');
  open.stream.destroy();
  expect((await mailboxOf('c2', user)).size).toBe(3);
});

test('[N-01] [N-21] one host is killed amid deliveries: what it acknowledged is out by the other', async () => {
  const acknowledged: string[] = [];
  let unclear = 0;
  const sender = async (host: Host, user: string, name: string, letters: number): Promise<void> => {
    for (let n = 0; n < letters && (host === 'c2' || unclear < 20); n++) {
      const code = await send(host, user, `${name} ${n}`);
      if (code === 250) acknowledged.push(`${user} ${name} ${n}`);
      else unclear++;
      if (code === undefined) await sleep(100);
    }
  };
  const work = USERS.map((user, i) => sender('c1', user, `doomed${i}`, 10_000));
  await sleep(1500);
  const byDoomed = (): number => acknowledged.filter((one) => one.includes('doomed')).length;
  await expect.poll(byDoomed).toBeGreaterThan(10);
  await nodes.get('c1')?.signal('KILL');
  nodes.delete('c1');
  await Promise.all([...work, sender('c2', USERS[1] ?? '', 'survivor', 30)]);
  process.stdout.write(`   killed: ${acknowledged.length} acknowledged, ${unclear} not\n`);
  expect(acknowledged.length).toBeGreaterThan(10);
  expect(acknowledged.filter((letter) => letter.includes('survivor'))).toHaveLength(30);
  expect(unclear, 'the host was killed when nobody was sending').toBeGreaterThan(3);
  const found: string[] = [];
  for (const user of USERS) {
    for (const text of (await mailboxOf('c2', user)).values()) found.push(`${user} ${text}`);
  }
  expect(acknowledged.filter((letter) => !found.includes(letter))).toEqual([]);
  expect(new Set(found).size).toBe(found.length);
  // It comes back and shows the same.
  await startNode('c1');
  for (const user of USERS) {
    expect(await mailboxOf('c1', user)).toEqual(await mailboxOf('c2', user));
  }
});
