import { join } from 'node:path';
import { addNode, type SendingNode } from '../farm/leaving-farm.ts';
import { startFarm } from '../harness/farm.ts';
import { cpuSeconds } from '../harness/processes.ts';
import { chance, shuffled } from '../witness/chance.ts';
import { addUsers, benchUsers, type BenchContext } from './context.ts';
import { pop3Load } from './pop3-load.ts';
import { compare, printRows } from './report.ts';
import { smtpLoad } from './smtp-load.ts';

/** The same for each number of front ends. */
export interface GrowthWork {
  readonly users: number;
  /** Of each kind, in a round; the best round counts, because others have the machine too. */
  readonly operations: number;
  readonly rounds: number;
  /** Of each kind at a front end that has just joined, until V8 has compiled what is hot. */
  readonly warmUp: number;
}

/** CPU seconds of an operation. */
export interface GrowthCpu {
  readonly frontends: number;
  readonly delivery: number;
  readonly poll: number;
}

const FRONTENDS = 3;
const LETTER_OCTETS = 4096;
const CONNECTIONS = 6;
const HOST = '127.0.0.1';
/** A letter or a poll a connection, so that the next may be at another front end. */
const SINGLE = {
  host: HOST,
  connections: CONNECTIONS,
  perConnection: 1,
  size: LETTER_OCTETS,
} as const;

const POLL = { host: HOST, connections: CONNECTIONS, tls: false, retrieve: 0 } as const;

type Load = (nodes: readonly SendingNode[], operations: number) => Promise<unknown>;

/** Users in an order of chance at each front end, so that any of them has any user. */
function loads(users: readonly string[]): Readonly<Record<'delivery' | 'poll', Load>> {
  const random = chance('growth');
  // In turn, because the hosts that they stand for would not share two processors: three that work
  // at once on one machine cost half as much again for that alone (measured).
  const each = async (
    nodes: readonly SendingNode[],
    work: (ports: readonly number[]) => Promise<unknown>,
  ): Promise<void> => {
    for (const { ports } of nodes) await work(ports);
  };
  return {
    delivery: (nodes, operations) =>
      each(nodes, ([port = 0]) => {
        const messages = Math.round(operations / nodes.length);
        return smtpLoad({ ...SINGLE, port, messages, recipients: mixed() });
      }),
    poll: (nodes, operations) =>
      each(nodes, ([, port = 0]) => {
        const sessions = Math.round(operations / nodes.length);
        const logins = mixed().map((name) => ({ name, password: 'demo' }));
        return pop3Load({ ...POLL, port, sessions, users: logins });
      }),
  };
  function mixed(): readonly string[] {
    return shuffled(random, users);
  }
}

/** Best round of the nodes' CPU, all of it, for one operation. */
async function cpuOf(nodes: readonly SendingNode[], load: Load, work: GrowthWork): Promise<number> {
  const pids = nodes.map((node) => node.process.pid);
  const rounds: number[] = [];
  for (let round = 0; round < work.rounds; round++) {
    const before = cpuSeconds(pids);
    await load(nodes, work.operations);
    rounds.push(cpuSeconds(pids) - before);
  }
  return Math.min(...rounds) / work.operations;
}

/**
 * The same work at one front end, at two, at three of one farm on this machine's disk. Each is
 * there only from when it is counted, so that its hints and questions cost the others as
 * in life.
 */
export async function growthCpu(dir: string, work: GrowthWork): Promise<readonly GrowthCpu[]> {
  const settings = { 'farm.cookie': 'growth', 'auth.throttle.exempt': '127.0.0.0/8' };
  const farm = await startFarm({ dir: join(dir, 'farm'), settings });
  const nodes: SendingNode[] = [];
  const found: GrowthCpu[] = [];
  try {
    const users = benchUsers(work.users);
    await addUsers(farm, users);
    const { delivery, poll } = loads(users);
    for (let n = 1; n <= FRONTENDS; n++) {
      const joined = await addNode(farm, `front${n}`, ['mx', 'pop3', 'hints'], { nid: 10 + n });
      nodes.push(joined);
      for (const load of [delivery, poll]) await load([joined], work.warmUp);
      found.push({
        frontends: n,
        delivery: await cpuOf(nodes, delivery, work),
        poll: await cpuOf(nodes, poll, work),
      });
    }
  } finally {
    for (const node of nodes) await node.stop();
    await farm.stop();
  }
  return found;
}

/** CPU seconds of 1,000 deliveries and polls with one, two and three front ends. */
export async function benchGrowth({ dir, scale }: BenchContext): Promise<void> {
  const operations = Math.round(6000 * scale);
  const [one, ...more] = await growthCpu(dir, { users: 200, operations, rounds: 5, warmUp: 3000 });
  if (one === undefined) return;
  const rows = (['delivery', 'poll'] as const).flatMap((kind) =>
    more.map((cpu) =>
      compare({
        what: `1,000 of ${kind}, ${cpu.frontends} front ends against one`,
        ours: cpu[kind] * 1000,
        peer: one[kind] * 1000,
        unit: 'CPU s',
        aim: '< 1.1',
      }),
    ),
  );
  printRows(`growth, ${operations} operations a round`, rows);
}
