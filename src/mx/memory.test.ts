import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, test } from 'vitest';
import { StrictClient } from '../smtp/testing/client.ts';
import { openFarm, type TestFarm } from './testing.ts';

const MIB = 2 ** 20;
const LINE = `${'A'.repeat(76)}\r\n`;
const PIECE = Buffer.from(LINE.repeat(840)); // A little under 64 KiB.

function collected(): { heap: number; rss: number; external: number } {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
  const { heapUsed, rss, arrayBuffers } = process.memoryUsage();
  return { heap: heapUsed, rss, external: arrayBuffers };
}

/** Sends a message of `octets`; the largest memory seen while it went. */
async function send(farm: TestFarm, octets: number): Promise<{ rss: number; external: number }> {
  const client = await StrictClient.open(farm.port);
  await client.reply();
  for (const line of ['EHLO c.example', 'MAIL FROM:<>', 'RCPT TO:<alice@farm.test>', 'DATA']) {
    expect((await client.command(line)).code).toBeLessThan(400);
  }
  let [rss, external] = [0, 0];
  for (let sent = 0, i = 0; sent < octets; sent += PIECE.length, i++) {
    await client.send(PIECE);
    if (i % 100 !== 0) continue;
    const usage = process.memoryUsage();
    rss = Math.max(rss, usage.rss);
    external = Math.max(external, usage.arrayBuffers);
  }
  await client.send('.\r\n');
  expect((await client.reply()).code).toBe(250);
  client.close();
  return { rss, external };
}

test('memory does not grow with the size of a message: 40 and 200 MB', async () => {
  const farm = await openFarm({ options: { 'smtp.message.max': 300 * MIB } });
  farm.delivery.discard = true;
  await send(farm, 40 * MIB); // Warm: code, buffers, the allocator's arenas.
  const before = collected();
  for (const megabytes of [40, 200]) {
    const most = await send(farm, megabytes * MIB);
    expect(most.rss - before.rss).toBeLessThan(64 * MIB);
    expect(most.external - before.external).toBeLessThan(64 * MIB);
    expect(collected().heap - before.heap).toBeLessThan(4 * MIB);
  }
  expect(farm.delivery.octets).toBeGreaterThan(270 * MIB);
  await farm.close();
});

test('a slow volume slows its client down; it fills no memory', async () => {
  const farm = await openFarm();
  farm.delivery.discard = true;
  farm.delivery.slowMs = 20;
  const client = await StrictClient.open(farm.port);
  await client.reply();
  for (const line of ['EHLO c.example', 'MAIL FROM:<>', 'RCPT TO:<alice@farm.test>', 'DATA']) {
    await client.command(line);
  }
  let sent = 0;
  const stop = AbortSignal.timeout(600);
  while (!stop.aborted) {
    const wrote = client.send(PIECE).then(() => true);
    const timeout = new Promise((resolve) => stop.addEventListener('abort', resolve));
    if ((await Promise.race([wrote, timeout])) !== true) break;
    sent += PIECE.length;
  }
  // 30 writes of 64 KiB, and what two sockets' buffers hold.
  expect(sent).toBeLessThan(16 * MIB);
  client.close();
  // What the kernel still holds is read first: it might be a whole message.
  farm.delivery.slowMs = 0;
  await expect.poll(() => farm.delivery.open, { timeout: 60_000 }).toBe(0);
  await farm.close();
});
