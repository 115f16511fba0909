import { beforeAll, expect, test } from 'vitest';
import { nameKey } from '#maildir';
import { asRoot, CLIENTS } from './inside.ts';
import { deliver, engineOf, SharedMaildir } from './mailboxes.ts';

const LONG = process.env['MAILFARM_LAB_LONG'] !== undefined;
const one = engineOf('c1');
const two = engineOf('c2');
const box = new SharedMaildir();
beforeAll(() => box.create('c1'));

const keysOn = async (client: 'c1' | 'c2' | 'c3'): Promise<string[]> =>
  (await engineOf(client).list(box.on(client))).map(({ name }) => nameKey(name));

test('the clients are three: each has its own state at the server', async () => {
  for (const client of CLIENTS) await keysOn(client);
  const found = await asRoot('sh', '-c', 'cat /proc/fs/nfsd/clients/*/info');
  for (const client of CLIENTS) expect(found).toContain(`${client}/`);
  expect(new Set(found.match(/^clientid: .*$/gm)).size).toBe(3);
});

test('[S2-02] what one client delivered is listed by the other at once, every time', async () => {
  const missed: number[] = [];
  for (let round = 0; round < (LONG ? 200 : 50); round++) {
    const key = await deliver(one, box.on('c1'), `round ${round}\n`);
    if (!(await keysOn('c2')).includes(key)) missed.push(round);
  }
  expect(missed).toEqual([]);
});

test('[S2-02] a second change right after the first is not missed', async () => {
  const missed: number[] = [];
  for (let round = 0; round < (LONG ? 200 : 50); round++) {
    const first = await deliver(one, box.on('c1'), 'first\n');
    const listed = keysOn('c2');
    const second = await deliver(one, box.on('c1'), 'second\n');
    await listed;
    const keys = await keysOn('c2');
    if (!keys.includes(first) || !keys.includes(second)) missed.push(round);
  }
  expect(missed).toEqual([]);
});

test('[S2-02] a mailbox that was looked for before it was made is there at once', async () => {
  for (let round = 0; round < 10; round++) {
    const later = new SharedMaildir();
    expect(await two.exists(later.on('c2'))).toBe(false);
    await later.create('c1');
    await deliver(one, later.on('c1'), 'hello\n');
    expect(await two.exists(later.on('c2'))).toBe(true);
    expect(await two.list(later.on('c2'))).toHaveLength(1);
  }
});

test('[S2-02] a flag, a removal and a letter of another client: each seen by the next listing', async () => {
  const maildir = new SharedMaildir();
  await maildir.create('c1');
  const key = await deliver(one, maildir.on('c1'), 'flags\n');
  const [entry] = await two.list(maildir.on('c2'));
  if (entry === undefined) throw new Error('not listed');
  const seen = await two.setFlags({ maildir: maildir.on('c2'), entry, add: 'S', remove: '' });
  expect(await one.list(maildir.on('c1'))).toEqual([seen]);
  expect(nameKey(seen.name)).toBe(key);
  // The first client still has the old name: it finds the letter again by its key.
  const read = await one.read({ maildir: maildir.on('c1'), entry, offset: 0, length: 100 });
  expect(Buffer.from(read.bytes).toString()).toBe('flags\n');
  expect(await one.remove({ maildir: maildir.on('c1'), entries: [entry] })).toEqual([undefined]);
  expect(await two.list(maildir.on('c2'))).toEqual([]);
});
