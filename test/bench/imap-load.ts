/**
 * The load of `npm run bench -- imap`, in a process of its own: `imap-load.ts` reads a job as JSON
 * from its argument, works, and prints what it did as JSON. `imapLoad` starts it.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { RawImap, type Endpoint } from './imap-client.ts';

export interface ImapUser {
  readonly name: string;
  readonly password: string;
}

export interface ImapJob {
  readonly to: Endpoint;
  readonly users: readonly ImapUser[];
  readonly connections: number;
  readonly work: ImapWork;
}

export type ImapWork =
  /** Connect, LOGIN, SELECT, FETCH FLAGS, LOGOUT. */
  | { readonly kind: 'sessions'; readonly count: number }
  /** On each connection after SELECT, `times` times each, one after the other. */
  | { readonly kind: 'commands'; readonly commands: readonly string[]; readonly times: number }
  /** STORE of one flag of one message after the other, on and off. */
  | { readonly kind: 'store'; readonly messages: number; readonly count: number }
  | { readonly kind: 'append'; readonly octets: number; readonly count: number };

export interface ImapDone {
  /** Without connecting and logging in, but for `sessions`. */
  readonly seconds: number;
  readonly octets: number;
  /** Of answers, for those of little text. */
  readonly lines: number;
  readonly operations: number;
  /** CPU seconds of the load itself: it should not be what is measured. */
  readonly loadCpu: number;
}

/** A server that answers no more ends the bench, not only the measurement. */
const LOAD_MS_MAX = 600_000;

/** Runs a job in a process of its own. @throws Error with what it said */
export async function imapLoad(job: ImapJob): Promise<ImapDone> {
  const child = spawn(process.execPath, [import.meta.filename, JSON.stringify(job)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const timer = setTimeout(() => child.kill('SIGKILL'), LOAD_MS_MAX);
  let text = '';
  child.stdout.on('data', (chunk: Buffer) => (text += chunk.toString()));
  const [code] = (await once(child, 'close')) as [number | null];
  clearTimeout(timer);
  if (code !== 0) throw new Error(`the load ended with ${code}: ${text}`);
  return JSON.parse(text) as ImapDone;
}

const userOf = (job: ImapJob, n: number): ImapUser => {
  const user = job.users[n % job.users.length];
  if (user === undefined) throw new Error('no users');
  return user;
};

async function signIn(job: ImapJob, n: number): Promise<RawImap> {
  const client = await RawImap.open(job.to);
  const { name, password } = userOf(job, n);
  await client.login(name, password);
  return client;
}

interface Counts {
  octets: number;
  lines: number;
  operations: number;
}

async function session(job: ImapJob, n: number, counts: Counts): Promise<void> {
  const client = await signIn(job, n);
  client.countLines = true;
  await client.command('SELECT INBOX');
  await client.command('FETCH 1:* FLAGS');
  await client.command('LOGOUT');
  client.close();
  counts.octets += client.octets;
  counts.lines += client.lines;
  counts.operations += 1;
}

async function sessions(job: ImapJob, count: number, counts: Counts): Promise<number> {
  let begun = 0;
  const started = performance.now();
  const lanes = Array.from({ length: job.connections }, async () => {
    while (begun < count) await session(job, begun++, counts);
  });
  await Promise.all(lanes);
  return performance.now() - started;
}

const letter = (octets: number): Buffer => {
  const head = 'From: bench@sender.example\r\nTo: x@example.test\r\nSubject: bench\r\n\r\n';
  const line = `${'x'.repeat(70)}\r\n`;
  const body = line.repeat(Math.ceil(octets / line.length));
  return Buffer.from((head + body).slice(0, octets - 2).concat('\r\n'));
};

/** What one connection does, `share` operations of it. */
async function toil(client: RawImap, work: ImapWork, share: number): Promise<number> {
  if (work.kind === 'commands') {
    client.countLines = work.commands.every((command) => !command.includes('BODY'));
    for (let i = 0; i < work.times; i++) {
      for (const command of work.commands) await client.command(command);
    }
    return work.times * work.commands.length;
  }
  const message = work.kind === 'append' ? letter(work.octets) : Buffer.alloc(0);
  for (let i = 0; i < share; i++) {
    if (work.kind === 'append') await client.append('INBOX', message);
    else if (work.kind === 'store') {
      const sign = Math.floor(i / work.messages) % 2 === 0 ? '+' : '-';
      await client.command(`STORE ${(i % work.messages) + 1} ${sign}FLAGS (\\Flagged)`);
    }
  }
  return share;
}

async function connected(job: ImapJob, counts: Counts): Promise<number> {
  const clients: RawImap[] = [];
  for (let n = 0; n < job.connections; n++) clients.push(await signIn(job, n));
  for (const client of clients) {
    if (job.work.kind !== 'append') await client.command('SELECT INBOX');
    client.octets = 0;
  }
  const count = 'count' in job.work ? job.work.count : 0;
  const share = Math.ceil(count / job.connections);
  const started = performance.now();
  const done = await Promise.all(clients.map((client) => toil(client, job.work, share)));
  const took = performance.now() - started;
  for (const [i, client] of clients.entries()) {
    counts.octets += client.octets;
    counts.lines += client.lines;
    counts.operations += done[i] ?? 0;
    client.close();
  }
  return took;
}

if (process.argv[1] === import.meta.filename) {
  const job = JSON.parse(process.argv[2] ?? '{}') as ImapJob;
  const counts: Counts = { octets: 0, lines: 0, operations: 0 };
  const before = process.cpuUsage();
  const { work } = job;
  const ms =
    work.kind === 'sessions'
      ? await sessions(job, work.count, counts)
      : await connected(job, counts);
  const used = process.cpuUsage(before);
  const done: ImapDone = {
    ...counts,
    seconds: ms / 1000,
    loadCpu: (used.user + used.system) / 1e6,
  };
  process.stdout.write(JSON.stringify(done));
}
