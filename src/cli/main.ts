import { parseArgs } from 'node:util';
import { exitCode } from '../config/exit.ts';
import { UsageError, type Call, type Command } from './command.ts';
import { allCommands, findCommand } from './commands.ts';
import { helpFor, helpOverview } from './help.ts';
import { createOutput, printable, type Output } from './output.ts';

const COMMON = {
  json: { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
  config: { type: 'string' },
} as const;

async function readInput(): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of process.stdin) chunks.push(Buffer.from(chunk as Uint8Array));
  return Buffer.concat(chunks)
    .toString('utf8')
    .replace(/\r?\n$/, '');
}

function parse(
  name: string,
  command: Command,
  rest: readonly string[],
  out: Output,
): Call | 'help' {
  let parsed;
  try {
    parsed = parseArgs({
      args: [...rest],
      options: { ...COMMON, ...command.options },
      allowPositionals: true,
    });
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
  const flags = parsed.values as Call['flags'];
  if (flags['help'] === true) return 'help';
  const [min, max] = command.args;
  if (parsed.positionals.length < min || parsed.positionals.length > max) {
    throw new UsageError(`mailfarm ${name} takes: ${command.usage || 'no arguments'}`);
  }
  const json = flags['json'] === true;
  return { args: parsed.positionals, flags, out, json, env: process.env, readInput };
}

/** `mailfarm --config F user list` is `mailfarm user list --config F`. */
function commandFirst(words: readonly string[]): readonly string[] {
  if (words[0] === '--config') return [...words.slice(2), ...words.slice(0, 2)];
  return words[0] === '--json' ? [...words.slice(1), '--json'] : words;
}

async function main(given: readonly string[]): Promise<number> {
  const words = commandFirst(given);
  const out = createOutput({ out: process.stdout, err: process.stderr });
  if (words.length === 0 || ['help', '--help', '-h'].includes(words[0] ?? '')) {
    const asked = await findCommand(words.slice(1));
    out.line(asked ? helpFor(asked.name, asked.command) : helpOverview(await allCommands()));
    return exitCode(words.length === 0 || (words.length > 1 && !asked) ? 'usage' : 'ok');
  }
  const found = await findCommand(words);
  if (!found) {
    out.note(
      `mailfarm: no command "${printable(words.slice(0, 2).join(' '))}"; mailfarm help lists them all`,
    );
    return exitCode('usage');
  }
  const { command } = found;
  try {
    const call = parse(found.name, command, found.rest, out);
    if (call === 'help') {
      out.line(helpFor(found.name, command));
      return exitCode('ok');
    }
    return (await command.run(call)) ?? exitCode('ok');
  } catch (error) {
    if (error instanceof UsageError) {
      out.note(`mailfarm: ${error.message}\nusage: mailfarm ${found.name} ${command.usage}`);
      return exitCode('usage');
    }
    const { text, code } = (await import('./explain.ts')).explain(error);
    out.note(`mailfarm: ${text}`);
    return code;
  }
}

// Not only the exit code: a channel or a timer of a command that is done must not keep it alive.
process.exit(await main(process.argv.slice(2)));
