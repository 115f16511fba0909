import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { type Admin, openAdmin } from '../../../src/directory/admin/admin.ts';
import { DEFAULT_SUFFIX, layout } from '../../../src/directory/schema.ts';
import { mountLine } from '../../../src/volumes/doctor/mounts.ts';
import { Pop3Chat } from '../../harness/pop3-chat.ts';
import { SmtpChat } from '../../harness/smtp-chat.ts';
import type { Report } from '../../witness/report.ts';
import { ADMIN_PASSWORD, type MachinesFarm, PASSWORD, PORTS, startFarm } from './farm.ts';
import { expectNoFailure, Load, NotTaken, opened, pop3At, smtpAt } from './growth-load.ts';
import { type Frontend, FRONTENDS, HOSTS, restore, run } from './inside.ts';
import { at, expectProven, LONG, say, seconds, Watch } from './witness-watch.ts';

// A farm grows and shrinks while mail comes and goes: a front end is added and drained, a volume is
// added and closed, and the more front ends there are, the less the loss of one is felt.

const READY_MS = 240_000;
let farm: MachinesFarm;
/** The witness's own, the load's, those of the last test. */
let watched: readonly string[];
let loading: readonly string[];
let others: readonly string[];

const loads: Load[] = [];
afterEach(async () => {
  for (const load of loads.splice(0)) await load.stop();
});

beforeAll(async () => {
  const listen = Object.entries(PORTS).map(([service, port]) => `${service} *:${port}`);
  farm = await startFarm({
    users: 12,
    frontends: ['fe1', 'fe2'],
    settings: { 'node.listen': listen.join(', '), 'volume.refresh': '1s', 'node.beat': '1s' },
  });
  const four = (from: number): readonly string[] => farm.users.slice(from, from + 4);
  [watched, loading, others] = [four(0), four(4), four(8)];
});
afterAll(async () => {
  await farm?.close();
  await takeAway();
  await restore();
});

/** The directory as an administrator's program has it. */
async function administered<T>(work: (admin: Admin) => Promise<T>): Promise<T> {
  const suffix = DEFAULT_SUFFIX;
  const who = { bindDn: layout(suffix).admin, bindPassword: ADMIN_PASSWORD };
  const admin = await openAdmin({ urls: [farm.directory.url], suffix, ...who });
  try {
    return await work(admin);
  } finally {
    await admin.close();
  }
}

/** All that a new front end has no business with: settings, volumes, the other nodes. */
const restOfTheFarm = (): Promise<unknown> =>
  administered(async ({ settings, volumes }) => ({
    pids: ['fe1', 'fe2'].map((host) => farm.nodes.get(host as Frontend)?.pid),
    settings: [...(await settings.all())],
    volumes: await volumes.list(),
  }));

interface Busy {
  readonly watch: Watch;
  readonly load: Load;
  /** Clients are told of one more. */
  join(host: Frontend): void;
}

/** The witness and the load on these front ends. */
async function underLoad(name: string, hosts: readonly Frontend[]): Promise<Busy> {
  const [smtp, pop3] = [at('mx', hosts), at('pop3', hosts)];
  const floor = { acknowledged: 20, sessions: 10, fetched: 10, deleted: 1 };
  const watch = await Watch.start(farm, name, { smtp, pop3, logins: watched, cut: 0, floor });
  const load = new Load(hosts, loading);
  loads.push(load);
  const join = (host: Frontend): void => {
    smtp.push(...at('mx', [host]));
    pop3.push(...at('pop3', [host]));
    load.places.push(host);
  };
  return { watch, load, join };
}

/** In these phases nobody was told to come back, and no session broke. */
function expectSmooth(report: Report, phases: readonly string[]): void {
  const rows = report.figures.filter(({ phase }) => phases.includes(phase));
  expect(new Set(rows.map(({ phase }) => phase)).size).toBe(phases.length);
  const rough = rows.filter(({ failed, temporary }) => failed + temporary > 0);
  expect(rough).toEqual([]);
}

async function expectInAndOut(hosts: readonly Frontend[], user: string): Promise<void> {
  for (const host of hosts) {
    const wire = Buffer.from(`Subject: in by ${host}\r\n\r\nx\r\n`);
    expect(await farm.send(host, user, wire)).toBe(250);
  }
  for (const host of hosts) {
    const letters = [...(await farm.mailbox(host, user)).values()].map(String);
    for (const other of hosts) {
      expect(letters.filter((text) => text.includes(`in by ${other}\r\n`))).toHaveLength(1);
    }
  }
}

