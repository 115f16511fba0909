import {
  openMaildirs,
  type Facts,
  type Journals,
  type Maildirs,
  type MaildirsOptions,
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
export function openEngine(options: MaildirsOptions): Engine {
  const maildirs = openMaildirs(options);
  return { ...maildirs, journals: NO_JOURNALS, facts: NO_FACTS };
}

const not = (): Promise<never> => Promise.reject(new Error('no journal yet'));
const NO_JOURNALS: Journals = {
  known: () => undefined,
  sync: not,
  store: not,
  expunge: not,
  add: not,
  copy: not,
  move: not,
  rename: not,
  seed: not,
};
const NO_FACTS: Facts = {
  facts: async () => [],
  readFact: not,
  putFact: not,
  removeFact: not,
};
