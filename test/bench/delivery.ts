import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { has } from '../harness/needs.ts';
import { startFarm } from '../harness/farm.ts';
import { startPostfix } from '../harness/peers.ts';
import { addUsers, benchUsers, measure, type BenchContext, type Measured } from './context.ts';
import { compare, printRows, type Row } from './report.ts';
import { smtpLoad, type SmtpLoad } from './smtp-load.ts';

const BARE = join(import.meta.dirname, 'bare-servers.ts');
const LANES = 16;
const SIZE = 4096;
/** Until the compiler has settled; the same for everybody. */
const WARM_UP = 2000;

const PATTERNS = [
  { name: 'one message per connection', perConnection: 1 },
  { name: '100 messages per connection', perConnection: 100 },
] as const;

function node(...args: string[]): ReturnType<typeof spawn> {
  return spawn(process.execPath, [BARE, ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
}

/** The bare loop of system calls in a process of its own. */
async function bareLoop(dir: string, count: number, lanes: number): Promise<Measured> {
  const child = node('loop', dir, String(count), String(lanes));
  const [chunk] = (await once(child.stdout!, 'data')) as [Buffer];
  return JSON.parse(chunk.toString()) as Measured;
}

/** smtp-server that throws its mail away. */
async function bareSmtp(load: Omit<SmtpLoad, 'port'>): Promise<Measured> {
  const child = node('smtp');
  const [chunk] = (await once(child.stdout!, 'data')) as [Buffer];
  const { port } = JSON.parse(chunk.toString()) as { port: number };
  try {
    await smtpLoad({ ...load, port, messages: WARM_UP });
    return await measure(child.pid!, () => smtpLoad({ ...load, port }));
  } finally {
    child.kill();
    await once(child, 'exit');
  }
}

async function ours(
  dir: string,
  users: readonly string[],
  loads: readonly Omit<SmtpLoad, 'port'>[],
): Promise<Measured[]> {
  const farm = await startFarm({ dir: join(dir, 'farm') });
  try {
    await addUsers(farm, users);
    const results: Measured[] = [];
    for (const load of loads) {
      await smtpLoad({ ...load, port: farm.ports.smtp, messages: WARM_UP });
      results.push(await measure(farm.pid, () => smtpLoad({ ...load, port: farm.ports.smtp })));
    }
    return results;
  } finally {
    await farm.stop();
  }
}

async function postfix(
  dir: string,
  users: readonly string[],
  loads: readonly Omit<SmtpLoad, 'port'>[],
): Promise<Measured[] | undefined> {
  if (!has('postfix')) return undefined;
  const maildirs = Object.fromEntries(
    users.map((user, i) => [user, join(dir, `postfix-mail/u${i}`)]),
  );
  const server = await startPostfix({ directory: dir, maildirs });
  const delivered = (): Promise<number> => countDelivered(join(dir, 'postfix-mail'));
  try {
    const results: Measured[] = [];
    for (const load of loads) {
      const send = async (messages: number): Promise<number> => {
        const before = await delivered();
        const started = performance.now();
        await smtpLoad({ ...load, messages, port: server.smtp });
        // Postfix acknowledges from its queue: the delivery is done when the file is there.
        while ((await delivered()) < before + messages)
          await new Promise((r) => setTimeout(r, 100));
        return (performance.now() - started) / 1000;
      };
      await send(WARM_UP);
      results.push(await measure(server.process.pid, () => send(load.messages)));
    }
    return results;
  } finally {
    await server.stop();
  }
}

async function countDelivered(root: string): Promise<number> {
  const { readdir } = await import('node:fs/promises');
  let count = 0;
  for (const user of await readdir(root)) {
    count += await readdir(join(root, user, 'new')).then(
      (n) => n.length,
      () => 0,
    );
  }
  return count;
}

/** Durable deliveries of 4 KiB to one recipient: CPU per delivery and deliveries per second. */
export async function benchDelivery(context: BenchContext): Promise<void> {
  const messages = Math.round(10_000 * context.scale);
  const users = benchUsers(50);
  const loads = PATTERNS.map(({ perConnection }) => ({
    host: '127.0.0.1',
    connections: LANES,
    messages,
    perConnection,
    recipients: users,
    size: SIZE,
  }));
  await bareLoop(context.dir, 500, LANES);
  const loop = await bareLoop(join(context.dir, 'loop'), messages, LANES);
  const loopAlone = await bareLoop(join(context.dir, 'loop1'), Math.round(messages / 4), 1);
  const bare: Measured[] = [];
  for (const load of loads) bare.push(await bareSmtp(load));
  const mine = await ours(context.dir, users, loads);
  const peer = await postfix(context.dir, users, loads);
  const micros = (m: Measured | undefined): number | undefined => m && (m.cpu / messages) * 1e6;
  const rows: Row[] = PATTERNS.flatMap(({ name }, i) => {
    const us = mine[i];
    const floor = bare[i];
    if (!us || !floor) return [];
    const postfixRun = peer?.[i];
    return [
      compare({
        what: `${name}: CPU per delivery against bare smtp-server + loop`,
        ours: micros(us) ?? 0,
        peer: (micros(floor) ?? 0) + (micros(loop) ?? 0),
        unit: 'µs',
        aim: '< 1.3',
      }),
      compare({
        what: `${name}: deliveries per CPU second against Postfix`,
        ours: messages / us.cpu,
        peer: postfixRun && messages / postfixRun.cpu,
        unit: '/s',
        aim: '> 2',
      }),
      compare({
        what: `${name}: deliveries per second against Postfix`,
        ours: messages / us.seconds,
        peer: postfixRun && messages / postfixRun.seconds,
        unit: '/s',
      }),
      compare({
        what: `${name}: deliveries per second against the bare loop, ${LANES} lanes`,
        ours: messages / us.seconds,
        peer: messages / loop.seconds,
        unit: '/s',
      }),
    ];
  });
  printRows(`delivery, ${messages} messages of ${SIZE} octets, ${users.length} users`, rows);
  process.stdout.write(
    `bare smtp-server: ${bare.map((m) => `${micros(m)?.toFixed(0)} µs`).join(', ')} a message; ` +
      `bare loop: ${micros(loop)?.toFixed(0)} µs with ${LANES} lanes, ` +
      `${(micros(loopAlone)! * 4).toFixed(0)} µs alone\n\n`,
  );
}
