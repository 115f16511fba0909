/** Mutants of folders: quota, watching, and what a mailbox that is not there means. */
import type { Mutant } from './mutants.ts';

const QUOTA = 'src/delivery/quota.test.ts';
const MAILDIR = 'src/mailbox/maildir-mail.test.ts';
const FORMATS = 'src/mailbox/takeover/formats.test.ts';
const IMPORT = 'src/mailbox/takeover/import.test.ts';
const WATCHING = 'src/mailbox/watching.test.ts';

export const MAILBOX_MUTANTS: readonly Mutant[] = [
  {
    statement: 'N-09',
    why: 'folders count for nothing',
    file: 'src/mailbox/usage.ts',
    find: '        use = sum(use, part);\n',
    replace: '        use = sum(use, { ...part, octets: 0 });\n',
    test: QUOTA,
    title: '[N-09] any MX answers RCPT',
  },
  {
    statement: 'N-09',
    why: 'what this host delivered counts only when the mailbox is listed again',
    file: 'src/mailbox/store.ts',
    find: '    this.#context.usage.added(account.id, octets, 1);\n',
    replace: '',
    test: QUOTA,
    title: '[N-09] the overshoot',
  },
  {
    statement: 'promise 5',
    why: 'a mailbox that is placed and missing is shown as one without folders',
    file: 'src/mailbox/folder-table.ts',
    find: '      if (mailbox.stored) throw this.#context.mailboxes.missing(mailbox);\n',
    replace: '',
    test: MAILDIR,
    title: 'a mailbox that is placed and not there',
  },
  {
    statement: 'promise 5',
    why: 'a folder of a mailbox that is missing is no such folder',
    file: 'src/mailbox/shared-folder.ts',
    find: 'if (await mailbox.volume.exists(mailbox.maildir)) return noFolder(name);',
    replace: 'return noFolder(name);',
    test: MAILDIR,
    title: 'a mailbox that is placed and not there',
  },
  {
    statement: 'promise 6',
    why: 'a hint during a look is lost',
    file: 'src/mailbox/watching.ts',
    find: '      if (entry.again) this.#hinted(entry);\n',
    replace: '',
    test: WATCHING,
    title: 'a hint during a look brings another',
  },
  {
    statement: 'N-08',
    why: 'one UID may stand for another message than a client has',
    file: 'src/mailbox/takeover/rows.ts',
    find: 'doubled.add(uid);',
    replace: 'doubled.delete(uid);',
    test: FORMATS,
    title: '3 V7 N9',
  },
  {
    statement: 'N-08',
    why: 'a second run brings back what the user has deleted',
    file: 'src/mailbox/takeover/import.ts',
    find: "    if (marks.has('done')) {\n",
    replace: "    if (marks.has('done') && options.dryRun) {\n",
    test: IMPORT,
    title: 'a second run revives nothing',
  },
  {
    statement: 'N-08',
    why: 'who dies before a seed is linked has new numbers',
    file: 'src/mailbox/takeover/import.ts',
    find: '      await clearDeadSeed(mailbox, disk, numbers.uidValidity);\n',
    replace: '',
    test: IMPORT,
    title: 'whoever dies at any call',
  },
  {
    statement: 'N-08',
    why: 'the UIDL is not written down',
    file: 'src/mailbox/takeover/copy.ts',
    find: '  const name = [keyWithUidl({ key, uidl }), ...others]',
    replace: '  const name = [key, ...others]',
    test: IMPORT,
    title: 'a Maildir in its place',
  },
];
