/**
 * A DKIM key that cannot be used: letters wait where everybody sees it, for as long as any other.
 */
import { generateKeyPairSync } from 'node:crypto';
import { expect, test } from 'vitest';
import { systemClock } from '../../src/base/clock.ts';
import { memoryDirectory } from '../../src/directory/memory.ts';
import { DkimKeys } from '../../src/relay/dkim-keys.ts';
import { createSigner } from '../../src/relay/signer.ts';
import { MemoryOutbound } from '../../src/spool/testing/memory-outbound.ts';
import { openYard } from '../interop/leaving/yard.ts';

const DAY = 86_400_000;

test('a key that is missing: nothing is sent unsigned, the queue says why, it expires', async (ctx) => {
  let ahead = 0;
  let secret: string | undefined;
  const clock = { ...systemClock, now: () => systemClock.now() + ahead };
  const directory = memoryDirectory({ domains: [{ name: 'farm.test', dkim: ['s1'] }] });
  const logged: (object & { readonly code?: string })[] = [];
  const note = (fields: object): void => void logged.push(fields);
  const logger = { debug: note, info: note, warn: note, error: note, child: () => logger };
  const keys = new DkimKeys({
    directory: { domain: (name) => directory.domain(name), secret: async () => secret },
    clock,
    logger,
    path: '',
    refreshMs: 1000,
  });
  const spool = new MemoryOutbound(clock);
  const yard = await openYard(ctx, { spool, parts: { clock, sign: createSigner(keys, clock) } });
  const peer = await yard.peer('example.net');
  const first = await yard.put({ to: ['bob@example.net'], more: { sign: true } });
  await expect.poll(() => first.state === 'waiting' && first.envelope.troubles.length).toBe(1);
  expect(peer.letters).toEqual([]);
  expect(yard.notices).toEqual([]);
  expect(first.envelope.troubles).toMatchObject([
    { status: '4.3.0', text: expect.stringContaining('s1._domainkey.farm.test: MF-REL-003') },
  ]);
  expect(logged).toMatchObject([{ code: 'MF-REL-003', domain: 'farm.test' }]);

  ahead = 60_000;
  secret = generateKeyPairSync('rsa', { modulusLength: 2048 })
    .privateKey.export({ type: 'pkcs8', format: 'pem' })
    .toString();
  await yard.spool.wake('example.net');
  await expect.poll(() => first.state).toBe('done');
  expect(peer.letters[0]?.content.toString()).toMatch(/^DKIM-Signature: [^]*d=farm\.test/);

  secret = undefined;
  ahead = 120_000;
  const second = await yard.put({ to: ['eve@example.net'], more: { sign: true } });
  await expect.poll(() => second.envelope.troubles.length).toBe(1);
  ahead = 6 * DAY;
  await yard.spool.wake('example.net');
  await expect.poll(() => second.state).toBe('done');
  const failed = yard.notices.filter(({ kind }) => kind === 'failed');
  expect(failed.flatMap(({ recipients }) => recipients)).toMatchObject([
    { status: '4.4.7', recipient: { address: 'eve@example.net' } },
  ]);
  expect(failed[0]?.recipients[0]?.text).not.toContain('domainkey');
  expect(peer.letters).toHaveLength(1);
});
