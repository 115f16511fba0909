import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { FolderState, Numbered } from '../mailbox/mail.ts';
import { View } from './view.ts';
import { SyntaxFault } from './wire/args.ts';

const message = (uid: number, flags = '', modseq = 1): Numbered => ({
  uid,
  key: `k${uid}`,
  entry: { directory: 'cur', name: `k${uid}:2,${flags}` },
  flags,
  keywords: [],
  modseq,
});

const state = (messages: readonly Numbered[], modseq = 1): FolderState => ({
  journalId: '7',
  uidValidity: 7,
  uidNext: (messages.at(-1)?.uid ?? 0) + 1,
  modseq,
  messages,
  expunged: [],
  expungedSince: 0,
  unnumbered: 0,
});

const numbers = (count: number): Numbered[] =>
  Array.from({ length: count }, (_, index) => message(index + 1));

test('[P-03] numbers and UIDs, both ways', () => {
  const view = new View(state([message(3), message(5), message(9)]));
  expect([3, 4, 5, 9, 10].map((uid) => view.numberOf(uid))).toEqual([1, 0, 2, 3, 0]);
  expect(view.at(2)?.uid).toBe(5);
  expect([view.at(0), view.at(4), view.lastUid, view.count]).toEqual([undefined, undefined, 9, 3]);
});

test.each([
  ['1:*', 'sequence', [[0, 3]]],
  ['*', 'sequence', [[2, 3]]],
  [
    '3,1',
    'sequence',
    [
      [0, 1],
      [2, 3],
    ],
  ],
  ['2:1', 'sequence', [[0, 2]]],
  ['4:8', 'uid', [[1, 2]]],
  ['10:*', 'uid', [[2, 3]]],
  ['1:2,6', 'uid', []],
  ['$', 'uid', [[0, 2]]],
] as const)('[P-03] %s by %s', (set, by, spans) => {
  const view = new View(state([message(3), message(5), message(9)]));
  expect(view.spans(set, by, [3, 4, 5])).toEqual(spans);
});

test.each(['4', '0', '1:4', '', '1,', '1:2:3', 'x', '4294967296', '1:0'])(
  '[P-03] %j names no messages of three',
  (set) => {
    const view = new View(state(numbers(3)));
    expect(() => view.spans(set, 'sequence', [])).toThrow(SyntaxFault);
  },
);

test('[P-03] another UIDVALIDITY, or a UID among those known, counts as another folder', () => {
  const view = new View(state([message(1), message(5)]));
  expect(view.advance({ ...state([message(1)]), uidValidity: 8 }, 'now', false)).toBe('reset');
  expect(view.advance(state([message(1), message(3), message(5)]), 'now', false)).toBe('reset');
});

/** A client that does what it is told, and nothing else. */
class Client {
  messages: { uid: number; flags: string }[];
  constructor(known: readonly Numbered[]) {
    this.messages = known.map(({ uid, flags }) => ({ uid, flags }));
  }

  follow(view: View, next: FolderState, expunges: 'now' | 'later'): void {
    const update = view.advance(next, expunges, false);
    if (update === undefined || update === 'reset') return;
    if (expunges === 'later') expect(update.expunged).toEqual([]);
    for (const number of update.expunged) this.messages.splice(number - 1, 1);
    if (update.exists !== undefined) {
      for (let at = this.messages.length; at < update.exists; at += 1) {
        this.messages.push({ uid: view.at(at + 1)?.uid ?? 0, flags: view.at(at + 1)?.flags ?? '' });
      }
    }
    for (const number of update.changed) {
      const told = this.messages[number - 1];
      if (told !== undefined) told.flags = view.at(number)?.flags ?? '';
    }
  }
}

interface Step {
  readonly gone: readonly number[];
  readonly flagged: readonly number[];
  readonly added: number;
  readonly expunges: 'now' | 'later';
}

const STEP: fc.Arbitrary<Step> = fc.record({
  gone: fc.array(fc.nat(30), { maxLength: 5 }),
  flagged: fc.array(fc.nat(30), { maxLength: 5 }),
  added: fc.nat(4),
  expunges: fc.constantFrom<('now' | 'later')[]>('now', 'later'),
});

function nextState(before: FolderState, step: Step): FolderState {
  const kept = before.messages.filter((_, index) => !step.gone.includes(index));
  const flagged = kept.map((one, index) =>
    step.flagged.includes(index) ? message(one.uid, one.flags === '' ? 'S' : '') : one,
  );
  const added = Array.from({ length: step.added }, (_, at) => message(before.uidNext + at));
  return { ...state([...flagged, ...added]), uidNext: before.uidNext + step.added };
}

test('[P-03] who follows what is told knows the folder; numbers mean the same on both sides', () => {
  fc.assert(
    fc.property(fc.nat(20), fc.array(STEP, { maxLength: 12 }), (count, steps) => {
      let newest = state(numbers(count));
      const view = new View(newest);
      const client = new Client(newest.messages);
      for (const step of steps) {
        newest = nextState(newest, step);
        client.follow(view, newest, step.expunges);
        const seen = view.messages.map(({ uid }) => uid);
        expect(client.messages.map(({ uid }) => uid)).toEqual(seen);
      }
      client.follow(view, newest, 'now');
      const known = client.messages.map(({ uid, flags }) => `${uid} ${flags}`);
      expect(known).toEqual(newest.messages.map(({ uid, flags }) => `${uid} ${flags}`));
    }),
    { numRuns: Number(process.env['MAILFARM_FUZZ_RUNS'] ?? 300) },
  );
});

test('[P-03] what the client was told by a command is not told again', () => {
  const view = new View(state([message(1), message(2)]));
  view.told(message(1, 'S'));
  const next = state([message(1, 'S'), message(2, 'F')]);
  expect(view.advance(next, 'now', false)).toMatchObject({ changed: [2], exists: undefined });
});

test('[P-03] with CONDSTORE another MODSEQ alone is told', () => {
  const next = state([message(1, '', 5)]);
  expect(new View(state(numbers(1))).advance(next, 'now', false)).toBe(undefined);
  expect(new View(state(numbers(1))).advance(next, 'now', true)).toMatchObject({ changed: [1] });
});

test('[P-03] the view of an unchanged folder of 100,000 messages is the array of its state', () => {
  const folder = state(numbers(100_000));
  const view = new View(folder);
  expect(view.messages).toBe(folder.messages);
  const next = state([...folder.messages, message(100_001)]);
  expect(view.advance(next, 'later', false)).toMatchObject({ exists: 100_001, changed: [] });
  expect(view.messages).toBe(next.messages);
});
