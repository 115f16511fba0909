import { globSync, readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';

import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

// Unit tests stand beside their source and run in parallel: those that only compute (`unit`), those
// that meet clocks, sockets, processes, disks (`real`). Those that measure memory or wait for time
// (memory.test.ts, time.test.ts) run alone after them, then what lies in test/, which starts
// servers, peers and clients: the three laboratories first, all else as they end.
// A time-out ends what hangs, and nothing else: it is far beyond what a busy machine needs.
const POLL = { poll: { timeout: 30_000 } };
const MEASURING = ['{src,maildir}/**/{memory,time}.test.ts'];
const BESIDE_SOURCE = ['src/**/*.test.ts', 'maildir/**/*.test.ts', 'scripts/**/*.test.ts'];
const NOT_OURS = '**/node_modules/**';

/** The words of a test that does more than compute. */
const REAL = new RegExp(
  [
    'systemClock|performance\\.now|setTimeout|process\\.(?:memoryUsage|cpuUsage)',
    'node:(?:net|tls|dgram|http|child_process)',
    'testing/|testing\\.ts|temporaryVolumes|harness/',
  ].join('|'),
);
const real = globSync(BESIDE_SOURCE, { exclude: [NOT_OURS] }).filter((path) =>
  REAL.test(readFileSync(path, 'utf8')),
);

// Decision 19: whatever meets more than our own code is tried once more in a whole run, and named.
const retry = Number(process.env['MAILFARM_TEST_RETRY'] ?? 0);

const parallel = {
  expect: POLL,
  testTimeout: 60_000,
  hookTimeout: 60_000,
  maxWorkers: availableParallelism() + 1, // They wait for servers, or for disks, half of the time.
  execArgv: ['--expose-gc'], // Tests of memory growth ask for a collection first.
  sequence: { groupOrder: 0 },
};

/** Each takes nearly as long as all the other files of test/ that run beside them. */
const LABORATORIES = /\/test\/lab\/(?:nfs|machines\/machines|farm\/farm)\.test\.ts$/;
class LaboratoriesFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const place = ({ moduleId }: TestSpecification): number =>
      LABORATORIES.test(moduleId) ? 0 : 1;
    return (await super.sort(files)).toSorted((a, b) => place(a) - place(b));
  }
}

export default defineConfig({
  test: {
    pool: 'forks',
    sequence: { sequencer: LaboratoriesFirst },
    watch: false,
    passWithNoTests: false,
    projects: [
      {
        test: {
          ...parallel,
          name: 'unit',
          include: BESIDE_SOURCE,
          exclude: [NOT_OURS, ...MEASURING, ...real],
        },
      },
      {
        test: {
          ...parallel,
          name: 'real',
          include: real,
          exclude: [NOT_OURS, ...MEASURING],
          retry,
        },
      },
      {
        test: {
          name: 'alone',
          include: MEASURING,
          expect: POLL,
          testTimeout: 180_000,
          hookTimeout: 180_000,
          execArgv: ['--expose-gc'],
          maxWorkers: 1,
          fileParallelism: false,
          sequence: { groupOrder: 1 },
          retry,
        },
      },
      {
        test: {
          name: 'farm',
          include: ['test/**/*.test.ts'],
          exclude: [NOT_OURS],
          expect: POLL,
          testTimeout: 600_000,
          hookTimeout: 600_000,
          maxWorkers: 3, // One for each laboratory; more would starve them of two processors.
          sequence: { groupOrder: 2 },
          retry,
        },
      },
    ],
  },
});
