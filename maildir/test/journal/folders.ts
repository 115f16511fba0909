import type { Host } from './host.ts';
import { INBOX, MAILDIR } from './places.ts';
import type { Scenario } from './scenario.ts';
import { inTurn, label, maildir, numbered, sync, waits } from './script-parts.ts';

/** What happens between folders. */
const A = { maildir: MAILDIR, folder: 'A' };
const B = { maildir: MAILDIR, folder: 'B' };

const makes = (folder: string) => (host: Host) => host.maildirs.createFolder(MAILDIR, folder);
const drops = (folder: string) => (host: Host) => host.maildirs.removeFolder(MAILDIR, folder);
const syncs = (ref: typeof A) => (host: Host) => host.sync(ref);

export const FOLDERS: readonly Scenario[] = [
  {
    name: 'a folder is removed and made again within one second',
    prepare: inTurn(numbered(1), makes('A'), (host) => host.add(1, [], A)),
    folders: [A],
    scripts: [
      inTurn(drops('A'), makes('A'), (a) => a.add(1, [], A), syncs(A)),
      inTurn(syncs(A), syncs(A)),
    ],
    removed: 'any',
    losses: true,
    preemptions: [0, 1],
    errors: ['ENOENT'],
  },
  {
    name: 'two begin journals of two folders',
    prepare: inTurn((host) => maildir(host, 1), makes('A'), makes('B')),
    folders: [INBOX, A, B],
    scripts: [(a) => a.add(1, [], A), (b) => b.add(1, [], B), sync],
    preemptions: [0, 1],
  },
  {
    name: 'a message is moved by two, and dies with one',
    prepare: inTurn(numbered(2), makes('A'), syncs(A), waits(2_000)),
    folders: [INBOX, A],
    scripts: [(a) => a.move([1], A), inTurn((b) => b.move([1], A), sync)],
    faults: ['crash'],
    struck: [0],
    preemptions: [0, 1],
  },
  {
    name: 'a folder is renamed while another works in it',
    prepare: inTurn(numbered(1), makes('A'), (host) => host.add(2, ['k'], A), waits(2_000)),
    folders: [B],
    scripts: [
      (a) => a.run({ what: 'rename', ref: A }, () => a.journals.rename(A, B)),
      inTurn(syncs(A), (b) => b.store(label(1, 'x'), A), syncs(B)),
    ],
    preemptions: [1, 2],
    errors: ['ENOENT', 'ESTALE'],
  },
];
