/**
 * Hostile input with a seed, a dictionary and a liveness probe after each. Short in CI; long with
 * MAILFARM_FUZZ_RUNS=200000. A failure prints seed, run and input; the input then becomes a row
 * of conversation.test.ts.
 */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, test } from 'vitest';
import { seededRandom } from '../../test/fixtures/random.ts';
import { testTls } from '../smtp/testing/certificate.ts';
import { StrictClient } from '../smtp/testing/client.ts';
import { openFarm, type TestFarm } from './testing.ts';

const SEED = Number(process.env['FUZZ_SEED'] ?? 1);
const RUNS = Number(process.env['MAILFARM_FUZZ_RUNS'] ?? 400);

// HELP is the probe: nothing else is answered by 214.
const DICTIONARY = [
  'EHLO ',
  'HELO ',
  'LHLO ',
  'MAIL FROM:',
  'RCPT TO:',
  'DATA\r\n',
  'RSET\r\n',
  'NOOP',
  'VRFY ',
  'QUIT\r\n',
  'STARTTLS\r\n',
  'AUTH PLAIN ',
  'BDAT 10 LAST\r\n',
  'XCLIENT ',
  '<alice@farm.test>',
  '<bob@farm.test>',
  '<>',
  '<postmaster>',
  '<"',
  '"@farm.test>',
  '<@a,@b:',
  '@[IPv6:',
  '@[127.0.0.1]>',
  ' SIZE=',
  ' BODY=8BITMIME',
  ' SMTPUTF8',
  ' SIZE=99999999999999999999',
  '\r\n',
  '\r\n',
  '\r\n',
  '\n',
  '\r',
  '.',
  '\r\n.\r\n',
  '\n.\n',
  '..',
  '\0',
  ' ',
  ':',
  '<',
  '>',
  '@',
  '\\',
  'Received: x\r\n',
  '\r\n\r\n',
  '\xff\xfe',
  '\xc3\xa4',
  '\xc0\xaf',
  '\xed\xa0\x80',
  '*)(cn=*',
  '../',
  '%00',
  '%s%n',
  '\x16\x03\x01\x02\x00\x01\x00',
  'GET / HTTP/1.1\r\n',
  'x'.repeat(1023),
  'y'.repeat(5000),
  '\r\n'.repeat(200),
  'MAIL FROM:<a@b>\r\nRCPT TO:<alice@farm.test>\r\nDATA\r\n',
].map((text) => Buffer.from(text, 'latin1'));

function input(next: (below: number) => number): Buffer {
  const parts: Buffer[] = [];
  for (let i = next(12); i >= 0; i--) {
    if (next(5) === 0) parts.push(Buffer.from(Array.from({ length: next(30) }, () => next(256))));
    else parts.push(DICTIONARY[next(DICTIONARY.length)] ?? Buffer.alloc(0));
  }
  return Buffer.concat(parts);
}

/**
 * The probe: ends a message, if one is open, and asks for help. A server that waits for a TLS
 * handshake has dropped it; what comes after is no handshake, and ends the connection.
 */
async function alive(client: StrictClient): Promise<boolean> {
  await client.send('\r\n.\r\n\r\nHELP\r\n');
  for (let patience = 0; ;) {
    if (client.ended && client.quietNow()) return false;
    try {
      if ((await client.reply(patience > 2 ? 10_000 : 100)).code === 214) return true;
    } catch (error) {
      if (client.problem || patience > 3) throw error;
      if (client.ended) return false;
      patience += 1;
      await client.send('no handshake, then\r\nHELP\r\n');
    }
  }
}

async function attack(farm: TestFarm, runs: number, seed: number): Promise<void> {
  const next = seededRandom(seed).below;
  let client = await StrictClient.open(farm.port);
  for (let run = 0; run < runs; run++) {
    const bytes = input(next);
    try {
      const cut = next(3) === 0 ? next(bytes.length + 1) : bytes.length;
      await client.send(bytes.subarray(0, cut));
      if (cut < bytes.length) {
        await new Promise(setImmediate);
        await client.send(bytes.subarray(cut));
      }
      if (await alive(client)) continue;
      client.close();
      client = await StrictClient.open(farm.port);
      expect((await client.reply()).code).toBe(220);
    } catch (error) {
      const text = JSON.stringify(bytes.toString('latin1'));
      throw new Error(`FUZZ_SEED=${seed}, run ${run}: ${text}`, { cause: error });
    } finally {
      farm.logged.length = 0;
      farm.delivery.stored.length = 0;
    }
  }
  client.close();
}

function heapBytes(): number {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  collect();
  return process.memoryUsage().heapUsed;
}

for (const mode of ['mx', 'lmtp'] as const) {
  const share = Math.ceil(RUNS / 2);
  test(`no input can wedge ${mode} (FUZZ_SEED=${SEED}, ${share} inputs)`, async () => {
    const farm = await openFarm({ mode, tls: testTls() });
    await attack(farm, Math.min(share, 2000), SEED + 1);
    const before = heapBytes();
    await attack(farm, share, SEED);
    await expect.poll(() => farm.service.connections).toBe(0);
    expect(farm.delivery.open).toBe(0);
    expect(heapBytes() - before).toBeLessThan(8 * 2 ** 20);
    expect(farm.logged.filter((line) => line.level === 'error')).toEqual([]);
    await farm.close();
  }, 3_600_000);
}
