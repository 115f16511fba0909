import { defineConfig } from 'vitest/config';

// Run inside the laboratory's kernel only. One processor: one worker, one file after the other.
const common = {
  isolate: false,
  pool: 'forks',
  maxWorkers: 1,
  fileParallelism: false,
  retry: Number(process.env['MAILFARM_TEST_RETRY'] ?? 0), // Decision 19.
  // A limit ends what hangs; the machine outside may be slow and busy.
  expect: { poll: { timeout: 60_000 } },
  testTimeout: 240_000,
  hookTimeout: 240_000,
} as const;

const LONG = process.env['MAILFARM_LAB_LONG'] !== undefined;

const LAST = 'test/lab/last.lab.ts';

/**
 * Tests that work in a directory of their own; the first three always run. Not volume.test.ts: how
 * soon a volume that hangs is given up is no matter for a kernel as slow as this one.
 */
const ON_DISK = [
  'src/mailbox/store.test.ts',
  'src/mailbox/maildrop.test.ts',
  'src/volumes/mailboxes.test.ts',
  'src/volumes/purge.test.ts',
  'maildir/test/processes.test.ts',
  'maildir/test/python.test.ts',
];

export default defineConfig({
  cacheDir: '/tmp/vite',
  test: {
    watch: false,
    reporters: ['default', 'json'],
    outputFile: { json: '/tmp/out/results.json' },
    pool: 'forks',
    maxWorkers: 1,
    projects: [
      {
        test: {
          ...common,
          name: 'lab',
          include: ['test/lab/**/*.lab.ts'],
          exclude: LONG ? [LAST] : [LAST, 'test/lab/delegations.lab.ts', 'test/lab/compare/*'],
          sequence: { groupOrder: 0 },
        },
      },
      {
        // The storage engine's own tests, with their directories on NFS.
        test: {
          ...common,
          name: 'on NFS',
          include: LONG ? ON_DISK : ON_DISK.slice(0, 3),
          setupFiles: ['test/lab/on-nfs.setup.ts'],
          env: { TMPDIR: '/mnt/c1/mail1', MAILFARM_TEST_SECONDS: '8', MAILFARM_TEST_SLOW: '1' },
          execArgv: ['--expose-gc'],
          sequence: { groupOrder: 1 },
        },
      },
      {
        test: {
          ...common,
          name: 'last',
          include: [LAST],
          sequence: { groupOrder: 2 },
        },
      },
    ],
  },
});
