import { openMaildirs } from '../../src/index.ts';
import { openWithout } from '../../src/journal/journal.ts';
import type { RuleName } from '../../src/journal/rules.ts';
import type { OpenEngine } from './host.ts';

/** The real engine; without one of its rules where named. */
export const engineOf =
  (without?: RuleName): OpenEngine =>
  (parts) => ({
    maildirs: openMaildirs(parts),
    journals: openWithout(parts, without === undefined ? {} : { without }),
  });
