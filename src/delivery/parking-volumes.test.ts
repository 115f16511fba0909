import { expect, test } from 'vitest';
import { gate } from '../volumes/testing/volumes.ts';
import { systemError } from '#maildir';
import { away, bodies, back, front, kindOf, land, outcome, send, strikeBy } from './testing.ts';
import { useParkingFarm, user } from './testing.ts';

/** Parked mail over two spool volumes of which the one that is asked first has trouble. */
useParkingFarm('spool2');

const SPOOL = /\/(spool\d)\/spool\/parked\//;

/** Strikes the spool volume that is the first to be asked for such a call. @returns its name */
function strikeFirst(struck: string, how: (path: string) => unknown): () => string | undefined {
  let bad: string | undefined;
  strikeBy((call, path) => {
    const spool = SPOOL.exec(path)?.[1];
    if (call !== struck || spool === undefined) return undefined;
    bad ??= spool;
    return bad === spool ? (how(path) as Error) : undefined;
  });
  return () => bad;
}

const other = (name: string | undefined): string => (name === 'spool1' ? 'spool2' : 'spool1');
const allUp = async (): Promise<void> => {
  for (const name of ['spool1', 'spool2']) {
    await expect.poll(() => front.volumes.table.get(name)?.up).toBe(true);
  }
};

test.each(['EIO', 'ENOSPC'] as const)(
  '[N-03] the first meets %s: the next has it',
  async (code) => {
    const alice = await user('alice', 'v1');
    await allUp();
    await away('v1');
    const bad = strikeFirst('create', (path) => systemError(code, 'create', path));
    const [parked] = outcome(await send([alice], 'x'));
    expect([bad(), parked]).toEqual([expect.any(String), other(bad())]);
    strikeBy(() => undefined);
    await back('v1');
    expect(await land(front)).toEqual([1]);
    expect(await bodies(alice)).toEqual(['H: 1\nx']);
  },
);

test('[N-03] the first hangs: the next has it, once', async () => {
  const alice = await user('alice', 'v1');
  await allUp();
  await away('v1');
  const { closed, open } = gate();
  const bad = strikeFirst('create', () => closed);
  const [parked] = outcome(await send([alice], 'x'));
  expect(parked).toBe(other(bad()));
  open();
  strikeBy(() => undefined);
  await back('v1');
  await land(front);
  expect(await bodies(alice)).toEqual(['H: 1\nx']);
});

test('[N-03] a later piece that fails is refused: the first is gone from memory', async () => {
  const alice = await user('alice', 'v1');
  await allUp();
  await away('v1');
  strikeFirst('openWrite', (path) => systemError('EIO', 'open', path));
  expect(await kindOf(send([alice], 'x'.repeat(100_000)))).toBe('volume-down');
});
