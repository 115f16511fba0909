import { readdirSync, readFileSync } from 'node:fs';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { STUCK_CALLS } from '../../bench/bulkhead/calls.ts';
import { Host } from '../../bench/bulkhead/hosts.ts';
import type { Measured } from '../../bench/bulkhead/load.ts';
import { CANDIDATES, compareSpeed } from '../../bench/bulkhead/speed.ts';
import type { Variant, VariantSetting } from '../../bench/bulkhead/variants.ts';
import { asRoot, type Client, CLIENTS, mountOf } from '../inside.ts';
import { SharedMaildir } from '../mailboxes.ts';

// Decision 14: what a hung hard mount costs each way of making calls on volumes. A volume here is
// the same export by another client: each client's cable can be cut by itself.

const say = (line: string): void => void process.stdout.write(`   ${line}\n`);
const link = (client: Client, state: 'up' | 'down'): Promise<string> =>
  asRoot('ip', 'link', 'set', `lab0${client}`, state);
/** Until the kernel has given up what it knows of a file and has to ask. */
const ATTRIBUTES_MS = 4000;

const LOAD_MS = 4000;

interface Way {
  readonly name: string;
  readonly variant: Variant;
  readonly slots: number;
  /** Of libuv's pool, where it is not what the variant needs. */
  readonly threads?: number;
  /** Whether users of other volumes must be served while one hangs. */
  readonly isolates: boolean;
}

const WAYS: readonly Way[] = [
  { name: 'A, pool of 4', variant: 'A', slots: 16, threads: 4, isolates: false },
  { name: 'A, pool sized', variant: 'A', slots: 16, isolates: true },
  { name: 'B, 4 threads', variant: 'B', slots: 4, isolates: true },
  { name: 'C, 16 slots', variant: 'C', slots: 16, isolates: true },
];

const settingOf = (way: Pick<Way, 'variant' | 'slots'>, volumes: number): VariantSetting => ({
  variant: way.variant,
  slots: way.slots,
  volumes,
  deadlineMs: 10_000,
  directorySync: 'never',
});

async function boxesOn(host: Host): Promise<SharedMaildir[]> {
  const boxes = CLIENTS.map(() => new SharedMaildir());
  for (const [volume, client] of CLIENTS.entries()) {
    const maildir = boxes[volume]?.on(client) ?? '';
    await host.ask('create', { volume, root: mountOf(client), maildirs: [maildir] });
  }
  return boxes;
}

interface Seen {
  readonly load: Measured;
  readonly others: Record<string, string>;
}

async function look(host: Host, maildir: string): Promise<Seen> {
  const load = { kind: 'deliver', maildirs: [maildir], lanes: 4, ms: LOAD_MS } as const;
  return {
    load: await host.ask('load', { volume: 0, load }),
    others: await host.ask('others', { turns: 20 }),
  };
}

const told = (what: string, { load, others }: Seen): string =>
  `${what}: ${(load.done / load.seconds).toFixed(0)}/s, failed ${load.failed}, ` +
  `p99 ${load.p99.toFixed(0)} ms; ${Object.entries(others)
    .map((pair) => pair.join(' '))
    .join(', ')}`;

async function hang(host: Host, volume: number, client: Client, slots: number): Promise<void> {
  await link(client, 'down');
  const paths = Array.from({ length: slots }, (_, i) => join(mountOf(client), `nobody-${i}`));
  await host.ask('stick', { volume, call: 'stat', paths });
  await sleep(500);
}

/** Until a delivery on the volume succeeds. @returns ms */
async function untilServed(host: Host, volume: number, maildir: string): Promise<number> {
  const began = performance.now();
  for (;;) {
    const load = { kind: 'deliver', maildirs: [maildir], lanes: 1, count: 1 } as const;
    const { done } = await host.ask('load', { volume, load });
    if (done > 0) return performance.now() - began;
    if (performance.now() - began > 120_000) throw new Error('the volume did not come back');
    await sleep(100);
  }
}

