import type { Command } from './command.ts';

type Group = Readonly<Record<string, Command>>;

/**
 * The whole command line, by the first word of a command. Each group is loaded when it is asked
 * for: `mailfarm serve` starts without the code of administration.
 */
export const GROUPS: Readonly<Record<string, () => Promise<Group>>> = {
  demo: async () => ({ demo: (await import('./command/demo.ts')).demo }),
  serve: async () => ({ serve: (await import('./command/serve.ts')).serve }),
  check: async () => ({ check: (await import('./command/check.ts')).check }),
  user: async () => (await import('./command/user.ts')).USER_COMMANDS,
  alias: async () => (await import('./command/user.ts')).ALIAS_COMMANDS,
  domain: async () => (await import('./command/tables.ts')).DOMAIN_COMMANDS,
  volume: async () => (await import('./command/tables.ts')).VOLUME_COMMANDS,
  node: async () => (await import('./command/tables.ts')).NODE_COMMANDS,
  config: async () => (await import('./command/setting.ts')).CONFIG_COMMANDS,
  directory: async () => (await import('./command/directory.ts')).DIRECTORY_COMMANDS,
  version: async () => ({ version: (await import('./command/version.ts')).version }),
};

/** Every command, for help. */
export async function allCommands(): Promise<Group> {
  const groups = await Promise.all(Object.values(GROUPS).map((load) => load()));
  return Object.assign({}, ...groups) as Group;
}

/** Finds the longest command name at the head of the words: `user add`, `serve`. */
export async function findCommand(
  words: readonly string[],
): Promise<{ name: string; command: Command; rest: readonly string[] } | undefined> {
  const first = words[0] ?? '';
  const group = Object.hasOwn(GROUPS, first) ? await GROUPS[first]?.() : undefined;
  if (!group) return undefined;
  for (const length of [2, 1]) {
    const name = words.slice(0, length).join(' ');
    const command = Object.hasOwn(group, name) ? group[name] : undefined;
    if (command && words.length >= length) return { name, command, rest: words.slice(length) };
  }
  return undefined;
}
