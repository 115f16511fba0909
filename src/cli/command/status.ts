import { hostname } from 'node:os';
import { systemClock } from '../../base/clock.ts';
import { exitCode } from '../../config/exit.ts';
import type { NodeEntry } from '../../directory/types.ts';
import { askNode } from '../../http/client.ts';
import { isLoopback } from '../../net/address.ts';
import { listenersOf } from '../../relay/own-farm.ts';
import { COUNTED } from '../../roles/days.ts';
import { listenersOf as listenOf, valuesOf } from '../../roles/plan.ts';
import { HEALTH } from '../../roles/services.ts';
import { beatMs, isSilent } from '../../roles/status.ts';
import { withAdmin } from '../administration.ts';
import { flagCount, flagOn, flagText, UsageError, type Call, type Command } from '../command.ts';
import {
  complaintsOf,
  countsOn,
  farmState,
  nodeState,
  type Asked,
  type FarmState,
  type NodeState,
  type VolumeState,
} from '../farm/state.ts';
import { humanAgo, humanBytes, humanCount, humanDuration } from '../human.ts';

/** A node that does not answer in this time is dead for whoever looks. */
const ANSWER_MS = 3_000;
const DAY_MS = 86_400_000;
const DAYS_MAX = 40;
const WATCH_MIN_S = 1;

const nothing = { metrics: undefined, ready: undefined, days: '' } as const;

/** Asks one node at the first of its addresses that answers. */
async function ask(node: NodeEntry): Promise<Asked> {
  const places = listenersOf(node, HEALTH, { server: hostname() });
  // A node of this machine in a demo says that its host is `localhost`.
  const here =
    node.server === 'localhost' ? listenersOf(node, HEALTH, { server: node.server }) : [];
  const all = [...places, ...here].toSorted(
    (a, b) => Number(isLoopback(b.host)) - Number(isLoopback(a.host)),
  );
  let last: Asked = nothing;
  for (const { host, port } of all) {
    const at = { host, port, timeoutMs: ANSWER_MS };
    const [metrics, ready, days] = await Promise.all([
      askNode({ ...at, path: '/metrics' }),
      askNode({ ...at, path: '/health/ready' }),
      askNode({ ...at, path: '/days' }),
    ]);
    last = { metrics, ready, days: days.status === 200 ? days.body : '' };
    if (metrics.status !== undefined) return last;
  }
  return last;
}

async function look(call: Call): Promise<FarmState> {
  const { nodes, volumes, settings } = await withAdmin(call, async (admin) => ({
    nodes: await admin.nodes.list(),
    volumes: await admin.volumes.list(),
    settings: [...(await admin.settings.all())],
  }));
  const now = (call.clock ?? systemClock).now();
  const everyMs = beatMs(valuesOf({ settings }), nodes.length);
  const asked = await Promise.all(
    nodes.map((node) => ask({ ...node, listen: listenOf(node, settings) })),
  );
  const states = nodes.map((node, i) =>
    nodeState(node, asked[i] ?? nothing, isSilent({ at: node.beatAt, now, everyMs })),
  );
  const told = nodes.flatMap(({ name }, i) => {
    const metrics = asked[i]?.metrics;
    return metrics?.status === 200 ? [{ name, body: metrics.body }] : [];
  });
  return farmState(states, volumes, told);
}

const dayOf = (ms: number): string => new Date(ms).toISOString().slice(0, 10);

const right = (title: string) => ({ title, align: 'right' }) as const;

function printNodes(call: Call, nodes: readonly NodeState[], now: number): void {
  const header = [
    'node',
    'health',
    'status',
    right('beat'),
    'version',
    right('workers'),
    right('sessions'),
    ...COUNTED.map(right),
  ];
  const number = (value: number | undefined): string =>
    value === undefined ? '' : humanCount(value);
  call.out.table(
    header,
    nodes.map((node) => [
      node.name,
      node.health,
      node.status,
      node.beatAt === undefined ? 'never' : humanAgo(node.beatAt, now),
      node.version ?? '',
      number(node.workers),
      number(node.sessions),
      ...COUNTED.map((name) =>
        node.health === 'dead' || node.health === 'unknown'
          ? ''
          : number(countsOn(node, dayOf(now))[name]),
      ),
    ]),
  );
}

