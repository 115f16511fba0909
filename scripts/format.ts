/**
 * `npm run format`: writes every file in the house style, comments that are too wide first.
 * `npm run format -- src/pop3` writes some. `npm run check` only looks.
 */
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import path from 'node:path';

import { read, ROOT, tool, walk } from './tree.ts';
import { wrapComments } from './wrap.ts';

const places = process.argv.slice(2).filter((arg) => !arg.startsWith('-'));
const isWanted = (file: string): boolean =>
  places.length === 0 || places.some((place) => `${file}/`.startsWith(`${place}/`));

for (const file of walk(ROOT).filter((name) => /\.tsx?$/.test(name) && isWanted(name))) {
  const text = read(ROOT, file);
  const wrapped = wrapComments(file, text);
  if (wrapped !== text) writeFileSync(path.join(ROOT, file), wrapped);
}
const [command, ...args] = tool('oxfmt');
const result = spawnSync(command, [...args, ...places], { cwd: ROOT, stdio: 'inherit' });
process.exit(result.status ?? 1);
