import { arrivedAt } from '../spool/names.ts';
import type { OutboundEnvelope, Route, Trouble } from '../spool/outbound.ts';
import type { QueuedLetter } from '../spool/queue.ts';
import { withoutNotBefore } from '../spool/sender/not-before.ts';
import { counted, humanAgo, humanBytes, humanDuration, humanMoment } from './human.ts';
import type { Column } from './table.ts';

/** A letter that waits, in words and for programs. */

const TROUBLE_MAX = 100;
/** A list of 10,000 in one domain; `--json` has them all. */
const SHOWN_MAX = 50;

const time = (at: number): string => new Date(at).toISOString();

/** As programs are given it. */
export const plainLetter = (letter: QueuedLetter): object => ({
  id: letter.id,
  kind: letter.kind,
  state: letter.state,
  spool: letter.spool,
  ...(letter.kind === 'parked' ? parkedFields(letter) : outboundFields(letter)),
  octets: letter.octets,
  arrived: time(arrivedAt(letter.id)),
  tries: letter.tries,
  reason: letter.reason,
  holder: letter.lease?.holder,
  heldSince: letter.lease && time(letter.lease.at * 1000),
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
  next: dueAt === undefined ? undefined : time(dueAt),
  delayTold: outbound?.delayTold,
  troubles: outbound?.troubles.map((trouble) => ({
    ...trouble,
    text: withoutNotBefore(trouble.text),
    at: trouble.at === undefined ? undefined : time(trouble.at),
  })),
  trace: outbound?.trace,
  node: outbound?.node,
});

function routeText(route: Route): string {
  if (route.kind === 'farm') return 'this farm';
  if (route.kind === 'mx') return route.domain;
  return `${route.host}:${route.port} (${route.protocol})`;
}

const right = (title: string): Column => ({ title, align: 'right' });

/** Of `queueRow`. */
export const QUEUE_COLUMNS: readonly (string | Column)[] = [
  { title: 'id', whole: true },
  'state',
  'next',
  'for',
  'route',
  right('size'),
  'came',
  right('tries'),
  'trouble',
];

export function queueRow(letter: QueuedLetter, now: number): string[] {
  const { outbound, envelope, kind, lane } = letter;
  return [
    letter.id,
    letter.state,
    nextText(letter, now),
    outbound ? recipientsText(outbound) : (envelope?.login ?? letter.owner),
    kind === 'outbound' && outbound ? routeText(outbound.route) : lane,
    humanBytes(letter.octets),
    humanAgo(arrivedAt(letter.id), now),
    String(letter.tries),
    letter.reason ?? lastTrouble(outbound),
  ];
}

function nextText({ state, dueAt, lease }: QueuedLetter, now: number): string {
  if (state === 'taken') return lease === undefined ? 'now' : `at work`;
  if (dueAt === undefined) return state === 'waiting' ? 'now' : 'never';
  return dueAt <= now ? 'now' : `in ${humanDuration(dueAt - now)}`;
}

function recipientsText({ recipients }: OutboundEnvelope): string {
  const [first, ...others] = recipients;
  return others.length === 0 ? (first?.address ?? '') : `${first?.address} and ${others.length}`;
}

/** What a peer said is a stranger's text: one line, and not a long one. */
function lastTrouble(outbound: OutboundEnvelope | undefined): string {
  const trouble = outbound?.troubles.at(-1);
  if (trouble === undefined) return '';
  const text = `${trouble.status} ${withoutNotBefore(trouble.text)}`.replaceAll(/\s+/g, ' ');
  return text.length > TROUBLE_MAX ? `${text.slice(0, TROUBLE_MAX)}…` : text;
}

type Row = readonly [name: string, value: string];

/** All about one letter, for people. */
export function letterFields(letter: QueuedLetter, now: number): readonly Row[] {
  const { id, outbound, envelope, kind, lane, owner, tries } = letter;
  const node = outbound?.node ?? envelope?.node;
  const came = `${moment(arrivedAt(id), now)}${node === undefined ? '' : `, at node ${node}`}`;
  const rows: readonly (Row | readonly [string, undefined])[] = [
    ['id', id],
    ['state', stateText(letter, now)],
    ...(kind === 'parked'
      ? ([
          ['for', envelope?.login ?? owner],
          ['address', envelope?.address],
          ['volume', lane],
        ] as const)
      : leavingRows(letter, now)),
    ['size', humanBytes(letter.octets)],
    ['came', came],
    ['tries', String(tries)],
    ['trace', outbound?.trace ?? envelope?.trace],
    ['spool', letter.spool],
  ];
  return rows.flatMap(([name, value]) => (value === undefined ? [] : [[name, value] as const]));
}

function leavingRows(
  { outbound, owner }: QueuedLetter,
  now: number,
): readonly (Row | readonly [string, undefined])[] {
  if (outbound === undefined) return [['envelope', 'cannot be read']];
  const { sender, recipients, origin, login, route, troubles, delayTold } = outbound;
  const by = login === '' ? owner : login;
  return [
    ['sender', sender === '' ? '<> (nobody is told of a failure)' : sender],
    ...atMost(recipients.map(({ address }): Row => ['for', address])),
    ...atMost(troubles.map((one): Row => ['trouble', troubleText(one, now)])),
    ['route', route.kind === 'mx' ? `${route.domain}, by its MX` : routeText(route)],
    ['origin', by === '' ? origin : `${origin}, of ${by}`],
    ['delay', delayTold ? 'its sender has been told' : undefined],
  ];
}

function atMost(rows: readonly Row[]): readonly Row[] {
  if (rows.length <= SHOWN_MAX) return rows;
  const more = counted(rows.length - SHOWN_MAX, 'more', 'more');
  return [...rows.slice(0, SHOWN_MAX), ['', `and ${more}; --json has all`]];
}

const moment = (at: number, now: number): string => `${humanMoment(at)} (${humanAgo(at, now)})`;

function troubleText({ address, status, text, remote, at }: Trouble, now: number): string {
  const when = at === undefined ? '' : `, ${moment(at, now)}`;
  const who = remote === undefined ? '' : `, ${remote}`;
  return `${address}: ${status} ${withoutNotBefore(text)}${who}${when}`;
}

function stateText(letter: QueuedLetter, now: number): string {
  const { id, state, reason, dueAt, lease } = letter;
  const why = reason === undefined ? '' : `: ${reason}`;
  if (state === 'hold') return `held${why}; mailfarm queue release ${id}`;
  if (state === 'failed') return `failed${why}; mailfarm queue retry ${id}`;
  if (state === 'taken') {
    if (lease === undefined) return 'taken';
    return `${lease.holder} is at work on it, heard of ${moment(lease.at * 1000, now)}`;
  }
  if (state === 'later' && dueAt !== undefined && dueAt > now) {
    return `later: tried again in ${humanDuration(dueAt - now)}, ${humanMoment(dueAt)}`;
  }
  return letter.kind === 'parked' ? 'waiting for its volume' : 'due now';
}
