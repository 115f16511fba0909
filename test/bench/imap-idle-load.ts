/**
 * Connections that wait in IDLE, held by a process of its own: `imap-idle-load.ts` logs in as many
 * as it is told, says `ready`, and then a line of JSON for each EXISTS with the time it came.
 * `startIdlers` starts it.
 */
import { type Running, start } from '../harness/process.ts';
import { RawImap, type Endpoint } from './imap-client.ts';
import type { ImapUser } from './imap-load.ts';

interface IdleJob {
  readonly to: Endpoint;
  readonly users: readonly ImapUser[];
  readonly connections: number;
}

export interface Idlers {
  /** Milliseconds since 1970 of each EXISTS that came, by user. */
  news(): readonly { readonly user: number; readonly at: number }[];
  stop(): Promise<void>;
}

const READY_MS = 600_000;
const LANES = 16;
const now = (): number => performance.timeOrigin + performance.now();

/** Resolves when all of them are in IDLE. */
export async function startIdlers(job: IdleJob): Promise<Idlers> {
  const argv = [process.execPath, import.meta.filename, JSON.stringify(job.to)];
  const running: Running = start([...argv, String(job.connections)], {
    withParent: 'KILL',
    input: Buffer.from(JSON.stringify(job.users)),
  });
  try {
    await running.waitFor(/^ready$/m, READY_MS);
  } catch (error) {
    await running.stop(1000);
    throw error;
  }
  const isNews = (line: string): boolean => line.startsWith('{');
  return {
    news: () =>
      running
        .output()
        .split('\n')
        .filter(isNews)
        .map((line) => JSON.parse(line) as { user: number; at: number }),
    stop: () => running.stop(1000),
  };
}

/** One client address for each, as limits by address count them. */
const addressOf = (n: number): string => `127.1.${n >> 7}.${(n & 127) + 1}`;

async function main(to: Endpoint, connections: number): Promise<void> {
  const chunks: Buffer[] = [];
  for await (const chunk of process.stdin) chunks.push(chunk as Buffer);
  const users = JSON.parse(Buffer.concat(chunks).toString()) as ImapUser[];
  let next = 0;
  const lane = async (): Promise<void> => {
    for (let n = next++; n < connections; n = next++) {
      const user = n % users.length;
      const client = await RawImap.open({ ...to, from: addressOf(n) });
      await client.login(users[user]?.name ?? '', users[user]?.password ?? '');
      await client.command('SELECT INBOX');
      await client.idle((chunk) => {
        if (!chunk.includes(' EXISTS')) return;
        process.stdout.write(`${JSON.stringify({ user, at: now() })}\n`);
      });
    }
  };
  await Promise.all(Array.from({ length: LANES }, lane));
  process.stdout.write('ready\n');
}

if (process.argv[1] === import.meta.filename) {
  await main(JSON.parse(process.argv[2] ?? '{}') as Endpoint, Number(process.argv[3]));
}
