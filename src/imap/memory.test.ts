import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { idleCost } from '../net/testing/idle-cost.ts';

const CONNECTIONS = Number(process.env['MAILFARM_IDLE_CONNECTIONS'] ?? 1_000);
const KIB_MAX = 20;

/** Logged in, a folder selected, in IDLE. */
async function open(port: number): Promise<Socket> {
  const socket = connect(port, '127.0.0.1');
  socket.write('1 LOGIN tevie "secret word"\r\n2 SELECT INBOX\r\n3 IDLE\r\n');
  let said = '';
  while (!said.includes('+ idling')) {
    const [piece] = (await once(socket, 'data')) as [Buffer];
    said += piece.toString('latin1');
  }
  return socket;
}

test(`[P-03] ${CONNECTIONS} connections in IDLE cost under ${KIB_MAX} KiB each`, async () => {
  const program = join(import.meta.dirname, 'testing/idle-server.ts');
  // As many before: how far the heap grows by what sign-ins throw away depends on how quick they
  // are.
  const octets = await idleCost({ program, open, first: CONNECTIONS, connections: CONNECTIONS });
  process.stdout.write(`IMAP: ${(octets / 1024).toFixed(2)} KiB for each connection in IDLE\n`);
  expect(octets).toBeLessThan(KIB_MAX * 1024);
}, 120_000);
