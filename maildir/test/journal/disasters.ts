import type { Host } from './host.ts';
import { INBOX, MAILDIR } from './places.ts';
import type { Scenario } from './scenario.ts';
import {
  byMutt,
  commits,
  flag,
  HOUR_MS,
  inTurn,
  label,
  maildir,
  numbered,
  PROOF_MS,
  sync,
  waits,
} from './script-parts.ts';

/** What happens to hosts, to answers, to the server and to the journal's own files. */
const MAILFARM = `${MAILDIR}/mailfarm`;
const LOG = `${MAILFARM}/log`;
const LAST = `${MAILFARM}/last`;

/** Enough for a snapshot, and for a second one that lets the first one's commits go. */
const MANY = 10;

/** The journal's newest commits, by name. */
const newest = ({ server }: Host, directory: string, count: number): string[] =>
  server
    .names(directory)
    .filter((name) => !name.endsWith('.snapshot'))
    .slice(-count);

/** Commits are deleted, as by a restore of older files in their place. */
const deletes = (count: number, witnesses: boolean) => (host: Host) =>
  host.event(`the last ${count} commits are deleted`, () => {
    for (const name of newest(host, LOG, count)) host.server.remove(`${LOG}/${name}`);
    if (!witnesses) return;
    for (const name of host.server.names(LAST)) host.server.remove(`${LAST}/${name}`);
  });

const sweep = ({ server }: Host, directory: string): void => {
  for (const name of server.names(directory)) server.remove(`${directory}/${name}`);
};

const powerCut = (leaves: 'nothing' | 'half') => (host: Host) =>
  host.event(`power cut, ${leaves} is left`, () => host.server.powerCut(leaves));

const becomesFull = (full: 'no' | 'bytes' | 'all') => (host: Host) =>
  host.event(`room: ${full}`, () => {
    host.server.full = full;
  });

const roomAgain = async (host: Host): Promise<void> => {
  host.server.full = 'no';
  await host.sync();
  await host.wait(PROOF_MS);
  await host.sync();
};

