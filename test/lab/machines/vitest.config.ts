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
    testTimeout: 240_000,
    hookTimeout: 240_000,
  },
});
