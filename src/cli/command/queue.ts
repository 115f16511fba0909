import { systemClock } from '../../base/clock.ts';
import { systemRandom as random } from '../../base/random.ts';
import { arrivedAt } from '../../spool/names.ts';
import type { OutboundEnvelope, Route, Trouble } from '../../spool/outbound.ts';
import { Queue, type QueuedLetter } from '../../spool/queue.ts';
import { QUEUE_STATES } from '../../spool/queue-trees.ts';
import { requireOwner } from '../../volumes/make.ts';
import { LEVELS } from '../../directory/rights.ts';
import { AdminError } from '../../directory/admin/error.ts';
import { withAdmin } from '../administration.ts';
import {
  done,
  flagCount,
  flagOn,
  flagText,
  UsageError,
  word,
  type Call,
  type Group,
} from '../command.ts';
import { counted, humanAgo, humanBytes, humanDuration } from '../human.ts';

const LIMIT = 50;
const LIMIT_MAX = 1000;
const TROUBLE_MAX = 100;
const KINDS = ['outbound', 'parked'] as const;

/** Works on the spool volumes of this host; who may see other people's mail may. */
async function withQueue<T>(call: Call, work: (queue: Queue) => Promise<T>): Promise<T> {
  return await withAdmin(call, async ({ who, volumes }) => {
    if (who.level === undefined || LEVELS[who.level] < LEVELS.operator) {
      throw new AdminError('denied', `${who.name} may not see mail that waits; an operator may`);
    }
    const entries = await volumes.list();
    const spools = entries.filter(({ use, state }) => use === 'spool' && state !== 'offline');
    for (const { path } of spools) await requireOwner(path);
    const queue = new Queue({ entries: spools, clock: call.clock ?? systemClock, random });
    try {
      return await work(queue);
    } finally {
      queue.close();
    }
  });
}

/** As programs are given it. */
const plain = (letter: QueuedLetter): object => ({
  id: letter.id,
  kind: letter.kind,
  state: letter.state,
  spool: letter.spool,
  ...(letter.kind === 'parked' ? parkedFields(letter) : outboundFields(letter)),
  octets: letter.octets,
  arrived: new Date(arrivedAt(letter.id)).toISOString(),
  tries: letter.tries,
  reason: letter.reason,
  holder: letter.lease?.holder,
});

const parkedFields = ({ lane, owner, envelope }: QueuedLetter): object => ({
  volume: lane,
  account: owner,
  login: envelope?.login,
  address: envelope?.address,
  trace: envelope?.trace,
  node: envelope?.node,
});

const outboundFields = ({ lane, owner, dueAt, outbound }: QueuedLetter): object => ({
  lane,
  route: outbound && routeText(outbound.route),
  origin: outbound?.origin,
  account: owner === '' ? undefined : owner,
  login: outbound?.login,
  sender: outbound?.sender,
  recipients: outbound?.recipients.map(({ address }) => address),
  next: dueAt === undefined ? undefined : new Date(dueAt).toISOString(),
  delayTold: outbound?.delayTold,
  troubles: outbound?.troubles,
  trace: outbound?.trace,
  node: outbound?.node,
});

function routeText(route: Route): string {
  if (route.kind === 'farm') return 'this farm';
  if (route.kind === 'mx') return route.domain;
  return `${route.host}:${route.port} (${route.protocol})`;
}

function choice<T extends string>(call: Call, name: string, all: readonly T[]): T | undefined {
  const text = flagText(call, name);
  const found = all.find((one) => one === text);
  if (text !== undefined && found === undefined) {
    throw new UsageError(`--${name} is one of ${all.join(', ')}`);
  }
  return found;
}

/** What has several values has a row for each. */
function fieldRows(name: string, value: unknown): readonly string[][] {
  if (value === undefined) return [];
  if (Array.isArray(value)) return value.flatMap((one) => fieldRows(name, one));
  if (typeof value === 'string') return [[name, value]];
  if (typeof value !== 'object') return [[name, JSON.stringify(value)]];
  const { address, status, text, remote } = value as Trouble;
  return [[name, `${address}: ${status} ${text}${remote === undefined ? '' : ` (${remote})`}`]];
}

