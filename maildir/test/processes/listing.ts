import { nodeFs } from '../../src/index.ts';
import { realEngine } from '../tree.ts';

// A child of size.test.ts: lists one Maildir, bare or by the engine, and says what it cost.

const [mode, maildir = ''] = process.argv.slice(2);
const engine = realEngine();

/** What the engine lists for one poll, and nothing else. */
async function bare(): Promise<number> {
  let count = 0;
  for (let listing = 0; listing < 2; listing++) {
    const fresh = await nodeFs.list(`${maildir}/new`);
    const current = await nodeFs.list(`${maildir}/cur`);
    count = fresh.length + current.length;
  }
  return count;
}

const list = mode === 'bare' ? bare : async () => (await engine.list(maildir)).length;
const peakBefore = process.resourceUsage().maxRSS;
const count = await list();
const peakKiB = process.resourceUsage().maxRSS - peakBefore;
let cpuMs = Infinity;
for (let run = 0; run < 7; run++) {
  const before = process.cpuUsage();
  await list();
  const { user, system } = process.cpuUsage(before);
  cpuMs = Math.min(cpuMs, (user + system) / 1000);
}
process.send?.({ count, peakKiB, cpuMs });
