import { threadsByReferences, threadsBySubject } from '../../mailbox/thread.ts';
import type { ImapSession } from '../session.ts';
import type { Selected } from '../state.ts';
import type { By } from '../view.ts';
import type { Args } from '../wire/args.ts';
import { writeThreads } from '../wire/write-thread.ts';
import { find, readKeys } from './search.ts';
import { rowsOf } from './sort.ts';

const ALGORITHMS = {
  ORDEREDSUBJECT: threadsBySubject,
  REFERENCES: threadsByReferences,
} as const;

const isAlgorithm = (name: string): name is keyof typeof ALGORITHMS =>
  Object.hasOwn(ALGORITHMS, name);

/** THREAD and UID THREAD (RFC 5256 §3). */
export async function thread(
  session: ImapSession,
  args: Args,
  state: Selected,
  by: By,
): Promise<void> {
  args.space();
  const name = args.word();
  if (!isAlgorithm(name)) args.fail('Threads are by ORDEREDSUBJECT or REFERENCES');
  args.space();
  const charset = args.astring();
  args.space();
  const keys = readKeys(session, args, state, charset);
  const found = await find(session, state, { items: undefined, ...keys });
  const rows = await rowsOf(state, found, { head: true, octets: false, date: true });
  const numberOf = by === 'uid' ? same : (uid: number): number => state.view.numberOf(uid);
  session.say(writeThreads(await ALGORITHMS[name](rows), numberOf));
  session.ok('THREAD completed');
}

const same = (uid: number): number => uid;
