import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from '../command.ts';

export const version: Command = {
  usage: '',
  summary: 'Prints the version of Mailfarm and of its runtime',
  examples: ['mailfarm version'],
  args: [0, 0],
  run: async (call) => {
    const file = join(import.meta.dirname, '../../../package.json');
    const { version: mailfarm } = JSON.parse(readFileSync(file, 'utf8')) as { version: string };
    if (call.json) call.out.json({ mailfarm, node: process.version });
    else call.out.line(`mailfarm ${mailfarm} on Node ${process.version}`);
  },
};
