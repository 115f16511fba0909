/** What the hop through a balancer costs, in one run against sessions that come without it. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { hopCosts } from '../bench/hop.ts';
import { printRows } from '../bench/report.ts';
import { HAPROXY } from '../harness/balancer.ts';
import { needs } from '../harness/needs.ts';

/** Far beyond what is measured on a quiet machine (`npm run bench -- hop`): 1.2 to 1.4. */
const RATIO_MAX = 4;
const SESSIONS = 100;

test(
  '[S1-30] the hop through HAProxy is measured: CPU and time of a session with it and without',
  { timeout: 240_000 },
  async (ctx) => {
    needs(ctx, HAPROXY);
    const dir = mkdtempSync(join(tmpdir(), 'mailfarm-hop-'));
    onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
    const rows = await hopCosts(dir, SESSIONS);
    printRows(`through HAProxy (ours) and direct (peer), ${SESSIONS} sessions of each`, rows);
    expect(rows).toHaveLength(9);
    for (const { what, ratio } of rows) {
      expect(Number(ratio), what).toBeGreaterThan(0.1);
      // Waiting is as long as a busy machine makes it; work is not.
      if (what.includes('CPU')) expect(Number(ratio), what).toBeLessThan(RATIO_MAX);
    }
  },
);
