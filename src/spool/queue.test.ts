import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { systemClock } from '../base/clock.ts';
import { systemRandom } from '../base/random.ts';
import { memoryDirectory } from '../directory/memory.ts';
import type { Volumes } from '../volumes/open.ts';
import type { MailboxOwner } from '../volumes/types.ts';
import {
  openTestVolumes,
  temporaryVolumes,
  type TemporaryVolumes,
} from '../volumes/testing/volumes.ts';
import { bucketOf, formatName } from './names.ts';
import { Queue } from './queue.ts';
import { Spools } from './spools.ts';
import type { SpoolTree, Spooled } from './tree.ts';

/** How much mail is made to wait: 100000 shows what a long outage is like. */
const LETTERS = Number(process.env['MAILFARM_SPOOL_LETTERS'] ?? 3000);

let disk: TemporaryVolumes;
let queue: Queue;
let volumes: Volumes<MailboxOwner>;
let tree: SpoolTree;

beforeEach(async () => {
  disk = await temporaryVolumes('spool1');
  const parts = { clock: systemClock, random: systemRandom };
  queue = new Queue({ ...parts, entries: disk.entries });
  volumes = openTestVolumes(memoryDirectory({ volumes: disk.entries }), {
    limits: { 'volume.probe.deadline': 5000, 'volume.deadline': 20_000 },
  });
  await volumes.table.loaded();
  const [only] = new Spools({ ...parts, table: volumes.table, node: 'mx1' }).all;
  if (only === undefined) throw new Error('no spool volume');
  await only.volume.ready();
  tree = only;
});
afterEach(() => {
  queue.close();
  volumes.close();
  disk.remove();
});

async function put(owner: string, lane = 'mail1'): Promise<Spooled> {
  const place = { id: tree.newId(), owner };
  await tree.write(place, { offset: 0, bytes: Buffer.from('A: b\n'), last: true });
  const whose = { login: `${owner}@example.test`, address: owner, lane, trace: 't', node: 'mx1' };
  const envelope = { ...place, octets: 5, wireOctets: 6, ...whose, parked: '' };
  await tree.draft(envelope);
  await tree.commit(envelope);
  const all = await tree.list('waiting', lane, bucketOf(owner));
  return all.find(({ id }) => id === place.id) as Spooled;
}

test('page after page shows every letter once, whatever its state and lane', async () => {
  const put30: Spooled[] = [];
  for (let n = 0; n < 30; n++) put30.push(await put(`o${n % 4}`, `mail${n % 3}`));
  const ids = put30.map(({ id }) => id);
  const three = put30.slice(0, 3);
  for (const letter of three.slice(0, 2)) await tree.claim(letter);
  const claim = await tree.claim(three[2] as Spooled);
  await tree.fail(claim as Spooled, 'account-gone');
  for (const limit of [1, 7, 30]) {
    const seen: string[] = [];
    let after: string | undefined;
    do {
      const page = await queue.page({ limit, after });
      seen.push(...page.letters.map(({ id }) => id));
      after = page.next;
    } while (after !== undefined);
    expect(seen.toSorted()).toEqual(ids.toSorted());
  }
  const failed = await queue.page({ limit: 10, state: 'failed' });
  expect(failed.letters.map(({ id, reason, envelope }) => [id, reason, envelope?.login])).toEqual([
    [ids[2], 'account-gone', 'o2@example.test'],
  ]);
});

test('a letter that was set aside is tried again when somebody says so', async () => {
  const letter = await put('a');
  await tree.fail((await tree.claim(letter)) as Spooled, 'mailbox-missing');
  expect(await queue.show(letter.id)).toMatchObject({ state: 'failed', tries: 1 });
  expect(await queue.release(letter.id)).toMatchObject({ state: 'waiting', tries: 1 });
  expect(await queue.release(letter.id)).toMatchObject({ state: 'waiting' }); // Nothing to do.
});

test('[N-03] a letter that somebody is at work on is neither taken away nor deleted', async () => {
  const letter = await put('a');
  const claim = (await tree.claim(letter)) as Spooled;
  const busy = { kind: 'volume-busy', message: expect.stringContaining(tree.holder) as string };
  await expect(queue.remove(letter.id)).rejects.toMatchObject(busy);
  await expect(queue.release(letter.id)).rejects.toMatchObject(busy);
  expect(await tree.renew(claim)).toBeDefined(); // Whoever holds it still does.
});

test('a letter is deleted with all that it is, and one that is gone is said to be', async () => {
  const [letter, other] = [await put('a'), await put('a')];
  expect((await queue.remove(letter.id)).envelope?.login).toBe('a@example.test');
  const gone = { kind: 'message-gone' };
  await expect(queue.show(letter.id)).rejects.toMatchObject(gone);
  await expect(queue.remove(letter.id)).rejects.toMatchObject(gone);
  await expect(queue.release('../x')).rejects.toMatchObject(gone);
  expect(await tree.read(letter, 0, 5)).toBeUndefined();
  expect(await tree.read(other, 0, 5)).toEqual(Buffer.from('A: b\n'));
});

test('the spool of a long outage: the first page at once, a look in little memory', async () => {
  const owners = Math.ceil(LETTERS / 20);
  for (let n = 0; n < LETTERS; n++) {
    const owner = `o${n % owners}`;
    const bucket = join(disk.root, 'spool1/spool/parked/waiting/mail1', bucketOf(owner));
    mkdirSync(bucket, { recursive: true });
    const id = `${1_700_000_000 + n}.M${n}P1Q${n}R0011223344556677.mx1`;
    const letter = { id, owner, octets: 5000, wireOctets: 5100, tries: 0, reason: undefined };
    writeFileSync(join(bucket, formatName(letter)), '{}');
  }
  const before = performance.now();
  const first = await queue.page({ limit: 50 });
  const pageMs = performance.now() - before;
  expect(first.letters).toHaveLength(50);
  const heap = process.memoryUsage().heapUsed;
  const looking = performance.now();
  let count = 0;
  let grown = 0;
  for (const bucket of await tree.buckets('waiting', 'mail1')) {
    count += (await tree.list('waiting', 'mail1', bucket)).length;
    grown = Math.max(grown, process.memoryUsage().heapUsed - heap);
  }
  const lookMs = performance.now() - looking;
  expect(count).toBe(LETTERS);
  const asking = performance.now();
  expect(await tree.octetsOf('o1', 'mail1')).toBe(5000 * Math.ceil((LETTERS - 1) / owners));
  const ownerMs = performance.now() - asking;
  const round = (value: number): number => Math.round(value);
  process.stdout.write(
    `   ${LETTERS} letters: first page ${round(pageMs)} ms, all listed in ${round(lookMs)} ms ` +
      `(+${round(grown / 1e6)} MB), one owner's octets ${round(ownerMs)} ms\n`,
  );
  expect(pageMs).toBeLessThan(20_000); // Some 50 ms on a machine that has nothing else to do.
  expect(grown).toBeLessThan(100e6);
}, 300_000);
