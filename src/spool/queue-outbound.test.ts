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
import type { OutboundClaim } from './outbound.ts';
import { formatOutboundEnvelope } from './outbound-envelope.ts';
import { formatOutboundName, slotName } from './outbound-names.ts';
import { openOutboundSpools, type OutboundTrees } from './outbound-spools.ts';
import { Queue, type QueuedLetter } from './queue.ts';
import { envelopeTo, post, TEXT } from './testing/letters.ts';

/** How much mail is made to wait: 100000 shows what a bad day is like. */
const LETTERS = Number(process.env['MAILFARM_SPOOL_LETTERS'] ?? 3000);
const all = { limit: 1000, perRoute: () => 1000 };
const options = { 'spool.look': 10, 'spool.slot': 60_000 };

let disk: TemporaryVolumes;
let queue: Queue;
let volumes: Volumes<MailboxOwner>;
let spools: OutboundTrees;

beforeEach(async () => {
  disk = await temporaryVolumes('spool1', 'spool2');
  const parts = { clock: systemClock, random: systemRandom };
  queue = new Queue({ ...parts, entries: disk.entries });
  const limits = { 'volume.probe.deadline': 5000, 'volume.deadline': 20_000 };
  volumes = openTestVolumes(memoryDirectory({ volumes: disk.entries }), { limits });
  await volumes.table.loaded();
  await Promise.all(volumes.table.volumes.map((volume) => volume.ready()));
  spools = processOf('mx1');
});
afterEach(() => {
  queue.close();
  volumes.close();
  disk.remove();
});

const processOf = (node: string): OutboundTrees =>
  openOutboundSpools({
    table: volumes.table,
    clock: systemClock,
    random: systemRandom,
    node,
    options,
  });

/** What other processes see by now. */
async function due(): Promise<readonly OutboundClaim[]> {
  const claims: OutboundClaim[] = [];
  const other = processOf('mx2');
  for (let idle = 0; idle < 2; idle++) {
    claims.push(...(await other.take(all)));
    await systemClock.sleep(15);
  }
  return claims;
}

const listed = async (
  more: Partial<Parameters<Queue['page']>[0]> = {},
): Promise<QueuedLetter[]> => {
  const letters: QueuedLetter[] = [];
  let after: string | undefined;
  do {
    const page = await queue.page({ limit: 3, after, ...more });
    letters.push(...page.letters);
    after = page.next;
  } while (after !== undefined);
  return letters;
};

const postpone = async (claim: OutboundClaim, ms: number): Promise<void> => {
  const { recipients, delayTold } = claim.envelope;
  const troubles = [{ address: 'bob@b.example', status: '4.4.1', text: 'No answer' }];
  const dueAt = (await claim.now()) + ms;
  const kind = 'later';
  await claim.settle({ kind, dueAt, recipients, troubles, delayTold, tried: true });
};

test('[N-15] the queue shows every letter once, in every state, and what was said of it', async () => {
  for (let n = 0; n < 5; n++) await post(spools, ['a.example', 'b.example', 'c.example']);
  const claims = await spools.take(all);
  const of = (domain: string): OutboundClaim[] =>
    claims.filter(({ envelope }) => JSON.stringify(envelope.route).includes(domain));
  for (const [n, claim] of of('b.example').entries()) await postpone(claim, (n + 1) * 7_200_000);
  for (const claim of of('c.example').slice(0, 2)) await claim.release();
  await of('c.example')[2]?.settle({ kind: 'hold', reason: 'Moderation: list@x' });
  const letters = await listed();
  expect(new Set(letters.map(({ id }) => id)).size).toBe(15);
  const states = Object.groupBy(letters, ({ state }) => state);
  expect(Object.entries(states).map(([state, some]) => [state, some?.length])).toEqual(
    expect.arrayContaining([
      ['hold', 1],
      ['later', 5],
      ['taken', 7],
      ['waiting', 2],
    ]),
  );
  expect(states.hold?.[0]).toMatchObject({ reason: 'moderation-list-x', lane: 'c.example' });
  const [later] = await listed({ state: 'later', limit: 1 });
  expect(later).toMatchObject({ tries: 1, outbound: { troubles: [{ status: '4.4.1' }] } });
  expect((later?.dueAt ?? 0) - systemClock.now()).toBeGreaterThan(3_600_000);
  expect(await listed({ lane: 'b.example' })).toHaveLength(5);
  expect(await listed({ sender: 'alice@example.test' })).toHaveLength(15);
  expect(await listed({ sender: 'carol@example.test' })).toEqual([]);
  expect(await listed({ kind: 'parked' })).toEqual([]);
});