function printVolumes(call: Call, volumes: readonly VolumeState[]): void {
  const header = [
    'volume',
    'use',
    'state',
    'up at',
    'down at',
    right('free'),
    right('inodes'),
    right('mean'),
  ];
  call.out.table(
    header,
    volumes.map((one) => [
      one.name,
      one.use,
      one.full ? `${one.state}, full` : one.state,
      one.seenBy.length > 3 ? `${one.seenBy.length} nodes` : one.seenBy.join(', '),
      one.downAt.join(', '),
      one.freeBytes === undefined ? '?' : humanBytes(one.freeBytes),
      one.freeInodes === undefined ? '?' : humanCount(one.freeInodes),
      one.meanMs === undefined ? '' : `${one.meanMs.toFixed(1)} ms`,
    ]),
  );
}

/** Received, accepted, delivered, sent of each node on each day (S3-30). */
function printDays(call: Call, farm: FarmState, days: readonly string[]): void {
  const rows = days.flatMap((day) =>
    farm.nodes
      .filter((node) => node.days[day] !== undefined)
      .map((node) => [
        day,
        node.name,
        ...COUNTED.map((name) => humanCount(countsOn(node, day)[name])),
      ]),
  );
  call.out.table(['day (UTC)', 'node', ...COUNTED.map(right)], rows);
}

function print(call: Call, farm: FarmState, days: readonly string[]): void {
  const { out } = call;
  const now = (call.clock ?? systemClock).now();
  printNodes(call, farm.nodes, now);
  out.line('');
  printVolumes(call, farm.volumes);
  const { parked, oldestSeconds, inHand } = farm.spool;
  const { serversDown, serversBehind } = farm.directory;
  out.line('');
  const oldest = parked > 0 ? `, the oldest for ${humanDuration(oldestSeconds * 1000)}` : '';
  out.line(`spool: ${parked} letters wait for a volume${oldest}; ${inHand} are being sent`);
  const wrong = [
    ...(serversDown > 0 ? [`${serversDown} do not answer`] : []),
    ...(serversBehind > 0 ? [`${serversBehind} lack changes`] : []),
  ];
  out.line(`directory servers: ${wrong.length > 0 ? wrong.join(', ') : 'all in step'}`);
  if (days.length > 1) {
    out.line('');
    printDays(call, farm, days);
  }
  const { errors, warnings } = complaintsOf(farm);
  if (errors.length + warnings.length > 0) out.line('');
  for (const text of errors) out.styled([{ text: 'error    ', style: 'red' }, text]);
  for (const text of warnings) out.styled([{ text: 'warning  ', style: 'yellow' }, text]);
}

async function once(call: Call, count: number): Promise<number> {
  const farm = await look(call);
  const now = (call.clock ?? systemClock).now();
  const days = Array.from({ length: count }, (_, i) => dayOf(now - i * DAY_MS)).toReversed();
  const complaints = complaintsOf(farm);
  if (call.json) {
    const nodes = farm.nodes.map((node) => ({
      ...node,
      days: Object.fromEntries(days.map((day) => [day, countsOn(node, day)])),
    }));
    call.out.json({ ...farm, nodes, ...complaints });
  } else {
    if (call.out.terminal && flagText(call, 'watch') !== undefined) {
      await call.out.raw('\u001b[H\u001b[2J');
    }
    print(call, farm, days);
  }
  if (complaints.errors.length > 0) return exitCode('errors');
  return exitCode(complaints.warnings.length > 0 ? 'warnings' : 'ok');
}

async function run(call: Call): Promise<number> {
  const count = flagOn(call, 'week') ? 8 : (flagCount(call, 'days') ?? 1);
  if (count < 1 || count > DAYS_MAX) throw new UsageError(`--days is 1 to ${DAYS_MAX}`);
  const every = flagCount(call, 'watch');
  if (every === undefined) return await once(call, count);
  if (every < WATCH_MIN_S) throw new UsageError('--watch is a number of seconds');
  for (;;) {
    await once(call, count);
    await (call.clock ?? systemClock).sleep(every * 1000);
  }
}

export const status: Command = {
  usage: '[--days N | --week] [--watch SECONDS]',
  summary: 'Shows the whole farm on one screen: nodes, volumes, directory, spool, what was counted',
  examples: ['mailfarm status', 'mailfarm status --week', 'mailfarm status --watch 5'],
  options: {
    days: { type: 'string', value: 'N', doc: 'Counts of so many days, a row for each node' },
    week: { type: 'boolean', doc: 'Counts of eight days' },
    watch: { type: 'string', value: 'SECONDS', doc: 'Again and again' },
  },
  args: [0, 0],
  run,
};
