/** Mutants of mail that leaves: `src/spool/`. */
import type { Mutant } from './mutants.ts';

export const SPOOL_MUTANTS: readonly Mutant[] = [
  {
    statement: 'N-15',
    why: 'what a dead sender holds is nobody else\u2019s, for ever',
    file: 'src/spool/outbound-tree.ts',
    find: '      if (!isOver(claim.lease, now)) continue;\n',
    replace: '      if (now > 0) continue;\n',
    test: 'src/spool/outbound.test.ts',
    title: 'a holder that died: taken over',
  },
  {
    statement: 'N-15',
    why: 'a message goes before its envelope: a crash leaves an envelope that nobody can send',
    file: 'src/spool/outbound-tree.ts',
    find: "if ((await removeIfThere(nfs, path)) === 'absent') return false;",
    replace: 'await removeIfThere(nfs, this.#message(claim.id));\n await removeIfThere(nfs, path);',
    test: 'test/chaos/outbound.test.ts',
    title: 'done: killed before any call, power stays',
  },
  {
    statement: 'N-15',
    why: 'an envelope is committed that is not durable',
    file: 'src/spool/outbound-tree.ts',
    find: 'const written = writePiece(nfs, path, { offset: 0, bytes, last: true });',
    replace: 'const written = writePiece(nfs, path, { offset: 0, bytes, last: false });',
    test: 'test/chaos/outbound.test.ts',
    title: 'a commit killed before any call, power cut',
  },
  {
    statement: 'N-24',
    why: 'each node counts for itself',
    file: 'src/spool/marks.ts',
    find: '      .filter(({ at }) => now - at - SLOT_MS < withinMs)\n',
    replace: '      .filter(({ holder }) => holder === tree.holder)\n',
    test: 'src/spool/marks.test.ts',
    title: 'what every node adds is one sum',
  },
];