test('a letter is held, not sent; released, it is; one that is sent now is neither held nor deleted', async () => {
  await post(spools, ['a.example']);
  const [letter] = await listed();
  const id = letter?.id ?? '';
  expect(await queue.hold(id, 'asked the user')).toMatchObject({
    state: 'hold',
    reason: 'asked-the-user',
  });
  expect(await due()).toEqual([]);
  expect(await queue.release(id)).toMatchObject({ state: 'waiting', reason: undefined });
  const [claim] = await due();
  const busy = { kind: 'volume-busy', message: expect.stringMatching(/mx2-.*in \d+ s/) as string };
  await expect(queue.hold(id, 'x')).rejects.toMatchObject(busy);
  await expect(queue.remove(id)).rejects.toMatchObject(busy);
  await expect(queue.release(id)).rejects.toMatchObject(busy);
  expect(await claim?.renew()).toBe(true); // Whoever holds it still does.
  await claim?.release();
  const pieces: Buffer[] = [];
  for await (const piece of queue.message(id)) pieces.push(piece);
  expect(Buffer.concat(pieces)).toEqual(TEXT);
  expect(await queue.remove(id)).toMatchObject({ id, outbound: { login: 'alice@example.test' } });
  await expect(queue.show(id)).rejects.toMatchObject({ kind: 'message-gone' });
  expect(await due()).toEqual([]);
});

test('retry of one, wake of a domain, flush of all: due now, in the whole farm', async () => {
  for (let n = 0; n < 4; n++) await post(spools, ['a.example', 'b.example', 'c.example']);
  for (const claim of await spools.take(all)) await postpone(claim, 3_600_000);
  expect(await due()).toEqual([]);
  const [one] = await listed({ lane: 'c.example' });
  expect(await queue.release(one?.id ?? '')).toMatchObject({ state: 'waiting', tries: 1 });
  expect((await due()).map(({ envelope }) => envelope.id)).toEqual([one?.id]);
  expect(await queue.wake('B.example')).toBe(4);
  expect(await queue.wake('../../x')).toBe(0);
  expect(await due()).toHaveLength(4);
  expect(await queue.flush()).toBe(7);
  expect(await due()).toHaveLength(7);
  expect(await queue.flush()).toBe(0);
});

const round = (value: number): number => Math.round(value);

/** Letters that wait as they do after a bad day: most of them later, in a thousand domains. */
function fill(): void {
  const root = join(disk.root, 'spool1/spool/outbound');
  const now = systemClock.now();
  for (let n = 0; n < LETTERS; n++) {
    const domain = n % 3 === 0 ? 'big.example' : `d${n % 1000}.example`;
    const isLater = n % 10 > 0;
    const at = isLater
      ? `later/${slotName(Math.ceil(now / 60_000 + 2 + (n % 240)) * 60_000)}/${domain}`
      : `waiting/big.example/${(n % 256).toString(16).padStart(2, '0')}`;
    mkdirSync(join(root, at), { recursive: true });
    const id = `${Math.floor(now / 1000) - (n % 86_400)}.M${n}P1Q${n}R0011223344556677.mx1`;
    const sizes = { octets: TEXT.length, wireOctets: TEXT.length, tries: isLater ? 3 : 0 };
    const dueAt = isLater ? now : undefined;
    const letter = { id, owner: 'o', ...sizes, version: '', dueAt, reason: undefined };
    const rest = { id, node: 'mx1', acceptedAt: 1, delayTold: false, troubles: [], ...sizes };
    const envelope = { ...envelopeTo(isLater ? domain : 'big.example'), ...rest };
    writeFileSync(join(root, at, formatOutboundName(letter)), formatOutboundEnvelope(envelope));
  }
}

test('[N-15] very many letters: the first page at once, taking as quick as with none, flat memory', async () => {
  const lot = { limit: 64, perRoute: () => 64 };
  const timed = async (work: () => Promise<unknown>): Promise<number> => {
    const started = performance.now();
    await work();
    return performance.now() - started;
  };
  /** Commits and takes 64 letters, ten times. @returns ms for 64, the best of them */
  const takes = async (domain: string): Promise<number> => {
    let best = Infinity;
    const other = processOf('mx3');
    for (let turn = 0; turn < 10; turn++) {
      await Promise.all(Array.from({ length: 64 }, () => post(spools, [domain])));
      await systemClock.sleep(15);
      let claims: readonly OutboundClaim[] = [];
      best = Math.min(best, await timed(async () => (claims = await other.take(lot))));
      expect(claims.length).toBeGreaterThanOrEqual(32); // Of the one volume of two.
      await Promise.all(claims.map((claim) => claim.settle({ kind: 'done' })));
      const rest = await other.take(lot);
      await Promise.all(rest.map((claim) => claim.settle({ kind: 'done' })));
    }
    return best;
  };
  const emptyMs = await takes('quick.example');
  fill();
  const heap = process.memoryUsage().heapUsed;
  let page: Awaited<ReturnType<Queue['page']>> | undefined;
  const pageMs = await timed(async () => (page = await queue.page({ limit: 50 })));
  expect(page?.letters).toHaveLength(50);
  const fullMs = await takes('quick.example');
  const grown = (process.memoryUsage().heapUsed - heap) / 1e6;
  process.stdout.write(
    `   ${LETTERS} letters: first page ${round(pageMs)} ms, 64 claims ${round(fullMs)} ms ` +
      `(${round(emptyMs)} with none), +${round(grown)} MB\n`,
  );
  expect(pageMs).toBeLessThan(20_000); // Some 50 ms on a machine that has nothing else to do.
  expect(fullMs).toBeLessThan(4 * emptyMs + 500);
  expect(grown).toBeLessThan(100);
}, 600_000);
