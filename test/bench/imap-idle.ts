import { cpuSeconds, residentBytes } from '../harness/processes.ts';
import { SmtpChat } from '../harness/smtp-chat.ts';
import type { BenchContext } from './context.ts';
import { type Idlers, startIdlers } from './imap-idle-load.ts';
import type { Box } from './imap-mail.ts';
import { type ImapServer, usersOf, withServers } from './imap-servers.ts';
import { compare, figure, printRows, type Row } from './report.ts';

const LETTERS = 20;
const QUIET_MS = 30_000;
/** Until servers have let go of what the logins needed, and Dovecot's sessions sleep. */
const SETTLE_MS = 10_000;
const NEWS_MS = 40_000;
const WIRE = Buffer.from('From: a@sender.example\r\nSubject: news\r\n\r\nNews.\r\n');

interface Idle {
  readonly connections: number;
  /** Octets that each adds to the server's processes. */
  readonly memory: number;
  /** Of one core, while nothing comes. */
  readonly core: number;
  /** Milliseconds from the reply that accepted a letter to EXISTS, sorted; late: Infinity. */
  readonly latencies: readonly number[];
}

const settle = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
const now = (): number => performance.timeOrigin + performance.now();

/** Delivers one letter by LMTP and waits for EXISTS. @returns milliseconds */
async function latency(
  idlers: Idlers,
  chat: SmtpChat,
  name: string,
  user: number,
): Promise<number> {
  const before = idlers.news().filter((news) => news.user === user).length;
  const reply = await chat.send('a@sender.example', [name], WIRE);
  const sent = now();
  if (reply.code !== 250) throw new Error(`${name}: ${reply.code} ${reply.text}`);
  for (const until = sent + NEWS_MS; now() < until; await settle(20)) {
    const at = idlers.news().filter((news) => news.user === user)[before]?.at;
    if (at !== undefined) return Math.max(0, at - sent);
  }
  return Infinity;
}

async function idle(server: ImapServer, connections: number, box: Box): Promise<Idle> {
  const users = usersOf('idle', box);
  const to = { host: '127.0.0.1', port: server.imap };
  // What a server needs once, and each user's mailbox numbered.
  const warm = await startIdlers({ to, users, connections: Math.min(connections, 500) });
  await warm.stop();
  await settle(SETTLE_MS);
  const before = residentBytes([server.pid]);
  const idlers = await startIdlers({ to, users, connections });
  try {
    await settle(SETTLE_MS);
    const memory = (residentBytes([server.pid]) - before) / connections;
    const cpu = cpuSeconds([server.pid]);
    await settle(QUIET_MS);
    const core = (cpuSeconds([server.pid]) - cpu) / (QUIET_MS / 1000);
    const { chat } = await SmtpChat.open({ port: server.lmtp });
    await chat.hello('LHLO');
    const latencies: number[] = [];
    for (let i = 0; i < LETTERS; i++) {
      const user = Math.floor((i * users.length) / LETTERS);
      latencies.push(await latency(idlers, chat, users[user]?.name ?? '', user));
    }
    await chat.quit();
    return { connections, memory, core, latencies: latencies.toSorted((a, b) => a - b) };
  } finally {
    await idlers.stop();
  }
}

const median = (sorted: readonly number[]): number => sorted[sorted.length >> 1] ?? 0;

function rowsOf(ours: Idle | undefined, peer: Idle | undefined): Row[] {
  const first = ours ?? peer;
  if (first === undefined) return [];
  const second = ours === undefined ? undefined : peer;
  const row = (what: string, unit: string, of: (idle: Idle) => number, aim?: string): Row =>
    compare({
      what,
      unit,
      ours: of(first),
      peer: second && of(second),
      ...(aim === undefined ? {} : { aim }),
    });
  const worst = (all: Idle): number => all.latencies.at(-1) ?? 0;
  return [
    row('resident memory of each', 'KB', (all) => all.memory / 1024, '< 1'),
    row('CPU while nothing comes, of a core', '%', (all) => all.core * 100),
    row('EXISTS after a local delivery, median', 'ms', (all) => median(all.latencies)),
    row('EXISTS after a local delivery, worst of 20', 'ms', worst),
  ];
}

/** IDLE in great number: memory, CPU, and how soon EXISTS comes, beside Dovecot hibernated. */
export async function benchImapIdle(context: BenchContext): Promise<void> {
  const connections = Math.round(5000 * context.scale);
  const box: Box = { users: Math.ceil(connections / 5), messages: 20, octets: 1000 };
  await withServers(context, { idle: box }, 'hibernating', async ({ ours, peer }) => {
    const a = ours && (await idle(ours, connections, box));
    const b = peer && (await idle(peer, connections, box));
    const who = ours === undefined ? 'Dovecot hibernated alone' : 'beside Dovecot hibernated';
    printRows(`${connections} IMAP connections in IDLE, ${who}`, rowsOf(a, b));
    if (a === undefined) return;
    const met = (good: boolean): string => (good ? 'met' : 'MISSED');
    process.stdout.write(
      `aims: ${figure(a.memory / 1024, 'KB')} < 20 KB ${met(a.memory < 20 * 1024)}, ` +
        `median ${figure(median(a.latencies), 'ms')} < 100 ms ${met(median(a.latencies) < 100)}, ` +
        `${figure(a.core * 100, '%')} < 5 % of a core ${met(a.core < 0.05)}\n\n`,
    );
  });
}