/** A domain as it is given, as the lane that its letters wait in. */
function laneFlag(call: Call): string | undefined {
  const text = flagText(call, 'for');
  return text === undefined ? undefined : text.toLowerCase();
}

async function list(call: Call): Promise<void> {
  const limit = Math.min(flagCount(call, 'limit') ?? LIMIT, LIMIT_MAX);
  if (limit === 0) throw new UsageError('--limit is at least 1');
  const options = {
    limit,
    after: flagText(call, 'after'),
    kind: choice(call, 'kind', KINDS),
    state: choice(call, 'state', QUEUE_STATES),
    lane: laneFlag(call),
    sender: flagText(call, 'sender'),
  };
  const { letters, next } = await withQueue(call, (queue) => queue.page(options));
  if (call.json) return call.out.json({ letters: letters.map(plain), next });
  const now = (call.clock ?? systemClock).now();
  const right = (title: string) => ({ title, align: 'right' }) as const;
  call.out.table(
    ['id', 'state', 'route', 'for', right('size'), 'came', right('tries'), 'next', 'trouble'],
    letters.map((letter) => row(letter, now)),
  );
  if (next !== undefined) call.out.note(`more: --after ${next}`);
}

function row(letter: QueuedLetter, now: number): string[] {
  const { outbound, envelope, dueAt } = letter;
  return [
    letter.id,
    letter.state,
    letter.kind === 'parked' ? letter.lane : outbound ? routeText(outbound.route) : letter.lane,
    outbound ? recipientsText(outbound) : (envelope?.login ?? letter.owner),
    humanBytes(letter.octets),
    humanAgo(arrivedAt(letter.id), now),
    String(letter.tries),
    dueAt === undefined ? '' : dueAt <= now ? 'now' : `in ${humanDuration(dueAt - now)}`,
    letter.reason ?? lastTrouble(outbound),
  ];
}

function recipientsText({ recipients }: OutboundEnvelope): string {
  const [first, ...others] = recipients;
  return others.length === 0 ? (first?.address ?? '') : `${first?.address} and ${others.length}`;
}

/** What a peer said is a stranger's text: one line, and not a long one. */
function lastTrouble(outbound: OutboundEnvelope | undefined): string {
  const trouble = outbound?.troubles.at(-1);
  if (trouble === undefined) return '';
  const text = `${trouble.status} ${trouble.text}`.replaceAll(/\s+/g, ' ');
  return text.length > TROUBLE_MAX ? `${text.slice(0, TROUBLE_MAX)}…` : text;
}

async function show(call: Call): Promise<void> {
  const id = word(call, 0);
  await withQueue(call, async (queue) => {
    if (flagOn(call, 'message')) {
      for await (const piece of queue.message(id)) await call.out.bytes(piece);
      return;
    }
    const letter = await queue.show(id);
    if (call.json) return call.out.json(plain(letter));
    const rows = Object.entries(plain(letter)).flatMap(([name, value]) => fieldRows(name, value));
    call.out.table(['field', 'value'], rows);
  });
}

async function release(call: Call): Promise<void> {
  const letter = await withQueue(call, (queue) => queue.release(word(call, 0)));
  const when = letter.kind === 'parked' ? 'when its volume is up' : 'at the next look of a sender';
  done(call, plain(letter), `${letter.id} is tried again ${when}`);
}

async function hold(call: Call): Promise<void> {
  const reason = flagText(call, 'reason') ?? 'by hand';
  const letter = await withQueue(call, (queue) => queue.hold(word(call, 0), reason));
  done(call, plain(letter), `${letter.id} is held until mailfarm queue release ${letter.id}`);
}

