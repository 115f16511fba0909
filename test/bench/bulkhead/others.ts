/** What else a process does by libuv's pool: hashes, chance, names of hosts, local files. */
import { randomBytes, scrypt } from 'node:crypto';
import { lookup } from 'node:dns';
import { stat } from 'node:fs';
import { summary } from './load.ts';

type Done = (error: Error | null) => void;

const CALLS: Readonly<Record<string, (done: Done) => void>> = {
  scrypt: (done) => scrypt('password', 'salt', 32, { N: 1024 }, (error) => done(error)),
  randomBytes: (done) => void randomBytes(1024, (error) => done(error)),
  'dns.lookup': (done) => lookup('localhost', (error) => done(error)),
  'local stat': (done) => stat('/proc/self', (error) => done(error)),
};
const PATIENCE_MS = 3000;

/** p99 in ms of each kind of call, or how many of them did not come within three seconds. */
export async function askOthers(turns: number): Promise<Record<string, string>> {
  const results: Record<string, string> = {};
  for (const [name, call] of Object.entries(CALLS)) {
    const times: number[] = [];
    let stuck = 0;
    for (let turn = 0; turn < turns && stuck === 0; turn++) {
      const began = performance.now();
      const done = await new Promise<boolean>((resolve) => {
        const timer = setTimeout(() => resolve(false), PATIENCE_MS);
        call(() => {
          clearTimeout(timer);
          resolve(true);
        });
      });
      if (done) times.push(performance.now() - began);
      else stuck += 1;
    }
    const { p50, p99 } = summary(times);
    results[name] = stuck > 0 ? 'STUCK' : `${p50.toFixed(1)}/${p99.toFixed(1)}`;
  }
  return results;
}
