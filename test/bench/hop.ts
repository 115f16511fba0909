import { join } from 'node:path';
import { BALANCER_ADDRESS, type Balancer, startBalancer } from '../harness/balancer.ts';
import { DEMO_PASSWORD, startFarm } from '../harness/farm.ts';
import { ImapChat } from '../harness/imap-chat.ts';
import { cpuSeconds } from '../harness/processes.ts';
import { type BenchContext, measure } from './context.ts';
import { pop3Load } from './pop3-load.ts';
import { compare, printRows, type Row } from './report.ts';
import { smtpLoad } from './smtp-load.ts';

const USER = 'alice@example.test';
const HOST = '127.0.0.1';
const LETTERS = 50;
const ROUNDS = 5;

/** One after another, so that seconds are those that a client waits. @returns wall seconds */
type Sessions = (port: number, count: number) => Promise<number>;

async function imapSessions(port: number, count: number): Promise<number> {
  const began = performance.now();
  for (let n = 0; n < count; n++) {
    const chat = await ImapChat.login({ port }, USER, DEMO_PASSWORD);
    await chat.ok('SELECT INBOX');
    await chat.logout();
  }
  return (performance.now() - began) / 1000;
}

const KINDS: readonly {
  readonly what: string;
  readonly service: 'pop3' | 'smtp' | 'imap';
  readonly sessions: Sessions;
}[] = [
  {
    what: 'POP3 poll',
    service: 'pop3',
    sessions: async (port, sessions) => {
      const users = [{ name: USER, password: DEMO_PASSWORD }];
      const load = { host: HOST, tls: false, connections: 1, users, retrieve: 0 };
      return (await pop3Load({ ...load, port, sessions })).seconds;
    },
  },
  {
    what: 'SMTP delivery',
    service: 'smtp',
    sessions: (port, messages) => {
      const load = { host: HOST, connections: 1, perConnection: 1, recipients: [USER], size: 4096 };
      return smtpLoad({ ...load, port, messages });
    },
  },
  { what: 'IMAP login, SELECT, LOGOUT', service: 'imap', sessions: imapSessions },
];

interface Total {
  cpu: number;
  seconds: number;
}

/**
 * What a session costs that comes through HAProxy with a PROXY header, against one that comes to
 * the node itself: the same node and ports, in turns, in one run.
 */
export async function hopCosts(dir: string, count: number): Promise<readonly Row[]> {
  const settings = { 'net.proxy.from': BALANCER_ADDRESS, 'auth.throttle.exempt': '127.0.0.0/8' };
  const farm = await startFarm({ dir: join(dir, 'farm'), settings });
  const balancers: Balancer[] = [];
  const rows: Row[] = [];
  try {
    const load = { host: HOST, connections: 4, perConnection: 10, recipients: [USER], size: 4096 };
    await smtpLoad({ ...load, port: farm.ports.smtp, messages: LETTERS });
    for (const { what, service, sessions } of KINDS) {
      const node = farm.ports[service];
      const balancer = await startBalancer(join(dir, service), [node], 'tcp');
      balancers.push(balancer);
      await sessions(node, count);
      await sessions(balancer.port, count / 5);
      const [direct, through]: [Total, Total] = [zero(), zero()];
      const before = cpuSeconds([balancer.pid]);
      for (let round = 0; round < ROUNDS; round++) {
        await add(direct, farm.pid, () => sessions(node, count / ROUNDS));
        await add(through, farm.pid, () => sessions(balancer.port, count / ROUNDS));
      }
      const hop = cpuSeconds([balancer.pid]) - before;
      rows.push(...rowsOf(what, count, { direct, through, hop }));
    }
  } finally {
    for (const balancer of balancers) await balancer.stop();
    await farm.stop();
  }
  return rows;
}

export async function benchHop({ dir, scale }: BenchContext): Promise<void> {
  const count = Math.round(1000 * scale);
  const rows = await hopCosts(dir, count);
  printRows(`through HAProxy (ours) and direct (peer), ${count} sessions of each`, rows);
}

const zero = (): Total => ({ cpu: 0, seconds: 0 });

async function add(total: Total, pid: number, work: () => Promise<number>): Promise<void> {
  const { cpu, seconds } = await measure(pid, work);
  total.cpu += cpu;
  total.seconds += seconds;
}

function rowsOf(
  what: string,
  count: number,
  { direct, through, hop }: { direct: Total; through: Total; hop: number },
): Row[] {
  const micros = (seconds: number): number => (seconds / count) * 1e6;
  const pair = (name: string, ours: number, peer: number): Row =>
    compare({ what: `${what}: ${name}`, ours: micros(ours), peer: micros(peer), unit: 'µs' });
  return [
    pair('CPU of the node', through.cpu, direct.cpu),
    pair('CPU of node and HAProxy', through.cpu + hop, direct.cpu),
    pair('from connecting to the end', through.seconds, direct.seconds),
  ];
}
