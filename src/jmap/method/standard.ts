/**
 * What all objects have in common (RFC 8620 §5): their ids and properties asked for, changes in
 * pieces, results by position, states that are required, what became of each change.
 */
import type { ChangedPart, MailVersion } from '../../mailbox/view.ts';
import { MethodError, type Args, type JmapContext, type SetError } from '../types.ts';
import { isId } from '../wire/values.ts';
import { invalid, type Reader } from './arguments.ts';

/** One object cannot be made or changed; the others can. */
export class SetRefusal extends Error {
  readonly error: SetError;
  constructor(error: SetError) {
    super(error.description ?? error.type);
    this.name = 'SetRefusal';
    this.error = error;
  }
}

/** @throws SetRefusal invalidProperties (§5.3) */
export function badProperties(properties: readonly string[], description: string): never {
  throw new SetRefusal({ type: 'invalidProperties', properties, description });
}

/** `ids`, each once; undefined: all there are (§5.1). @throws MethodError */
export function wantedIds(
  reader: Reader,
  { limits }: Pick<JmapContext, 'limits'>,
): readonly string[] | undefined {
  const ids = reader.strings('ids');
  if (ids === undefined) return undefined;
  if (ids.length > limits.maxObjectsInGet) {
    throw new MethodError('requestTooLarge', `${limits.maxObjectsInGet} ids may be asked for`);
  }
  return [...new Set(ids)];
}

/** @throws MethodError where all there are would be too many */
export function notTooMany<T>(all: readonly T[], { limits }: JmapContext): readonly T[] {
  if (all.length <= limits.maxObjectsInGet) return all;
  throw new MethodError('requestTooLarge', `Name at most ${limits.maxObjectsInGet} ids`);
}

/** `properties`, with id. @throws MethodError for one that is none */
export function wantedProperties(reader: Reader, known: readonly string[]): ReadonlySet<string> {
  const asked = reader.strings('properties');
  const none = asked?.find((one) => !known.includes(one));
  if (none !== undefined) invalid(`There is no property ${none}`);
  return new Set(['id', ...(asked ?? known)]);
}

/** An object with the properties asked for. */
export const picked = (object: Args, properties: ReadonlySet<string>): Args =>
  Object.fromEntries(Object.entries(object).filter(([name]) => properties.has(name)));

/** The answer of /changes (§5.2). @throws MethodError */
export function changesAnswer(
  { accountId, since }: ChangesAsked,
  part: ChangedPart | undefined,
): Args {
  if (part === undefined) {
    throw new MethodError('cannotCalculateChanges', 'That state is too old, or none of ours');
  }
  const { newState, hasMore, told } = part;
  const { created, updated, destroyed } = told;
  const answer = { accountId, oldState: since, newState, hasMoreChanges: hasMore };
  return { ...answer, created, updated, destroyed };
}

export interface ChangesAsked {
  readonly accountId: string;
  readonly since: string;
}

/** Arguments of /changes. @throws MethodError */
export function changesArguments(reader: Reader): { since: string; max: number } {
  const since = reader.string('sinceState') ?? invalid('sinceState is missing');
  const max = reader.count('maxChanges');
  if (max === 0) invalid('maxChanges is above 0');
  return { since, max: max ?? Infinity };
}

/** Arguments of /set (§5.3). */
export interface SetAsked {
  readonly ifInState: string | undefined;
  readonly create: ReadonlyMap<string, Args>;
  readonly update: ReadonlyMap<string, Args>;
  readonly destroy: readonly string[];
}

/** @throws MethodError */
export function setArguments(reader: Reader, { limits }: JmapContext): SetAsked {
  const create = reader.table('create');
  const update = reader.table('update');
  const destroy = [...new Set(reader.strings('destroy'))];
  const ifInState = reader.string('ifInState');
  if (create.size + update.size + destroy.length > limits.maxObjectsInSet) {
    throw new MethodError('requestTooLarge', `${limits.maxObjectsInSet} objects may be changed`);
  }
  for (const id of create.keys()) if (!isId(id)) invalid('An id in create is none');
  return { ifInState, create, update, destroy };
}

/** @throws MethodError stateMismatch */
export function requireState(ifInState: string | undefined, state: string): void {
  if (ifInState === undefined || ifInState === state) return;
  throw new MethodError('stateMismatch', 'It has changed meanwhile: get the changes first');
}

/** What became of the objects of one /set. */
export class SetOutcome {
  readonly created = new Map<string, Args>();
  readonly updated = new Map<string, Args | null>();
  readonly destroyed: string[] = [];
  readonly notCreated = new Map<string, SetError>();
  readonly notUpdated = new Map<string, SetError>();
  readonly notDestroyed = new Map<string, SetError>();

  answer(states: { accountId: string; oldState: string; newState: string }): Args {
    return {
      ...states,
      created: tableOf(this.created),
      updated: tableOf(this.updated),
      destroyed: this.destroyed.length > 0 ? this.destroyed : null,
      notCreated: tableOf(this.notCreated),
      notUpdated: tableOf(this.notUpdated),
      notDestroyed: tableOf(this.notDestroyed),
    };
  }
}

/** fromEntries defines what is named, `__proto__` too. */
export const tableOf = (map: ReadonlyMap<string, unknown>): Args | null =>
  map.size === 0 ? null : Object.fromEntries(map);

/** The id that `#name` stands for, or the id itself (§5.3). */
export function resolvedId(
  given: string,
  { createdIds }: Pick<JmapContext, 'createdIds'>,
): string | undefined {
  return given.startsWith('#') ? createdIds.get(given.slice(1)) : given;
}

const looks = new WeakMap<JmapContext, Promise<MailVersion>>();

/**
 * The user's mail as it is now: the first method of a request looks at all folders, so that it sees
 * what any node acknowledged before the request came; those after it see at least as much.
 * @throws StoreError
 */
export async function currentVersion(context: JmapContext): Promise<MailVersion> {
  const look = looks.get(context) ?? context.view.refresh();
  looks.set(context, look);
  await look;
  return context.view.version;
}
