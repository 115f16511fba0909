import type { Entry } from 'ldapts';
import { valuesOf } from '../client/entries.ts';
import { FORWARDS_MAX } from '../resolve-expand.ts';
import { toTime } from '../time.ts';
import { VACATION_BYTES_MAX, VACATION_SUBJECT_BYTES_MAX, vacationOf } from '../transport.ts';
import type { Vacation } from '../types.ts';
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

/** The attributes of an answer in absence. @throws AdminError invalid */
export function vacation(away: Given<Vacation>): Readonly<Record<string, readonly string[]>> {
  if (away === undefined) return {};
  const written = {
    text: away?.text.replace(/\r\n?/g, '\n'),
    subject: away?.subject,
    from: away?.from === undefined ? undefined : toTime(away.from),
    until: away?.until === undefined ? undefined : toTime(away.until),
  };
  if (away) checkVacation(away, vacationOf(written));
  const one = (value: string | undefined): readonly string[] =>
    value === undefined ? [] : [value];
  return {
    mwVacation: one(written.text),
    mwVacationSubject: one(written.subject),
    mwVacationFrom: one(written.from),
    mwVacationUntil: one(written.until),
  };
}

/** What front ends would not take is not written. */
function checkVacation(away: Vacation, read: Vacation | undefined): void {
  const wrong = !read
    ? `The text of an answer has 1 to ${VACATION_BYTES_MAX} octets`
    : read.subject !== away.subject
      ? `The subject of an answer is one line of at most ${VACATION_SUBJECT_BYTES_MAX} octets`
      : away.from !== undefined && away.until !== undefined && away.from >= away.until
        ? 'The absence would end before it begins'
        : undefined;
  if (wrong !== undefined) throw new AdminError('invalid', wrong);
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
