import { expect, test } from 'vitest';
import { BOX, INBOX, Yard } from '../../test/journal-yard.ts';
import { isErrno } from '../errno.ts';
import { openFacts } from './facts.ts';
import type { Facts } from './types.ts';

async function start(): Promise<{ readonly yard: Yard; readonly facts: Facts }> {
  const yard = await Yard.make();
  const facts = openFacts({
    fs: yard.fs,
    clock: { now: () => yard.now, sleep: async () => {} },
    random: { bytes: (n) => Buffer.alloc(n) },
    node: 'mx1',
    pid: 1,
    directorySync: 'always',
  });
  return { yard, facts };
}

test('a fact is put, replaced, listed and removed; any text is a name', async () => {
  const { yard, facts } = await start();
  expect(await facts.facts(INBOX, 'subscribed')).toEqual([]);
  const names = ['.hidden', 'Archive/2026', 'Grüße', '100%\n'];
  for (const name of names) {
    for (const text of ['old', name]) {
      const bytes = Buffer.from(text);
      await facts.putFact({ ref: INBOX, drawer: 'subscribed', name, bytes, durable: true });
    }
  }
  expect(await facts.facts(INBOX, 'subscribed')).toEqual(names.toSorted());
  for (const name of names) {
    const read = await facts.readFact(INBOX, 'subscribed', name);
    expect(Buffer.from(read).toString()).toBe(name);
    await facts.removeFact(INBOX, 'subscribed', name);
    await facts.removeFact(INBOX, 'subscribed', name);
    await expect(facts.readFact(INBOX, 'subscribed', name)).rejects.toSatisfy((error) =>
      isErrno(error, 'ENOENT'),
    );
  }
  expect(await yard.fs.list(`${BOX}/tmp`)).toEqual([]);
  expect(yard.fs.openFiles).toBe(0);
  await expect(facts.facts(INBOX, 'log')).rejects.toSatisfy((error) => isErrno(error, 'EINVAL'));
  await expect(facts.facts(INBOX, '../x')).rejects.toSatisfy((error) => isErrno(error, 'EINVAL'));
});

test('no fact has a name that no file can have, and none is made', async () => {
  const { facts } = await start();
  const fact = { ref: INBOX, drawer: 'subscribed', bytes: Buffer.from('x'), durable: true };
  const fitting = '/'.repeat(85); // Three octets each.
  await facts.putFact({ ...fact, name: fitting });
  expect(await facts.facts(INBOX, 'subscribed')).toEqual([fitting]);
  for (const name of [`${fitting}a`, 'a'.repeat(256), 'ж'.repeat(128)]) {
    await expect(facts.putFact({ ...fact, name })).rejects.toSatisfy((error) =>
      isErrno(error, 'EINVAL'),
    );
    await expect(facts.readFact(INBOX, 'subscribed', name)).rejects.toSatisfy((error) =>
      isErrno(error, 'ENOENT'),
    );
    await facts.removeFact(INBOX, 'subscribed', name);
  }
});