test.for(WAYS)(
  '$name: one and two of three volumes hang, and come back',
  { timeout: 300_000 },
  async (way) => {
    const host = await Host.start(settingOf(way, CLIENTS.length), way.threads);
    try {
      const [own, second] = await boxesOn(host);
      const maildir = own?.on('c1') ?? '';
      await look(host, maildir);
      const before = await look(host, maildir);
      say(told(`${way.name}, all well`, before));
      await hang(host, 1, 'c2', way.slots);
      const one = await look(host, maildir);
      say(told(`${way.name}, one hung`, one));
      let two: Seen | undefined;
      if (way.isolates) {
        await hang(host, 2, 'c3', way.slots);
        two = await look(host, maildir);
        say(told(`${way.name}, two hung`, two));
      }
      const during = await host.ask('state', {});
      await Promise.all([link('c2', 'up'), link('c3', 'up')]);
      const ms = await untilServed(host, 1, second?.on('c2') ?? '');
      await expect
        .poll(async () => (await host.ask('state', {})).volumes.every((v) => v.inFlight === 0), {
          timeout: 60_000,
        })
        .toBe(true);
      const after = await host.ask('state', {});
      const late = after.volumes.map((volume) => volume.late).join(' ');
      say(`${way.name}, healed: serves after ${Math.round(ms)} ms; late results ${late}`);
      expect(during.volumes[1]?.inFlight).toBe(way.slots);
      expect(after.volumes.map((v) => v.pids)).toEqual(during.volumes.map((v) => v.pids));
      const stuck = Object.values(one.others).includes('STUCK') || one.load.done === 0;
      expect(stuck).toBe(!way.isolates);
      if (two !== undefined) {
        expect(Object.values(two.others)).not.toContain('STUCK');
        expect(two.load.failed).toBe(0);
      }
    } finally {
      await Promise.all([link('c2', 'up'), link('c3', 'up')]);
      await host.stop();
    }
  },
);

/**
 * `reap`: it closes its clients' connections and kills itself. `kept`: SIGKILL, and the parent,
 * which has kept the connections, ends them.
 */
const ENDINGS = ['exit', 'TERM', 'KILL', 'reap', 'kept'] as const;
type Ending = (typeof ENDINGS)[number];

/** A client's connection whose server end can be given to a host. */
async function connection(): Promise<{ client: Socket; server: Socket }> {
  const server = createServer({ pauseOnConnect: true });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const accepted = new Promise<Socket>((resolve) => server.once('connection', resolve));
  const client = connect((server.address() as AddressInfo).port, '127.0.0.1');
  const socket = await accepted;
  server.close();
  return { client, server: socket };
}

const greeted = (client: Socket): Promise<void> =>
  new Promise((resolve) => client.once('data', () => resolve()));

/** What the kernel says of a process: gone, or its state and the states of its threads. */
function processState(pid: number): string {
  const states: string[] = [];
  try {
    for (const task of readdirSync(`/proc/${pid}/task`)) {
      const stat = readFileSync(`/proc/${pid}/task/${task}/stat`, 'utf8');
      states.push(stat.slice(stat.lastIndexOf(')') + 2)[0] ?? '');
    }
  } catch {
    return 'gone';
  }
  const counts = new Map<string, number>();
  for (const state of states) counts.set(state, (counts.get(state) ?? 0) + 1);
  return [...counts].map(([state, count]) => `${count}${state}`).join('+');
}

interface Stuck {
  readonly host: Host;
  readonly call: string;
  readonly client: Socket;
  /** The parent's own hold on the connection. */
  readonly server: Socket;
  readonly closedAt: () => number | undefined;
  readonly exitedAt: () => number | undefined;
  readonly pids: readonly number[];
  readonly stick: () => Promise<unknown>;
}

