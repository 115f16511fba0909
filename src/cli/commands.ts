import type { Command, Group } from './command.ts';

/**
 * The whole command line, by the first word of a command. Each group is loaded when it is asked
 * for: `mailfarm serve` starts without the code of administration.
 */
export const GROUPS: Readonly<Record<string, () => Promise<Group>>> = {
  demo: async () => ({ demo: (await import('./command/demo.ts')).demo }),
  serve: async () => ({ serve: (await import('./command/serve.ts')).serve }),
  check: async () => ({ check: (await import('./command/check.ts')).check }),
  doctor: async () => ({ doctor: (await import('./command/doctor.ts')).doctor }),
  apply: async () => ({ apply: (await import('./command/apply.ts')).applyCommand }),
  user: async () => (await import('./command/users.ts')).USER_COMMANDS,
  alias: async () => (await import('./command/alias.ts')).ALIAS_COMMANDS,
  forward: async () => (await import('./command/forward.ts')).FORWARD_COMMANDS,
  domain: async () => (await import('./command/domain.ts')).DOMAIN_COMMANDS,
  list: async () => (await import('./command/list.ts')).LIST_COMMANDS,
  site: async () => (await import('./command/site.ts')).SITE_COMMANDS,
  rule: async () => (await import('./command/rule.ts')).RULE_COMMANDS,
  message: async () => (await import('./command/message.ts')).MESSAGE_COMMANDS,
  mailbox: async () => (await import('./command/mailbox.ts')).MAILBOX_COMMANDS,
  dns: async () => ({ dns: (await import('./command/dns.ts')).dns }),
  status: async () => ({ status: (await import('./command/status.ts')).status }),
  trace: async () => ({ trace: (await import('./command/trace.ts')).trace }),
  resolve: async () => ({ resolve: (await import('./command/resolve.ts')).resolve }),
  queue: async () => (await import('./command/queue.ts')).QUEUE_COMMANDS,
  volume: async () => (await import('./command/volume.ts')).VOLUME_COMMANDS,
  secret: async () => (await import('./command/secret.ts')).SECRET_COMMANDS,
  access: async () => (await import('./command/access.ts')).ACCESS_COMMANDS,
  vacation: async () => (await import('./command/vacation.ts')).VACATION_COMMANDS,
  node: async () => (await import('./command/node.ts')).NODE_COMMANDS,
  administrator: async () => (await import('./command/administrator.ts')).ADMINISTRATOR_COMMANDS,
  config: async () => (await import('./command/setting.ts')).CONFIG_COMMANDS,
  directory: async () => (await import('./command/directory.ts')).DIRECTORY_COMMANDS,
  schema: async () => ({ schema: (await import('./command/schema.ts')).schema }),
  completion: async () => ({
    completion: (await import('./command/completion.ts')).completionOf(allCommands),
  }),
  version: async () => ({ version: (await import('./command/version.ts')).version }),
};

/** Words of the longest command name: `list member add`. */
const WORDS_MAX = 3;

/** Every command, for help and completion. */
export async function allCommands(): Promise<Group> {
  const groups = await Promise.all(Object.values(GROUPS).map((load) => load()));
  return Object.assign({}, ...groups) as Group;
}

/** The commands that begin with this word; undefined when there are none. */
export async function findGroup(first: string): Promise<Group | undefined> {
  return Object.hasOwn(GROUPS, first) ? await GROUPS[first]?.() : undefined;
}

/** Finds the longest command name at the head of the words: `user add`, `serve`. */
export async function findCommand(
  words: readonly string[],
): Promise<{ name: string; command: Command; rest: readonly string[] } | undefined> {
  const group = await findGroup(words[0] ?? '');
  if (!group) return undefined;
  for (let length = Math.min(WORDS_MAX, words.length); length > 0; length--) {
    const name = words.slice(0, length).join(' ');
    const command = Object.hasOwn(group, name) ? group[name] : undefined;
    if (command) return { name, command, rest: words.slice(length) };
  }
  return undefined;
}
