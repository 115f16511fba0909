import { defineConfig } from 'vitest/config';

// Run inside the hub of the laboratory only: one file after the other, all with the same machines.
export default defineConfig({
  cacheDir: '/tmp/vite',
  test: {
    watch: false,
    reporters: ['default', 'json'],
    outputFile: { json: '/mnt/host/results.json' },
    include: ['test/lab/**/*.machines.ts', 'test/witness/**/*.machines.ts'],
    isolate: false,
    pool: 'forks',
    maxWorkers: 1,
    fileParallelism: false,
    retry: Number(process.env['MAILFARM_TEST_RETRY'] ?? 0), // Decision 19.
    // A limit ends what hangs; the machine outside may be slow and busy.
    expect: { poll: { timeout: 60_000 } },
    testTimeout: 480_000,
    hookTimeout: 480_000,
  },
});