test('[S0-05] [S2-04] [S0-16] a front end joins under load and is drained: no session fails', async () => {
  await administered(({ nodes }) => nodes.remove('fe3'));
  const before = await restOfTheFarm();
  const { watch, load, join } = await underLoad('growth', ['fe1', 'fe2']);
  await watch.during('two', seconds(2, 20));
  watch.phase('fe3 joins');
  const began = performance.now();
  const node = await farm.startNode('fe3');
  say(`fe3 serves ${((performance.now() - began) / 1000).toFixed(1)} s after its start`);
  join('fe3');
  await expectInAndOut(FRONTENDS, 'alice@example.test');
  await watch.during('three', seconds(3, 60));
  // What it has done, not how soon: others may have the machine now.
  const served = (): number => load.doneAt('fe3');
  await expect.poll(served, { timeout: READY_MS }).toBeGreaterThan(3);
  expect(await farm.command('fe1', 'node', 'list')).toMatch(/fe3 +\d+ +\S+ +.*up/);
  expect(await restOfTheFarm()).toEqual(before);
  watch.phase('fe3 drains');
  await node.signal('TERM');
  await expect.poll(() => node.ended(), { timeout: READY_MS }).toBe(0);
  await watch.during('two again', seconds(2, 20));
  await expect.poll(() => load.notTaken, { timeout: READY_MS }).toBeGreaterThan(0);
  await load.stop();
  const report = await watch.finish({ pop3: at('pop3', ['fe1', 'fe2']) });
  say(`load: ${load.words()}`);
  expectProven(report);
  expectNoFailure(load);
  expectSmooth(report, ['two', 'fe3 joins', 'three']);
  expect(report.counts.unclear, 'a letter whose end nobody told').toBe(0);
});

// ---- a volume ----

const NEW = 'mail3';
const MOUNT = `/mnt/${NEW}`;
const DISK = `/mnt/srv/${NEW}`;
const SOURCE = `${HOSTS.filer1.address}:/${NEW}`;

const asRoot = (host: Frontend | 'filer1', script: string): Promise<string> =>
  run(host, ['bash', '-ec', script], { as: 'root' });

/** Another disk of the file server, exported on its own; what an operator does there. */
const exportNew = (): Promise<string> =>
  asRoot(
    'filer1',
    `modprobe -d /mnt/kernel loop
    truncate -s 256M ${DISK}.disk
    mkfs.ext4 -q -F -N 4000 -m 0 -E lazy_itable_init=1 ${DISK}.disk
    mkdir ${DISK}; mount -o loop ${DISK}.disk ${DISK}
    rmdir ${DISK}/lost+found; chown mail:mail ${DISK}
    exportfs -o rw,sync,no_subtree_check,root_squash,fsid=9 10.99.0.0/24:${DISK}`,
  );

async function takeAway(): Promise<void> {
  for (const host of FRONTENDS) {
    await asRoot(host, `if mountpoint -q ${MOUNT}; then umount -f -l ${MOUNT}; fi`);
  }
  await asRoot(
    'filer1',
    `exportfs -u 10.99.0.0/24:${DISK} || true; exportfs -f
    if mountpoint -q ${DISK}; then umount -l ${DISK}; fi; rm -f ${DISK}.disk`,
  );
}

const LEAF = `find . -mindepth 3 -maxdepth 3 -type d -not -path './.*' | sort`;

/** Mailboxes on each volume, as their file servers see them. */
async function mailboxes(): Promise<ReadonlyMap<string, readonly string[]>> {
  const found = new Map<string, readonly string[]>();
  for (const [volume, filer] of [
    ['mail1', 'filer1'],
    ['mail2', 'filer2'],
    [NEW, 'filer1'],
  ]) {
    const script = `cd /mnt/srv/${volume} 2> /dev/null || exit 0; ${LEAF}`;
    const said = await run(filer as 'filer1', ['bash', '-c', script], { as: 'root' });
    found.set(volume ?? '', said.split('\n').filter(Boolean));
  }
  return found;
}

/** Login to the volume that the directory has for it. */
async function volumesOfUsers(): Promise<ReadonlyMap<string, string>> {
  const { items } = await administered(({ users }) => users.find({}));
  return new Map(items.flatMap(({ login, volume }) => (volume ? [[login, volume] as const] : [])));
}

const NEWCOMERS = LONG ? 12 : 6;
const PLACES = ['mail1', 'mail2', NEW];