const FAILURES: readonly Scenario[] = [
  {
    name: 'one dies anywhere while it numbers, another takes over',
    prepare: inTurn(numbered(1), (host) => host.deliver('2.second')),
    scripts: [sync, sync],
    faults: ['crash'],
    struck: [0],
    preemptions: [1, 2],
  },
  {
    name: 'one dies anywhere while it begins a journal',
    prepare: (host) => maildir(host, 1),
    scripts: [sync, sync],
    faults: ['crash'],
    struck: [0],
    preemptions: [0, 2],
  },
  {
    name: 'one dies anywhere while it expunges, another takes over',
    prepare: numbered(2),
    scripts: [(a) => a.expunge([1]), inTurn(sync, sync)],
    faults: ['crash'],
    struck: [0],
    preemptions: [0, 2],
  },
  {
    name: 'one dies anywhere while it appends',
    prepare: numbered(1),
    scripts: [(a) => a.add(2, ['k']), (b) => b.store(label(1, 'x'))],
    faults: ['crash'],
    struck: [0],
    preemptions: [0, 2],
  },
  {
    name: 'one dies anywhere in a snapshot',
    prepare: inTurn(numbered(2), commits(MANY - 2)),
    scripts: [commits(MANY, 2), inTurn(sync, sync)],
    faults: ['crash'],
    struck: [0],
    preemptions: [0, 1],
  },
  {
    name: 'answers are lost while two set keywords',
    prepare: numbered(1),
    scripts: [(a) => a.store(label(1, 'x')), (b) => b.store(label(1, 'y'))],
    faults: ['lost-reply', 'timeout'],
    preemptions: [1, 2],
  },
  {
    name: 'answers are lost while one expunges and one appends',
    prepare: numbered(2),
    scripts: [(a) => a.expunge([1]), (b) => b.add(1)],
    faults: ['lost-reply', 'timeout'],
    preemptions: [0, 1],
  },
  {
    name: 'answers are lost while two begin a journal',
    prepare: (host) => maildir(host, 1),
    scripts: [sync, sync],
    faults: ['lost-reply', 'timeout'],
    preemptions: [0, 1],
  },
  {
    name: 'stale handles and a full moment while two work',
    prepare: numbered(2),
    scripts: [
      inTurn(sync, (a) => a.store({ uids: [1], how: 'add', letters: 'F', keywords: ['x'] })),
      (b) => b.add(1),
    ],
    faults: ['stale', 'full'],
    preemptions: [0, 1],
    settle: roomAgain,
  },
  {
    name: 'one sleeps for hours in a commit while others commit and clean up',
    prepare: numbered(2),
    scripts: [
      inTurn((a) => a.store(label(2, 'x')), sync),
      inTurn(commits(MANY), waits(2 * HOUR_MS), commits(MANY), sync),
    ],
    aside: [0],
    preemptions: [1, 2],
  },
  {
    name: 'one sleeps for hours in a commit and dies when it wakes',
    prepare: numbered(2),
    scripts: [(a) => a.add(1), inTurn(commits(MANY), waits(2 * HOUR_MS), commits(MANY), sync)],
    faults: ['crash'],
    struck: [0],
    aside: [0],
    preemptions: [1, 1],
  },
  {
    name: 'one opens a folder while another makes snapshots and removes what they cover',
    prepare: inTurn(numbered(2), commits(MANY - 2)),
    scripts: [
      sync,
      inTurn(commits(MANY), waits(2 * HOUR_MS), commits(MANY), (b) => b.store(flag(2, 'S'))),
    ],
    faults: ['listing'],
    struck: [0],
    aside: [0],
    preemptions: [1, 2],
  },
  {
    name: 'one opens a folder, and twice another removes what it has listed',
    prepare: inTurn(numbered(2), commits(MANY - 2)),
    scripts: [
      sync,
      inTurn(commits(MANY), waits(2 * HOUR_MS), commits(MANY)),
      inTurn(commits(5, 2), waits(2 * HOUR_MS), commits(MANY, 2)),
    ],
    aside: [0],
    preemptions: [2, 2],
  },
  {
    name: 'a listing of the log lasts while a snapshot takes the place of commits',
    prepare: inTurn(numbered(2), commits(2), (host) =>
      host.event('litter is swept', () => sweep(host, LAST)),
    ),
    scripts: [sync, inTurn(commits(4), waits(2_000))],
    faults: ['listing'],
    faultsOn: /\/log$/,
    struck: [0],
    aside: [0],
    preemptions: [1, 1],
  },
  {
    name: 'two make a snapshot at once',
    prepare: inTurn(numbered(2), commits(MANY - 3), waits(2 * HOUR_MS)),
    scripts: [commits(4), commits(4, 2)],
    preemptions: [1, 2],
  },
  {
    name: 'a full volume is read and emptied',
    prepare: inTurn(numbered(3), (host) => host.deliver('4.fourth')),
    scripts: [
      inTurn(sync, (a) => a.expunge([1]), sync),
      inTurn((b) => b.store(flag(2, 'F')), sync, becomesFull('no'), sync),
      inTurn(becomesFull('all')),
    ],
    preemptions: [0, 0],
    errors: ['ENOSPC'],
    settle: roomAgain,
  },
  {
    name: 'mutt works on a full volume',
    prepare: inTurn(numbered(2), becomesFull('bytes')),
    scripts: [inTurn(sync, becomesFull('no'), sync), byMutt('1.first', 'FS')],
    preemptions: [1, 3],
    errors: ['ENOSPC'],
    settle: roomAgain,
  },
  ...(['nothing', 'half'] as const).map((leaves): Scenario => {
    return {
      name: `power is cut while flags, a letter and a keyword are committed: ${leaves} is left`,
      prepare: numbered(1),
      scripts: [
        inTurn(
          (a) => a.store(flag(1, 'F')),
          (a) => a.add(1),
          (a) => a.store(flag(1, 'S')),
        ),
        inTurn(powerCut(leaves), (b) => b.store(flag(1, 'D')), sync),
      ],
      skewsMs: [5_000, 0],
      preemptions: [1, 2],
    };
  }),
];

