/**
 * Power that can be cut without a machine of its own. As a preload it only takes notes: which
 * files were written to and which of them an fsync made durable. `cutPower`, after every process
 * of the farm was killed, takes away what no fsync has promised: file contents, as file systems
 * with ordered or delayed allocation do. Names are kept, the worse case for a reader.
 *
 * It goes first in NODE_OPTIONS, so that the plants above it stand between the farm and the notes.
 */
import { appendFileSync, readdirSync, readFileSync, statSync, truncateSync } from 'node:fs';
import { fstatSync } from 'node:fs';
import { join } from 'node:path';
import { nodeFs } from '../../../maildir/src/node-fs.ts';

const NOTES = 'MAILFARM_WITNESS_POWER';
const notes = process.env[NOTES];

/** What the farm's environment needs for the notes; `file` has to be outside of the volumes. */
export const powerNotes = (file: string): Readonly<Record<string, string>> => ({ [NOTES]: file });

if (notes !== undefined) {
  const { write, fsync } = nodeFs;
  const note = (what: 'written' | 'durable', inode: number): void =>
    appendFileSync(notes, `${what} ${inode}\n`); // One short append: whole, whoever else writes.
  nodeFs.write = (fd, bytes, position) => {
    note('written', fstatSync(fd).ino);
    return write(fd, bytes, position);
  };
  nodeFs.fsync = async (fd) => {
    const inode = fstatSync(fd).ino;
    await fsync(fd);
    note('durable', inode);
  };
}

/** The power is cut, all processes being dead. @returns how many files lost their content. */
export function cutPower(file: string, volumes: readonly string[]): number {
  const volatile = new Set<number>();
  for (const line of readFileSync(file, 'utf8').split('\n')) {
    const [what, inode] = line.split(' ');
    if (what === 'written') volatile.add(Number(inode));
    else if (what === 'durable') volatile.delete(Number(inode));
  }
  let cut = 0;
  for (const volume of volumes) {
    for (const name of readdirSync(volume, { recursive: true, encoding: 'utf8' })) {
      const path = join(volume, name);
      const stat = statSync(path);
      if (!stat.isFile() || !volatile.has(stat.ino)) continue;
      truncateSync(path, 0);
      cut++;
    }
  }
  return cut;
}
