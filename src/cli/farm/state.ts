/**
 * The farm as its nodes tell it: each is asked for its metrics and days over HTTP, all at once,
 * with a deadline; no volume is touched and no other node waits for one that is dead. What a node
 * says of volumes, spool and directory is what its own processes see, so that "who sees it" is an
 * answer.
 */
import type { NodeEntry, VolumeEntry } from '../../directory/types.ts';
import { parseMetrics, sumOf, type Sample } from '../../metrics/text.ts';
import { parseDays, type Counts, type Days } from '../../roles/days.ts';

/** What a node answered. */
export interface Asked {
  /** Undefined: it has no listener for health that is reached from here. */
  readonly metrics: { readonly status: number | undefined; readonly body: string } | undefined;
  readonly ready: { readonly status: number | undefined; readonly body: string } | undefined;
  readonly days: string;
}

export interface NodeState {
  readonly name: string;
  readonly status: string;
  readonly version: string | undefined;
  readonly beatAt: number | undefined;
  readonly silent: boolean;
  /** `ok`: it answers and is ready. `unknown`: nobody here can ask it. */
  readonly health: 'ok' | 'limps' | 'not-ready' | 'dead' | 'unknown';
  readonly why: readonly string[];
  /** Settings and listeners that its release does not know. */
  readonly unknown: readonly string[];
  readonly workers: number | undefined;
  readonly sessions: number | undefined;
  readonly days: Days;
}

export interface VolumeState {
  readonly name: string;
  readonly use: string;
  readonly state: string;
  /** Nodes that can use it, and nodes that say they cannot. */
  readonly seenBy: readonly string[];
  readonly downAt: readonly string[];
  readonly freeBytes: number | undefined;
  readonly freeInodes: number | undefined;
  /** Mean of all operations since the nodes started, in ms. */
  readonly meanMs: number | undefined;
  readonly full: boolean;
}

export interface FarmState {
  readonly nodes: readonly NodeState[];
  readonly volumes: readonly VolumeState[];
  readonly directory: { readonly serversDown: number; readonly serversBehind: number };
  readonly spool: {
    readonly parked: number;
    readonly oldestSeconds: number;
    /** Letters that nodes have in hand at present. */
    readonly inHand: number;
  };
}

const READY = 200;

interface Told {
  readonly name: string;
  readonly samples: readonly Sample[];
}

export function nodeState(entry: NodeEntry, asked: Asked, silent: boolean): NodeState {
  const { name, status, version, beatAt } = entry;
  const known = { name, status, version, beatAt, silent, days: parseDays(asked.days) };
  const nothing = { unknown: [], workers: undefined, sessions: undefined };
  if (asked.metrics === undefined) {
    const why = ['no health listener that can be asked from here'];
    return { ...known, ...nothing, health: 'unknown', why };
  }
  if (asked.metrics.status !== READY) {
    return { ...known, ...nothing, health: 'dead', why: [asked.metrics.body.trim().slice(0, 200)] };
  }
  const samples = parseMetrics(asked.metrics.body);
  const reasons = reasonsOf(asked.ready?.body ?? '');
  const isReady = asked.ready?.status === READY;
  return {
    ...known,
    health: isReady ? (reasons.length > 0 ? 'limps' : 'ok') : 'not-ready',
    why: reasons,
    unknown: samples
      .filter(({ name: metric, value }) => metric === 'mailfarm_node_unknown' && value > 0)
      .flatMap(({ labels }) => labels['name'] ?? []),
    workers: sumOf(samples, 'mailfarm_node_workers'),
    sessions: sumOf(samples, 'mailfarm_net_connections'),
  };
}

function reasonsOf(body: string): readonly string[] {
  try {
    const { reasons } = JSON.parse(body) as { reasons?: unknown };
    return Array.isArray(reasons) ? reasons.map(String) : [];
  } catch {
    return [];
  }
}

