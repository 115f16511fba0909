import { expect, test } from 'vitest';
import { systemClock } from '../base/clock.ts';
import type { DomainEntry } from '../directory/types.ts';
import { Domains } from './elsewhere.ts';

test('a domain elsewhere is asked for once a second; one of ours whenever it is asked for', async () => {
  let now = 1000;
  const asked: string[] = [];
  const entry: DomainEntry = {
    name: 'ours.test',
    etrnFrom: [],
    dkim: [],
  } as unknown as DomainEntry;
  const ours = new Set(['ours.test']);
  const domain = (name: string): Promise<DomainEntry | undefined> => {
    asked.push(name);
    return Promise.resolve(ours.has(name) ? entry : undefined);
  };
  const domains = new Domains({ domain }, { ...systemClock, now: () => now });
  for (const name of ['away.test', 'AWAY.test', 'ours.test', 'ours.test', 'away.test']) {
    expect((await domains.of(name)) === entry).toBe(name === 'ours.test');
  }
  expect(asked).toEqual(['away.test', 'ours.test', 'ours.test']);
  ours.add('away.test');
  now += 1000;
  expect(await domains.of('away.test')).toBe(entry); // It has become ours.
  now -= 5000;
  ours.delete('away.test');
  expect(await domains.of('away.test')).toBeUndefined();
  now -= 5000; // A clock that went back keeps nothing.
  ours.add('away.test');
  expect(await domains.of('away.test')).toBe(entry);
});