async function startStuck(variant: Variant, keep: boolean): Promise<Stuck[]> {
  const folder = new SharedMaildir();
  await folder.create('c2');
  return Promise.all(
    STUCK_CALLS.map(async (call) => {
      const host = await Host.start(settingOf({ variant, slots: 2 }, 1));
      const path = join(folder.on('c2'), `${call}-${host.pid}`);
      await host.ask('prepare', { volume: 0, call, path });
      const { client, server } = await connection();
      let closedAt: number | undefined;
      let exitedAt: number | undefined;
      client.on('error', () => undefined);
      client.once('close', () => (closedAt = performance.now()));
      host.process.once('exit', () => (exitedAt = performance.now()));
      const greeting = greeted(client);
      host.give(server, keep);
      await greeting;
      const pids = (await host.ask('state', {})).volumes.flatMap((volume) => volume.pids);
      const stick = (): Promise<unknown> => host.ask('stick', { volume: 0, call, paths: [path] });
      return {
        host,
        call,
        client,
        server,
        closedAt: () => closedAt,
        exitedAt: () => exitedAt,
        pids,
        stick,
      };
    }),
  ).then(async (all) => {
    await link('c2', 'down');
    await sleep(ATTRIBUTES_MS);
    for (const one of all) await one.stick();
    await sleep(1000);
    return all;
  });
}

/** Starts another and gives it a connection. @returns ms until the client has its greeting */
async function replacement(variant: Variant): Promise<number> {
  const began = performance.now();
  const host = await Host.start(settingOf({ variant, slots: 2 }, 1));
  const { client, server } = await connection();
  const greeting = greeted(client);
  host.give(server, false);
  await greeting;
  const ms = performance.now() - began;
  client.destroy();
  await host.stop();
  return ms;
}

function end({ host, server }: Stuck, how: Ending): void {
  if (how === 'exit' || how === 'reap') host.tell('exit', { how });
  else host.process.kill(how === 'TERM' ? 'SIGTERM' : 'SIGKILL');
  if (how === 'kept') server.end();
}

const took = (at: number | undefined, began: number): string =>
  at === undefined ? 'not in 6 s' : `${Math.round(at - began)} ms`;

/** Until no process of these is left. @returns ms */
async function untilGone(pids: readonly number[]): Promise<number> {
  const began = performance.now();
  while (pids.some((pid) => processState(pid) !== 'gone')) {
    if (performance.now() - began > 120_000) throw new Error('processes did not go');
    await sleep(100);
  }
  return performance.now() - began;
}

async function endStuck(variant: Variant, how: Ending): Promise<Map<string, boolean>> {
  const closed = new Map<string, boolean>();
  try {
    const all = await startStuck(variant, how === 'kept');
    const began = performance.now();
    for (const one of all) end(one, how);
    await sleep(6000);
    for (const { call, host, closedAt, exitedAt, pids } of all) {
      const children = pids.map((pid) => `; volume process ${processState(pid)}`).join('');
      say(
        `${variant} stuck in ${call.padEnd(5)} ${how.padEnd(4)}: ` +
          `exited ${took(exitedAt(), began)} (${processState(host.pid)}); ` +
          `peer sees the end ${took(closedAt(), began)}${children}`,
      );
      closed.set(call, closedAt() !== undefined);
    }
    const ms = await replacement(variant);
    say(`${variant} ${how}: a replacement greets after ${Math.round(ms)} ms`);
    expect(ms).toBeLessThan(20_000);
    await link('c2', 'up');
    const gone = await untilGone(all.flatMap(({ host, pids }) => [host.pid, ...pids]));
    say(`${variant} ${how}: all gone ${Math.round(gone)} ms after the cable was back`);
    for (const { client, server } of all) {
      client.destroy();
      server.destroy();
    }
  } finally {
    await link('c2', 'up');
  }
  return closed;
}

const CASES = (['A', 'B', 'C'] as const).flatMap((variant) =>
  ENDINGS.map((how) => ({ variant, how })),
);

test.for(CASES)(
  '$variant ended by $how while calls hang',
  { timeout: 300_000 },
  async ({ variant, how }) => {
    const closed = await endStuck(variant, how);
    // Whoever touches no volume can always end; so can whoever closes before it ends.
    if (variant === 'C' || how === 'reap' || how === 'kept')
      expect([...closed.values()]).not.toContain(false);
  },
);

test('speed over NFS', { timeout: 900_000 }, async () => {
  const dir = join(mountOf('c1'), new SharedMaildir().name);
  const candidates = CANDIDATES.filter((one) => one.slots !== 8 && one.threads === undefined);
  const request = { dir, scale: 0.1, rounds: 3, directorySync: 'never', candidates } as const;
  for (const line of await compareSpeed(request)) say(line);
});
