import { join } from 'node:path';
import { expect, test } from 'vitest';
import {
  away,
  back,
  bodies,
  disk,
  front,
  land,
  spooled,
  strikeBy,
  useParkingFarm,
  user,
} from '../delivery/testing.ts';
import type { Recipient } from '../delivery/types.ts';
import { StrictClient } from '../smtp/testing/client.ts';
import { systemError } from '#maildir';
import { openFarm, type TestFarm } from './testing.ts';

// What clients hear while a volume is down, over real volumes.

useParkingFarm();

const open = (mode: 'mx' | 'lmtp', recipients: readonly Recipient[]): Promise<TestFarm> =>
  openFarm({
    mode,
    contents: { accounts: recipients.map(({ account }) => account), domains: ['example.test'] },
    through: front.delivery,
  });

/** Sends one letter. @returns the codes of all replies from the recipients' on */
async function say(mode: 'mx' | 'lmtp', recipients: readonly Recipient[]): Promise<string[]> {
  const farm = await open(mode, recipients);
  const client = await StrictClient.open(farm.port);
  await client.reply();
  await client.command(`${mode === 'mx' ? 'EHLO' : 'LHLO'} relay.farm.test`);
  await client.command('MAIL FROM:<a@c.example>');
  const codes: string[] = [];
  const told = ({ code, enhanced }: { code: number; enhanced?: string | undefined }): number =>
    codes.push(`${code} ${enhanced}`);
  for (const { address } of recipients) told(await client.command(`RCPT TO:<${address}>`));
  const accepted = codes.filter((code) => code.startsWith('250')).length;
  if (accepted > 0) {
    await client.command('DATA');
    await client.send('Subject: x\r\n\r\nx\r\n.\r\n');
    const replies = mode === 'mx' ? 1 : accepted;
    for (let n = 0; n < replies; n++) told(await client.reply());
  }
  client.close();
  await farm.close();
  return codes;
}

const TAKEN = '250 2.6.0';
const RCPT = '250 2.1.5';

test('[N-03] SMTP and LMTP: one volume of two is down, everybody gets 250 and the letter', async () => {
  const all = [await user('a', 'v1'), await user('b', 'v2')];
  await away('v1');
  expect(await say('mx', all)).toEqual([RCPT, RCPT, TAKEN]);
  expect(await say('lmtp', all)).toEqual([RCPT, RCPT, TAKEN, TAKEN]);
  await back('v1');
  expect(await land(front)).toEqual([2]);
  for (const one of all) expect(await bodies(one)).toHaveLength(2);
});

test('[N-03] a spool without room: 452, at the end of DATA and then at the recipient', async () => {
  const all = [await user('a', 'v1'), await user('b', 'v2')];
  await away('v1');
  const full = (call: string, path: string): Error | undefined =>
    call === 'fsync' && path.startsWith(join(disk.root, 'spool1/'))
      ? systemError('ENOSPC', call, path)
      : undefined;
  strikeBy(full);
  // A reply for all: nobody has it, or who has it would get it again.
  expect(await say('mx', all)).toEqual([RCPT, RCPT, '452 4.3.1']);
  expect(await bodies(all[1] as Recipient)).toEqual([]);
  expect(await say('lmtp', all)).toEqual(['452 4.3.1', RCPT, TAKEN]);
  expect(await bodies(all[1] as Recipient)).toHaveLength(1);
  strikeBy(() => undefined);
  await expect.poll(() => spooled()).toEqual([]);
});

test('[N-03] the spool fails at its commit: 451, also where the others have theirs', async () => {
  const all = [await user('a', 'v1'), await user('b', 'v2')];
  await away('v1');
  strikeBy((call, path) =>
    call === 'rename' && path.startsWith(join(disk.root, 'spool1/'))
      ? systemError('EIO', call, path)
      : undefined,
  );
  expect((await say('mx', all)).at(-1)).toMatch(/^451 /);
  const each = await say('lmtp', all);
  expect(each.slice(0, 2)).toEqual([RCPT, RCPT]);
  expect(each[2]).toMatch(/^451 /);
  expect(each[3]).toBe(TAKEN);
  strikeBy(() => undefined);
  await back('v1');
  expect(await land(front)).toEqual([0]);
  expect(await bodies(all[0] as Recipient)).toEqual([]);
});