/** New users; each gets a letter at one front end, reads it at the next. @returns volumes' users */
async function newcomers(name: string): Promise<ReadonlyMap<string, number>> {
  const logins = Array.from({ length: NEWCOMERS }, (_, i) => `${name}-${i}x@example.test`);
  await administered(async ({ users }) => {
    for (const login of logins) await users.add(login, { password: PASSWORD });
  });
  await Promise.all(
    logins.map(async (login, i) => {
      const [one, other] = [FRONTENDS[i % 3] ?? 'fe1', FRONTENDS[(i + 1) % 3] ?? 'fe1'];
      expect(await farm.send(one, login, Buffer.from('Subject: first\r\n\r\nx\r\n'))).toBe(250);
      expect((await farm.mailbox(other, login)).size).toBe(1);
    }),
  );
  const where = await volumesOfUsers();
  const of = (volume: string): number =>
    logins.filter((login) => where.get(login) === volume).length;
  const counts = new Map(PLACES.map((volume) => [volume, of(volume)]));
  say(`${name}: ${[...counts].map(([volume, count]) => `${volume} ${count}`).join(', ')}`);
  expect([...counts.values()].reduce((sum, count) => sum + count, 0)).toBe(NEWCOMERS);
  return counts;
}

/** Every front end's workers have read the table and the volume's sentinel. */
async function knownEverywhere(): Promise<void> {
  const up = `mailfarm_volume_up{volume="${NEW}"} 1`;
  for (const host of FRONTENDS) {
    const url = `http://${HOSTS[host].address}:${PORTS.health}/metrics`;
    const metrics = (): Promise<string> => fetch(url).then((answer) => answer.text());
    await expect.poll(metrics, { timeout: READY_MS, interval: 500 }).toContain(up);
  }
}

/** What it says of the volume; before each node has written there, a minute, that one has not. */
const doctorOfNew = async (): Promise<string> =>
  (await farm.command('fe1', 'doctor', NEW).catch(String)).replaceAll(/\s+/g, ' ');

const CLOSED_MS = 8_000;

test('[S2-06] [S2-05] [S2-25] [S2-27] [N-07] a volume is added under load: nobody is moved', async () => {
  await farm.startNode('fe3');
  const pids = FRONTENDS.map((host) => farm.nodes.get(host)?.pid);
  await newcomers('early');
  const [before, usersBefore] = [await mailboxes(), await volumesOfUsers()];
  const { watch, load } = await underLoad('volume', FRONTENDS);
  watch.phase('mounted');
  await exportNew();
  for (const host of FRONTENDS) {
    await asRoot(host, `mkdir -p ${MOUNT}; ${mountLine(SOURCE, MOUNT)}`);
    expect(await run(host, ['mount'])).toContain(`${SOURCE} on ${MOUNT} type nfs4`);
  }
  watch.phase('added');
  await farm.command('fe1', 'volume', 'add', NEW, '--path', MOUNT, '--weight', '24');
  expect(await farm.command('fe1', 'volume', 'list')).toMatch(
    /^mail3 +\/mnt\/mail3 +mail +active/m,
  );
  await knownEverywhere();
  const well = LONG ? /all is well/ : /behaves as a Maildir needs/;
  await expect.poll(doctorOfNew, { timeout: READY_MS, interval: 1000 }).toMatch(well);
  const late = await newcomers('late');
  expect(late.get(NEW)).toBeGreaterThan(0);
  watch.phase('closed');
  await farm.command('fe1', 'volume', 'set', NEW, '--state', 'closed');
  await sleep(CLOSED_MS);
  expect((await newcomers('later')).get(NEW)).toBe(0);
  const [after, usersAfter] = [await mailboxes(), await volumesOfUsers()];
  const there = [...usersAfter].filter(([, volume]) => volume === NEW).map(([login]) => login);
  expect(there).toHaveLength(late.get(NEW) ?? 0);
  expect(after.get(NEW)).toHaveLength(there.length);
  await expectInAndOut(FRONTENDS, there[0] ?? '');
  for (const volume of ['mail1', 'mail2']) {
    expect(after.get(volume)).toEqual(expect.arrayContaining([...(before.get(volume) ?? [])]));
  }
  const all = [...after.values()].flat();
  expect(new Set(all).size, 'a mailbox on two volumes').toBe(all.length);
  expect(Object.fromEntries(usersAfter)).toMatchObject(Object.fromEntries(usersBefore));
  await load.stop();
  const report = await watch.finish();
  say(`load: ${load.words()}`);
  expectProven(report);
  expectNoFailure(load);
  expect(load.notTaken + load.turnedAway).toBe(0);
  expectSmooth(report, ['mounted', 'added', 'closed']);
  expect(FRONTENDS.map((host) => farm.nodes.get(host)?.pid)).toEqual(pids);
});

// ---- the share that one failure hits ----

const SESSIONS = 24;

interface Open {
  readonly host: Frontend;
  /** The session goes on to its good end. @throws when it cannot */
  finish(): Promise<void>;
}

async function openPop3(host: Frontend, user: string): Promise<Open> {
  const chat = await Pop3Chat.login(pop3At(host), user, PASSWORD);
  return {
    host,
    finish: async () => {
      await chat.expect('NOOP');
      await chat.expect('QUIT');
    },
  };
}

