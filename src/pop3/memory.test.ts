import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { idleCost } from '../net/testing/idle-cost.ts';

const CONNECTIONS = Number(process.env['MAILFARM_IDLE_CONNECTIONS'] ?? 5_000);
const KIB_MAX = 12;

async function open(port: number): Promise<Socket> {
  const socket = connect(port, '127.0.0.1');
  await once(socket, 'data'); // The greeting.
  return socket;
}

test(`${CONNECTIONS} idle connections cost under ${KIB_MAX} KiB each`, async () => {
  const program = join(import.meta.dirname, 'testing/idle-server.ts');
  const octets = await idleCost({ program, open, first: 1, connections: CONNECTIONS });
  process.stdout.write(`POP3: ${(octets / 1024).toFixed(2)} KiB for each idle connection\n`);
  expect(octets).toBeLessThan(KIB_MAX * 1024);
}, 60_000);
