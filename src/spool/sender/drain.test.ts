import { expect, test } from 'vitest';
import { systemClock } from '../../base/clock.ts';
import { systemRandom } from '../../base/random.ts';
import { defaults } from '../../config/options.ts';
import type { DnsAnswer, MxRecord, Resolver } from '../../dns/types.ts';
import { silentLogger } from '../../log/types.ts';
import { SMTP_CLIENT_OPTIONS } from '../../smtp/client/options.ts';
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

function senderOf(spools: MemoryOutbound): ReturnType<typeof createSender> {
  const options = { ...defaults(SENDER_OPTIONS), ...defaults(SMTP_CLIENT_OPTIONS) };
  return createSender({
    spools,
    resolver,
    clock: systemClock,
    random: systemRandom,
    logger: silentLogger,
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
