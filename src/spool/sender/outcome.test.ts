import { expect, test } from 'vitest';
import { systemClock } from '../../base/clock.ts';
import { systemRandom } from '../../base/random.ts';
import { defaults } from '../../config/options.ts';
import { silentLogger } from '../../log/types.ts';
import { SMTP_CLIENT_OPTIONS } from '../../smtp/client/options.ts';
import { MemoryOutbound } from '../testing/memory-outbound.ts';
import { post } from '../testing/letters.ts';
import { SENDER_OPTIONS } from './options.ts';
import { conclude } from './outcome.ts';
import type { Notice } from './types.ts';

/** A try that failed on our side, some hours after the letter came. */
async function concluded(hours: number): Promise<{ notices: Notice[]; text: string | undefined }> {
  const spools = new MemoryOutbound(systemClock);
  await post(spools, ['example.net']);
  const [claim] = await spools.take({ limit: 1, perRoute: () => 1 });
  if (!claim) throw new Error('nothing to send');
  const results = claim.envelope.recipients.map((recipient) => ({
    recipient,
    kind: 'later' as const,
    status: '4.3.0',
    reply: undefined,
    text: '/spool1/spool/outbound/message/3f/1 cannot be read',
    remote: undefined,
    dsnPassedOn: false,
    code: undefined,
    inside: true,
  }));
  const notices: Notice[] = [];
  const settlement = await conclude(
    { results, last: undefined, ms: 0, counts: false },
    {
      claim,
      options: { ...defaults(SENDER_OPTIONS), ...defaults(SMTP_CLIENT_OPTIONS) },
      random: systemRandom,
      report: async (notice) => void notices.push(notice),
      logger: silentLogger,
      now: claim.envelope.acceptedAt + hours * 3_600_000,
      triedAt: 0,
    },
  );
  const text = settlement.kind === 'later' ? settlement.troubles[0]?.text : undefined;
  return { notices, text };
}

test.each([
  ['delayed', 5],
  ['failed', 24 * 6],
])('a notice "%s" names no file or host of ours; the queue does', async (kind, hours) => {
  const { notices, text } = await concluded(hours);
  expect(notices.map((notice) => notice.kind)).toEqual([kind]);
  expect(notices[0]?.recipients[0]?.text).toContain('a failure within the mail system');
  expect(JSON.stringify(notices[0]?.recipients)).not.toContain('/spool1');
  if (kind === 'delayed') expect(text).toContain('/spool1/spool/outbound');
});
