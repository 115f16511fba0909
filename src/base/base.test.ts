import { expect, test } from 'vitest';
import { systemClock } from './clock.ts';
import { DeadlineError, withDeadline } from './deadline.ts';
import { traceId } from './ids.ts';
import { systemRandom } from './random.ts';

test('a trace id is twelve characters that cannot be misread, and follows the chance it is given', () => {
  const zeros = { bytes: (n: number) => new Uint8Array(n) };
  expect(traceId(zeros)).toBe('000000000000');
  expect(traceId({ bytes: (n) => new Uint8Array(n).fill(255) })).toBe('zzzzzzzzzzzz');
});

test('a deadline rejects by name, and a late success is handed over to be disposed of', async () => {
  let finish: (value: string) => void = () => {};
  const work = new Promise<string>((resolve) => (finish = resolve));
  const late: string[] = [];
  const limited = withDeadline(work, { ms: 5, what: 'the volume', onLate: (v) => late.push(v) });
  await expect(limited).rejects.toThrow(DeadlineError);
  await expect(limited).rejects.toThrow('the volume did not answer within 5 ms');
  finish('staged');
  await work;
  expect(late).toEqual(['staged']);
});

test('work that is in time passes through, its failure too', async () => {
  const options = { ms: 1000, what: 'x' };
  expect(await withDeadline(Promise.resolve(7), options)).toBe(7);
  await expect(withDeadline(Promise.reject(new Error('no')), options)).rejects.toThrow('no');
});

test('sleep ends early when its signal aborts, with the reason', async () => {
  const stop = new AbortController();
  const sleeping = systemClock.sleep(60_000, stop.signal);
  stop.abort(new Error('stopping'));
  await expect(sleeping).rejects.toThrow('stopping');
  await expect(systemClock.sleep(1, stop.signal)).rejects.toThrow('stopping');
});

test('chance never gives the same bytes twice, and what it gave stays the caller\u2019s', () => {
  const given = Array.from({ length: 2000 }, () => systemRandom.bytes(9));
  const before = given.map((bytes) => Buffer.from(bytes).toString('hex'));
  expect(systemRandom.bytes(100_000)).toHaveLength(100_000);
  expect(new Set(before).size).toBe(2000);
  expect(given.map((bytes) => Buffer.from(bytes).toString('hex'))).toEqual(before);
});
