import { type ChildProcess, fork } from 'node:child_process';
import { openSync, readdirSync, readFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { nameKey, nodeFs } from '#maildir';
import { serverThreads } from '../inside.ts';
import { SharedMaildir } from '../mailboxes.ts';
import { type Attempt, letterOf, LONG, type Report } from './letters.ts';
import {
  addClients,
  type Kind,
  KINDS,
  removeClients,
  setLinks,
  type SoftClient,
  type Traffic,
  trafficOf,
} from './soft-clients.ts';

// Decision 15: `hard` against `softerr`. Two clients of each kind deliver and read while the same
// thing happens to all; then the server's disk is compared with what the senders were told.

const say = (line: string): void => void process.stdout.write(`   ${line}\n`);

let clients: SoftClient[] = [];
beforeAll(async () => {
  clients = await addClients();
});
afterAll(async () => removeClients(clients));

interface Sender {
  readonly client: SoftClient;
  readonly process: ChildProcess;
  readonly report: Promise<Report>;
  readonly before: Traffic;
}

function startSender(client: SoftClient, box: SharedMaildir): Sender {
  const program = join(import.meta.dirname, 'sender.ts');
  const child = fork(program, [join(client.mount, box.name), client.name], {
    env: { ...process.env, UV_THREADPOOL_SIZE: '24' },
  });
  const report = new Promise<Report>((resolve) => child.once('message', resolve));
  return { client, process: child, report, before: trafficOf(client.mount) };
}

interface Facts {
  readonly letters: ReadonlyMap<string, string>;
  readonly doubled: readonly string[];
  readonly leftInTmp: number;
}

function factsOf(box: SharedMaildir): Facts {
  const letters = new Map<string, string>();
  const doubled: string[] = [];
  for (const name of readdirSync(join(box.atServer, 'new'))) {
    const key = nameKey(name);
    if (letters.has(key)) doubled.push(key);
    letters.set(key, readFileSync(join(box.atServer, 'new', name), 'latin1'));
  }
  return { letters, doubled, leftInTmp: readdirSync(join(box.atServer, 'tmp')).length };
}

interface Judged {
  readonly lost: readonly string[];
  readonly damaged: readonly string[];
  /** Told that it failed, and it is there: parked and sent again it would come twice. */
  readonly ghosts: readonly string[];
  readonly unknownThere: number;
}

function judge(attempts: readonly Attempt[], { letters }: Facts): Judged {
  const whole = (base: string): boolean => {
    const text = letters.get(base);
    return text === undefined || text === letterOf(base, text.length >= LONG);
  };
  const of = (result: Attempt['result']): Attempt[] => attempts.filter((a) => a.result === result);
  const there = ({ base }: Attempt): boolean => letters.has(base);
  const bases = (some: readonly Attempt[]): string[] => some.map(({ base }) => base);
  return {
    lost: bases(of('ok').filter((attempt) => !there(attempt))),
    damaged: bases(attempts).filter((base) => !whole(base)),
    ghosts: bases(of('failed').filter(there)),
    unknownThere: of('unknown').filter(there).length,
  };
}

function counted(attempts: readonly Attempt[]): string {
  const counts = new Map<string, number>();
  for (const { result, why } of attempts) {
    if (result !== 'ok') counts.set(`${result} ${why}`, (counts.get(`${result} ${why}`) ?? 0) + 1);
  }
  return [...counts].map(([what, count]) => `${what} ${count}`).join(', ') || 'none';
}

interface Times {
  /** When it began, and when what was taken away was back. */
  readonly began: number;
  readonly back: number;
}

function told(kind: Kind, reports: readonly Report[], facts: Facts, times: Times): Judged {
  const attempts = reports.flatMap((report) => report.attempts);
  const judged = judge(attempts, facts);
  const after = (at: number, ok: boolean): number =>
    Math.min(
      ...attempts
        .filter((a) => (a.result === 'ok') === ok && a.endedAt > at && (!ok || a.beganAt > at))
        .map((a) => a.endedAt),
    ) - at;
  const seconds = (ms: number): string =>
    ms === Infinity ? 'none' : `${(ms / 1000).toFixed(1)} s`;
  const oks = attempts.filter(({ result }) => result === 'ok').length;
  const longest = Math.max(...attempts.map((a) => a.endedAt - a.beganAt));
  const reads = reports.map((r) => JSON.stringify(r.readErrors)).join(' ');
  say(`${kind}: ${oks} letters; ${counted(attempts)}; longest ${seconds(longest)}`);
  say(
    `  first error after ${seconds(after(times.began, false))}, first new letter ` +
      `${seconds(after(times.back, true))} after it was back; read errors ${reads}`,
  );
  say(
    `  lost ${judged.lost.length}, damaged ${judged.damaged.length}, doubled ` +
      `${facts.doubled.length}, said failed but there ${judged.ghosts.length}, unknown and there ` +
      `${judged.unknownThere}, left in tmp ${facts.leftInTmp}`,
  );
  return judged;
}

/** Lets something happen to all clients at once and compares what became of their letters. */
async function compare(what: string, happen: () => Promise<Times>): Promise<void> {
  const kinds = Object.keys(KINDS) as Kind[];
  const boxes = new Map<Kind, SharedMaildir>();
  for (const kind of kinds) {
    const box = new SharedMaildir();
    await box.create('c1');
    boxes.set(kind, box);
  }
  const senders = clients.map((client) => startSender(client, boxes.get(client.kind)!));
  await sleep(10_000);
  const times = await happen();
  await sleep(35_000);
  for (const { process: child } of senders) child.send('stop');
  const reports = await Promise.all(
    senders.map(async (sender) => ({ ...sender, report: await sender.report })),
  );
  await sleep(3000); // What was under way in the kernel.
  say(`--- ${what}`);
  const judged: Judged[] = [];
  for (const kind of kinds) {
    const own = reports.filter(({ client }) => client.kind === kind);
    const facts = factsOf(boxes.get(kind)!);
    judged.push(
      told(
        kind,
        own.map(({ report }) => report),
        facts,
        times,
      ),
    );
    const traffic = own.map(({ client, before }) => {
      const { calls, sent, timeouts } = trafficOf(client.mount);
      const again = sent - before.sent - (calls - before.calls);
      const late = timeouts - before.timeouts;
      return `${calls - before.calls} calls, ${again} sent again, ${late} timed out`;
    });
    say(`  on the wire: ${traffic.join('; ')}`);
    for (const { report } of own) expect(report.wrongReads).toEqual([]);
    expect(facts.doubled).toEqual([]);
  }
  for (const { lost, damaged, ghosts } of judged) {
    expect({ lost, damaged, ghosts }).toEqual({ lost: [], damaged: [], ghosts: [] });
  }
}

async function stopServer(ms: number): Promise<Times> {
  const began = Date.now();
  await serverThreads(0);
  await sleep(ms);
  await serverThreads(4);
  return { began, back: Date.now() };
}

async function cut(ms: number): Promise<Times> {
  const began = Date.now();
  await setLinks(clients, 'down');
  await sleep(ms);
  await setLinks(clients, 'up');
  return { began, back: Date.now() };
}

const EVENTS = [
  { what: 'the server restarts', happen: () => stopServer(0) },
  { what: 'the server is away for 5 s', happen: () => stopServer(5000) },
  { what: 'the server is away for 40 s', happen: () => stopServer(40_000) },
  { what: 'the network is cut for 5 s', happen: () => cut(5000) },
  { what: 'the network is cut for 20 s', happen: () => cut(20_000) },
] as const;

test.for(EVENTS)('mounts: $what', { timeout: 300_000 }, async ({ what, happen }) => {
  await compare(what, happen);
});

const codeOf = (error: unknown): string => (error as NodeJS.ErrnoException).code ?? String(error);

/** @returns 'ok' or the error's code, and after how many seconds. */
async function answerOf(call: Promise<unknown>): Promise<string> {
  const began = performance.now();
  const answer = await call.then(() => 'ok', codeOf);
  const seconds = (performance.now() - began) / 1000;
  return seconds < 0.5 ? answer : `${answer} after ${seconds.toFixed(0)} s`;
}

test('mounts: what fsync and close say after one that failed', { timeout: 300_000 }, async () => {
  const box = new SharedMaildir();
  await box.create('c1');
  // One client a kind: libuv's pool of this process has four threads, one for each call.
  const soft = clients.filter(({ kind }, i) => kind !== 'hard' && i % 2 === 0);
  const text = Buffer.alloc(300_000, 'x');
  const open = soft.map(({ kind, mount, name }) => {
    const paths = ['fsync', 'close'].map((call) => join(mount, box.name, 'tmp', `${name}-${call}`));
    const fds = paths.map((path) => openSync(path, 'wx'));
    for (const fd of fds) writeSync(fd, text);
    return { kind, paths, fds };
  });
  await setLinks(soft, 'down');
  const first = await Promise.all(
    open.map(({ fds }) =>
      Promise.all([answerOf(nodeFs.fsync(fds[0]!)), answerOf(nodeFs.close(fds[1]!))]),
    ),
  );
  await setLinks(soft, 'up');
  await sleep(15_000);
  for (const [i, { kind, paths, fds }] of open.entries()) {
    const second = await answerOf(nodeFs.fsync(fds[0]!));
    const closed = await answerOf(nodeFs.close(fds[0]!));
    const again = await nodeFs.openWrite(paths[1]!);
    const third = [await answerOf(nodeFs.fsync(again)), await answerOf(nodeFs.fsync(again))];
    await answerOf(nodeFs.close(again));
    const sizes = paths.map((path) => {
      const bytes = readFileSync(join(box.atServer, 'tmp', path.slice(path.lastIndexOf('/'))));
      return `${bytes.length}${bytes.equals(text) ? '' : ' WRONG'}`;
    });
    say(
      `${kind}: fsync ${first[i]?.[0]}, then ${second}, close ${closed}, ` +
        `on the server ${sizes[0]} of ${text.length}; close ${first[i]?.[1]}, opened again ` +
        `fsync ${third.join(', then ')}, on the server ${sizes[1]}`,
    );
    expect(first[i]?.filter((answer) => !answer.startsWith('ETIMEDOUT'))).toEqual([]);
    // Why the engine never asks twice: the pages are gone, and the second answer is a lie.
    expect(second).toBe('ok');
    expect(sizes[0]).toContain('WRONG');
  }
});
