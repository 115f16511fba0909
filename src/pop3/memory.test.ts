import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { expect, test } from 'vitest';

const CONNECTIONS = Number(process.env['MAILFARM_IDLE_CONNECTIONS'] ?? 5_000);
const KIB_MAX = 12;

const idle = async (port: number): Promise<Socket> => {
  const socket = connect(port, '127.0.0.1');
  await once(socket, 'data'); // The greeting.
  return socket;
};

test(`${CONNECTIONS} idle connections cost under ${KIB_MAX} KiB each`, async () => {
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
      const batch = Array.from({ length: Math.min(100, count - sockets.length) }, () => idle(port));
      sockets.push(...(await Promise.all(batch)));
    }
  };
  await open(1); // What the first one costs is code.
  const before = await resident();
  await open(1 + CONNECTIONS);
  const bytes = ((await resident()) - before) / CONNECTIONS;
  process.stdout.write(`POP3: ${(bytes / 1024).toFixed(2)} KiB for each idle connection\n`);
  for (const socket of sockets) socket.destroy();
  server.stdin.end();
  await once(server, 'exit');
  expect(bytes).toBeLessThan(KIB_MAX * 1024);
}, 60_000);
