/** `npm run format`: writes every file in the house style. `npm run check` only looks. */
import { spawnSync } from 'node:child_process';

import { ROOT, tool } from './tree.ts';

const [command, ...args] = tool('oxfmt');
const result = spawnSync(command, [...args, ...process.argv.slice(2)], {
  cwd: ROOT,
  stdio: 'inherit',
});
process.exit(result.status ?? 1);
