import { openMaildirs } from '../../src/index.ts';
import { openWithout } from '../../src/journal/journal.ts';
import type { RuleName } from '../../src/journal/rules.ts';
import type { OpenEngine } from './host.ts';

/** Snapshots come quickly, and what they cover goes soon. */
const SMALL = { snapshotEvery: 4, namesMax: 20 } as const;

/** The real engine; without one of its rules where named. */
export const engineOf =
  (without?: RuleName): OpenEngine =>
  (parts) => {
    const maildirs = openMaildirs(parts);
    const rules = without === undefined ? SMALL : { ...SMALL, without };
    return { maildirs, journals: openWithout({ ...parts, maildirs }, rules) };
  };
