import { join } from 'node:path';
import { mkdirSync, writeFileSync } from 'node:fs';
import { startFarm } from '../harness/farm.ts';
import { residentBytes } from '../harness/processes.ts';
import { addUsers, measure, type BenchContext } from './context.ts';
import { pop3Load } from './pop3-load.ts';
import { compare, printRows } from './report.ts';

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
    const before = residentBytes([farm.pid]);
    const load = {
      port: farm.ports.pop3,
      host: '127.0.0.1',
      tls: false,
      connections: 1,
      sessions: 1,
      users: [{ name: 'huge@example.test', password: 'demo' }],
      retrieve: 0,
    };
    await pop3Load(load);
    const seconds: number[] = [];
    await measure(farm.pid, async () => {
      for (let i = 0; i < 5; i++) seconds.push((await pop3Load(load)).seconds);
      return 0;
    });
    const median = seconds.toSorted((a, b) => a - b)[2] ?? 0;
    const after = residentBytes([farm.pid]);
    printRows(`login, STAT, UIDL and LIST of ${count} messages, warm`, [
      compare({ what: 'whole session', ours: median * 1000, peer: 300, unit: 'ms', aim: '< 1' }),
      compare({
        what: 'memory grown by all processes',
        ours: (after - before) / 1e6,
        peer: 100,
        unit: 'MB',
        aim: '< 1',
      }),
    ]);
  } finally {
    await farm.stop();
  }
}
