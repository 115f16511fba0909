/** Mutants of folders: quota, watching, and what a mailbox that is not there means. */
import type { Mutant } from './mutants.ts';

const QUOTA = 'src/delivery/quota.test.ts';
const MAILDIR = 'src/mailbox/maildir-mail.test.ts';
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
];
