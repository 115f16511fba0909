import { hostname } from 'node:os';
import { systemClock } from '../../base/clock.ts';
import { systemRandom as random } from '../../base/random.ts';
import { domainKey } from '../../directory/address.ts';
import type { Admin } from '../../directory/admin/admin.ts';
import { isKind } from '../../directory/admin/error.ts';
import { listenersOf } from '../../relay/own-farm.ts';
import { tellRelay, tellRelays } from '../../relay/tell.ts';
import { laneOf } from '../../spool/lane.ts';
import { Queue, type PageOptions, type QueuedLetter } from '../../spool/queue.ts';
import { QUEUE_STATES } from '../../spool/queue-trees.ts';
import { withAdmin } from '../administration.ts';
import {
  done,
  flagCount,
  flagOn,
  flagText,
  quoted,
  UsageError,
  word,
  type Call,
  type Group,
} from '../command.ts';
import { explain } from '../explain.ts';
import { counted } from '../human.ts';
import { letterFields, plainLetter, QUEUE_COLUMNS, queueRow } from '../queue-text.ts';
import { noteAway, orAway, seenSpools, type SeenSpools } from '../spools.ts';

const LIMIT = 50;
const LIMIT_MAX = 1000;
const IDS_MAX = 5000;
const KINDS = ['outbound', 'parked'] as const;
const AFTER = /^[^/]+\/(?:outbound|parked)\/.+\/[^/]+$/;

interface Place {
  readonly queue: Queue;
  readonly seen: SeenSpools;
  readonly admin: Admin;
}

/** Works on the spool volumes of this host; who may see other people's mail may. */
async function withQueue<T>(call: Call, work: (place: Place) => Promise<T>): Promise<T> {
  return await withAdmin(call, async (admin) => {
    const seen = await seenSpools(admin, 'see mail that waits');
    const queue = new Queue({ entries: seen.there, clock: call.clock ?? systemClock, random });
    try {
      return await work({ queue, seen, admin });
    } catch (error) {
      throw orAway(error, seen);
    } finally {
      queue.close();
    }
  });
}

function choice<T extends string>(call: Call, name: string, all: readonly T[]): T | undefined {
  const text = flagText(call, name);
  const found = all.find((one) => one === text);
  if (text !== undefined && found === undefined) {
    throw new UsageError(`--${name} is one of ${all.join(', ')}`);
  }
  return found;
}

/**
 * Lanes that letters for it wait in: that of the domain, for a customer's domain that is passed on
 * to a host that of the host, first. What is no domain is the name of a lane or volume.
 */
async function lanesOf(admin: Admin, text: string): Promise<readonly string[]> {
  if (text.includes('@') && !text.startsWith('@')) {
    const domain = text.slice(text.lastIndexOf('@') + 1);
    throw new UsageError(`${quoted(text)} is an address; letters wait by domain: ${domain}`);
  }
  if (text.trim() === '') throw new UsageError('A domain is missing');
  const domain = domainKey(text) ?? text.toLowerCase();
  const known = await admin.domains.get(domain).catch((error: unknown) => {
    if (isKind(error, 'not-found') || isKind(error, 'invalid')) return undefined;
    throw error;
  });
  const transport = known?.transport;
  return transport?.kind === 'host' ? [laneOf(transport), domain] : [domain];
}

async function list(call: Call): Promise<number> {
  const limit = Math.min(flagCount(call, 'limit') ?? LIMIT, LIMIT_MAX);
  if (limit === 0) throw new UsageError('--limit is at least 1');
  const after = flagText(call, 'after');
  if (after !== undefined && !AFTER.test(after)) {
    throw new UsageError(`--after: ${quoted(after)} is not what the end of a page has said`);
  }
  const only: Omit<PageOptions, 'limit' | 'after'> = {
    kind: choice(call, 'kind', KINDS),
    state: choice(call, 'state', QUEUE_STATES),
    sender: flagText(call, 'sender'),
  };
  const given = flagText(call, 'for');
  return await withQueue(call, async ({ queue, seen, admin }) => {
    const [lane] = given === undefined ? [] : await lanesOf(admin, given);
    const { letters, next } = await queue.page({ limit, after, lane, ...only });
    if (call.json) {
      call.out.json({ letters: letters.map(plainLetter), next, away: seen.away });
    } else if (letters.length > 0) {
      const now = (call.clock ?? systemClock).now();
      call.out.table(
        QUEUE_COLUMNS,
        letters.map((letter) => queueRow(letter, now)),
      );
    } else {
      const all = [given, ...Object.values(only)].every((one) => one === undefined);
      call.out.line(after ? 'no more letters' : all ? 'no letter waits' : 'no such letter waits');
    }
    if (!call.json && next !== undefined) call.out.note(`more: --after '${next}'`);
    return noteAway(call, seen);
  });
}

async function show(call: Call): Promise<void> {
  const id = word(call, 0);
  await withQueue(call, async ({ queue }) => {
    if (flagOn(call, 'message')) {
      for await (const piece of queue.message(id)) await call.out.bytes(piece);
      return;
    }
    const letter = await queue.show(id);
    if (call.json) return call.out.json(plainLetter(letter));
    const now = (call.clock ?? systemClock).now();
    call.out.table(['field', 'value'], letterFields(letter, now));
  });
}