async function flush(call: Call): Promise<void> {
  const count = await withQueue(call, (queue) => queue.flush());
  done(call, { letters: count }, `${counted(count, 'letter')} due now; what is held stays held`);
}

async function wake(call: Call): Promise<void> {
  const domain = word(call, 0);
  const count = await withQueue(call, (queue) => queue.wake(domain));
  done(call, { letters: count }, `${counted(count, 'letter')} for ${domain} due now`);
}

async function remove(call: Call): Promise<void> {
  const id = word(call, 0);
  if (!flagOn(call, 'yes')) {
    const yes = await call.confirm?.(`Delete the letter ${id}, which its sender was told we have?`);
    if (yes === undefined) throw new UsageError('queue delete asks at a terminal, or needs --yes');
    if (!yes) throw new UsageError('Nothing was deleted');
  }
  const letter = await withQueue(call, (queue) => queue.remove(id));
  done(call, plain(letter), `${letter.id} is deleted`);
}

export const QUEUE_COMMANDS: Group = {
  'queue list': {
    usage:
      '[--kind KIND] [--state STATE] [--for DOMAIN] [--sender ADDRESS] [--limit N] [--after PLACE]',
    summary: 'Lists letters that wait on the spool volumes, by pages',
    examples: [
      'mailfarm queue list',
      'mailfarm queue list --for example.net --state later',
      'mailfarm queue list --state failed --json',
    ],
    options: {
      kind: { type: 'string', choices: KINDS, doc: 'outbound: to other farms; parked: to users' },
      state: { type: 'string', choices: QUEUE_STATES, doc: 'failed, hold: somebody has to look' },
      for: { type: 'string', value: 'DOMAIN', doc: 'The domain, or the volume of parked mail' },
      sender: { type: 'string', value: 'ADDRESS', doc: 'MAIL FROM; opens each envelope' },
      limit: { type: 'string', value: 'N', doc: `Letters on a page; ${LIMIT}` },
      after: { type: 'string', value: 'PLACE', doc: 'Where the page before ended' },
    },
    args: [0, 0],
    run: list,
  },
  'queue show': {
    usage: 'ID [--message]',
    summary: 'Shows a letter that waits: for whom, since when, why',
    examples: ['mailfarm queue show ID', 'mailfarm queue show ID --message'],
    options: { message: { type: 'boolean', doc: 'The letter itself, as it is stored' } },
    args: [1, 1],
    run: show,
  },
  'queue hold': {
    usage: 'ID [--reason TEXT]',
    summary: 'Keeps a letter from being sent until it is released',
    examples: ['mailfarm queue hold ID', 'mailfarm queue hold ID --reason "asked the user"'],
    options: { reason: { type: 'string', value: 'TEXT', doc: 'Shown in the list; few words' } },
    args: [1, 1],
    run: hold,
  },
  'queue release': {
    usage: 'ID',
    summary: 'Gives back a letter that was held, or over which a process died; it is tried again',
    examples: ['mailfarm queue release ID'],
    args: [1, 1],
    run: release,
  },
  'queue flush': {
    usage: '',
    summary: 'Makes all mail that leaves due now, in the whole farm',
    examples: ['mailfarm queue flush'],
    args: [0, 0],
    run: flush,
  },
  'queue wake': {
    usage: 'DOMAIN',
    summary: 'Makes all mail for a domain due now, in the whole farm, as ETRN does',
    examples: ['mailfarm queue wake example.net'],
    args: [1, 1],
    run: wake,
  },
  'queue retry': {
    usage: 'ID',
    summary: 'Tries a letter again now, before its time or after it could not be delivered',
    examples: ['mailfarm queue retry ID'],
    args: [1, 1],
    run: release,
  },
  'queue delete': {
    usage: 'ID [--yes]',
    summary: 'Deletes a letter that waits, for good',
    examples: ['mailfarm queue delete ID --yes'],
    options: { yes: { type: 'boolean', doc: 'Does not ask' } },
    args: [1, 1],
    run: remove,
  },
};
