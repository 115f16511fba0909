/** Mutants of IMAP's message commands: `src/imap/command/`. */
import type { Mutant } from './mutants.ts';

export const FETCH_MUTANTS: readonly Mutant[] = [
  {
    statement: 'N-19',
    why: 'a message that is longer than was said looks whole when it is cut',
    file: 'src/imap/command/fetch-stream.ts',
    find: 'if (piece.length > left) throw new Error(`more than ${octets} octets came`);',
    replace: '',
    test: 'src/imap/command/fetch-stream.test.ts',
    title: 'after the literal began it is longer than its name says',
  },
  {
    statement: 'P-03',
    why: 'a message fetched in pieces is read from its begin each time',
    file: 'src/imap/command/fetch-stream.ts',
    find: 'places.set(view, marks.last());',
    replace: 'void marks;',
    test: 'src/imap/command/fetch-stream.test.ts',
    title: 'partial fetches in order read a message about once: a file of our own',
  },
  {
    statement: 'P-03',
    why: 'EXPUNGE takes what is not marked as deleted',
    file: 'src/imap/command/expunge.ts',
    find: "if (flags.includes('T') && within?.has(uid) !== false) uids.push(uid);",
    replace: 'if (flags.length >= 0 && within?.has(uid) !== false) uids.push(uid);',
    test: 'src/imap/command/store.test.ts',
    title: 'EXPUNGE removes what is',
  },
  {
    statement: 'P-03',
    why: 'an answer is said in the middle of a literal that is told by itself',
    file: 'src/imap/session.ts',
    find: 'return telling === undefined ? super.line(line) : telling.then(() => super.line(line));',
    replace: 'void telling;\n    return super.line(line);',
    test: 'src/imap/notify.test.ts',
    title: 'a literal that is told by itself is never cut',
  },
  {
    statement: 'P-03',
    why: 'SELECTED-DELAYED tells an EXPUNGE between commands',
    file: 'src/imap/command/notify.ts',
    find: "expunges: kind === 'SELECTED' ? 'now' : 'later'",
    replace: "expunges: 'now'",
    test: 'src/imap/notify.test.ts',
    title: 'SELECTED-DELAYED',
  },
  {
    statement: 'P-03',
    why: 'a folder that another front end deleted is taken for a missing target',
    file: 'src/imap/command/copy.ts',
    find: 'if (from !== undefined && (await isGone(from))) throw error;',
    replace: 'void isGone;',
    test: 'src/imap/maildir.test.ts',
    title: 'of the folder that another front end has open',
  },
];