/** @param told metrics of the nodes that gave theirs */
export function farmState(
  nodes: readonly NodeState[],
  volumes: readonly VolumeEntry[],
  told: readonly { readonly name: string; readonly body: string }[],
): FarmState {
  const all = told.map(({ name, body }): Told => ({ name, samples: parseMetrics(body) }));
  const most = (name: string): number =>
    Math.max(0, ...all.flatMap(({ samples }) => values(samples, name)));
  return {
    nodes,
    volumes: volumes.map((entry) => volumeState(entry, all)),
    directory: {
      serversDown: most('mailfarm_directory_servers_down'),
      serversBehind: most('mailfarm_directory_servers_behind'),
    },
    spool: {
      parked: parkedLetters(all),
      oldestSeconds: most('mailfarm_delivery_parked_oldest_seconds'),
      inHand: all.reduce(
        (sum, { samples }) => sum + sumOf(samples, 'mailfarm_sender_letters_held'),
        0,
      ),
    },
  };
}

const values = (samples: readonly Sample[], name: string, volume?: string): readonly number[] =>
  samples
    .filter((one) => one.name === name && (volume === undefined || one.labels['volume'] === volume))
    .map(({ value }) => value);

/** Every node counts the same letters: of each volume the highest count is the newest. */
function parkedLetters(all: readonly Told[]): number {
  const byVolume = new Map<string, number>();
  for (const { samples } of all) {
    for (const { name, labels, value } of samples) {
      if (name !== 'mailfarm_delivery_parked_letters') continue;
      const volume = labels['volume'] ?? '';
      byVolume.set(volume, Math.max(value, byVolume.get(volume) ?? 0));
    }
  }
  return [...byVolume.values()].reduce((sum, one) => sum + one, 0);
}

function volumeState({ name, use, state }: VolumeEntry, all: readonly Told[]): VolumeState {
  const of = (metric: string): readonly number[] =>
    all.flatMap(({ samples }) => values(samples, `mailfarm_volume_${metric}`, name));
  const up = (wanted: number): readonly string[] =>
    all
      .filter(({ samples }) => values(samples, 'mailfarm_volume_up', name)[0] === wanted)
      .map((one) => one.name);
  const least = (numbers: readonly number[]): number | undefined =>
    numbers.length > 0 ? Math.min(...numbers) : undefined;
  const sum = (numbers: readonly number[]): number => numbers.reduce((a, b) => a + b, 0);
  const count = sum(of('operation_seconds_count'));
  return {
    name,
    use,
    state,
    seenBy: up(1),
    downAt: up(0),
    freeBytes: least(of('free_bytes')),
    freeInodes: least(of('free_inodes')),
    meanMs: count > 0 ? (1000 * sum(of('operation_seconds_sum'))) / count : undefined,
    full: of('full').some((one) => one > 0),
  };
}

/** What is sick, in words, the worst first. */
export function complaintsOf(farm: FarmState): {
  readonly errors: readonly string[];
  readonly warnings: readonly string[];
} {
  const errors: string[] = [];
  const warnings: string[] = [];
  for (const { name, health, why, silent } of farm.nodes) {
    const reasons = why.join('; ');
    if (health === 'dead') errors.push(`node ${name} does not answer: ${reasons}`);
    else if (health === 'not-ready') errors.push(`node ${name} is not ready: ${reasons}`);
    else if (health === 'limps') warnings.push(`node ${name}: ${reasons}`);
    else if (silent) errors.push(`node ${name} is silent: no beat for three times its interval`);
  }
  for (const { name, unknown } of farm.nodes) {
    if (unknown.length === 0) continue;
    warnings.push(`node ${name} does not know ${unknown.join(', ')} (MF-NODE-009)`);
  }
  for (const { name, downAt, seenBy, full } of farm.volumes) {
    if (downAt.length > 0) {
      const where = seenBy.length === 0 ? 'all nodes' : downAt.join(', ');
      errors.push(`volume ${name} is down at ${where}`);
    }
    if (full) warnings.push(`volume ${name} has no room for new mail`);
  }
  const { serversDown, serversBehind } = farm.directory;
  if (serversDown > 0) warnings.push(`${serversDown} directory servers do not answer`);
  if (serversBehind > 0) warnings.push(`${serversBehind} directory servers lack changes`);
  if (farm.spool.parked > 0) warnings.push(`${farm.spool.parked} letters wait for a volume`);
  return { errors, warnings };
}

/** Counts of one day, as S3-30 has its table: a row for each node. */
export const countsOn = (node: NodeState, day: string): Counts =>
  node.days[day] ?? { received: 0, accepted: 0, delivered: 0, sent: 0 };
