import { parseArgs } from 'node:util';
import { exitCode } from '../config/exit.ts';
import { quoted, UsageError, type Call, type Command } from './command.ts';
import { allCommands, findCommand, findGroup, GROUPS } from './commands.ts';
import { helpExitCodes, helpFor, helpGroup, helpOverview } from './help.ts';
import { COMMON_OPTIONS } from './options.ts';
import { createOutput, type Output, type Sink } from './output.ts';
import { didYouMean, nearest } from './suggest.ts';

/** What surrounds a command: the process, or a test. */
export interface Surroundings {
  readonly out: Sink;
  readonly err: Sink;
  readonly env: NodeJS.ProcessEnv;
  readonly readBytes: () => Promise<Buffer>;
  readonly askSecret: (question: string) => Promise<string | undefined>;
  readonly confirm?: (question: string) => Promise<boolean | undefined>;
}

/** Runs one command line. @returns the exit code; every error was told */
export async function runCommandLine(
  given: readonly string[],
  around: Surroundings,
): Promise<number> {
  const words = commandFirst(given);
  const out = createOutput(around);
  if (words.length === 0) {
    out.note(helpOverview(await allCommands()));
    return exitCode('usage');
  }
  if (['help', '--help', '-h'].includes(words[0] ?? '')) return help(words.slice(1), out);
  const found = await findCommand(words);
  if (!found) return unknown(words, out);
  const { command, name } = found;
  try {
    const call = parse(found, out, around);
    if (call === 'help') {
      out.line(helpFor(name, command));
      return exitCode('ok');
    }
    return (await command.run(call)) ?? exitCode('ok');
  } catch (error) {
    if (error instanceof UsageError) {
      out.note(`mailfarm: ${error.message}\nusage: mailfarm ${name} ${command.usage}`.trimEnd());
      return exitCode('usage');
    }
    const { text, code } = (await import('./explain.ts')).explain(error);
    out.note(`mailfarm: ${text}`);
    return code;
  }
}

/** `mailfarm --config F user list` is `mailfarm user list --config F`. */
function commandFirst(words: readonly string[]): readonly string[] {
  const moved: string[] = [];
  let rest = words;
  for (;;) {
    const [flag = '', value] = rest;
    const name = flag.slice(2).split('=')[0] ?? '';
    const row = Object.entries(COMMON_OPTIONS).find(([known]) => known === name)?.[1];
    if (!flag.startsWith('--') || !row || name === 'help') return [...rest, ...moved];
    const takes = row.type === 'string' && !flag.includes('=') && value !== undefined ? 2 : 1;
    moved.push(...rest.slice(0, takes));
    rest = rest.slice(takes);
  }
}

function parse(
  found: { readonly name: string; readonly command: Command; readonly rest: readonly string[] },
  out: Output,
  around: Surroundings,
): Call | 'help' {
  const { name, command, rest } = found;
  const options = { ...COMMON_OPTIONS, ...command.options };
  let parsed;
  try {
    parsed = parseArgs({ args: [...rest], options, allowPositionals: true });
  } catch (error) {
    throw new UsageError(parseProblem(error, Object.keys(options)));
  }
  const flags = parsed.values as Call['flags'];
  if (flags['help'] === true) return 'help';
  const [min, max] = command.args;
  if (parsed.positionals.length < min || parsed.positionals.length > max) {
    throw new UsageError(`mailfarm ${name} takes: ${command.usage || 'no arguments'}`);
  }
  for (const [flag, row] of Object.entries(command.options ?? {})) {
    const values = [flags[flag] ?? []].flat();
    const wrong = values.find((value) => row.choices?.includes(String(value)) === false);
    if (wrong === undefined || wrong === '') continue;
    const all = (row.choices ?? []).join(', ');
    throw new UsageError(`--${flag}: ${quoted(String(wrong))} is not one of ${all}`);
  }
  const { env, readBytes, askSecret } = around;
  const readInput = async (): Promise<string> =>
    (await readBytes()).toString('utf8').replace(/\r?\n$/, '');
  const json = flags['json'] === true;
  const ways = {
    readInput,
    readBytes,
    askSecret,
    ...(around.confirm && { confirm: around.confirm }),
  };
  return { args: parsed.positionals, flags, out, json, env, ...ways };
}

/** What parseArgs did not like, shorter than it says it. */
function parseProblem(error: unknown, known: readonly string[]): string {
  const text = error instanceof Error ? error.message : String(error);
  if ((error as NodeJS.ErrnoException).code !== 'ERR_PARSE_ARGS_UNKNOWN_OPTION') {
    return text.split('\n')[0]?.slice(0, 200) ?? '';
  }
  const option = /^Unknown option '(-[^']*)'/.exec(text)?.[1] ?? '';
  const flags = known.map((name) => `--${name}`);
  return `there is no option ${quoted(option)}${didYouMean(option, flags)}`;
}

async function help(words: readonly string[], out: Output): Promise<number> {
  const asked = await findCommand(words);
  const group = await findGroup(words[0] ?? '');
  if (words.length === 0) out.line(helpOverview(await allCommands()));
  else if (asked) out.line(helpFor(asked.name, asked.command));
  else if (words[0] === 'exit-codes') out.line(helpExitCodes());
  else if (group && words.length === 1) out.line(helpGroup(words[0] ?? '', group));
  else return unknown(words, out);
  return exitCode('ok');
}

async function unknown(words: readonly string[], out: Output): Promise<number> {
  const first = words[0] ?? '';
  const group = await findGroup(first);
  const said = words.filter((text) => !text.startsWith('-')).slice(0, 2);
  if (group && words.length === 1) {
    out.note(`mailfarm: ${first} needs a command\n\n${helpGroup(first, group)}`);
    return exitCode('usage');
  }
  const near = group
    ? nearest(said.join(' '), Object.keys(group))
    : nearest(first, Object.keys(GROUPS));
  const meant = near === undefined ? '' : `; did you mean "mailfarm ${near}"?`;
  const where = group ? `mailfarm help ${first}` : 'mailfarm help';
  out.note(`mailfarm: no command ${quoted(said.join(' '))}${meant}\n${where} lists them all`);
  return exitCode('usage');
}
