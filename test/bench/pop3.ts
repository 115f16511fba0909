import { readdirSync, chownSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { startFarm, type Farm } from '../harness/farm.ts';
import { has } from '../harness/needs.ts';
import { makeCertificate, MAIL_GID, MAIL_UID, startDovecot } from '../harness/peers.ts';
import { addUsers, measure, type BenchContext, type Measured } from './context.ts';
import { pop3Load, type Pop3Load } from './pop3-load.ts';
import { compare, printRows, type Row } from './report.ts';
import { smtpLoad } from './smtp-load.ts';

const BULK = 'RETR in bulk, messages of 5 MB';

/** One measured pattern of sessions. */
interface Pattern {
  readonly name: string;
  readonly mailbox: keyof typeof MAILBOXES;
  /** Measured, in all rounds together. */
  readonly sessions: number;
  /** Before: until V8 has compiled what is hot, and Dovecot has its indexes. */
  readonly warmUp: number;
  readonly tls: boolean;
  readonly retrieve: number;
  readonly aim?: string;
}

/** Users of a kind, messages of each, octets of a message. */
const MAILBOXES = {
  small: { users: 10, messages: 100, octets: 4096 },
  large: { users: 2, messages: 2000, octets: 4096 },
  bulk: { users: 1, messages: 20, octets: 5_000_000 },
} as const;

const POLL = { tls: false, retrieve: 0 } as const;
const PATTERNS: readonly Pattern[] = [
  {
    ...POLL,
    name: 'poll, 100 messages',
    mailbox: 'small',
    sessions: 4000,
    warmUp: 4000,
    aim: '> 2',
  },
  {
    ...POLL,
    name: 'poll, 2,000 messages',
    mailbox: 'large',
    sessions: 600,
    warmUp: 300,
    aim: '> 2',
  },
  {
    ...POLL,
    name: 'poll over TLS, 100 messages',
    mailbox: 'small',
    sessions: 1500,
    warmUp: 800,
    tls: true,
  },
  {
    ...POLL,
    name: 'fetch of five, 100 messages',
    mailbox: 'small',
    sessions: 2000,
    warmUp: 1000,
    retrieve: 5,
  },
  { ...POLL, name: BULK, mailbox: 'bulk', sessions: 30, warmUp: 6, retrieve: 20, aim: '> 1' },
];

/**
 * The servers take turns, so that what else the machine does meets both alike: a pattern is
 * measured in so many rounds.
 */
const ROUNDS = 5;
const CONNECTIONS = 8;
const BULK_CONNECTIONS = 2;

interface Server {
  readonly pid: number;
  readonly pop3: number;
  readonly pop3s: number;
  stop(): Promise<unknown>;
}

interface Result extends Measured {
  readonly sessions: number;
  readonly octets: number;
}

const namesOf = (mailbox: keyof typeof MAILBOXES): string[] =>
  Array.from({ length: MAILBOXES[mailbox].users }, (_, i) => `${mailbox}${i}@example.test`);

const kinds = Object.keys(MAILBOXES) as (keyof typeof MAILBOXES)[];

function loadOf(pattern: Pattern, server: Server, sessions: number): Pop3Load {
  return {
    port: pattern.tls ? server.pop3s : server.pop3,
    host: '127.0.0.1',
    tls: pattern.tls,
    connections: pattern.name === BULK ? BULK_CONNECTIONS : CONNECTIONS,
    sessions,
    users: namesOf(pattern.mailbox).map((user) => ({ name: user, password: 'demo' })),
    retrieve: pattern.retrieve,
  };
}

/** One pattern on all servers, in turns. @returns a result for each server, in order. */
async function take(
  pattern: Pattern,
  servers: readonly Server[],
  scale: number,
): Promise<Result[]> {
  const sessions = Math.max(2, Math.round((pattern.sessions * scale) / ROUNDS));
  const totals = servers.map(() => ({ cpu: 0, seconds: 0, octets: 0 }));
  for (const server of servers) await pop3Load(loadOf(pattern, server, pattern.warmUp));
  for (let round = 0; round < ROUNDS; round++) {
    for (const [i, server] of servers.entries()) {
      const total = totals[i];
      if (!total) continue;
      const measured = await measure(server.pid, async () => {
        const done = await pop3Load(loadOf(pattern, server, sessions));
        total.octets += done.octets;
        return done.seconds;
      });
      total.cpu += measured.cpu;
      total.seconds += measured.seconds;
    }
  }
  return totals.map((total) => ({ ...total, sessions: sessions * ROUNDS }));
}

/** The farm, its mailboxes filled by its own MX. */
async function startOurs(context: BenchContext): Promise<Server> {
  const farm = await startFarm({ dir: join(context.dir, 'farm') });
  const { pop3, pop3s } = farm.ports;
  const stop = (): Promise<unknown> => farm.stop();
  try {
    await fill(farm);
  } catch (error) {
    await stop();
    throw error;
  }
  return { pid: farm.pid, pop3, pop3s, stop };
}

async function fill(farm: Farm): Promise<void> {
  await addUsers(farm, kinds.flatMap(namesOf));
  const common = { port: farm.ports.smtp, host: '127.0.0.1', connections: 8, perConnection: 100 };
  for (const kind of kinds) {
    const { messages, octets, users } = MAILBOXES[kind];
    const recipients = namesOf(kind);
    await smtpLoad({ ...common, messages: messages * users, recipients, size: octets });
  }
}

/** A Maildir as Dovecot itself would have written it, with sizes in the names. */
function writeMaildir(path: string, count: number, octets: number): void {
  for (const sub of ['tmp', 'new', 'cur']) mkdirSync(join(path, sub), { recursive: true });
  const line = `${'x'.repeat(70)}\n`;
  const head = 'From: bench@sender.example\nTo: x@example.test\nSubject: bench\n\n';
  const body = head + line.repeat(Math.ceil(octets / 72));
  const lines = body.split('\n').length - 1;
  for (let i = 0; i < count; i++) {
    const file = `${1_700_000_000 + i}.M1P1.bench,S=${body.length},W=${body.length + lines}:2,`;
    writeFileSync(join(path, 'cur', file), body);
  }
}

function chownTree(path: string): void {
  chownSync(path, MAIL_UID, MAIL_GID);
  for (const entry of readdirSync(path, { withFileTypes: true })) {
    const at = join(path, entry.name);
    if (entry.isDirectory()) chownTree(at);
    else chownSync(at, MAIL_UID, MAIL_GID);
  }
}

/** A tuned Dovecot over Maildirs of its own, with as many messages, as large. */
async function startPeer(context: BenchContext): Promise<Server | undefined> {
  if (!has('dovecot')) return undefined;
  const mail = join(context.dir, 'dovecot-mail');
  for (const kind of kinds) {
    const { messages, octets } = MAILBOXES[kind];
    for (const user of namesOf(kind)) writeMaildir(join(mail, user), messages, octets);
  }
  chownTree(mail);
  const server = await startDovecot({
    directory: context.dir,
    maildir: `${mail}/%u`,
    users: Object.fromEntries(kinds.flatMap(namesOf).map((user) => [user, 'demo'])),
    tuned: true,
    tls: await makeCertificate(context.dir),
  });
  const { pop3, pop3s } = server;
  return { pid: server.process.pid, pop3, pop3s, stop: () => server.stop() };
}

/** POP3 sessions per second and per CPU second, and RETR in bulk, beside a tuned Dovecot. */
export async function benchPop3(context: BenchContext): Promise<void> {
  const servers: Server[] = [];
  const rows: Row[] = [];
  try {
    servers.push(await startOurs(context));
    const peer = await startPeer(context);
    if (peer) servers.push(peer);
    for (const pattern of PATTERNS) {
      const [a, b] = await take(pattern, servers, context.scale);
      if (a) rows.push(...rowsOf(pattern, a, b));
    }
  } finally {
    for (const server of servers) await server.stop();
  }
  printRows('POP3 beside a tuned Dovecot', rows);
}

function rowsOf(pattern: Pattern, a: Result, b: Result | undefined): Row[] {
  const isBulk = pattern.name === BULK;
  const amount = (r: Result): number => (isBulk ? r.octets / 1e6 : r.sessions);
  const unit = isBulk ? 'MB/s' : '/s';
  const noun = isBulk ? 'MB' : 'sessions';
  const aim = pattern.aim === undefined ? {} : { aim: pattern.aim };
  const perCpu = compare({
    what: `${pattern.name}: ${noun} per CPU second`,
    ours: amount(a) / a.cpu,
    peer: b && amount(b) / b.cpu,
    unit,
    ...(isBulk ? {} : aim),
  });
  const perSecond = compare({
    what: `${pattern.name}: ${noun} per second`,
    ours: amount(a) / a.seconds,
    peer: b && amount(b) / b.seconds,
    unit,
    ...(isBulk ? aim : {}),
  });
  return [perCpu, perSecond];
}
