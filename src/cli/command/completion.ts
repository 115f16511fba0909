import { completionScript, SHELLS } from '../completion.ts';
import { quoted, UsageError, word, type Command, type Group } from '../command.ts';

/** Given the whole table of commands, which this row is part of. */
export const completionOf = (allCommands: () => Promise<Group>): Command => ({
  usage: 'bash|zsh|fish',
  summary: 'Prints what lets a shell complete commands and options',
  examples: [
    'eval "$(mailfarm completion bash)"',
    'mailfarm completion bash > /etc/bash_completion.d/mailfarm',
    'mailfarm completion fish > ~/.config/fish/completions/mailfarm.fish',
  ],
  args: [1, 1],
  words: SHELLS,
  run: async (call) => {
    const shell = SHELLS.find((known) => known === word(call, 0));
    if (!shell) throw new UsageError(`${quoted(word(call, 0))} is not one of ${SHELLS.join(', ')}`);
    await call.out.raw(completionScript(shell, await allCommands()));
  },
});
