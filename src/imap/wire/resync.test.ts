import { expect, test } from 'vitest';
import type { FolderState, Numbered } from '../../mailbox/mail.ts';
import { mailErrorCode, storeErrorReply } from '../store-error.ts';
import { changedSince, vanishedSince } from './resync.ts';

const message = (uid: number, modseq: number): Numbered => {
  const entry = { directory: 'cur', name: `k${uid}` } as const;
  return { uid, key: `k${uid}`, entry, flags: '', keywords: [], modseq };
};

/** UIDs 1, 3, 5, 6 are there; of 7, expunged at 20, the folder knows, of 2 and 4 no more. */
const STATE: FolderState = {
  journalId: '7',
  uidValidity: 7,
  uidNext: 9,
  modseq: 30,
  messages: [message(1, 1), message(3, 12), message(5, 5), message(6, 30)],
  expunged: [{ uid: 7, modseq: 20, emailId: 'e7' }],
  expungedSince: 10,
  unnumbered: 0,
};
const known = (modseq: number, uids?: string, numbers?: string, of?: string) => ({
  uidValidity: 7,
  modseq,
  uids,
  match: numbers === undefined || of === undefined ? undefined : { numbers, uids: of },
});

test.each([
  ['all is remembered', known(10), '7', [2, 4]],
  ['nothing is new', known(30), '', []],
  ['of what the client knows', known(10, '1:6'), '', [2, 4]],
  ['expunges are forgotten: all that is not there', known(9), '2,4,7:8', [2, 4]],
  ['they are forgotten, of what it knows', known(4, '1:5'), '2,4', [2, 3]],
  [
    'they are forgotten, its numbers are ours up to 3',
    known(9, undefined, '1:2', '1,3'),
    '4,7:8',
    [2, 4],
  ],
  ['its numbers are others', known(9, undefined, '1:2', '1:2'), '2,4,7:8', [2, 4]],
])('[P-03] QRESYNC (RFC 7162 §3.2.5): %s', (_name, client, vanished, changed) => {
  expect(vanishedSince(STATE, client)).toBe(vanished);
  expect(changedSince(STATE, client)).toEqual(changed);
});

test('[P-03] each kind of failure has its response code (RFC 5530 §3)', () => {
  const ours = ['volume-down', 'volume-full', 'volume-busy', 'mailbox-missing'] as const;
  expect(ours.map((kind) => storeErrorReply(kind)[0])).toEqual(ours.map(() => 'UNAVAILABLE'));
  expect(storeErrorReply('over-quota')[0]).toBe('OVERQUOTA');
  expect(storeErrorReply('message-gone')[0]).toBe('EXPUNGEISSUED');
  expect(mailErrorCode('no-such-folder')).toBe('NONEXISTENT');
  expect(mailErrorCode('folder-exists')).toBe('ALREADYEXISTS');
  expect(mailErrorCode('has-children')).toBe('HASCHILDREN');
  expect(mailErrorCode('too-large')).toBe('TOOBIG');
});
