import { readFile } from 'node:fs/promises';
import type { Admin } from '../../directory/admin/admin.ts';
import type { UserRecord } from '../../directory/admin/users.ts';
import { fieldOf } from '../../directory/admin/record.ts';
import type { Vacation } from '../../directory/types.ts';
import { withAdmin, withChange } from '../administration.ts';
import { done, flagText, quoted, UsageError, word, type Call, type Group } from '../command.ts';
import { printFields } from '../print.ts';

const DAY = /^(\d{4})-(\d\d)-(\d\d)$/;
const MOMENT = /^\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d(?:\.\d{1,3})?)?(?:Z|[+-]\d\d:\d\d)?$/;

/**
 * A day, or a moment (RFC 3339). A day is one where the command runs, and as an end belongs to
 * the absence. @throws UsageError
 */
function momentOf(call: Call, name: 'from' | 'until'): number | null | undefined {
  const text = flagText(call, name);
  if (text === undefined || text === '') return text === '' ? null : undefined;
  const [, year, month, day] = DAY.exec(text) ?? [];
  const at =
    day === undefined
      ? MOMENT.test(text)
        ? Date.parse(text)
        : Number.NaN
      : dayAt(Number(year), Number(month), Number(day) + (name === 'until' ? 1 : 0));
  if (!Number.isNaN(at)) return at;
  throw new UsageError(`--${name}: ${quoted(text)} is not a day such as 2026-12-24, or a time`);
}

/** Midnight; of a day that no calendar has NaN. The day after the last of a month is one. */
function dayAt(year: number, month: number, day: number): number {
  const last = new Date(year, month, 0).getDate();
  const valid = month >= 1 && month <= 12 && day >= 1 && day <= last + 1;
  return valid ? new Date(year, month - 1, day).getTime() : Number.NaN;
}

async function textOf(call: Call): Promise<string | undefined> {
  const [text, file] = [flagText(call, 'text'), flagText(call, 'text-file')];
  if (text !== undefined && file !== undefined) {
    throw new UsageError('--text and --text-file exclude each other');
  }
  if (file === undefined) return text;
  if (file === '-') return await call.readInput();
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    const why = (error as NodeJS.ErrnoException).code ?? 'unknown';
    throw new UsageError(`--text-file: ${quoted(file)} cannot be read (${why})`);
  }
}

/** What is given over what was there. @throws UsageError when there is no text at all */
async function changed(call: Call, before: Vacation | undefined): Promise<Vacation> {
  const text = (await textOf(call)) ?? before?.text;
  if (text === undefined) throw new UsageError('An answer needs a text: --text or --text-file');
  const subject = flagText(call, 'subject');
  const [from, until] = [momentOf(call, 'from'), momentOf(call, 'until')];
  return {
    text,
    subject: subject === undefined ? before?.subject : subject === '' ? undefined : subject,
    from: from === undefined ? before?.from : (from ?? undefined),
    until: until === undefined ? before?.until : (until ?? undefined),
  };
}

async function set(admin: Admin, call: Call): Promise<UserRecord> {
  const before = await admin.users.get(word(call, 0));
  const vacation = await changed(call, before.vacation);
  return await admin.users.set(before.login, { vacation });
}

function print(call: Call, user: UserRecord): void {
  const { login, vacation } = user;
  if (call.json) return call.out.json({ login, vacation: vacation ?? null });
  if (!vacation) {
    const damaged = fieldOf(user, 'mwVacation').length > 0;
    const why = damaged ? 'what is in the entry cannot be used' : 'none is set';
    return call.out.line(`${login} sends no answers: ${why}`);
  }
  const time = (at: number | undefined): string | undefined =>
    at === undefined ? undefined : new Date(at).toISOString().replace('.000Z', 'Z');
  printFields(call, user, [
    ['login', login],
    ['from', time(vacation.from) ?? 'now'],
    ['until', time(vacation.until) ?? 'without end'],
    ['subject', vacation.subject ?? 'that of the letter'],
  ]);
  for (const line of vacation.text.replace(/\n$/, '').split('\n')) call.out.line(`  ${line}`);
}

export const VACATION_COMMANDS: Group = {
  'vacation set': {
    usage: 'NAME@DOMAIN --text-file FILE|- [--subject TEXT] [--from DAY] [--until DAY]',
    summary: 'Answers mail of a user in absence, each sender once a week; what is not given stays',
    examples: [
      'mailfarm vacation set carol@example.test --text-file away.txt --until 2026-12-31',
      "mailfarm vacation set carol@example.test --until ''",
      'mailfarm --as carol@example.test vacation set carol@example.test --text "Back on Monday"',
    ],
    options: {
      'text-file': { type: 'string', value: 'FILE', doc: 'What is answered; - is standard input' },
      text: { type: 'string', value: 'TEXT', doc: 'What is answered, where it is one line' },
      subject: { type: 'string', value: 'TEXT', doc: 'Else made of that of the letter' },
      from: { type: 'string', value: 'DAY', doc: 'First day, or a time; empty: from now on' },
      until: { type: 'string', value: 'DAY', doc: 'Last day, or a time; empty: without end' },
    },
    args: [1, 1],
    run: async (call) => print(call, await withChange(call, (admin) => set(admin, call))),
  },
  'vacation show': {
    usage: 'NAME@DOMAIN',
    summary: 'Shows what is answered in a user’s absence',
    examples: ['mailfarm vacation show carol@example.test'],
    args: [1, 1],
    run: async (call) =>
      print(call, await withAdmin(call, (admin) => admin.users.get(word(call, 0)))),
  },
  'vacation clear': {
    usage: 'NAME@DOMAIN',
    summary: 'Ends the answers of a user, and forgets their text',
    examples: ['mailfarm vacation clear carol@example.test'],
    args: [1, 1],
    run: async (call) => {
      const vacation = null;
      const user = await withChange(call, (admin) => admin.users.set(word(call, 0), { vacation }));
      done(call, { login: user.login, vacation }, `${user.login} sends no answers any more`);
    },
  },
};
