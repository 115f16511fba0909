/**
 * VacationResponse (RFC 8621 §8): the answer in the user's absence that the directory keeps. While
 * it is off the directory has none, and what was written is remembered in the mailbox.
 */
import type { Vacation } from '../../directory/types.ts';
import { utcDate } from '../wire/header.ts';
import type { Args, JmapContext } from '../types.ts';
import { readerFor } from './arguments.ts';
import { faultOf } from './faults.ts';
import { patched } from './patch.ts';
import { readRecords, stateOf, writeRecord } from './records.ts';
import {
  badProperties,
  picked,
  requireState,
  resolvedId,
  SetOutcome,
  SetRefusal,
  setArguments,
  wantedIds,
  wantedProperties,
} from './standard.ts';

const DRAWER = 'vacation';
const OFF = 'off';
const ID = 'singleton';
const TEXT_MAX = 32_768;
const SUBJECT_MAX = 500;
const PROPERTIES: readonly string[] =
  'id isEnabled fromDate toDate subject textBody htmlBody'.split(' ');

/** @throws StoreError, DirectoryUnavailable */
async function current(context: JmapContext): Promise<Args> {
  const vacation = await context.affairs.vacation();
  if (vacation !== undefined) return shown(vacation);
  const off = (await readRecords(context, DRAWER)).get(OFF) ?? {};
  const known = Object.entries(off).filter(([name]) => PROPERTIES.includes(name));
  return { ...EMPTY, ...Object.fromEntries(known), id: ID, isEnabled: false };
}

const EMPTY: Args = {
  id: ID,
  isEnabled: false,
  fromDate: null,
  toDate: null,
  subject: null,
  textBody: null,
  htmlBody: null,
};

const shown = ({ text, subject, from, until }: Vacation): Args => ({
  id: ID,
  isEnabled: true,
  fromDate: from === undefined ? null : utcDate(from),
  toDate: until === undefined ? null : utcDate(until),
  subject: subject ?? null,
  textBody: text,
  htmlBody: null,
});

/** RFC 8621 §8.1 */
export async function vacationGet(args: Args, context: JmapContext): Promise<Args> {
  const reader = readerFor(args, context);
  const ids = wantedIds(reader, context);
  const properties = wantedProperties(reader, PROPERTIES);
  reader.end();
  const one = await current(context);
  return {
    accountId: context.account.id,
    state: stateOf(one),
    list: ids === undefined || ids.includes(ID) ? [picked(one, properties)] : [],
    notFound: ids?.filter((id) => id !== ID) ?? [],
  };
}

/** RFC 8621 §8.2 */
export async function vacationSet(args: Args, context: JmapContext): Promise<Args> {
  const reader = readerFor(args, context);
  const asked = setArguments(reader, context);
  reader.end();
  const before = await current(context);
  const oldState = stateOf(before);
  requireState(asked.ifInState, oldState);
  const outcome = new SetOutcome();
  for (const key of asked.create.keys()) outcome.notCreated.set(key, { type: 'singleton' });
  for (const id of asked.destroy) outcome.notDestroyed.set(id, { type: 'singleton' });
  for (const [given, patch] of asked.update) {
    try {
      if (resolvedId(given, context) !== ID) throw new SetRefusal({ type: 'notFound' });
      await update(context, before, patched(before, patch));
      outcome.updated.set(given, null);
    } catch (error) {
      outcome.notUpdated.set(given, faultOf(error));
    }
  }
  const newState = stateOf(await current(context));
  return outcome.answer({ accountId: context.account.id, oldState, newState });
}

async function update(context: JmapContext, before: Args, after: Args): Promise<void> {
  const vacation = vacationOf(after);
  const isOn = after['isEnabled'] === true;
  if (isOn && vacation.text.trim() === '') {
    badProperties(['textBody'], 'An answer that is sent has a text');
  }
  if (!isOn) await writeRecord(context, { drawer: DRAWER, name: OFF }, after);
  if (!isOn && before['isEnabled'] !== true) return;
  const verdict = await context.affairs.setVacation(isOn ? vacation : undefined);
  switch (verdict.kind) {
    case 'done':
      return;
    case 'locked':
      throw new SetRefusal({
        type: 'forbidden',
        description: 'An app password changes nothing: sign in with your password',
      });
    case 'refused':
      throw new SetRefusal({ type: 'forbidden', description: verdict.text });
    case 'unavailable':
      throw new SetRefusal({
        type: 'serverUnavailable',
        description: 'The directory takes no change at present: try again in a minute',
      });
  }
}

/** @throws SetRefusal invalidProperties */
function vacationOf(after: Args): Vacation {
  for (const name of Object.keys(after)) {
    if (!PROPERTIES.includes(name)) badProperties([name], `There is no property ${name}`);
  }
  const { id, isEnabled, fromDate, toDate, subject, textBody, htmlBody } = after;
  if (id !== ID) badProperties(['id'], 'id cannot be changed');
  if (typeof isEnabled !== 'boolean') badProperties(['isEnabled'], 'isEnabled is true or false');
  if (htmlBody !== null) badProperties(['htmlBody'], 'The answer is plain text: textBody');
  const text = textOf('textBody', textBody, TEXT_MAX);
  const from = dateOf('fromDate', fromDate);
  const until = dateOf('toDate', toDate);
  if (from !== undefined && until !== undefined && until <= from) {
    badProperties(['fromDate', 'toDate'], 'It ends before it begins');
  }
  const title = textOf('subject', subject, SUBJECT_MAX);
  return { text: text ?? '', subject: title === '' ? undefined : title, from, until };
}

function textOf(name: string, value: unknown, max: number): string | undefined {
  if (value === null) return undefined;
  if (typeof value !== 'string') return badProperties([name], `${name} is a text or null`);
  return value.length <= max ? value.replaceAll('\r\n', '\n') : badProperties([name], 'Too long');
}

function dateOf(name: string, value: unknown): number | undefined {
  if (value === null) return undefined;
  const ms = typeof value === 'string' ? Date.parse(value) : NaN;
  return Number.isNaN(ms) ? badProperties([name], `${name} is a UTCDate`) : ms;
}
