/** Resolution as tables: a directory in a few lines, and what comes out of it as one text. */
import { memoryAccount, memoryDirectory, memoryList, type MemoryDomain } from '../memory.ts';
import type { Lookups } from '../lookups.ts';
import { resolveAddress, type ResolveOptions } from '../resolve.ts';
import { parseRuleTarget } from '../rules.ts';
import { DirectoryUnavailable } from '../types.ts';
import type { Account, Destination, ListEntry, Resolution } from '../types.ts';

/** Names without `@` are in example.test. */
export interface SmallFarm {
  readonly users?: Readonly<Record<string, Partial<Account>>>;
  readonly lists?: Readonly<Record<string, Partial<ListEntry>>>;
  /** Beside example.test. */
  readonly domains?: readonly MemoryDomain[];
  /** Pattern to target, in their order. */
  readonly rules?: readonly (readonly [pattern: string, target: string])[];
  /** Whoever takes mail for postmaster. */
  readonly postmaster?: string;
}

export const full = (name: string): string =>
  name === '' || name.includes('@') ? name : `${name}@example.test`;

export function smallFarm(farm: SmallFarm): Lookups {
  const accounts = Object.entries(farm.users ?? {}).map(([name, more]) =>
    memoryAccount({
      ...more,
      login: full(name),
      addresses: (more.addresses ?? []).map(full),
      forwards: (more.forwards ?? []).map(full),
    }),
  );
  const lists = Object.entries(farm.lists ?? {}).map(([name, more]) => {
    const members = (more.members ?? []).map(full);
    const moderators = (more.moderators ?? []).map(full);
    const owner = more.owner === undefined ? undefined : full(more.owner);
    return memoryList({ ...more, address: full(name), members, moderators, owner });
  });
  const rules = (farm.rules ?? []).map(([pattern, target], order) => {
    return { name: `rule${order}`, order, pattern, target: parseRuleTarget(target) };
  });
  return memoryDirectory({
    accounts,
    lists,
    rules,
    domains: ['example.test', ...(farm.domains ?? [])],
    administrators: farm.postmaster === undefined ? [] : [full(farm.postmaster)],
  }).lookups;
}

/** What an address resolves to, as one text. */
export async function resolved(
  address: string,
  ask: Lookups,
  options: ResolveOptions = {},
): Promise<string> {
  try {
    return resolutionText(await resolveAddress(full(address), ask, options));
  } catch (error) {
    if (!(error instanceof DirectoryUnavailable)) throw error;
    return `deferred ${/MF-DIR-\d+/.exec(error.message)?.[0] ?? error.message}`;
  }
}

const short = (address: string): string => address.replace(/@example\.test$/, '');

export function destinationText(destination: Destination): string {
  switch (destination.kind) {
    case 'mailbox':
      return short(destination.account.login);
    case 'remote':
      return `>${destination.address}`;
    case 'host':
      return `${short(destination.address)} at ${destination.host}:${destination.port}`;
  }
}

function resolutionText(resolution: Resolution): string {
  switch (resolution.kind) {
    case 'account':
      return short(resolution.account.login);
    case 'expanded': {
      const { list, moderated, destinations } = resolution;
      const by = list ? `${moderated ? 'moderators of ' : ''}${short(list.address)}: ` : '';
      return by + destinations.map(destinationText).join(' + ');
    }
    case 'refused':
      return `refused ${resolution.reason}`;
    case 'unknown-user':
      return 'no user';
    case 'unknown-domain':
      return 'not ours';
  }
}

/** Look-ups that are counted: `holder alice@example.test` and the like. */
export function counted(ask: Lookups): { readonly ask: Lookups; readonly asked: string[] } {
  const asked: string[] = [];
  const note = <A extends unknown[], R>(what: string, method: (...given: A) => Promise<R>) => {
    return (...given: A): Promise<R> => {
      const [first] = given;
      asked.push(
        `${what} ${typeof first === 'string' ? first : Object.values(first ?? {}).join('@')}`,
      );
      return method(...given);
    };
  };
  const noted: Lookups = {
    holder: note('holder', (key) => ask.holder(key)),
    list: note('list', (key) => ask.list(key)),
    domain: note('domain', (name) => ask.domain(name)),
    select: note('select', (selection, limit) => ask.select(selection, limit)),
    rules: note('rules', () => ask.rules()),
    postmaster: note('postmaster', () => ask.postmaster()),
  };
  return { ask: noted, asked };
}
