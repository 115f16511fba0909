import type { Command, Group, OptionRows } from './command.ts';
import { COMMON_OPTIONS } from './options.ts';

/**
 * Completion of the command line for shells, made from the table of commands. The scripts hold all
 * they need: pressing Tab starts no process and asks no directory.
 */
export const SHELLS = ['bash', 'zsh', 'fish'] as const;
export type Shell = (typeof SHELLS)[number];

export const completionScript = (shell: Shell, commands: Group): string =>
  ({ bash, zsh, fish })[shell](commands);

const optionsOf = (command: Command): OptionRows => ({ ...command.options, ...COMMON_OPTIONS });
const FILES: ReadonlySet<string | undefined> = new Set(['FILE', 'DIR']);

/** Words that may follow `prefix`, `''` at the beginning. */
function followers(commands: Group): ReadonlyMap<string, readonly string[]> {
  const after = new Map<string, Set<string>>();
  const add = (prefix: string, next: string): void => {
    after.set(prefix, (after.get(prefix) ?? new Set()).add(next));
  };
  for (const [name, command] of Object.entries(commands)) {
    const words = name.split(' ');
    words.forEach((word, i) => add(words.slice(0, i).join(' '), word));
    for (const word of command.words ?? []) add(name, word);
  }
  add('', 'help');
  for (const group of new Set(Object.keys(commands).map((name) => name.split(' ')[0] ?? ''))) {
    add('help', group);
  }
  return new Map([...after].map(([prefix, next]) => [prefix, [...next].toSorted()]));
}

/** Options with a value, over all commands: what follows one is no command. */
function valued(commands: Group): readonly string[] {
  const flags = Object.values(commands).flatMap((command) =>
    Object.entries(optionsOf(command))
      .filter(([, row]) => row.type === 'string')
      .map(([flag]) => `--${flag}`),
  );
  return [...new Set(flags)].toSorted();
}

function bash(commands: Group): string {
  const next = [...followers(commands)].map(
    ([prefix, words]) => `    '${prefix}') words='${words.join(' ')}' ;;`,
  );
  const flags = Object.entries(commands).map(([name, command]) => {
    const all = Object.keys(optionsOf(command)).map((flag) => `--${flag}`);
    return `    '${name}') flags='${all.join(' ')}' ;;`;
  });
  const values = Object.entries(commands).flatMap(([name, command]) =>
    Object.entries(optionsOf(command)).flatMap(([flag, row]) => {
      if (row.type === 'boolean') return [];
      if (row.choices) return [`    '${name} --${flag}') words='${row.choices.join(' ')}' ;;`];
      return FILES.has(row.value) ? [`    '${name} --${flag}') files=1 ;;`] : [];
    }),
  );
  return `# bash completion of mailfarm: eval "$(mailfarm completion bash)", or write it to
# /etc/bash_completion.d/mailfarm
_mailfarm() {
  local current=\${COMP_WORDS[COMP_CWORD]} previous=\${COMP_WORDS[COMP_CWORD-1]}
  local name='' said=0 skip=0 files=0 words='' flags='' word
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    if [ "$skip" = 1 ]; then skip=0; continue; fi
    case $word in
    ${valued(commands).join('|')}) skip=1 ;;
    -*) ;;
    *) if [ "$said" -lt 3 ]; then name=\${name:+$name }$word; said=$((said + 1)); fi ;;
    esac
  done
  COMPREPLY=()
  # The longest name that is a command, for its options.
  local command=$name
  while :; do
    case $command in
${flags.join('\n')}
    esac
    [ -n "$flags" ] && break
    case $command in *' '*) command=\${command% *} ;; *) break ;; esac
  done
  if [ "$skip" = 1 ]; then
    case "$command $previous" in
${values.join('\n')}
    esac
    if [ "$files" = 1 ]; then COMPREPLY=($(compgen -f -- "$current"));
    else COMPREPLY=($(compgen -W "$words" -- "$current")); fi
    return
  fi
  case $current in
  -*) COMPREPLY=($(compgen -W "$flags" -- "$current")); return ;;
  esac
  case $name in
${next.join('\n')}
  esac
  if [ -n "$words" ]; then COMPREPLY=($(compgen -W "$words" -- "$current"));
  elif [ "$command" = 'user import' ]; then COMPREPLY=($(compgen -f -- "$current")); fi
}
complete -o filenames -F _mailfarm mailfarm
`;
}

/** zsh runs completions of bash. */
const zsh = (commands: Group): string => `#compdef mailfarm
# zsh completion of mailfarm: eval "$(mailfarm completion zsh)"
autoload -U +X compinit && compinit
autoload -U +X bashcompinit && bashcompinit
setopt local_options sh_word_split 2>/dev/null
${bash(commands)}`;

const escaped = (text: string): string => text.replaceAll('\\', '\\\\').replaceAll("'", "\\'");

function fish(commands: Group): string {
  const lines = [
    '# fish completion of mailfarm: mailfarm completion fish > ~/.config/fish/completions/mailfarm.fish',
    'function __mailfarm_said',
    '    set -l words (commandline -opc)[2..-1]',
    '    test "$(string join " " -- (string match -v -- "-*" $words))" = "$argv[1]"',
    'end',
    'function __mailfarm_in',
    '    set -l words (commandline -opc)[2..-1]',
    '    string match -q -- "$argv[1]*" (string join " " -- (string match -v -- "-*" $words))',
    'end',
    'complete -c mailfarm -f',
  ];
  for (const [prefix, words] of followers(commands)) {
    const when = `-n '__mailfarm_said "${prefix}"'`;
    lines.push(`complete -c mailfarm ${when} -a '${words.join(' ')}'`);
  }
  for (const [name, command] of Object.entries(commands)) {
    for (const [flag, row] of Object.entries(optionsOf(command))) {
      const value = row.type === 'boolean' ? '' : FILES.has(row.value) ? ' -r -F' : ' -x';
      const choices = row.choices ? ` -a '${row.choices.join(' ')}'` : '';
      const doc = row.doc === undefined ? '' : ` -d '${escaped(row.doc)}'`;
      lines.push(
        `complete -c mailfarm -n '__mailfarm_in "${name}"' -l ${flag}${value}${choices}${doc}`,
      );
    }
  }
  return `${lines.join('\n')}\n`;
}
