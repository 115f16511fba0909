import { test } from 'vitest';
import { expectNothingLost } from './hosts.ts';

// Three hosts on the same mailboxes against what each of them knows.

const SECONDS = process.env['MAILFARM_LAB_LONG'] === undefined ? 4 : 600;

test(
  '[N-01] [S2-02] [S2-03] three hosts deliver, flag, read and remove in the same mailboxes: nothing lost or doubled',
  () => expectNothingLost('mail1', SECONDS),
  SECONDS * 1000 + 60_000,
);
