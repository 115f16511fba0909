import type { Command } from './command.ts';

export function helpOverview(commands: Readonly<Record<string, Command>>): string {
  const width = Math.max(...Object.keys(commands).map((name) => name.length));
  const rows = Object.entries(commands).map(
    ([name, command]) => `  ${name.padEnd(width)}  ${command.summary}`,
  );
  return [
    'mailfarm: a mail farm on plain Maildirs and a live directory',
    '',
    'usage: mailfarm COMMAND [ARGUMENTS] [--json] [--config FILE]',
    '',
    ...rows,
    '',
    'mailfarm help COMMAND shows arguments and examples. Administration commands find the directory',
    'in the file named by --config, else MAILFARM_CONFIG, else /etc/mailfarm/mailfarm.yaml.',
  ].join('\n');
}

export function helpFor(name: string, command: Command): string {
  const flags = Object.entries(command.options ?? {}).map(
    ([flag, option]) => `--${flag}${option.type === 'string' ? ' VALUE' : ''}`,
  );
  return [
    `usage: mailfarm ${name} ${command.usage}`.trimEnd(),
    '',
    command.summary,
    ...(flags.length > 0 ? ['', `options: ${flags.join(', ')}`] : []),
    ...(command.examples ? ['', 'examples:', ...command.examples.map((e) => `  ${e}`)] : []),
  ].join('\n');
}
