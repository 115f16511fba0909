/**
 * `npm run bench [-- SECTION …] [--quick] [--letters N] [--waiting N]
 * [--part NAME] [--only SERVER]`: ours beside the bare
 * operation, Postfix and Dovecot, in one run on one disk. Times mean little on a shared machine;
 * ratios and CPU per operation do. CPU is that of all server processes of the one compared, from
 * /proc; the load's own is not counted.
 */
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { benchBulkhead } from './bulkhead/section.ts';
import { benchDelivery } from './delivery.ts';
import { benchDirectory } from './directory.ts';
import { benchGrowth } from './growth.ts';
import { benchHop } from './hop.ts';
import { benchIdle } from './idle.ts';
import { benchImap } from './imap.ts';
import { benchLarge } from './large.ts';
import { benchLeaving } from './leaving.ts';
import { benchPop3 } from './pop3.ts';
import { benchStart } from './start.ts';
import { benchWeb } from './web.ts';

const SECTIONS = {
  delivery: benchDelivery,
  leaving: benchLeaving,
  pop3: benchPop3,
  imap: benchImap,
  growth: benchGrowth,
  hop: benchHop,
  idle: benchIdle,
  large: benchLarge,
  start: benchStart,
  directory: benchDirectory,
  bulkhead: benchBulkhead,
  web: benchWeb,
} as const;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    quick: { type: 'boolean', default: false },
    // Of `leaving`: how many are measured, and how many wait in the second part (0: without it).
    letters: { type: 'string' },
    waiting: { type: 'string' },
    // Of `imap`: one part, and `ours` or `dovecot` by itself.
    part: { type: 'string' },
    only: { type: 'string' },
  },
});
const numberOf = (given: string | undefined): number | undefined =>
  given === undefined ? undefined : Number(given);
const [letters, waiting] = [numberOf(values.letters), numberOf(values.waiting)];

const names = positionals.length > 0 ? positionals : Object.keys(SECTIONS);
for (const name of names) {
  if (!Object.hasOwn(SECTIONS, name)) {
    process.stderr.write(
      `bench: no section ${name}; there are ${Object.keys(SECTIONS).join(', ')}\n`,
    );
    process.exit(64);
  }
  // On the disk of the working directory: /tmp is memory on many machines, and fsync free there.
  const dir = mkdtempSync(join(process.env['MAILFARM_BENCH_DIR'] ?? '/var/tmp', 'mailfarm-bench-'));
  chmodSync(dir, 0o755); // Daemons of the peers run as users of their own.
  try {
    await SECTIONS[name as keyof typeof SECTIONS]({
      dir,
      scale: values.quick ? 0.2 : 1,
      letters,
      waiting,
      part: values.part,
      only: values.only,
    });
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}
