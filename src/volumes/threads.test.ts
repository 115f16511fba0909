import { execFileSync, spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { temporaryVolumes } from './testing/volumes.ts';
import { shareOf, THREADS_RESERVED } from './threads.ts';

const HUNG_POOL = join(import.meta.dirname, 'testing/hung-pool.ts');

test('[N-02] every share together, probes included, leaves the reserve; one thread is the least', () => {
  for (const threads of [32, 64, 128, 1024]) {
    for (const volumes of [1, 2, 3, 7, 12, 50]) {
      const share = shareOf(threads, volumes);
      if (share === 1) continue;
      expect((share + 1) * volumes).toBeLessThanOrEqual(threads - THREADS_RESERVED);
      expect((share + 2) * volumes).toBeGreaterThan(threads - THREADS_RESERVED);
    }
  }
  expect([shareOf(128, 6), shareOf(128, 12), shareOf(4, 2)]).toEqual([17, 8, 1]);
});

test('[N-02] threads that hang already are in no share', () => {
  // 112 to share. Of a volume that left the table 16 hang, and of one that had more once 9.
  for (const stuck of [
    { gone: 16, here: [] },
    { gone: 0, here: [16, 0, 0] },
    { gone: 16, here: [17, 3, 0] },
    { gone: 112, here: [] },
  ]) {
    for (const volumes of [3, 7, 12]) {
      const share = shareOf(128, volumes, stuck);
      const held = (more: number): number =>
        Array.from({ length: volumes }, (_, n) =>
          Math.max(share + more, stuck.here[n] ?? 0),
        ).reduce((sum, one) => sum + one, stuck.gone);
      if (share > 1) expect(held(1)).toBeLessThanOrEqual(128 - THREADS_RESERVED);
      expect(held(2)).toBeGreaterThan(128 - THREADS_RESERVED);
    }
  }
});

test('[N-02] all volumes hung at once: names, files, hashing and compression go on', async () => {
  const disk = await temporaryVolumes('v1', 'v2', 'v3');
  try {
    execFileSync('mkfifo', [join(disk.root, 'hang')]);
    const threads = String(THREADS_RESERVED + 3 * 3);
    const { stdout, stderr } = spawnSync(process.execPath, [HUNG_POOL, disk.root], {
      encoding: 'utf8',
      timeout: 60_000,
      env: { ...process.env, UV_THREADPOOL_SIZE: threads },
    });
    expect(stderr).toBe('');
    expect(JSON.parse(stdout)).toEqual({
      failed: 600,
      names: 'works',
      files: 'works',
      hashing: 'works',
      compression: 'works',
    });
  } finally {
    disk.remove();
  }
}, 90_000);
