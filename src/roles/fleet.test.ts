import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { systemClock } from '../base/clock.ts';
import { silentLogger } from '../log/types.ts';
import { Fleet, type Worker } from './fleet.ts';

const WORKER = `process.on('message', (m) => { if (m.kind === 'drain') process.exit(0); });
process.on('disconnect', () => process.exit(0));
process.send({ kind: 'ready' });`;

const execPath = process.execPath;
const clean: (() => unknown)[] = [];
afterEach(async () => {
  process.execPath = execPath;
  for (const step of clean.splice(0).toReversed()) await step();
});

let module: string;

function makeFleet(size: number, onLost: (worker: Worker) => void = () => {}): Fleet {
  const dir = mkdtempSync(join(tmpdir(), 'mailfarm-fleet-'));
  module = join(dir, 'worker.mjs');
  writeFileSync(module, WORKER);
  const fleet = new Fleet({
    size,
    module,
    env: process.env,
    logger: silentLogger,
    clock: systemClock,
    onMessage: () => {},
    onReady: () => {},
    onDrain: () => {},
    onLost,
  });
  clean.push(
    () => rmSync(dir, { recursive: true, force: true }),
    () => fleet.stop(1_000),
  );
  return fleet;
}

const plan = {} as Parameters<Fleet['start']>[0];

async function eventually(condition: () => boolean): Promise<void> {
  for (let turn = 0; !condition() && turn < 2500; turn++) await systemClock.sleep(20);
  expect(condition()).toBe(true);
}

test('a worker for which there was no process is tried again', async () => {
  const fleet = makeFleet(2);
  await fleet.start(plan);
  await eventually(() => fleet.ready.length === 2);
  process.execPath = '/nonexistent/node'; // As when the system has no process left.
  fleet.ready[0]?.process.kill('SIGKILL');
  await eventually(() => fleet.deaths >= 2);
  process.execPath = execPath;
  await eventually(() => fleet.ready.length === 2);
});

test('[N-02] [S2-08] a worker that says that it is ending is replaced before it has ended', async () => {
  const lost: Worker[] = [];
  const fleet = makeFleet(1, (worker) => void lost.push(worker));
  writeFileSync(
    module,
    // It hangs, as one whose threads are to be joined before it may exit.
    `process.on('SIGUSR2', () => { process.send({ kind: 'ending' }); for (;;); }); ${WORKER}`,
  );
  await fleet.start(plan);
  const [first] = fleet.ready;
  if (first === undefined) throw new Error('no worker');
  first.process.kill('SIGUSR2');
  await eventually(() => lost.length === 1);
  expect(first.process.exitCode ?? first.process.signalCode).toBeNull();
  await eventually(() => fleet.ready.length === 1);
  expect(fleet.ready[0]?.process.pid).not.toBe(first.process.pid);
  expect([lost[0], fleet.deaths]).toEqual([first, 1]);
  await eventually(() => first.process.signalCode === 'SIGKILL');
  expect([fleet.deaths, fleet.stuck, lost.length]).toEqual([1, 0, 1]);
});

test('a generation that could not start at first takes over when it can, and the old one ends', async () => {
  const fleet = makeFleet(2);
  await fleet.start(plan);
  await eventually(() => fleet.ready.length === 2);
  const old = fleet.ready.map((worker) => worker.process.pid);
  writeFileSync(module, 'process.exit(70);'); // As with a certificate that is no certificate.
  await expect(fleet.replaceAll(plan, 1_000)).rejects.toThrow(/rejected/);
  expect(fleet.ready.map((worker) => worker.process.pid)).toEqual(old); // They go on meanwhile.
  writeFileSync(module, WORKER);
  await eventually(() => fleet.ready.length === 2 && fleet.ready.every((w) => w.generation === 2));
});
