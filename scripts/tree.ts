/** Where the tree is, what files it has, and how its tools are started. */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';

export const ROOT = path.dirname(import.meta.dirname);

/** Folders that are never source. */
const SKIPPED = new Set(['node_modules', '.git', '.cache', 'dist', 'coverage']);

/** Command line of a tool from node_modules, run by the Node that runs this. */
export function tool(name: string): [string, ...string[]] {
  const shim = path.join(ROOT, 'node_modules', '.bin', name);
  if (!existsSync(shim)) throw new Error(`${name} is not installed`);
  return [process.execPath, shim];
}

/** Every file below `root`, as paths relative to it with `/`, sorted. */
export function walk(root: string, below = ''): string[] {
  const found: string[] = [];
  const directory = path.join(root, below);
  if (!existsSync(directory)) return found;
  for (const entry of readdirSync(directory, { withFileTypes: true })) {
    if (SKIPPED.has(entry.name)) continue;
    const relative = below === '' ? entry.name : `${below}/${entry.name}`;
    if (entry.isDirectory()) found.push(...walk(root, relative));
    else if (entry.isFile()) found.push(relative);
  }
  return found.toSorted();
}

export function read(root: string, file: string): string {
  return readFileSync(path.join(root, file), 'utf8');
}

/** What git tracks; undefined where `root` is no git tree, as in a release tarball. */
export function tracked(root: string): ReadonlySet<string> | undefined {
  const result = spawnSync('git', ['ls-files', '-z', '--cached'], { cwd: root, encoding: 'utf8' });
  if (result.status !== 0) return undefined;
  return new Set(result.stdout.split('\0').filter((name) => name !== ''));
}

/** One thing that is wrong, as `file:line: text`, so that an editor can jump there. */
export interface Finding {
  readonly file: string;
  readonly line: number;
  readonly text: string;
}

export const show = (finding: Finding): string =>
  `${finding.file}:${finding.line}: ${finding.text}`;
