import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { administer, farmSeed } from '../harness/nodes.ts';
import { saidBy } from '../harness/process.ts';
import { startSlapd } from '../harness/slapd.ts';
import { userName } from './directory-asker.ts';
import { compare, printRows } from './report.ts';

/** `mailfarm user import` of a CSV into slapd that knows nobody yet, each with a password. */
export async function measureImport(dir: string, users: number, mapBytes: number): Promise<void> {
  const slapd = await startSlapd({ directory: dir, ...(await farmSeed(dir)), mapBytes });
  try {
    const file = join(dir, 'users.csv');
    const lines = Array.from(
      { length: users },
      (_, n) => `${userName(n)},${10_000 + n},secret${n}`,
    );
    writeFileSync(file, `login,uid,password\n${lines.join('\n')}\n`);
    const command = administer(dir, { ...slapd, urls: [slapd.url] });
    const words = ['user', 'import', file, '--format', 'csv', '--hash', 'ssha512', '--json'];
    const cpu = slapd.cpuSeconds();
    const began = performance.now();
    const done = await command(words);
    const seconds = (performance.now() - began) / 1000;
    if (done.code !== 0) throw new Error(`user import: ${saidBy(done)}`);
    const alone = { peer: undefined };
    const server = ((slapd.cpuSeconds() - cpu) / users) * 1e6;
    printRows('directory, user import into slapd', [
      compare({ what: `${users} users`, ours: seconds, ...alone, unit: 's' }),
      compare({ what: 'users added', ours: users / seconds, ...alone, unit: '/s' }),
      compare({ what: 'CPU of slapd for one', ours: server, ...alone, unit: 'us' }),
    ]);
  } finally {
    await slapd.stop();
  }
}
