import type { Entry } from 'ldapts';
import { valuesOf } from '../client/entries.ts';
import { FORWARDS_MAX } from '../resolve-expand.ts';
import type { Given } from './api.ts';
import { AdminError } from './error.ts';
import { checkedAddress, checkedText, printable } from './names.ts';

/** What is given for one attribute: undefined leaves it, `null` takes it away. */
export function given<T, W extends string | number | readonly string[]>(
  value: Given<T>,
  write: (value: T) => W,
): W | readonly string[] | undefined {
  if (value === undefined) return undefined;
  return value === null ? [] : write(value);
}

/** Addresses in one spelling, each once. @throws AdminError invalid */
export const addresses = (values: readonly string[]): readonly string[] => [
  ...new Set(values.map((value) => checkedAddress(value).text)),
];

/** Forwards of one user, each once. @throws AdminError invalid */
export function forwards(values: readonly string[]): readonly string[] {
  const each = addresses(values);
  if (each.length <= FORWARDS_MAX) return each;
  const text = `A user has at most ${FORWARDS_MAX} forwards, not ${each.length}; make a list of them`;
  throw new AdminError('invalid', `${text} (MF-DIR-023)`);
}

export const address = (value: string): string => checkedAddress(value).text;

export const text =
  (what: string) =>
  (value: string): string =>
    checkedText(value, what);

/** @throws AdminError invalid */
export const oneOf =
  (what: string, known: readonly string[]) =>
  (value: string): string => {
    const found = known.find((name) => name === value.toLowerCase());
    if (found !== undefined) return found;
    throw new AdminError(
      'invalid',
      `${what} is one of ${known.join(', ')}, not "${printable(value)}"`,
    );
  };

/** The first value of an attribute, in lower case. */
export const lower = (entry: Entry, name: string): string | undefined =>
  valuesOf(entry, name)[0]?.normalize('NFC').toLowerCase();

/** The first value of an attribute as it is written; empty where there is none. */
export const exact = (entry: Entry, name: string): string => valuesOf(entry, name)[0] ?? '';
