import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import type { Pop3Chat } from '../harness/pop3-chat.ts';
import {
  childrenOf,
  HangFarm,
  http,
  listeners,
  metric,
  poll,
  send,
  signIn,
  stateOf,
  userOf,
  type Outcome,
} from './hang-farm.ts';
import { asRoot, type HostProcess } from './inside.ts';
import type { NfsOperation } from './nfs-rpc.ts';

// A front end on a real mount whose server hangs at an exact call. However the front end ends, a
// new one serves the users of the other volumes; what hangs holds no port, is counted and goes.

const LONG = process.env['MAILFARM_LAB_LONG'] !== undefined;
const PRELOAD = join(import.meta.dirname, 'hang-preload.ts');

/** In which call a volume hangs, and what makes a front end call. */
const HANGS: Readonly<Record<string, { readonly at: NfsOperation; readonly by: () => unknown }>> = {
  stat: { at: 'GETATTR', by: () => poll(userOf('stat')) },
  open: { at: 'OPEN', by: () => send(userOf('open')) },
  fsync: { at: 'WRITE', by: () => send(userOf('fsync')) },
  close: { at: 'CLOSE', by: () => send(userOf('close')) },
};

/** How a front end ends. After `supervisor` nothing is left that listens. */
const ENDS = {
  'exit of the worker': async (node) => asRoot('kill', '-USR2', ...(await workersOf(node))),
  'kill -9 of the worker': async (node) => asRoot('kill', '-KILL', ...(await workersOf(node))),
  SIGTERM: (node) => asRoot('kill', '-TERM', String(node.pid)),
  'kill -9 of the supervisor': (node) => asRoot('kill', '-KILL', String(node.pid)),
  'kill -9 of all': (node) => node.signal('KILL'),
} as const satisfies Record<string, (node: HostProcess) => Promise<unknown>>;
type End = keyof typeof ENDS;

const isWorkers = (end: End): boolean => end.endsWith('of the worker');
const workersOf = async (node: HostProcess): Promise<string[]> =>
  (await childrenOf(node.pid)).map(String);

let farm: HangFarm;
beforeAll(async () => {
  const volumes = ['well', ...Object.keys(HANGS)];
  farm = await HangFarm.open({ volumes, usersEach: 8, preload: PRELOAD });
}, 480_000);
afterAll(() => farm?.close());
afterEach(async () => {
  for (const volume of Object.keys(HANGS)) farm.proxy(volume).pass();
});

const said = ({ said: what }: Outcome): string => what;

/** Until the well volume's users are served both ways. @returns ms since `began` */
async function servedSince(began: number, text: string): Promise<number> {
  for (;;) {
    const [sent, polled] = await Promise.all([send(userOf('well'), text), poll(userOf('well', 1))]);
    if (said(sent) === '250' && said(polled) === '+OK') return performance.now() - began;
    if (performance.now() - began > Math.max(60_000, servedMs())) {
      throw new Error(`${said(sent)} ${said(polled)}`);
    }
    await sleep(50);
  }
}

async function until(what: string, ms: number, holds: () => Promise<boolean> | boolean) {
  const began = performance.now();
  while (!(await holds())) {
    if (performance.now() - began > ms) throw new Error(`not within ${ms} ms: ${what}`);
    await sleep(200);
  }
  return performance.now() - began;
}

/** Resolves when the connection is closed, with how long that took; `undefined`: never. */
const closedWithin = (chat: Pop3Chat, ms: number): Promise<number | undefined> => {
  const began = performance.now();
  const closed = chat.stream.line().then(() => performance.now() - began);
  return Promise.race([closed, sleep(ms, undefined)]);
};

async function hangAll(volumes: readonly string[]): Promise<void> {
  await Promise.all(
    volumes.map(async (volume) => {
      const hang = HANGS[volume];
      if (hang === undefined) throw new Error(volume);
      const hung = farm.proxy(volume).hangFrom(hang.at);
      void hang.by();
      await hung;
    }),
  );
}

async function endWhileHung(end: End, volumes: readonly string[]): Promise<void> {
  const node = front ?? (await farm.start());
  for (const volume of ['well', ...volumes])
    expect(said(await send(userOf(volume, 2)))).toBe('250');
  const other = await signIn(userOf('well', 3));
  const before = [node.pid, ...(await childrenOf(node.pid))];
  await hangAll(volumes);
  await sleep(300); // The calls of others, behind the first, hang as well.
  const began = performance.now();
  await ENDS[end](node);
  const closed = closedWithin(other, 90_000);
  let next = node;
  if (!isWorkers(end)) next = await farm.start();
  front = next;
  const served = await servedSince(began, `after ${end}`);
  const states = before.map(
    (pid) => `${pid === node.pid ? 'supervisor' : 'worker'} ${stateOf(pid)}`,
  );
  expect(await listeners()).toEqual([next.pid]);
  const broken = end === 'kill -9 of all' ? undefined : await closed;
  const stuck = metric((await http('/metrics')).body, 'mailfarm_node_workers_stuck');
  for (const volume of volumes) farm.proxy(volume).pass();
  const back = performance.now();
  const gone = await until('what hung is gone', 180_000, () =>
    before.every((pid) => (pid === node.pid && next === node) || stateOf(pid) === undefined),
  );
  for (const volume of volumes) {
    await until(
      `${volume} serves`,
      180_000,
      async () => said(await send(userOf(volume, 4))) === '250',
    );
  }
  const again = performance.now() - back;
  await until('nothing is counted as stuck', 60_000, async () => {
    return metric((await http('/metrics')).body, 'mailfarm_node_workers_stuck') === 0;
  });
  const ms = (value: number | undefined): string =>
    value === undefined ? '-' : `${Math.round(value)} ms`;
  process.stdout.write(
    `   ${end}, hung in ${volumes.join(' ')}: served after ${ms(served)}, others' connections ` +
      `closed after ${ms(broken)}, old ${states.join(', ')}, stuck ${stuck}; ` +
      `server back: gone after ${ms(gone)}, served after ${ms(again)}\n`,
  );
  other.stream.destroy();
  // A node takes some seconds to start in this kernel; a hung volume adds nothing to it.
  expect(served).toBeLessThan(servedMs());
  if (end !== 'kill -9 of all') expect(broken, 'a connection of others hangs').toBeDefined();
}

let startMs = 0;
/** Some plain starts, as others may be busier now. What waits for a volume never serves. */
const servedMs = (): number => startMs * 4 + 20_000;
/** The front end that one test leaves for the next. */
let front: HostProcess | undefined;

test('a front end without trouble starts, for comparison', async () => {
  const began = performance.now();
  front = await farm.start();
  startMs = await servedSince(began, 'plain');
  process.stdout.write(`   a plain start: ${Math.round(startMs)} ms\n`);
});

for (const end of Object.keys(ENDS) as End[]) {
  const all = Object.keys(HANGS);
  for (const volumes of LONG ? [...all.map((one) => [one]), all] : [all]) {
    test(`[N-02] [S2-08] hung in ${volumes.join(', ')}: ${end}; a new front end serves the others`, async () => {
      await endWhileHung(end, volumes);
    }, 600_000);
  }
}
