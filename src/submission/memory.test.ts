import { createHash } from 'node:crypto';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, test } from 'vitest';
import type { Delivery, IncomingOptions } from '../delivery/types.ts';
import { client, openSubmission, type TestSubmission } from './testing.ts';

const MIB = 2 ** 20;
const PIECE = Buffer.from(`${'A'.repeat(76)}\r\n`.repeat(840)); // A little under 64 KiB.
/** What became of a copy. */
const DONE = { error: undefined, name: 'x', volume: 'v1', parkedOn: undefined };
const STORED = Buffer.from(PIECE.toString().replaceAll('\r\n', '\n'));

function collected(): number {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
  return process.memoryUsage().heapUsed;
}

/** Keeps a hash of what it is given, and nothing else. */
function hashing(): Delivery & { octets: number; digest: string } {
  const delivery = {
    octets: 0,
    digest: '',
    check: async () => {},
    begin: ({ recipients }: IncomingOptions) => {
      const hash = createHash('sha256');
      let inBody = false;
      return {
        left: [],
        write: async (chunk: Uint8Array) => {
          delivery.octets += chunk.length;
          if (inBody) hash.update(chunk); // The header comes in one piece, before all else.
          inBody = true;
        },
        commit: async () => {
          delivery.digest = hash.digest('hex');
          return recipients.map((recipient) => ({ ...DONE, recipient }));
        },
        abort: async () => {},
      };
    },
  };
  return delivery;
}

async function send(farm: TestSubmission, octets: number): Promise<{ rss: number; body: string }> {
  const chat = await client(farm, 'alice@farm.test');
  for (const line of ['MAIL FROM:<alice@farm.test>', 'RCPT TO:<bob@farm.test>', 'DATA']) {
    expect((await chat.command(line)).code).toBeLessThan(400);
  }
  const hash = createHash('sha256');
  let rss = 0;
  await chat.send('From: alice@farm.test\r\nSubject: x\r\n\r\n');
  for (let sent = 0, i = 0; sent < octets; sent += PIECE.length, i++) {
    await chat.send(PIECE);
    hash.update(STORED);
    if (i % 100 === 0) rss = Math.max(rss, process.memoryUsage().rss);
  }
  await chat.send('.\r\n');
  expect((await chat.reply()).code).toBe(250);
  chat.close();
  return { rss, body: hash.digest('hex') };
}

test('[N-19] memory stays flat with 100 MB, and they come through as they were', async () => {
  const delivery = hashing();
  const options = { 'smtp.message.max': 200 * MIB };
  const farm = await openSubmission({ options, through: delivery });
  await send(farm, 30 * MIB); // Warm: code, buffers, the allocator's arenas.
  const heap = collected();
  const { rss: before } = process.memoryUsage();
  const { rss, body } = await send(farm, 100 * MIB);
  expect(rss - before).toBeLessThan(64 * MIB);
  expect(collected() - heap).toBeLessThan(4 * MIB);
  expect(delivery.digest).toBe(body);
  expect(delivery.octets).toBeGreaterThan(125 * MIB);
  await farm.close();
});
