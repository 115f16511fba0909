import { chmodSync, mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { BenchContext } from './context.ts';
import { measure } from './context.ts';
import { benchImapIdle } from './imap-idle.ts';
import { type ImapDone, type ImapWork, imapLoad } from './imap-load.ts';
import type { Box } from './imap-mail.ts';
import { type ImapPair, type ImapServer, usersOf, withServers } from './imap-servers.ts';
import { compare, printRows, type Row } from './report.ts';

/** Every user of a cold measurement is fresh: nobody has ever asked for his envelopes. */
const ROUNDS = 3;

interface Part {
  readonly name: string;
  readonly unit: string;
  readonly boxes: Readonly<Record<string, Box>>;
  readonly steps: readonly Step[];
}

interface Step {
  readonly name: string;
  readonly box: string;
  readonly connections: number;
  readonly work: ImapWork;
  /** What is counted, from what one load did. */
  readonly amount: (done: ImapDone) => number;
  /** Cold: each round has a user of its own, whose mailbox is numbered and nothing else. */
  readonly cold?: 'numbered' | 'never seen';
  readonly rounds: number;
  readonly aim?: string;
}

const operations = (done: ImapDone): number => done.operations;
const megabytes = (done: ImapDone): number => done.octets / 1e6;
/** Every message is a line; the rest is small beside it. */
const rows = (done: ImapDone): number => done.lines;

const commands = (command: string, times: number): ImapWork => ({
  kind: 'commands',
  commands: [command],
  times,
});

function envelopes(box: string, messages: number, times: number, rounds: number): Step[] {
  const what = `ENVELOPE of ${messages.toLocaleString('en')}`;
  const common = { box, connections: 1, amount: rows, aim: '> 1' };
  const once = commands('FETCH 1:* ENVELOPE', 1);
  return [
    { ...common, name: `${what}, cold`, work: once, cold: 'numbered', rounds },
    {
      ...common,
      name: `${what}, warm`,
      work: commands('FETCH 1:* ENVELOPE', times),
      rounds: ROUNDS,
    },
  ];
}

/** So many times, of what the scale makes of it. */
type Scaled = (count: number) => number;

function sessionsPart(n: Scaled): Part {
  return {
    name: 'sessions',
    unit: '/s',
    boxes: { poll: { users: 20, messages: 100, octets: 4000 } },
    steps: [
      {
        name: 'LOGIN, SELECT, FETCH FLAGS of 100: sessions',
        box: 'poll',
        connections: 8,
        work: { kind: 'sessions', count: n(2000) },
        amount: operations,
        rounds: ROUNDS,
        aim: '> 1',
      },
    ],
  };
}

function flagsPart(n: Scaled): Part {
  return {
    name: 'flags',
    unit: '/s',
    boxes: { flags: { users: 1, messages: 50_000, octets: 1500 } },
    steps: [
      {
        name: 'FETCH FLAGS of 50,000: flags',
        box: 'flags',
        connections: 1,
        work: commands('FETCH 1:* FLAGS', n(20)),
        amount: rows,
        rounds: ROUNDS,
        aim: '> 1',
      },
    ],
  };
}

function envelopePart(n: Scaled): Part {
  return {
    name: 'envelope',
    unit: '/s',
    boxes: {
      small: { users: ROUNDS, messages: 2000, octets: 4000 },
      large: { users: 1, messages: 50_000, octets: 4000 },
    },
    steps: [...envelopes('small', 2000, n(30), ROUNDS), ...envelopes('large', 50_000, n(3), 1)],
  };
}

function bodyPart(n: Scaled): Part {
  return {
    name: 'body',
    unit: 'MB/s',
    boxes: {
      bulk: { users: 1, messages: 20, octets: 5_000_000 },
      mail: { users: 1, messages: 2000, octets: 20_000 },
    },
    steps: [
      {
        name: 'BODY[] of 5 MB',
        box: 'bulk',
        connections: 1,
        work: commands('FETCH 1:* BODY.PEEK[]', n(5)),
        amount: megabytes,
        rounds: ROUNDS,
        aim: '> 1',
      },
      {
        name: 'BODY[] of 20 KB',
        box: 'mail',
        connections: 1,
        work: commands('FETCH 1:* BODY.PEEK[]', n(5)),
        amount: megabytes,
        rounds: ROUNDS,
      },
    ],
  };
}

function storePart(n: Scaled): Part {
  return {
    name: 'store',
    unit: '/s',
    boxes: { store: { users: 4, messages: 500, octets: 2000 } },
    steps: [
      {
        name: 'STORE of one flag of one message',
        box: 'store',
        connections: 4,
        work: { kind: 'store', messages: 500, count: n(8000) },
        amount: operations,
        rounds: ROUNDS,
        aim: '> 1',
      },
      {
        name: 'STORE 1:500 in one command: messages',
        box: 'store',
        connections: 1,
        work: {
          kind: 'commands',
          commands: ['STORE 1:500 +FLAGS (\\Seen)', 'STORE 1:500 -FLAGS (\\Seen)'],
          times: n(10),
        },
        amount: rows,
        rounds: ROUNDS,
      },
    ],
  };
}

function appendPart(n: Scaled): Part {
  return {
    name: 'append',
    unit: '/s',
    boxes: { append: { users: 4, messages: 1, octets: 2000 } },
    steps: [
      {
        name: 'APPEND of 4 KB',
        box: 'append',
        connections: 4,
        work: { kind: 'append', octets: 4000, count: n(2000) },
        amount: operations,
        rounds: ROUNDS,
        aim: '> 1',
      },
    ],
  };
}

function selectPart(n: Scaled): Part {
  return {
    name: 'select',
    unit: 'ms',
    boxes: { select: { users: 1, messages: 100_000, octets: 1000 } },
    steps: [
      {
        name: 'SELECT of 100,000, first ever',
        box: 'select',
        connections: 1,
        work: commands('SELECT INBOX', 1),
        amount: operations,
        cold: 'never seen',
        rounds: 1,
      },
      {
        name: 'SELECT of 100,000, warm',
        box: 'select',
        connections: 1,
        work: { kind: 'commands', commands: ['UNSELECT', 'SELECT INBOX'], times: n(50) },
        amount: (done) => done.operations / 2,
        rounds: ROUNDS,
        aim: '< 1',
      },
    ],
  };
}

/** Each part has mailboxes and servers of its own, so that one can be run by itself. */
function partsOf(scale: number): readonly Part[] {
  const n = (count: number): number => Math.max(1, Math.round(count * scale));
  const parts = [
    sessionsPart,
    flagsPart,
    envelopePart,
    bodyPart,
    storePart,
    appendPart,
    selectPart,
  ];
  return parts.map((part) => part(n));
}

interface Total {
  amount: number;
  seconds: number;
  cpu: number;
  loadCpu: number;
}

/** One step on all servers, in turns, so that what else the machine does meets both alike. */
async function take(step: Step, box: Box, servers: readonly ImapServer[]): Promise<Total[]> {
  const totals = servers.map(() => ({ amount: 0, seconds: 0, cpu: 0, loadCpu: 0 }));
  for (let round = 0; round < step.rounds; round++) {
    for (const [i, server] of servers.entries()) {
      const total = totals[i];
      if (total === undefined) continue;
      const all = usersOf(step.box, box);
      const users = step.cold === undefined ? all : all.slice(round, round + 1);
      const job = {
        to: { host: '127.0.0.1', port: server.imap },
        users,
        connections: step.connections,
      };
      const select = commands('NOOP', 1);
      if (step.cold === 'numbered') await imapLoad({ ...job, work: select });
      else if (step.cold === undefined && round === 0) await imapLoad({ ...job, work: step.work });
      let done: ImapDone | undefined;
      const measured = await measure(server.pid, async () => {
        done = await imapLoad({ ...job, work: step.work });
        return done.seconds;
      });
      if (done === undefined) continue;
      total.amount += step.amount(done);
      total.loadCpu += done.loadCpu;
      total.seconds += measured.seconds;
      total.cpu += measured.cpu;
    }
  }
  return totals;
}

function rowsOf(
  part: Part,
  step: Step,
  ours: Total | undefined,
  peer: Total | undefined,
): readonly Row[] {
  const isTime = part.unit === 'ms';
  const wall = (t: Total): number =>
    isTime ? (1000 * t.seconds) / t.amount : t.amount / t.seconds;
  const cpu = (t: Total): number => (isTime ? (1000 * t.cpu) / t.amount : t.amount / t.cpu);
  const noun = isTime ? 'CPU' : 'per CPU second';
  const aim = step.aim === undefined ? {} : { aim: step.aim };
  const [a, b] = [ours ?? peer, ours === undefined ? undefined : peer];
  if (a === undefined) return [];
  const unit = part.unit;
  const load = 100 * Math.max(...[a, b].map((t) => (t ? t.loadCpu / t.seconds : 0)));
  const share = load > 70 ? ` (load: ${Math.round(load)} % of a core)` : '';
  return [
    compare({ what: `${step.name}${share}`, ours: wall(a), peer: b && wall(b), unit, ...aim }),
    compare({ what: `  ${noun}`, ours: cpu(a), peer: b && cpu(b), unit, ...aim }),
  ];
}

async function runPart(context: BenchContext, part: Part): Promise<Row[]> {
  const rowsOfPart: Row[] = [];
  await withServers(context, part.boxes, true, async ({ ours, peer }: ImapPair) => {
    const servers = [ours, peer].filter((server) => server !== undefined);
    for (const step of part.steps) {
      const box = part.boxes[step.box];
      if (box === undefined) continue;
      const totals = await take(step, box, servers);
      const of = (name: ImapServer['name']): Total | undefined =>
        totals[servers.findIndex((server) => server.name === name)];
      rowsOfPart.push(...rowsOf(part, step, of('ours'), of('dovecot')));
    }
  });
  return rowsOfPart;
}

/** Works in a directory of its own, which goes: the mailboxes of a part are large. */
async function inPlace<T>(
  context: BenchContext,
  name: string,
  work: (context: BenchContext) => Promise<T>,
): Promise<T> {
  const dir = join(context.dir, name);
  mkdirSync(dir);
  chmodSync(dir, 0o755); // Dovecot's users pass through.
  try {
    return await work({ ...context, dir });
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

/** IMAP beside a tuned Dovecot; `--part NAME` runs one, `--only ours|dovecot` one server. */
export async function benchImap(context: BenchContext): Promise<void> {
  const parts = partsOf(context.scale);
  const names = [...parts.map(({ name }) => name), 'idle'];
  if (context.part !== undefined && !names.includes(context.part)) {
    throw new Error(`no part ${context.part}; there are ${names.join(', ')}`);
  }
  const wanted = (name: string): boolean => context.part === undefined || context.part === name;
  const found: Row[] = [];
  for (const part of parts) {
    if (!wanted(part.name)) continue;
    found.push(...(await inPlace(context, part.name, (of) => runPart(of, part))));
  }
  const who = context.only === 'dovecot' ? 'a tuned Dovecot alone' : 'beside a tuned Dovecot';
  if (found.length > 0) printRows(`IMAP ${who}`, found);
  if (wanted('idle')) await inPlace(context, 'idle', benchImapIdle);
}
