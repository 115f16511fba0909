/**
 * SMTP smuggling (2023): a sender's server takes some odd sequence for message text, the receiver's
 * takes it for the end of data, and what follows becomes a second message nobody checked. Here
 * only CR LF . CR LF ends data, and a message with a bare LF is refused whole. So each case is one
 * message, or none; never two.
 */
import { expect, test } from 'vitest';
import { StrictClient } from '../smtp/testing/client.ts';
import { openFarm } from './testing.ts';

const SMUGGLED =
  'MAIL FROM:<evil@c.example>\r\nRCPT TO:<bob@farm.test>\r\nDATA\r\nSubject: forged\r\n\r\nforged';

const FAKE_ENDS: readonly [text: string, outcome: 'refused' | 'one'][] = [
  ['\n.\n', 'refused'],
  ['\n.\r\n', 'refused'],
  ['\r\n.\n', 'refused'],
  ['\r.\r', 'one'],
  ['\r.\r\n', 'one'],
  ['\r\n.\r', 'one'],
  ['\n.\r', 'refused'],
  ['\r.\n', 'refused'],
  ['\r\n\0.\r\n', 'one'],
  ['\r\n.\0\r\n', 'one'],
  ['\r\n.\r\r\n', 'one'],
  ['\r\r\n.\r\r\n', 'one'],
  ['\r\n\r.\r\n', 'one'],
  ['\r\n..\r\n', 'one'],
  ['\r\n. \r\n', 'one'],
  ['\r\n.\t\r\n', 'one'],
  ['\r\n .\r\n', 'one'],
  ['\n\n.\n\n', 'refused'],
  ['\r\n.\n\r\n', 'refused'],
  ['\n\r\n.\n', 'refused'],
  ['\r\n\x85.\x85', 'one'],
  ['\u2028.\u2028', 'one'],
];

for (const [fake, outcome] of FAKE_ENDS) {
  for (const size of [1, 3, Infinity]) {
    const name = `${JSON.stringify(fake)} smuggles nothing, in pieces of ${size}`;
    test(`${name} (RFC 5321 §4.1.1.4)`, async () => {
      const farm = await openFarm();
      const client = await StrictClient.open(farm.port);
      await client.reply();
      for (const line of [
        'EHLO c.example',
        'MAIL FROM:<a@c.example>',
        'RCPT TO:<alice@farm.test>',
      ]) {
        await client.command(line);
      }
      expect((await client.command('DATA')).code).toBe(354);
      const bytes = Buffer.from(`Subject: x\r\n\r\ntext${fake}${SMUGGLED}\r\n.\r\n`);
      for (let at = 0; at < bytes.length; at += size) {
        await client.send(bytes.subarray(at, at + size));
        if (size === Infinity) break;
        if (at < 80) await new Promise(setImmediate);
      }
      await client.send('QUIT\r\n');
      const codes = (await client.rest()).map((reply) => reply.code);
      expect(codes).toEqual([outcome === 'one' ? 250 : 550, 221]);
      const logins = farm.delivery.stored.map((one) => one.login);
      expect(logins).toEqual(outcome === 'one' ? ['alice@farm.test'] : []);
      expect(farm.delivery.open).toBe(0);
      client.close();
      await farm.close();
    });
  }
}

test('a command that ends in a bare LF is not run (RFC 5321 §2.3.8)', async () => {
  const farm = await openFarm();
  const client = await StrictClient.open(farm.port);
  await client.reply();
  await client.send('EHLO c.example\nMAIL FROM:<a@c.example>\r\n');
  expect((await client.reply()).code).toBe(500);
  expect((await client.reply()).code).toBe(503);
  client.close();
  await farm.close();
});
