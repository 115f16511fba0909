/**
 * Mail that leaves: letters in by SMTP at a smarthost and out to smtp-sink, ours beside Postfix in
 * one run. Both put each letter on the disk durably before they acknowledge it, both send by MX of
 * one DNS server. CPU is that of all processes of each. Then the same with many letters waiting.
 */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { systemClock as clock } from '../../src/base/clock.ts';
import { systemRandom as random } from '../../src/base/random.ts';
import { silentLogger as log } from '../../src/log/types.ts';
import { openOutboundSpools } from '../../src/spool/outbound-spools.ts';
import type { NewEnvelope } from '../../src/spool/outbound.ts';
import type { VolumeEntry } from '../../src/volumes/types.ts';
import { openVolumes } from '../../src/volumes/open.ts';
import { startSendingFarm, withAdmin } from '../farm/leaving-farm.ts';
import { ownAddress } from '../harness/addresses.ts';
import { startDns, type DnsServer } from '../harness/dns-server.ts';
import type { Farm } from '../harness/farm.ts';
import { has } from '../harness/needs.ts';
import { startPostfix, startSmtpSink } from '../harness/peers.ts';
import { cpuSeconds, residentBytes } from '../harness/processes.ts';
import { measure, type BenchContext, type Measured } from './context.ts';
import { compare, figure, printRows, type Row } from './report.ts';
import { smtpLoad, type SmtpLoad } from './smtp-load.ts';

const LANES = 16;
const SIZE = 4096;
const PORT = 25;
/** Until the compiler has settled, in two halves; the same for both. */
const WARM_UP = 2000;
const MESSAGES = 10_000;
const WAITING = 100_000;
const FILLERS = 32;
const LOOK_MS = 200;
const IDLE_MS = 5000;
const SETTLE_MS = 10_000;

/** Domains that all lead to the sink: a queue of one destination would measure its limit. */
const DOMAINS = Array.from({ length: 20 }, (_, i) => `sink${i}.example`);
const RECIPIENTS = DOMAINS.map((domain) => `someone@${domain}`);

const load = (host: string, port: number, messages: number): SmtpLoad => ({
  host,
  port,
  messages,
  connections: LANES,
  perConnection: 100,
  recipients: RECIPIENTS,
  size: SIZE,
});

/** Sends, and waits until nothing is left. @returns wall seconds of all of it */
async function through(one: SmtpLoad, left: () => number): Promise<number> {
  const started = performance.now();
  await smtpLoad(one);
  while (left() > 0) await sleep(LOOK_MS);
  return (performance.now() - started) / 1000;
}

const files = (root: string): string[] => {
  try {
    const all = readdirSync(root, { recursive: true, withFileTypes: true });
    return all.filter((one) => one.isFile()).map((one) => join(one.parentPath, one.name));
  } catch {
    return []; // A directory that was removed while it was listed, or none yet.
  }
};

/** Letters for the sink that are due or being sent; other lanes are not listed: that were load. */
function waitingForSink(farm: Farm): number {
  return ['waiting', 'taken'].reduce((sum, state) => {
    const root = join(farm.dir, 'spool1/spool/outbound', state);
    const lanes = namesIn(root).filter((lane) => lane.startsWith('sink'));
    return sum + lanes.reduce((all, lane) => all + files(join(root, lane)).length, 0);
  }, 0);
}

function namesIn(path: string): string[] {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}

interface Side {
  /** The first letters after the start: what the compiler costs, and directories made. */
  readonly first: Measured;
  readonly measured: Measured;
  /** CPU that its processes use in a second in which nothing comes; taken off where said. */
  readonly idle: number;
}

/** The same for both sides. */
async function side(pid: number, to: SmtpLoad, left: () => number): Promise<Side> {
  const few = { ...to, messages: WARM_UP };
  const first = await measure(pid, () => through(few, left));
  await through(few, left);
  const idle = await idleCpu(pid);
  return { first, idle, measured: await measure(pid, () => through(to, left)) };
}

async function idleCpu(pid: number): Promise<number> {
  await sleep(1000);
  const before = cpuSeconds([pid]);
  await sleep(IDLE_MS);
  return ((cpuSeconds([pid]) - before) / IDLE_MS) * 1000;
}

/** Letters a CPU second, without what the processes use when nothing comes. */
const perCpu = ({ measured, idle }: Side, messages: number): number =>
  messages / (measured.cpu - idle * measured.seconds);

function ours(farm: Farm, messages: number): Promise<Side> {
  const to = load('127.0.0.1', farm.ports.relay, messages);
  return side(farm.pid, to, () => waitingForSink(farm));
}

async function postfix(dir: string, dns: DnsServer, messages: number): Promise<Side> {
  const leaving = { resolvConf: dns.resolvConf, port: PORT };
  const server = await startPostfix({ directory: dir, leaving });
  const queue = join(dir, 'postfix/queue');
  const left = (): number =>
    ['maildrop', 'incoming', 'active', 'deferred'].reduce(
      (sum, name) => sum + files(join(queue, name)).length,
      0,
    );
  try {
    return await side(server.process.pid, load(server.host, server.smtp, messages), left);
  } finally {
    await server.stop();
  }
}