async function openSmtp(host: Frontend, user: string, subject: string): Promise<Open> {
  const { chat } = await SmtpChat.open(smtpAt(host));
  await chat.hello();
  for (const line of ['MAIL FROM:<share@world.example>', `RCPT TO:<${user}>`]) {
    expect((await chat.command(line)).code).toBe(250);
  }
  return {
    host,
    finish: async () => {
      const { code, text } = await chat.data(Buffer.from(`Subject: ${subject}\r\n\r\nx\r\n`));
      if (code !== 250) throw new Error(`${code} ${text}`);
    },
  };
}

const worked = (doing: Promise<void>): Promise<boolean> =>
  doing.then(
    () => true,
    () => false,
  );

/** A user's letter, to the front ends in turn. @returns how many did not take it */
async function attempt(hosts: readonly Frontend[], user: string, subject: string): Promise<number> {
  for (const [tried, host] of hosts.entries()) {
    try {
      const { chat } = await opened(() => SmtpChat.open(smtpAt(host)));
      await chat.hello();
      const wire = Buffer.from(`Subject: ${subject}\r\n\r\nx\r\n`);
      expect((await chat.send('share@world.example', [user], wire)).code).toBe(250);
      chat.stream.destroy();
      return tried;
    } catch (error) {
      if (!(error instanceof NotTaken)) throw error;
    }
  }
  return hosts.length;
}

interface Share {
  readonly nodes: number;
  readonly broken: number;
  readonly missed: number;
}

/** The same sessions and attempts on these front ends, the last of which is killed amid them. */
async function shareHit(hosts: readonly Frontend[], accepted: string[]): Promise<Share> {
  const nodes = hosts.length;
  const inTurn = (i: number): Frontend => hosts[i % nodes] ?? 'fe1';
  const userOf = (i: number): string => others[i % others.length] ?? '';
  const subject = (what: string, i: number): string => `${what}-${nodes}-${i}`;
  const open: Open[] = [];
  for (let i = 0; i < SESSIONS; i++) {
    const kind = Math.floor(i / 6) % 2;
    const [host, user] = [inTurn(i), userOf(i)];
    open.push(
      kind === 0
        ? await openPop3(host, user)
        : await openSmtp(host, user, subject('open', i)).then((session) => ({
            ...session,
            finish: async () => {
              await session.finish();
              accepted.push(subject('open', i));
            },
          })),
    );
  }
  const dead = hosts.at(-1) ?? 'fe1';
  for (let i = 0; i < 4; i++) {
    expect(await attempt([dead], userOf(i), subject('before', i))).toBe(0);
    accepted.push(subject('before', i));
  }
  const node = farm.nodes.get(dead);
  await node?.signal('KILL');
  await expect.poll(() => node?.ended(), { timeout: 30_000 }).toBeDefined();
  const finished = await Promise.all(open.map((session) => worked(session.finish())));
  const alive = open.filter(({ host }, i) => host !== dead && finished[i] !== true);
  expect(alive, 'sessions of front ends that live').toEqual([]);
  let missed = 0;
  for (let i = 0; i < SESSIONS; i++) {
    const order = hosts.map((_, n) => inTurn(i + n));
    const tried = await attempt(order, userOf(i), subject('after', i));
    if (tried > 0) missed++;
    if (tried < nodes) accepted.push(subject('after', i));
    expect(tried, 'the second front end takes it').toBeLessThanOrEqual(1);
  }
  return { nodes, broken: finished.filter((well) => !well).length, missed };
}

test('[S0-03] [S0-02] the more front ends, the smaller the share that a killed one hits', async () => {
  const accepted: string[] = [];
  const shares: Share[] = [];
  for (const nodes of [3, 2, 1]) {
    shares.unshift(await shareHit(FRONTENDS.slice(0, nodes), accepted));
  }
  say('front ends  open sessions broken  first attempts missed  of each kind');
  for (const { nodes, broken, missed } of shares) {
    const share = (count: number): string => `${count} (${Math.round((100 * count) / SESSIONS)} %)`;
    say(`${nodes}           ${share(broken).padEnd(21)} ${share(missed).padEnd(22)} ${SESSIONS}`);
    expect(broken).toBe(SESSIONS / nodes);
    expect(missed).toBe(SESSIONS / nodes);
  }
  await farm.startNode('fe1');
  const found: string[] = [];
  for (const user of others) {
    for (const letter of (await farm.mailbox('fe1', user)).values()) {
      const subject = /^Subject: ((?:open|before|after)-\S+)/m.exec(String(letter))?.[1];
      if (subject !== undefined) found.push(subject);
    }
  }
  expect(found.toSorted()).toEqual(accepted.toSorted());
});
