import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { FolderView } from './view.ts';
import { mailboxChanges } from './view-changes.ts';
import { Places } from './view-places.ts';
import { Version } from './view-version.ts';
import {
  decodeEmails,
  decodeMailboxes,
  encodeEmails,
  encodeMailboxes,
  type EmailRow,
  type KnownSpan,
  type MailboxRow,
} from './view-states.ts';

const id = fc.bigInt({ min: 1n, max: 2n ** 64n - 1n }).map((n) => n.toString(16).padStart(16, '0'));
const modseq = fc.maxSafeNat();
const rowsOf = <T>(row: fc.Arbitrary<T>): fc.Arbitrary<ReadonlyMap<string, T>> =>
  fc.array(fc.tuple(id, row), { maxLength: 20 }).map((rows) => new Map(rows));
const emails = rowsOf<EmailRow>(
  fc.record({ modseq, uidNext: fc.integer({ min: 1, max: 2 ** 32 }), isEmpty: fc.boolean() }),
);
const mailboxes = rowsOf<MailboxRow>(
  fc.record({ shown: fc.integer({ min: 0, max: 2 ** 32 - 1 }), modseq }),
);

test('a state is read as it was written, whatever the order of folders was', () => {
  fc.assert(
    fc.property(emails, mailboxes, (some, others) => {
      const text = encodeEmails(some);
      expect(text).toMatch(/^[\w-]+$/);
      expect(decodeEmails(text)).toEqual(some);
      expect(encodeEmails(new Map([...some].reverse()))).toBe(text);
      expect(decodeMailboxes(encodeMailboxes(others))).toEqual(others);
      expect(decodeMailboxes(text)).toBeUndefined();
    }),
  );
});

test('a string that is another writing of a state, or part of one, says nothing', () => {
  fc.assert(
    fc.property(emails, fc.nat(), fc.string(), (rows, at, text) => {
      const state = encodeEmails(rows);
      const cut = state.slice(0, at % state.length);
      const read = decodeEmails(cut);
      // What is cut between two rows is a state of fewer folders.
      if (read !== undefined) expect(encodeEmails(read)).toBe(cut);
      expect(decodeEmails(`${state}=`)).toBeUndefined();
      const foreign = decodeEmails(text);
      if (foreign !== undefined) expect(encodeEmails(foreign)).toBe(text);
    }),
  );
});

test('spans that no part has written say nothing: too many, or not in order', () => {
  const journal = '11'.repeat(8);
  const withSpans = (earlier: EmailRow['earlier'], uidNext: number): string =>
    encodeEmails(new Map([[journal, { modseq: 5, uidNext, isEmpty: false, earlier }]] as never));
  const spans = (count: number): KnownSpan[] =>
    Array.from({ length: count }, (_, at) => ({ below: at + 2, modseq: at + 1 }));
  expect(decodeEmails(withSpans(spans(15), 90))?.get(journal)?.earlier).toHaveLength(15);
  for (const state of [
    withSpans(spans(16), 90),
    withSpans(spans(20_000), 90_000),
    withSpans(spans(2).toReversed(), 90),
    withSpans(spans(2), 3),
  ]) {
    expect(decodeEmails(state)).toBeUndefined();
  }
  // A count that is not true, in a string that is no longer than states are.
  const octets = [3, ...Buffer.from(journal, 'hex'), 255, 255, 255, 255, 255, 255, 127, 2, 2];
  expect(decodeEmails(Buffer.from(octets).toString('base64url'))).toBeUndefined();
});

test('an inbox that was restored has changed, though its MODSEQ is what that of the old one was', () => {
  const versionOf = (journalId: string): Version => {
    const state = { journalId, modseq: 5, uidNext: 3, messages: [], expunged: [] };
    const inbox = { id: 'inbox', info: { name: 'INBOX', subscribed: true }, state };
    return new Version([inbox as unknown as FolderView], new Places(), new Map());
  };
  const [old, restored] = [versionOf('11'.repeat(8)), versionOf('22'.repeat(8))];
  expect(mailboxChanges(old.mailboxState, old)?.updated).toEqual([]);
  expect(mailboxChanges(old.mailboxState, restored)?.updated).toEqual(['inbox']);
});
