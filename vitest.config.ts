import { availableParallelism } from 'node:os';

import { defineConfig } from 'vitest/config';

// Unit tests stand beside their source and run in parallel. Those that measure memory or wait for
// time (memory.test.ts, time.test.ts) run alone after them, then what lies in test/, which starts
// servers, peers and clients.
// How long `expect.poll` waits for what will come; a busy machine is no failure.
const POLL = { poll: { timeout: 10_000 } };
const MEASURING = ['{src,maildir}/**/{memory,time}.test.ts'];
export default defineConfig({
  test: {
    pool: 'forks',
    watch: false,
    passWithNoTests: false,
    projects: [
      {
        test: {
          name: 'unit',
          include: ['src/**/*.test.ts', 'maildir/**/*.test.ts', 'scripts/**/*.test.ts'],
          exclude: ['**/node_modules/**', ...MEASURING],
          expect: POLL,
          testTimeout: 20_000,
          hookTimeout: 20_000,
          maxWorkers: Math.max(2, availableParallelism()),
          execArgv: ['--expose-gc'], // Tests of memory growth ask for a collection first.
          sequence: { groupOrder: 0 },
        },
      },
      {
        test: {
          name: 'alone',
          include: MEASURING,
          expect: POLL,
          testTimeout: 60_000,
          hookTimeout: 60_000,
          execArgv: ['--expose-gc'],
          maxWorkers: 1,
          fileParallelism: false,
          sequence: { groupOrder: 1 },
        },
      },
      {
        test: {
          name: 'farm',
          include: ['test/**/*.test.ts'],
          expect: POLL,
          testTimeout: 180_000,
          hookTimeout: 180_000,
          maxWorkers: 1,
          fileParallelism: false,
          sequence: { groupOrder: 2 },
        },
      },
    ],
  },
});
