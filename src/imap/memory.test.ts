import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { expect, test } from 'vitest';

const CONNECTIONS = Number(process.env['MAILFARM_IDLE_CONNECTIONS'] ?? 1_000);
const KIB_MAX = 20;

/** Logged in, a folder selected, in IDLE. */
async function idle(port: number): Promise<Socket> {
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
  const server = spawn(process.execPath, ['--expose-gc', program], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const lines = createInterface({ input: server.stdout })[Symbol.asyncIterator]();
  const line = async (): Promise<string> => String((await lines.next()).value);
  const port = Number(await line());
  const resident = async (): Promise<number> => {
    server.stdin.write('\n');
    return Number((await line()).split(' ')[0]);
  };
  const sockets: Socket[] = [];
  const open = async (count: number): Promise<void> => {
    while (sockets.length < count) {
      const batch = Array.from({ length: Math.min(50, count - sockets.length) }, () => idle(port));
      sockets.push(...(await Promise.all(batch)));
    }
  };
  await open(50); // What the first ones cost is code.
  const before = await resident();
  await open(50 + CONNECTIONS);
  const bytes = ((await resident()) - before) / CONNECTIONS;
  process.stdout.write(`IMAP: ${(bytes / 1024).toFixed(2)} KiB for each connection in IDLE\n`);
  for (const socket of sockets) socket.destroy();
  server.stdin.end();
  await once(server, 'exit');
  expect(bytes).toBeLessThan(KIB_MAX * 1024);
}, 120_000);