/** A letter with the numbers that another server gave it. */
async function imported(host: Host): Promise<void> {
  await maildir(host, 1);
  const messages = new Map([['1.first', { uid: 5 }]]);
  await host.journals.seed(INBOX, { uidValidity: 3_000_000_000, uidNext: 7, messages });
  await host.wait(2_000);
}

/** One adds twice and sleeps; another loses both commits and goes on. */
const TWO_LOST: Pick<Scenario, 'scripts' | 'preemptions'> = {
  scripts: [
    inTurn(
      (a) => a.add(1),
      (a) => a.add(1),
      waits(3_000),
      sync,
    ),
    inTurn(deletes(2, false), (b) => b.deliver('3.third'), sync),
  ],
  preemptions: [1, 2],
};

const LOSSES: readonly Scenario[] = [
  {
    name: 'the newest commit is deleted, its witness is not',
    prepare: numbered(1),
    scripts: [
      inTurn((a) => a.add(1), waits(3_000), sync),
      inTurn(deletes(1, false), (b) => b.deliver('3.third'), sync),
    ],
    preemptions: [1, 2],
  },
  {
    name: 'the newest two commits are deleted, their witness is not',
    prepare: numbered(1),
    ...TWO_LOST,
  },
  {
    name: 'commits are lost of an import whose UIDVALIDITY is ahead of all clocks',
    prepare: imported,
    ...TWO_LOST,
  },
  {
    name: 'other commits stand where those were that one remembers',
    prepare: numbered(2),
    forged: true,
    scripts: [
      inTurn((a) => a.store(label(1, 'x')), sync, sync),
      inTurn(
        deletes(1, true),
        (b) => b.store(label(2, 'y')),
        (b) => b.store(label(2, 'z')),
      ),
    ],
    preemptions: [1, 2],
  },
  {
    name: 'a journal is emptied in the second in which it was begun',
    prepare: (host) => maildir(host, 1),
    scripts: [
      inTurn(sync, sync),
      inTurn(
        (b) => b.deliver('0.before'),
        (b) =>
          b.event('log and last are emptied', () => {
            sweep(b, LOG);
            sweep(b, LAST);
          }),
        sync,
      ),
    ],
    preemptions: [1, 2],
  },
  {
    name: 'all that the journal wrote is deleted while two work',
    prepare: numbered(2),
    scripts: [
      inTurn(sync, (a) => a.expunge([1]), waits(3_000), sync),
      inTurn((b) => b.event('rm -r mailfarm', () => b.server.remove(MAILFARM)), sync),
    ],
    preemptions: [1, 2],
    errors: ['ENOENT'],
    settle: roomAgain,
  },
  {
    name: 'last night’s copy is put in the place of the folder',
    prepare: inTurn(
      numbered(1),
      (host) => host.event('backup', () => host.server.copy(MAILDIR, '/mail1/backup')),
      (host) => host.add(1),
      waits(3_000),
    ),
    removed: 'any',
    scripts: [
      sync,
      inTurn(
        (b) =>
          b.event('restore', () => {
            b.server.remove(MAILDIR);
            b.server.copy('/mail1/backup', MAILDIR);
          }),
        waits(70_000),
        (b) => b.deliver('3.third'),
        sync,
      ),
    ],
    preemptions: [1, 2],
    errors: ['ENOENT'],
  },
];

export const DISASTERS: readonly Scenario[] = [
  ...FAILURES,
  ...LOSSES.map((scenario) => ({ ...scenario, losses: true })),
];