/** Letters for a domain whose DNS does not answer, put in as nodes do. */
async function fill(spool: VolumeEntry, count: number): Promise<void> {
  const directory = {
    volumes: () => Promise.resolve([spool]),
    assignVolume: () => Promise.reject(new Error('nobody is placed')),
    volumeByRule: () => Promise.resolve(undefined),
    storedVolume: () => Promise.resolve(undefined),
  };
  const volumes = openVolumes({ directory, clock, random, log, node: 'bench' });
  const { table } = volumes;
  await table.loaded();
  await table.volumes[0]?.ready();
  const spools = openOutboundSpools({ table, clock, random, node: 'bench' });
  const text = Buffer.from(`Subject: bench\n\n${'x'.repeat(70)}\n`);
  let next = 0;
  const lane = async (): Promise<void> => {
    while (next < count) {
      const n = next++;
      const draft = spools.open(text.length);
      await draft.write(0, text, true);
      await draft.seal(text.length, text.length + 3, [letter(n)]);
      await draft.commit();
    }
  };
  await Promise.all(Array.from({ length: FILLERS }, lane));
  volumes.close();
}

const letter = (n: number): NewEnvelope => ({
  route: { kind: 'mx', domain: `dead${n % 100}.example` },
  origin: 'submission',
  owner: `user${n % 1000}`,
  login: `user${n % 1000}@example.test`,
  sender: `user${n % 1000}@example.test`,
  recipients: [{ address: `u${n}@dead${n % 100}.example` }],
  smtpUtf8: false,
  sign: false,
  trace: 'bench',
});

/** Out to smtp-sink: letters a CPU second and a second beside Postfix, then with a long queue. */
export async function benchLeaving(context: BenchContext): Promise<void> {
  if (!has('root') || !has('postfix')) {
    process.stdout.write(
      'leaving: needs root (port 25) and Postfix (node test/harness/install.ts)\n',
    );
    return;
  }
  const { dir, scale, letters = Math.round(MESSAGES * scale) } = context;
  const waiting = context.waiting ?? Math.round(WAITING * scale);
  const host = ownAddress();
  const sink = await startSmtpSink({ host, port: PORT });
  const sinkTable = DOMAINS.map((name) => [name, { MX: [[10, 'mx.sink.example']] }] as const);
  const dns = await startDns({
    ...Object.fromEntries(sinkTable),
    'mx.sink.example': { A: [host] },
    '*.example': 'servfail',
  });
  const farm = await startSendingFarm(
    join(dir, 'farm'),
    { dns },
    {
      'relay.retry.min': '1h',
      'relay.retry.max': '2h',
      'spool.slot': '1m',
      'spool.look': '1s', // As it is by default.
    },
  );
  try {
    const mine = await ours(farm, letters);
    printBeside(letters, mine, await postfix(dir, dns, letters));
    if (waiting > 0) await longQueue(farm, waiting, letters, mine);
  } finally {
    await farm.stop();
    await sink.stop();
    await dns.stop();
  }
}

function printBeside(letters: number, mine: Side, peer: Side): void {
  const row = (what: string, figureOf: (one: Side) => number, aim?: string): Row => {
    const values = { ours: figureOf(mine), peer: figureOf(peer), unit: '/s' };
    return compare({ what, ...values, ...(aim === undefined ? {} : { aim }) });
  };
  printRows(`leaving, ${letters} letters of ${SIZE} octets, in by SMTP and out to smtp-sink`, [
    row('letters per CPU second against Postfix', (one) => perCpu(one, letters), '> 2'),
    row('the same with what idle processes use', ({ measured }) => letters / measured.cpu),
    row(`of the first ${WARM_UP} after the start`, ({ first }) => WARM_UP / first.cpu),
    row('letters per second', ({ measured }) => letters / measured.seconds),
  ]);
  const idle = [mine, peer].map((one) => figure(one.idle * 1000, 'ms/s')).join(' and ');
  process.stdout.write(`CPU of idle processes: ${idle}\n\n`);
}

async function longQueue(farm: Farm, count: number, messages: number, before: Side): Promise<void> {
  const memory = residentBytes([farm.pid]);
  const entries = await withAdmin(farm, ({ volumes }) => volumes.list());
  const spool = entries.find(({ use }) => use === 'spool');
  if (spool === undefined) throw new Error('the farm has no spool');
  const started = performance.now();
  const cpu = cpuSeconds([farm.pid]);
  await fill(spool, count);
  const filled = (performance.now() - started) / 1000;
  // Domains that do not answer rest; their letters wait, and must not be in the way of others.
  await sleep(SETTLE_MS);
  const tried = cpuSeconds([farm.pid]) - cpu;
  const timed = async (...words: string[]): Promise<readonly [seconds: number, text: string]> => {
    await farm.command(words); // Its code is compiled from here on, as on a machine that runs it.
    const begun = performance.now();
    const { stdout } = await farm.command(words);
    return [(performance.now() - begun) / 1000, stdout.toString()];
  };
  const [bare] = await timed('version');
  const [command] = await timed('volume', 'list', '--json');
  const [listed, page] = await timed('queue', 'list', '--json');
  const to = load('127.0.0.1', farm.ports.relay, messages);
  const mine = await measure(farm.pid, () => through(to, () => waitingForSink(farm)));
  printRows(`leaving, ${count} letters waiting (filled in ${filled.toFixed(0)} s)`, [
    compare({
      what: 'letters per CPU second against an empty spool',
      ours: messages / mine.cpu,
      peer: messages / before.measured.cpu,
      unit: '/s',
      aim: '> 0.9',
    }),
    compare({
      what: 'memory of all processes against an empty spool',
      ours: residentBytes([farm.pid]) / 1e6,
      peer: memory / 1e6,
      unit: 'MB',
      aim: '< 1.3',
    }),
    compare({
      what: `queue list, a page of ${page.length} octets, against volume list`,
      ours: listed,
      peer: command,
      unit: 's',
    }),
  ]);
  const each = figure((tried / count) * 1e6, 'µs');
  process.stdout.write(`a command's start alone, version: ${figure(bare, 's')}\n`);
  process.stdout.write(`while they came and ${SETTLE_MS} ms after: ${each} of CPU for each\n\n`);
}
