import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { Ledger, letterHash } from './ledger.ts';
import { runChaos } from './run.ts';

const seconds = Number(process.env['MAILFARM_CHAOS_SECONDS'] ?? 20);
const seed = Number(process.env['MAILFARM_SEED'] ?? 1);

test(
  `[S2-08] [S0-02] kill -9 under load for ${seconds} s loses and doubles nothing (seed ${seed})`,
  { timeout: (seconds + 120) * 1000 },
  async () => {
    const dir = await mkdtemp(join(tmpdir(), 'mailfarm-chaos-'));
    try {
      const report = await runChaos({ dir, seconds, seed });
      expect(report.violations).toEqual([]);
      expect(report.kills).toBeGreaterThan(3);
      expect(report.acknowledged).toBeGreaterThan(20);
    } finally {
      await rm(dir, { recursive: true, force: true });
    }
  },
);

const PAYLOAD = 'X-Chaos-Id: 0-0\r\n\r\nhello\r\n';

/** A ledger with one letter to one user, acknowledged or not. */
function oneLetter(options: { readonly unknown: number; readonly acknowledged: boolean }): Ledger {
  const ledger = new Ledger(['u']);
  ledger.letters.set('0-0', {
    id: '0-0',
    recipients: ['u'],
    hash: letterHash(Buffer.from(PAYLOAD)),
    unknown: options.unknown,
    acknowledgedAt: options.acknowledged ? 1 : undefined,
  });
  return ledger;
}

test('the ledger catches a lost, a doubled, a changed letter and a UIDL with two meanings', () => {
  const lost = oneLetter({ unknown: 0, acknowledged: true });
  lost.judge(lost.boxes.get('u')!, []);
  expect(lost.violations.join()).toContain('lost');

  const doubled = oneLetter({ unknown: 0, acknowledged: true });
  const box = doubled.boxes.get('u')!;
  doubled.fetched(box, 'a', Buffer.from(PAYLOAD));
  doubled.fetched(box, 'b', Buffer.from(PAYLOAD));
  expect(doubled.violations).toEqual([]);
  doubled.judge(box, ['a', 'b']);
  expect(doubled.violations.join()).toContain('there 2 times');

  const resent = oneLetter({ unknown: 1, acknowledged: true });
  const resentBox = resent.boxes.get('u')!;
  resent.fetched(resentBox, 'a', Buffer.from(PAYLOAD));
  resent.fetched(resentBox, 'b', Buffer.from(`Received: x\r\n${PAYLOAD}`));
  resent.judge(resentBox, ['a', 'b']);
  expect(resent.violations).toEqual([]);

  const changed = oneLetter({ unknown: 0, acknowledged: true });
  changed.fetched(changed.boxes.get('u')!, 'a', Buffer.from(PAYLOAD.replace('hello', 'jello')));
  expect(changed.violations.join()).toContain('byte-exact');

  const reused = oneLetter({ unknown: 0, acknowledged: true });
  reused.boxes.get('u')!.known.set('a', 'other');
  reused.fetched(reused.boxes.get('u')!, 'a', Buffer.from(PAYLOAD));
  expect(reused.violations.join()).toContain('UIDL meant');
});
