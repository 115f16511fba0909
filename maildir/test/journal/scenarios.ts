import type { Host } from './host.ts';
import { MAILDIR } from './places.ts';
import type { Scenario } from './scenario.ts';
import {
  byMutt,
  commits,
  expungesIfThere,
  flag,
  inTurn,
  label,
  maildir,
  numbered,
  PROOF_MS,
  removes,
  sync,
  waits,
} from './script-parts.ts';

/** What hosts do to one folder at once. */
export const EVERYDAY: readonly Scenario[] = [
  {
    name: 'two begin a journal',
    prepare: (host) => maildir(host, 1),
    scripts: [sync, sync],
    preemptions: [1, 3],
  },
  {
    name: 'three begin a journal',
    prepare: (host) => maildir(host, 1),
    scripts: [sync, sync, sync],
    preemptions: [0, 2],
  },
  {
    name: 'two number what a third delivers',
    prepare: numbered(1),
    scripts: [sync, sync, (c) => c.deliver('2.second')],
    preemptions: [1, 2],
  },
  {
    name: 'two set keywords on one message',
    prepare: numbered(1),
    scripts: [(a) => a.store(label(1, 'x')), (b) => b.store(label(1, 'y'))],
    preemptions: [2, 4],
  },
  {
    name: 'two set flags on one message, a third reads',
    prepare: numbered(1),
    scripts: [
      (a) => a.store(flag(1, 'F')),
      (b) => b.store(flag(1, 'S', 'replace')),
      inTurn(sync, sync),
    ],
    preemptions: [1, 2],
  },
  {
    name: 'one sets what the other removes',
    prepare: inTurn(numbered(1), (host) => host.store(flag(1, 'F'))),
    scripts: [
      (a) => a.store({ uids: [1], how: 'add', letters: 'F', keywords: ['k'] }),
      (b) => b.store({ uids: [1], how: 'remove', letters: 'F', keywords: ['k'] }),
    ],
    preemptions: [1, 3],
  },
  {
    name: 'one sets what it believes to be set, when another has removed it',
    prepare: inTurn(numbered(1), (host) =>
      host.store({ uids: [1], how: 'add', letters: 'F', keywords: ['k'] }),
    ),
    scripts: [
      inTurn(sync, waits(1), (a) =>
        a.store({ uids: [1], how: 'add', letters: 'F', keywords: ['k'] }),
      ),
      (b) => b.store({ uids: [1], how: 'remove', letters: 'F', keywords: ['k'] }),
    ],
    preemptions: [1, 3],
  },
  {
    name: 'one changes keywords and says letters that it believes to be so, another sets more',
    prepare: inTurn(numbered(1), (host) =>
      host.store({ uids: [1], how: 'add', letters: 'F', keywords: ['k'] }),
    ),
    scripts: [
      inTurn(sync, waits(1), (a) => a.store(flag(1, 'F', 'replace'))),
      (b) => b.store(flag(1, 'R')),
    ],
    preemptions: [1, 3],
  },
  {
    name: 'one is slow to commit a flag that another has seen, taken away and replaced',
    prepare: numbered(1),
    scripts: [
      (a) => a.store({ uids: [1], how: 'add', letters: 'S', keywords: ['k'] }),
      inTurn(
        sync,
        (b) => b.store({ uids: [1], how: 'replace', letters: '', keywords: ['t'] }),
        (b) => b.store(flag(1, 'D', 'replace')),
      ),
    ],
    preemptions: [2, 3],
  },
  {
    name: 'one expunges while another looks and flags',
    prepare: numbered(2),
    scripts: [(a) => a.expunge([1]), inTurn(sync, (b) => b.store(flag(1, 'F')), sync)],
    preemptions: [1, 3],
  },
  {
    name: 'two expunge one message, a third numbers a new one',
    prepare: inTurn(numbered(2), (host) => host.deliver('3.third')),
    scripts: [(a) => a.expunge([1]), (b) => b.expunge([1]), sync],
    preemptions: [0, 2],
  },
  {
    name: 'an append while another looks and a third delivers',
    prepare: numbered(1),
    scripts: [(a) => a.add(2, ['k']), inTurn(sync, sync), (c) => c.deliver('2.second')],
    preemptions: [1, 2],
  },
  // The other's commits are read one by one, or a snapshot stands between, or after them.
  ...[3, 0, 2].map((before): Scenario => ({
    name: `an append that another numbers and expunges before its commit, ${before} in the log`,
    prepare: inTurn(numbered(1), commits(before)),
    scripts: [(a) => a.add(1, ['k']), inTurn(sync, expungesIfThere(2))],
    preemptions: [1, 3],
  })),
  {
    name: 'two claim what is new',
    prepare: inTurn(numbered(1), (host) => host.deliver('2.second')),
    scripts: [(a) => a.sync(undefined, true), (b) => b.sync(undefined, true)],
    preemptions: [1, 3],
    check: ({ hosts }) => {
      const claimed = hosts.flatMap(({ operations }) =>
        operations.flatMap(({ value }) => (value as { claimed?: readonly number[] }).claimed ?? []),
      );
      if (claimed.join() !== '2') throw new Error(`claimed by both or none: ${claimed.join()}`);
    },
  },
  {
    name: 'mutt renames while two look',
    prepare: numbered(2),
    scripts: [
      inTurn(sync, sync),
      (b) => b.store(label(2, 'k')),
      inTurn(byMutt('1.first', 'S'), byMutt('1.first', 'FS')),
    ],
    faults: ['listing'],
    struck: [0, 1],
    preemptions: [0, 1],
  },
  {
    name: 'mutt removes while two look, and proof takes time',
    prepare: numbered(2),
    scripts: [
      inTurn(sync, waits(PROOF_MS), sync),
      inTurn(sync, (b) => b.store(label(2, 'k'))),
      removes('1.first'),
    ],
    removed: ['1.first'],
    preemptions: [1, 2],
    settle: afterProof,
  },
  {
    name: 'a letter that others rename is missed by listings and not gone',
    prepare: numbered(2),
    scripts: [inTurn(sync, waits(PROOF_MS), sync), byMutt('1.first', 'S'), byMutt('1.first', 'FS')],
    faults: ['listing'],
    faultsMax: 2,
    faultsOn: /\/cur$/,
    struck: [0],
    aside: [0],
    preemptions: [0, 2],
  },
  {
    name: 'one numbers while another expunges',
    prepare: inTurn(numbered(2), (host) => host.deliver('3.third')),
    scripts: [sync, (b) => b.expunge([1])],
    preemptions: [1, 3],
  },
  {
    name: 'what was removed comes back',
    returns: true,
    prepare: inTurn(numbered(2), (host) =>
      host.event('backup', () => host.server.copy(`${MAILDIR}/cur/1.first:2,`, '/kept')),
    ),
    scripts: [
      inTurn((a) => a.expunge([1]), sync),
      inTurn(
        (b) => b.event('restore', () => restored(b, '1.first')),
        (b) => b.sync(),
      ),
    ],
    preemptions: [1, 3],
    check: ({ hosts: [, b], reader }) => {
      const there = reader.server.names(`${MAILDIR}/cur`).some((name) => name.startsWith('1.'));
      const wasBack = b?.operations.some(({ state }) => state?.messages.some((m) => m.uid === 3));
      if (wasBack === true && !there) throw new Error('a restored letter was removed');
    },
  },
];

/** Long enough for an absence to be proved. */
async function afterProof(host: Host): Promise<void> {
  for (let round = 0; round < 3; round++) {
    await host.sync();
    await host.wait(PROOF_MS);
  }
}

/** A letter is back as the backup has it, where none of its key is. */
function restored({ server }: Host, key: string): void {
  if (server.names(`${MAILDIR}/cur`).some((name) => name.startsWith(key))) return;
  server.copy('/kept', `${MAILDIR}/cur/${key}:2,`);
}
