/** What an idle connection costs a service in memory: the resident set of a process of its own. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { createInterface } from 'node:readline';

export interface IdleCostOptions {
  /** A file that starts a service and calls `tellMemory`. */
  readonly program: string;
  /** A connection as it stays from then on. */
  readonly open: (port: number) => Promise<Socket>;
  /** Before the first measurement: what the first ones cost is code. */
  readonly first: number;
  readonly connections: number;
}

const AT_ONCE = 50;

/** @returns octets for each connection */
export async function idleCost(options: IdleCostOptions): Promise<number> {
  const server = spawn(process.execPath, ['--expose-gc', options.program], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const lines = createInterface({ input: server.stdout })[Symbol.asyncIterator]();
  const number = async (): Promise<number> => Number((await lines.next()).value);
  const port = await number();
  const resident = (): Promise<number> => {
    server.stdin.write('\n');
    return number();
  };
  const sockets: Socket[] = [];
  const openUpTo = async (count: number): Promise<void> => {
    while (sockets.length < count) {
      const length = Math.min(AT_ONCE, count - sockets.length);
      sockets.push(...(await Promise.all(Array.from({ length }, () => options.open(port)))));
    }
  };
  await openUpTo(options.first);
  const before = await resident();
  await openUpTo(options.first + options.connections);
  const octets = ((await resident()) - before) / options.connections;
  for (const socket of sockets) socket.destroy();
  server.stdin.end();
  await once(server, 'exit');
  return octets;
}

/** In the program: prints its port, and its resident set in octets for each line that it gets. */
export function tellMemory(port: number): void {
  process.stdout.write(`${port}\n`);
  process.stdin.on('data', () => {
    globalThis.gc?.();
    globalThis.gc?.();
    process.stdout.write(`${process.memoryUsage().rss}\n`);
  });
  process.stdin.on('end', () => process.exit(0));
}
