import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { wireOf } from '../../src/mailbox/conformance.ts';
import type { Maildrop } from '../../src/mailbox/types.ts';
import { keepRows } from './budget-rows.ts';
import { asRoot, callsDuring } from './inside.ts';
import { deliver, engineOf, SharedMaildir } from './mailboxes.ts';
import type { BudgetRow } from './protocol.ts';
import { openOn } from './stores.ts';

// Counts do not depend on how busy the machine is, so that they are asserted as they are.

const LETTER = `Subject: budget\n\n${'0123456789 '.repeat(450)}\n`;
const rows: BudgetRow[] = [];
const engine = engineOf('c1');
const other = engineOf('c2');
const box = new SharedMaildir();
const large = new SharedMaildir();

/** Counts the calls of `work`, keeps the row and asserts. */
async function within(
  what: string,
  allowed: number,
  work: () => Promise<unknown>,
): Promise<ReadonlyMap<string, number>> {
  const { total, calls, by } = await callsDuring('c1', work);
  rows.push({ what, counted: total, allowed, calls });
  expect(total, `${what}: ${calls}`).toBeLessThanOrEqual(allowed);
  if (allowed > 0) expect(total, `${what}: nothing was counted`).toBeGreaterThan(0);
  return by;
}
/** The client forgets names, attributes and pages. */
const coldCache = (): Promise<string> =>
  asRoot('sh', '-c', 'sync; echo 3 > /proc/sys/vm/drop_caches');
const deliverOne = (): Promise<string> => deliver(engine, box.on('c1'), LETTER);

beforeAll(async () => {
  await box.create('c1');
  large.fill(10_000);
});
afterAll(() => keepRows(rows));

test('[S2-02] a delivery of 5 KB: 5 calls; what a host does not know yet comes on top', async () => {
  await deliverOne();
  await within('delivery, warm', 5, deliverOne);
  await within('delivery after another, warm', 5, deliverOne);
  await deliver(other, box.on('c2'), LETTER);
  await within('delivery after one of another host', 7, deliverOne);
  // Three directories are looked up and their rights asked, once a client.
  const fresh = new SharedMaildir();
  await fresh.create('c2');
  await within('delivery, mailbox never seen', 11, () => deliver(engine, fresh.on('c1'), LETTER));
  await coldCache();
  await within('delivery, nothing cached at all', 13, deliverOne);
});

test('[S2-02] a poll that finds nothing new: 2 calls a listing', async () => {
  const poll = (): Promise<unknown> => engine.list(box.on('c1'));
  await poll();
  const warm = await within('poll, nothing new, warm (two listings)', 4, poll);
  expect([...warm.keys()]).toEqual(['GETATTR']);
  await coldCache();
  await within('poll, cold (two listings)', 19, poll);
});

test('[S2-02] RETR 3 calls, flags 1, DELE 1', async () => {
  const maildir = box.on('c1');
  const key = await deliver(other, box.on('c2'), LETTER);
  const find = async () => {
    const entry = (await engine.list(maildir)).find(({ name }) => name.startsWith(key));
    if (entry === undefined) throw new Error('the letter is not listed');
    return entry;
  };
  const entry = await find();
  await within('RETR of a letter that another client wrote', 4, () =>
    engine.read({ maildir, entry, offset: 0, length: 65_536 }),
  );
  await within('RETR again', 3, () => engine.read({ maildir, entry, offset: 0, length: 65_536 }));
  const flagged = { entry };
  await within('flag', 1, async () => {
    flagged.entry = await engine.setFlags({ maildir, entry, add: 'S', remove: '' });
  });
  await within('DELE', 1, () => engine.remove({ maildir, entries: [flagged.entry] }));
});

test('[S2-02] a list of 10,000 names asks no file for anything', async () => {
  const maildir = large.on('c1');
  const list = async (): Promise<void> => {
    expect((await engine.list(maildir)).length).toBeGreaterThanOrEqual(10_000);
  };
  await coldCache();
  const cold = await within('list of 10,000, cold (two listings)', 25, list);
  expect(cold.get('LOOKUP') ?? 0).toBeLessThanOrEqual(4);
  await within('list of 10,000, nothing new', 4, list);
  await deliver(other, large.on('c2'), LETTER);
  await within('list of 10,000 after a delivery elsewhere', 14, list);
  await engine.list(maildir);
  const [gone] = await other.list(large.on('c2'));
  if (gone !== undefined) await other.remove({ maildir: large.on('c2'), entries: [gone] });
  await within('list of 10,000 after a removal elsewhere', 14, async () => {
    expect(await engine.list(maildir)).toHaveLength(10_000);
  });
});

test('[S2-02] the product adds nothing: a delivery of the MX, a session of POP3', async () => {
  const { store, account, deliver: byMx, close } = await openOn('c1', 'c1');
  try {
    await byMx(Buffer.from(LETTER, 'latin1'));
    await store.openMaildrop(account);
    await sleep(500); // A mailbox that was just found has its tmp swept, once in a while.
    await within('delivery through volumes', 5, () => byMx(Buffer.from(LETTER, 'latin1')));
    await store.openMaildrop(account);
    const login = (): Promise<Maildrop> => store.openMaildrop(account);
    await within('POP3 login, nothing new', 4, login);
    const drop = await login();
    await within('POP3 LIST and UIDL', 0, async () => [drop.octets(0), drop.uidl(0)]);
    await within('POP3 RETR', 3, () => wireOf(drop, 0));
    await within('POP3 DELE and QUIT', 1, () => drop.remove([0]));
  } finally {
    await close();
  }
});
