import { systemClock } from '../../base/clock.ts';
import { systemRandom as random } from '../../base/random.ts';
import { arrivedAt, STATES, type State } from '../../spool/names.ts';
import { Queue, type QueuedLetter } from '../../spool/queue.ts';
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
import { humanAgo, humanBytes } from '../human.ts';

const LIMIT = 50;
const LIMIT_MAX = 1000;

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
const plain = ({ spool, state, lane, tries, reason, lease, ...letter }: QueuedLetter): object => ({
  id: letter.id,
  state,
  volume: lane,
  spool,
  account: letter.owner,
  login: letter.envelope?.login,
  address: letter.envelope?.address,
  octets: letter.octets,
  arrived: new Date(arrivedAt(letter.id)).toISOString(),
  trace: letter.envelope?.trace,
  node: letter.envelope?.node,
  tries,
  reason,
  holder: lease?.holder,
});

function stateOf(call: Call): State | undefined {
  const text = flagText(call, 'state');
  const state = STATES.find((one) => one === text);
  if (text !== undefined && state === undefined) {
    throw new UsageError(`--state is one of ${STATES.join(', ')}`);
  }
  return state;
}

async function list(call: Call): Promise<void> {
  const limit = Math.min(flagCount(call, 'limit') ?? LIMIT, LIMIT_MAX);
  if (limit === 0) throw new UsageError('--limit is at least 1');
  const options = { limit, after: flagText(call, 'after'), state: stateOf(call) };
  const { letters, next } = await withQueue(call, (queue) => queue.page(options));
  if (call.json) return call.out.json({ letters: letters.map(plain), next });
  const now = (call.clock ?? systemClock).now();
  call.out.table(
    ['id', 'state', 'volume', 'for', { title: 'size', align: 'right' }, 'came', 'reason'],
    letters.map((letter) => [
      letter.id,
      letter.state,
      letter.lane,
      letter.envelope?.login ?? letter.owner,
      humanBytes(letter.octets),
      humanAgo(arrivedAt(letter.id), now),
      letter.reason ?? '',
    ]),
  );
  if (next !== undefined) call.out.note(`more: --after ${next}`);
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
    const rows = Object.entries(plain(letter)).filter(([, value]) => value !== undefined);
    call.out.table(
      ['field', 'value'],
      rows.map(([name, value]) => [name, String(value)]),
    );
  });
}

async function release(call: Call): Promise<void> {
  const letter = await withQueue(call, (queue) => queue.release(word(call, 0)));
  done(call, plain(letter), `${letter.id} is tried again when its volume is up`);
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
    usage: '[--state waiting|taken|failed] [--limit N] [--after PLACE]',
    summary: 'Lists letters that wait on the spool volumes, by pages',
    examples: ['mailfarm queue list', 'mailfarm queue list --state failed --json'],
    options: {
      state: { type: 'string', choices: STATES, doc: 'failed: somebody has to look at it' },
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
  'queue release': {
    usage: 'ID',
    summary: 'Gives back a letter over which a process died; it is tried again',
    examples: ['mailfarm queue release ID'],
    args: [1, 1],
    run: release,
  },
  'queue retry': {
    usage: 'ID',
    summary: 'Tries a letter again that could not be delivered',
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