type Step = (queue: Queue, id: string) => Promise<QueuedLetter>;

/** One letter after the other: what cannot be done with one is said, and the others follow. */
async function each(call: Call, step: Step, say: (one: QueuedLetter) => string): Promise<number> {
  const ids = [...new Set(call.args)];
  return await withQueue(call, async ({ queue, seen }) => {
    const [only = ''] = ids;
    if (ids.length === 1) {
      const letter = await step(queue, only);
      done(call, plainLetter(letter), say(letter));
      return 0;
    }
    let code = 0;
    const letters: object[] = [];
    for (const id of ids) {
      try {
        const letter = await step(queue, id);
        letters.push(plainLetter(letter));
        if (!call.json) call.out.line(say(letter));
      } catch (error) {
        const problem = explain(orAway(error, seen));
        call.out.note(`mailfarm: ${problem.text}`);
        code = problem.code;
      }
    }
    if (call.json) call.out.json(letters);
    return code;
  });
}

const release = (call: Call): Promise<number> =>
  each(
    call,
    (queue, id) => queue.release(id),
    ({ id, kind }) => {
      const when = kind === 'parked' ? 'when its volume is up' : 'at the next look of a sender';
      return `${id} is tried again ${when}`;
    },
  );

async function hold(call: Call): Promise<number> {
  const reason = flagText(call, 'reason') ?? 'by hand';
  const say = ({ id }: QueuedLetter) => `${id} is held until mailfarm queue release ${id}`;
  return await each(call, (queue, id) => queue.hold(id, reason), say);
}

async function flush(call: Call): Promise<number> {
  return await withQueue(call, async ({ queue, seen }) => {
    const letters = await queue.flush();
    const none = 'no letter waits for its time; what is held stays held';
    done(call, { letters }, letters === 0 ? none : `${dueNow(letters)}; what is held stays held`);
    return noteAway(call, seen);
  });
}

async function wake(call: Call): Promise<number> {
  const domain = word(call, 0);
  return await withQueue(call, async ({ queue, seen, admin }) => {
    let letters = 0;
    for (const lane of await lanesOf(admin, domain)) letters += await queue.wake(lane);
    const none = `no letter for ${domain} waits for its time`;
    done(call, { letters }, letters === 0 ? none : `${dueNow(letters, ` for ${domain}`)}`);
    if (seen.amiss) await wakeElsewhere(call, admin, domain);
    return noteAway(call, seen);
  });
}

/** A spool that is not here may be a relay's own disk: it is told, as by ETRN at a node. */
async function wakeElsewhere(call: Call, { nodes }: Admin, domain: string): Promise<void> {
  const server = hostname();
  const relays = (await nodes.list()).flatMap((node) => listenersOf(node, 'relay', { server }));
  const name = domainKey(domain) ?? domain;
  for (const { node, error } of await tellRelays(relays, [name], tellRelay(server))) {
    call.out.note(`${node} was not told: ${(error as Error).message}: MF-REL-006`);
  }
}

const dueNow = (letters: number, whose = ''): string =>
  `${counted(letters, 'letter')}${whose} ${letters === 1 ? 'is' : 'are'} due now`;

async function remove(call: Call): Promise<number> {
  const [id = '', ...more] = call.args;
  if (!flagOn(call, 'yes')) {
    const what = more.length === 0 ? `the letter ${id}` : `${1 + more.length} letters`;
    const question = `Delete ${what} for good? Nobody is told, senders and recipients neither.`;
    const yes = await call.confirm?.(question);
    if (yes === undefined) throw new UsageError('queue delete asks at a terminal, or needs --yes');
    if (!yes) throw new UsageError('Nothing was deleted');
  }
  const say = (letter: QueuedLetter) => `${letter.id} is deleted`;
  return await each(call, (queue, one) => queue.remove(one), say);
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
    usage: 'ID… [--reason TEXT]',
    summary: 'Keeps a letter from being sent until it is released',
    examples: ['mailfarm queue hold ID', 'mailfarm queue hold ID --reason "asked the user"'],
    options: { reason: { type: 'string', value: 'TEXT', doc: 'Shown in the list; few words' } },
    args: [1, IDS_MAX],
    run: hold,
  },
  'queue release': {
    usage: 'ID…',
    summary: 'Gives back a letter that was held, or over which a process died; it is tried again',
    examples: ['mailfarm queue release ID'],
    args: [1, IDS_MAX],
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
    usage: 'ID…',
    summary: 'Tries a letter again now, before its time or after it could not be delivered',
    examples: ['mailfarm queue retry ID'],
    args: [1, IDS_MAX],
    run: release,
  },
  'queue delete': {
    usage: 'ID… [--yes]',
    summary: 'Deletes letters that wait, for good; nobody is told',
    examples: [
      'mailfarm queue delete ID',
      "mailfarm queue list --for spam.test --json | jq -r '.letters[].id' | xargs mailfarm queue delete --yes",
    ],
    options: { yes: { type: 'boolean', doc: 'Does not ask' } },
    args: [1, IDS_MAX],
    run: remove,
  },
};
