import { expect, test } from 'vitest';
import type { Call } from '../command.ts';
import { UsageError } from '../command.ts';
import { createOutput } from '../output.ts';
import { NODE_COMMANDS } from './node.ts';

const call = (args: readonly string[], flags: Call['flags']): Call => ({
  args,
  flags: { ...flags, config: '/nonexistent' },
  json: false,
  env: {},
  out: createOutput({ out: { write: () => true }, err: { write: () => true } }),
  readInput: async () => '',
});

test.each([
  [['smtp 127.0.0.1:25'], /names no service/],
  [['mx 127.0.0.1:25', 'lmtp 127.0.0.1:25'], /another listener/],
  [['mx nowhere'], /mwListen/],
])('listeners with which a node could not start again are refused: %s', async (listen, reason) => {
  for (const name of ['node add', 'node set']) {
    const ran = NODE_COMMANDS[name]?.run(call(['node1'], { listen }));
    await expect(ran).rejects.toThrow(UsageError);
    await expect(NODE_COMMANDS[name]?.run(call(['node1'], { listen }))).rejects.toThrow(reason);
  }
});
