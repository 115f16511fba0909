import type { AdminSession, NewValues } from './session.ts';
import { attributeName, comparable } from '../schema.ts';
import type { Field, Recorded } from './api.ts';
import { AdminError, type FieldChange } from './error.ts';
import { printable } from './names.ts';
import { EqualityFilter } from 'ldapts';
import { fieldOf, recorded } from './record.ts';

const VALUES_SHOWN = 5;
const KEPT_BY_THE_SERVER: ReadonlySet<string> = new Set(['modifyTimestamp', 'createTimestamp']);

/**
 * Says what somebody else did to an entry since it was read as `before`, and which of that our own
 * change would have undone.
 */
export async function conflictWith(
  session: AdminSession,
  before: Recorded,
  wanted: NewValues,
): Promise<AdminError> {
  const id = fieldOf(before, 'entryUUID')[0];
  const entry =
    (await session.entry(before.dn)) ??
    (id === undefined
      ? undefined
      : (
          await session.search({
            base: session.names.suffix,
            filter: new EqualityFilter({ attribute: 'entryUUID', value: id }),
            limit: 1,
          })
        )[0]);
  if (!entry) {
    return new AdminError('conflict', `${before.dn} was removed by somebody else meanwhile`);
  }
  const now = recorded(entry);
  const another = id !== undefined && fieldOf(now, 'entryUUID')[0] !== id;
  if (another) {
    return new AdminError(
      'conflict',
      `${before.dn} is another entry now: made anew under its name`,
    );
  }
  const changes = differences(before.fields, now.fields, wanted);
  const told = [
    ...(now.dn === before.dn ? [] : [`it is ${now.dn} now`]),
    ...changes.map(describe),
    ...(changes.length === 0 && now.dn === before.dn ? ['what is not shown, as a password'] : []),
  ];
  const ours = changes.filter((change) => change.wanted !== undefined).map(({ name }) => name);
  const others = Object.keys(wanted).filter((name) => wanted[name] !== undefined);
  const both =
    ours.length > 0
      ? ` You wanted to change ${ours.join(', ')} as well.`
      : others.length > 0
        ? ` You wanted to change ${others.join(', ')}.`
        : '';
  return new AdminError(
    'conflict',
    `${before.dn} was changed by somebody else meanwhile: ${told.join('; ')}.${both} ` +
      'Nothing of yours was written; look at it as it is now, and decide again',
    { changes },
  );
}

/** What differs between two states of an entry. */
export function differences(
  before: readonly Field[],
  now: readonly Field[],
  wanted: NewValues = {},
): readonly FieldChange[] {
  const names = [...new Set([...before, ...now].map(({ name }) => name))].toSorted();
  const of = (fields: readonly Field[], name: string): readonly string[] =>
    fields.find((field) => field.name === name)?.values ?? [];
  return names
    .filter((name) => !KEPT_BY_THE_SERVER.has(name))
    .filter((name) => !sameValues(name, of(before, name), of(now, name)))
    .map((name) => ({
      name,
      before: of(before, name),
      now: of(now, name),
      wanted: wantedOf(wanted, name),
    }));
}

export function sameValues(name: string, a: readonly string[], b: readonly string[]): boolean {
  const keys = (values: readonly string[]): string =>
    JSON.stringify(values.map((value) => comparable(name, value)).toSorted());
  return keys(a) === keys(b);
}

function wantedOf(wanted: NewValues, name: string): readonly string[] | undefined {
  const found = Object.entries(wanted).find(([given]) => attributeName(given) === name)?.[1];
  if (found === undefined) return undefined;
  return typeof found === 'object' ? found : [String(found)];
}

function describe({ name, before, now }: FieldChange): string {
  if (before.length <= 1 && now.length <= 1) return `${name} from ${show(before)} to ${show(now)}`;
  const keys = (values: readonly string[]): ReadonlySet<string> =>
    new Set(values.map((value) => comparable(name, value)));
  const [was, is] = [keys(before), keys(now)];
  const added = now.filter((value) => !was.has(comparable(name, value)));
  const gone = before.filter((value) => !is.has(comparable(name, value)));
  const parts = [
    ...(added.length > 0 ? [`got ${show(added)}`] : []),
    ...(gone.length > 0 ? [`lost ${show(gone)}`] : []),
  ];
  return `${name} ${parts.join(' and ')}`;
}

function show(values: readonly string[]): string {
  if (values.length === 0) return 'nothing';
  const shown = values.slice(0, VALUES_SHOWN).map((value) => `"${printable(value)}"`);
  const more = values.length - shown.length;
  return more > 0 ? `${shown.join(', ')} and ${more} more` : shown.join(', ');
}
