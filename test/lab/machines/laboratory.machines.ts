import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, expect, test } from 'vitest';
import { readOrNothing } from './box.ts';
import { atFiler, cable, EXPORTS, FRONTENDS, HOSTS, mountAll, mountOf } from './inside.ts';
import { power, restore, run, serverThreads, setClock, startOn } from './inside.ts';
import type { Host } from './inside.ts';

// The laboratory itself: that what tests ask for is what happens.

afterEach(restore);

const reaches = (from: Host, to: Host): Promise<boolean> =>
  run(from, ['bash', '-c', `exec 3<> /dev/tcp/${HOSTS[to].address}/2049`], { as: 'root' }).then(
    () => true,
    () => false,
  );
/** Where nothing gets through, nothing comes in a second and a half either. */
const CUT_MS = 1_500;
/** Where all does, a busy machine may take its time. */
const WHOLE_MS = 30_000;
const connects = (from: Host, to: Host): Promise<boolean> =>
  Promise.race([reaches(from, to), sleep(WHOLE_MS, false)]);
const isCut = (from: Host, to: Host): Promise<boolean> =>
  Promise.race([reaches(from, to).then((reached) => !reached), sleep(CUT_MS, true)]);

test('[N-21] each machine is a host: its name, its network, its mounts, one user who may write', async () => {
  for (const host of FRONTENDS) {
    expect(await run(host, ['cat', '/proc/sys/kernel/hostname'])).toBe(`${host}\n`);
    expect(await run(host, ['id', '-un'])).toBe('mail\n');
    for (const volume of EXPORTS) {
      await run(host, ['touch', `${mountOf(volume)}/${host}`]);
      const rootTouch = run(host, ['touch', `${mountOf(volume)}/x`], { as: 'root' });
      await expect(rootTouch).rejects.toThrow('denied');
    }
  }
  for (const volume of EXPORTS) {
    expect((await atFiler(volume, 'ls fe*; rm fe*')).split('\n', 3)).toEqual(['fe1', 'fe2', 'fe3']);
  }
});

test('[N-21] a cable is cut: of a host, in one direction, between two; others talk on', async () => {
  expect(await connects('fe1', 'filer1')).toBe(true);
  await cable.cut('fe1');
  expect(await isCut('fe1', 'filer1')).toBe(true);
  expect(await connects('fe2', 'filer1')).toBe(true);
  await cable.heal('fe1');
  expect(await connects('fe1', 'filer1')).toBe(true);
  await cable.cut('fe1', 'filer1');
  expect([await isCut('fe1', 'filer1'), await connects('fe1', 'filer2')]).toEqual([true, true]);
  await cable.heal('fe1', 'filer1');
  await cable.cutTo('filer1');
  expect(await isCut('fe1', 'filer1')).toBe(true);
  await cable.healAll();
  await cable.cutFrom('filer1');
  expect([await isCut('fe1', 'filer1'), await connects('fe1', 'filer2')]).toEqual([true, true]);
  await expect(cable.delay('nobody' as Host, 1)).rejects.toThrow('no such host');
});

test('[N-21] a cable is slow', async () => {
  const program = `const net = require('node:net'), began = performance.now();
    net.connect(2049, '${HOSTS.filer1.address}', () => {
      console.log(performance.now() - began); process.exit(); });`;
  await cable.delay('filer1', 700);
  expect(Number(await run('fe1', [process.execPath, '-e', program]))).toBeGreaterThan(690);
});

test('[N-21] clocks differ, a boot sets them right', async () => {
  const off = async (): Promise<number> =>
    Number(await run('fe2', ['date', '+%s'])) - Date.now() / 1000;
  await setClock('fe2', -30);
  expect(await off()).toBeLessThan(-27);
  await setClock('fe2', 3600);
  expect(await off()).toBeGreaterThan(3590);
  await power.off('fe2');
  await power.on('fe2');
  expect(Math.abs(await off())).toBeLessThan(10);
});

test('[N-21] what a process said can be read when its machine is dead', async () => {
  const argv = ['bash', '-c', 'echo "I am $(id -un)"; sleep 600'];
  const process = await startOn('fe3', 'talker', argv);
  await process.waitFor(/I am mail/, 10_000);
  await power.off('fe3');
  expect(process.output()).toBe('I am mail\n');
  expect(process.ended()).toBe(undefined);
  await expect(run('fe3', ['true'])).rejects.toThrow('fe3 is off');
  await power.on('fe3');
  const other = await startOn('fe3', 'talker', argv);
  await other.waitFor(/I am mail/, 10_000);
  await other.signal('TERM');
  await expect.poll(() => other.ended(), { timeout: 60_000 }).toBe(128);
});

test('[N-21] other mount options: softerr gives up where hard waits', async () => {
  await mountAll('fe1', 'softerr,timeo=10,retrans=1');
  expect(readOrNothing('/proc/mounts')).not.toContain('softerr');
  await serverThreads('filer1', 0);
  const began = performance.now();
  const touch = run('fe1', ['touch', `${mountOf('mail1')}/soft`], { ms: 60_000 });
  await expect(touch).rejects.toThrow(/timed out/i);
  expect(performance.now() - began, 'as long as hard waits').toBeLessThan(55_000);
  const waits = startOn('fe2', 'hard', ['touch', `${mountOf('mail1')}/hard`]);
  await sleep(1000);
  expect((await waits).ended()).toBe(undefined);
  await serverThreads('filer1', 4);
  const hard = await waits;
  await expect.poll(() => hard.ended(), { timeout: 60_000 }).toBe(0);
  await mountAll('fe1');
});

test('[N-21] a server that lost its power knows its clients again and gives them grace', async () => {
  await run('fe1', ['touch', `${mountOf('mail2')}/state`]);
  await power.off('filer2');
  await power.on('filer2');
  const said = await run('filer2', ['dmesg'], { as: 'root' });
  expect(said).toMatch(/grace period/);
  expect(said).not.toContain('no clients to reclaim');
  await run('fe1', ['rm', `${mountOf('mail2')}/state`], { ms: 60_000 });
});
