import { join } from 'node:path';
import { mkdirSync, writeFileSync } from 'node:fs';
import { startFarm } from '../harness/farm.ts';
import { Pop3Chat } from '../harness/pop3-chat.ts';
import { processTree, residentBytes } from '../harness/processes.ts';
import { addUsers, type BenchContext } from './context.ts';
import { pop3Load } from './pop3-load.ts';
import { compare, printRows } from './report.ts';

const median = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;

/** Octets of each process below `root` that has none below it: the workers and the directory. */
const sizes = (root: number): Map<number, number> =>
  new Map(processTree([root]).map((pid) => [pid, residentBytes([pid])]));

/** Milliseconds of each of some logins, one after the other. */
async function logins(to: { readonly port: number }, count: number): Promise<number[]> {
  const took: number[] = [];
  for (let i = 0; i < count; i++) {
    const started = performance.now();
    const chat = await Pop3Chat.login(to, 'huge@example.test', 'demo');
    took.push(performance.now() - started);
    chat.stream.destroy();
  }
  return took;
}

/** Log in to a Maildir of 100,000 messages: time when warm, memory while it is open. */
export async function benchLarge(context: BenchContext): Promise<void> {
  const count = Math.round(100_000 * context.scale);
  const farm = await startFarm({ dir: join(context.dir, 'farm') });
  try {
    await addUsers(farm, ['huge@example.test']);
    const path = join(farm.dir, 'mail1', 'huge');
    for (const sub of ['tmp', 'new', 'cur']) mkdirSync(join(path, sub), { recursive: true });
    for (let i = 0; i < count; i++) {
      writeFileSync(join(path, 'cur', `${1_700_000_000 + i}.M1P1R${i}.bench,S=3,W=4:2,S`), 'a\n\n');
    }
    const set = await farm.command(['user', 'set', 'huge@example.test', '--path', path]);
    if (set.code !== 0) throw new Error(set.stderr);
    await new Promise((resolve) => setTimeout(resolve, 6000));
    const before = sizes(farm.pid);
    const to = { port: farm.ports.pop3 };
    const open = await Pop3Chat.login(to, 'huge@example.test', 'demo');
    const first = sizes(farm.pid);
    const grown = Math.max(...[...first].map(([pid, size]) => size - (before.get(pid) ?? size)));
    open.stream.destroy();
    const listed = await logins(to, 6);
    // Each worker lists once more when the directories have settled; then it need not (decision
    // 0009).
    await new Promise((resolve) => setTimeout(resolve, 3000));
    await logins(to, 4);
    const unchanged = await logins(to, 6);
    const load = { ...to, host: '127.0.0.1', tls: false, connections: 1, sessions: 1, retrieve: 0 };
    const users = [{ name: 'huge@example.test', password: 'demo' }];
    const sessions: number[] = [];
    for (let i = 0; i < 6; i++) sessions.push((await pop3Load({ ...load, users })).seconds * 1000);
    printRows(`Maildir of ${count} messages`, [
      compare({
        what: 'login, from connecting to the answer to PASS, every listing taken',
        ours: median(listed),
        peer: 300,
        unit: 'ms',
        aim: '< 1',
      }),
      compare({
        what: 'the same, nothing changed since the last login',
        ours: median(unchanged),
        peer: 300,
        unit: 'ms',
        aim: '< 1',
      }),
      compare({
        what: 'login, STAT, UIDL and LIST with all their lines',
        ours: median(sessions),
        peer: undefined,
        unit: 'ms',
      }),
      compare({
        what: 'memory that the worker grew by at the first login, session open',
        ours: grown / 1e6,
        peer: 100,
        unit: 'MB',
        aim: '< 1',
      }),
    ]);
  } finally {
    await farm.stop();
  }
}
