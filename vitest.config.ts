import { availableParallelism } from 'node:os';

import { defineConfig } from 'vitest/config';

// Unit tests stand beside their source and run in parallel. What lies in test/ starts servers,
// peers and clients and measures time: its files run one after another, after the unit tests.
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
          testTimeout: 20_000,
          hookTimeout: 20_000,
          maxWorkers: Math.max(2, availableParallelism()),
          execArgv: ['--expose-gc'], // Tests of memory growth ask for a collection first.
          sequence: { groupOrder: 0 },
        },
      },
      {
        test: {
          name: 'farm',
          include: ['test/**/*.test.ts'],
          testTimeout: 180_000,
          hookTimeout: 180_000,
          maxWorkers: 1,
          fileParallelism: false,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});
