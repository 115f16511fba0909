import { expect, test } from 'vitest';
import { systemClock } from '../../base/clock.ts';
import { systemRandom } from '../../base/random.ts';
import { defaults } from '../../config/options.ts';
import type { DnsAnswer, MxRecord, Resolver } from '../../dns/types.ts';
import { collectingLogger, type LogLine } from '../../log/testing.ts';
import { type Logger, silentLogger } from '../../log/types.ts';
import { renderAll } from '../../metrics/export.ts';
import { SMTP_CLIENT_OPTIONS } from '../../smtp/client/options.ts';
import { StoreError } from '../../volumes/error.ts';
import type { OutboundClaim } from '../outbound.ts';
import { MemoryOutbound } from '../testing/memory-outbound.ts';
import { post } from '../testing/letters.ts';
import { SENDER_OPTIONS } from './options.ts';
import { createSender } from './sender.ts';

/** A spool that is slow to take letters back, and hands over some later than it claimed them. */
class SlowOutbound extends MemoryOutbound {
  late: OutboundClaim[] = [];

  override async take(
    options: Parameters<MemoryOutbound['take']>[0],
  ): Promise<readonly OutboundClaim[]> {
    const claims = [...(await super.take(options)), ...this.late.splice(0)];
    return claims.map((claim) => ({
      ...claim,
      release: async () => {
        await systemClock.sleep(300);
        await claim.release();
      },
    }));
  }
}

let answer = (): void => {};
const mx = new Promise<DnsAnswer<MxRecord>>((resolve) => {
  answer = () => resolve({ kind: 'trouble', text: 'no answer' });
});
const resolver = { mx: () => mx } as unknown as Resolver;

const LOOK_TROUBLE = 'the spool cannot be asked for letters that leave';

function senderOf(
  spools: MemoryOutbound,
  logger: Logger = silentLogger,
): ReturnType<typeof createSender> {
  const options = { ...defaults(SENDER_OPTIONS), ...defaults(SMTP_CLIENT_OPTIONS) };
  return createSender({
    spools,
    resolver,
    clock: systemClock,
    random: systemRandom,
    logger,
    options: { ...options, 'relay.mta-sts': 'off' },
    source: { helo: 'node1.farm.test' },
    isOwn: () => false,
    cookie: () => undefined,
    farmHops: async () => [],
    report: async () => {},
  });
}

test('a sender that is drained has given back all letters when it says so', async () => {
  const spools = new SlowOutbound(systemClock);
  const sender = senderOf(spools);
  for (let count = 0; count < 10; count++) await post(spools, ['example.net']);
  sender.start();
  await expect.poll(() => sender.held).toBe(10);
  expect(await renderAll()).toMatch(/^mailfarm_sender_letters_held 10$/m);
  // In seconds since they were accepted; they were a moment ago.
  await expect.poll(renderAll).toMatch(/^mailfarm_sender_oldest_seconds (?!0$)\d{1,2}(\.\d+)?$/m);
  const drained = sender.drain(10_000);
  answer(); // Those under way end at once, and are settled.
  await drained;
  expect(spools.letters.map(({ state }) => state)).toEqual(Array(10).fill('waiting'));
});

test('a drained sender gives back what the spool had claimed and not handed over', async () => {
  const spools = new SlowOutbound(systemClock);
  await post(spools, ['example.net']);
  const sender = senderOf(spools);
  spools.late = [...(await spools.take({ limit: 1, perRoute: () => 1 }))];
  await sender.drain(1000);
  expect(spools.letters.map(({ state }) => state)).toEqual(['waiting']);
});

test('a spool that is away is told of once, and again when that changes', async () => {
  const lines: LogLine[] = [];
  const spools = new MemoryOutbound(systemClock);
  let error: Error | undefined = new StoreError('volume-down', 'No spool volume is up');
  let takes = 0;
  spools.take = async () => {
    takes += 1;
    if (error !== undefined) throw error;
    return [];
  };
  const sender = senderOf(spools, collectingLogger(lines));
  sender.start();
  const looks = async (): Promise<void> => {
    const before = takes;
    await expect.poll(() => (sender.wake('example.net'), takes)).toBeGreaterThan(before + 3);
  };
  await looks();
  expect(lines.map(({ level, message }) => [level, message])).toEqual([['warn', LOOK_TROUBLE]]);
  expect(lines[0]).toMatchObject({ err: { message: 'No spool volume is up' } });
  error = new StoreError('volume-busy', 'spool1 is busy');
  await looks();
  expect(lines[1]).toMatchObject({ level: 'warn', err: { message: 'spool1 is busy' } });
  error = undefined;
  await looks();
  expect(lines.slice(2)).toEqual([{ level: 'info', message: `over: ${LOOK_TROUBLE}` }]);
  await sender.drain(0);
});
