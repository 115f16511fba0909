import { readdirSync, existsSync, chownSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { startFarm, type Farm } from '../harness/farm.ts';
import { has } from '../harness/needs.ts';
import { makeCertificate, MAIL_GID, MAIL_UID, startDovecot } from '../harness/peers.ts';
import { addUsers, measure, type BenchContext, type Measured } from './context.ts';
import { pop3Load, type Pop3Load } from './pop3Load.ts';
import { compare, printRows, type Row } from './report.ts';
import { smtpLoad } from './smtpLoad.ts';

/** One measured pattern; `mailbox` is the number of messages of its users. */
interface Pattern {
  readonly name: string;
  readonly user: string;
  readonly sessions: number;
  readonly tls: boolean;
  readonly retrieve: number;
  readonly aim?: string;
}

const MAILBOXES = { small: 100, large: 2000 } as const;
const BULK = { messages: 20, octets: 5_000_000 } as const;

const PATTERNS: readonly Pattern[] = [
  {
    name: 'poll, 100 messages',
    user: 'small',
    sessions: 4000,
    tls: false,
    retrieve: 0,
    aim: '> 2',
  },
  {
    name: 'poll, 2,000 messages',
    user: 'large',
    sessions: 800,
    tls: false,
    retrieve: 0,
    aim: '> 2',
  },
  { name: 'poll over TLS, 100 messages', user: 'small', sessions: 1500, tls: true, retrieve: 0 },
  { name: 'fetch of five, 100 messages', user: 'small', sessions: 2000, tls: false, retrieve: 5 },
];

interface Server {
  readonly pid: number;
  readonly pop3: number;
  readonly pop3s: number;
}

interface Results {
  readonly patterns: readonly Measured[];
  /** MB/s and MB per CPU second of RETR. */
  readonly bulk: { readonly rate: number; readonly perCpu: number };
}

const name = (user: string): string => `${user}@example.test`;

async function run(server: Server, scale: number): Promise<Results> {
  const load = (p: Pattern, sessions: number): Pop3Load => ({
    port: p.tls ? server.pop3s : server.pop3,
    host: '127.0.0.1',
    tls: p.tls,
    connections: 8,
    sessions,
    users: [{ name: name(p.user), password: 'demo' }],
    retrieve: p.retrieve,
  });
  const patterns: Measured[] = [];
  for (const pattern of PATTERNS) {
    await pop3Load(load(pattern, Math.round(pattern.sessions / 8)));
    const sessions = Math.round(pattern.sessions * scale);
    patterns.push(
      await measure(server.pid, async () => (await pop3Load(load(pattern, sessions))).seconds),
    );
  }
  return { patterns, bulk: await bulk(server, scale) };
}

async function bulk(server: Server, scale: number): Promise<Results['bulk']> {
  const load: Pop3Load = {
    port: server.pop3,
    host: '127.0.0.1',
    tls: false,
    connections: 2,
    sessions: Math.max(2, Math.round(30 * scale)),
    users: [{ name: name('bulk'), password: 'demo' }],
    retrieve: BULK.messages,
  };
  await pop3Load({ ...load, sessions: 2 });
  let octets = 0;
  const measured = await measure(server.pid, async () => {
    const done = await pop3Load(load);
    octets = done.octets;
    return done.seconds;
  });
  return { rate: octets / 1e6 / measured.seconds, perCpu: octets / 1e6 / measured.cpu };
}

/** Fills the mailboxes of the farm by its own MX. */
async function fill(farm: Farm): Promise<void> {
  await addUsers(farm, [name('small'), name('large'), name('bulk')]);
  const common = { port: farm.ports.smtp, host: '127.0.0.1', connections: 8, perConnection: 100 };
  for (const [user, messages] of Object.entries(MAILBOXES)) {
    await smtpLoad({ ...common, messages, recipients: [name(user)], size: 4096 });
  }
  await smtpLoad({
    ...common,
    messages: BULK.messages,
    recipients: [name('bulk')],
    size: BULK.octets,
  });
}

async function ours(context: BenchContext): Promise<Results> {
  const farm = await startFarm({ dir: join(context.dir, 'farm') });
  try {
    await fill(farm);
    const { pop3, pop3s } = farm.ports;
    return await run({ pid: farm.pid, pop3, pop3s }, context.scale);
  } finally {
    await farm.stop();
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
  chownTree(path);
}

function chownTree(path: string): void {
  chownSync(path, MAIL_UID, MAIL_GID);
  for (const entry of readdirSync(path, { withFileTypes: true })) {
    const at = join(path, entry.name);
    if (entry.isDirectory()) chownTree(at);
    else chownSync(at, MAIL_UID, MAIL_GID);
  }
}

async function dovecot(context: BenchContext): Promise<Results | undefined> {
  if (!has('dovecot')) return undefined;
  const mail = join(context.dir, 'dovecot-mail');
  writeMaildir(join(mail, name('small')), MAILBOXES.small, 4096);
  writeMaildir(join(mail, name('large')), MAILBOXES.large, 4096);
  writeMaildir(join(mail, name('bulk')), BULK.messages, BULK.octets);
  if (existsSync(mail)) chownTree(mail);
  const server = await startDovecot({
    directory: context.dir,
    maildir: `${mail}/%u`,
    users: Object.fromEntries(['small', 'large', 'bulk'].map((user) => [name(user), 'demo'])),
    tuned: true,
    tls: await makeCertificate(context.dir),
  });
  try {
    const { pop3, pop3s } = server;
    return await run({ pid: server.process.pid, pop3, pop3s }, context.scale);
  } finally {
    await server.stop();
  }
}

/** POP3 sessions per second and per CPU second, and RETR in bulk, beside a tuned Dovecot. */
export async function benchPop3(context: BenchContext): Promise<void> {
  const mine = await ours(context);
  const peer = await dovecot(context);
  const rows: Row[] = PATTERNS.flatMap((pattern, i) => {
    const a = mine.patterns[i];
    const b = peer?.patterns[i];
    const sessions = Math.round(pattern.sessions * context.scale);
    if (!a) return [];
    return [
      compare({
        what: `${pattern.name}: sessions per CPU second`,
        ours: sessions / a.cpu,
        peer: b && sessions / b.cpu,
        unit: '/s',
        ...(pattern.aim === undefined ? {} : { aim: pattern.aim }),
      }),
      compare({
        what: `${pattern.name}: sessions per second`,
        ours: sessions / a.seconds,
        peer: b && sessions / b.seconds,
        unit: '/s',
      }),
    ];
  });
  rows.push(
    compare({
      what: 'RETR in bulk, messages of 5 MB',
      ours: mine.bulk.rate,
      peer: peer?.bulk.rate,
      unit: 'MB/s',
      aim: '> 1',
    }),
    compare({
      what: 'RETR in bulk, per CPU second',
      ours: mine.bulk.perCpu,
      peer: peer?.bulk.perCpu,
      unit: 'MB/s',
    }),
  );
  printRows('POP3 beside a tuned Dovecot', rows);
}
