import {
  openFacts,
  openJournals,
  openMaildirs,
  type Facts,
  type Journals,
  type JournalsOptions,
  type Maildirs,
} from '#maildir';

/** The storage engine of one volume. */
export interface Engine extends Maildirs {
  readonly journals: Journals;
  readonly facts: Facts;
}

/**
 * An engine over a volume's file system. It is made anew when that turns out to be of another
 * kind, which the first probe does, before any operation: so what journals know of folders in this
 * process is lost only when a volume changes its kind while we run, and then it is read again.
 */
export function openEngine(options: JournalsOptions): Engine {
  const maildirs = openMaildirs(options);
  return {
    ...maildirs,
    journals: openJournals({ ...options, maildirs }),
    facts: openFacts(options),
  };
}
