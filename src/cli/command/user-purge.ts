import { systemClock } from '../../base/clock.ts';
import { systemRandom as random } from '../../base/random.ts';
import { exitCode } from '../../config/exit.ts';
import { parseValue } from '../../config/values.ts';
import { AdminError, type Admin } from '../../directory/admin/admin.ts';
import type { UserRecord } from '../../directory/admin/users.ts';
import { StoreError } from '../../volumes/error.ts';
import { openPurge, type Purge } from '../../volumes/purge.ts';
import { withChange } from '../administration.ts';
import { flagOn, flagText, quoted, UsageError, type Call, type Command } from '../command.ts';
import { counted, humanTime, parseGeneralizedTime } from '../human.ts';
import { onPath } from './user-list.ts';

interface Outcome {
  readonly login: string;
  readonly id: string;
  readonly result: 'purged' | 'would be purged' | 'left';
  /** Why it was left, or whether there was a mailbox. */
  readonly detail: string;
}

const YEARS_100 = 100 * 365 * 86_400_000;

function olderThan(call: Call): number | undefined {
  const text = flagText(call, 'older-than');
  if (text === undefined) return undefined;
  const row = { kind: 'duration', default: 0, min: 0, max: YEARS_100, doc: '' } as const;
  const parsed = parseValue(row, text === '0' ? 0 : text);
  if (parsed.ok) return parsed.value as number;
  throw new UsageError(`--older-than: ${quoted(text)} is not ${parsed.expected}`);
}

/** Those who are named, of those whose days are over. */
async function candidates(admin: Admin, call: Call): Promise<readonly UserRecord[]> {
  const { removed } = admin.users;
  const ms = olderThan(call);
  const now = (call.clock ?? systemClock).now();
  const due =
    ms === undefined
      ? await removed.due()
      : (await removed.find()).items.filter((user) => {
          const at = parseGeneralizedTime(user.removed ?? '');
          return at !== undefined && now - at >= ms;
        });
  if (call.args.length === 0) return due;
  const named: UserRecord[] = [];
  for (const name of call.args) named.push(await removed.get(name));
  const early = named.find(({ id }) => !due.some((user) => user.id === id));
  if (!early) return named;
  throw new UsageError(
    `${early.login} was removed at ${humanTime(early.removed ?? '')}: the days are not over; ` +
      '--older-than 0 purges all the same',
  );
}

/** The mark, then the files, the entry last: interrupted, it is done again from the beginning. */
async function purgeOne(
  admin: Admin,
  purge: Purge,
  given: { readonly id: string; readonly force: boolean },
): Promise<string> {
  const user = await admin.users.removed.get(given.id); // Restored meanwhile? Then not there.
  await requireOwnPath(admin, user, await purge.place(user));
  const begun = await admin.users.beginPurge(user, { force: given.force });
  const mailbox = await purge.mailbox(begun);
  await admin.users.purge(begun, { force: given.force });
  return mailbox === 'none' ? 'there was no mailbox' : 'with its mailbox';
}

/** A place that somebody else's entry names as path, by its form ours or not, holds other mail. */
async function requireOwnPath(
  admin: Admin,
  user: UserRecord,
  place: string | undefined,
): Promise<void> {
  if (place === undefined) return;
  const filter = onPath(place);
  const found = [
    ...(await admin.users.find({ filter })),
    ...(await admin.users.removed.find({ filter })),
  ];
  const other = found.find(({ id }) => id !== user.id);
  if (!other) return;
  const text = `${place} is also a place of ${other.login} (${other.path ?? ''})`;
  throw new AdminError('invalid', `${text}; give one of them another path first`);
}

async function run(call: Call): Promise<number> {
  const dry = flagOn(call, 'dry-run');
  const force = olderThan(call) !== undefined;
  const outcomes = await withChange(call, async (admin) => {
    const users = await candidates(admin, call);
    if (dry) {
      return users.map((user): Outcome => {
        const detail = user.path ?? user.volume ?? 'there is no mailbox';
        return { login: user.login, id: user.id, result: 'would be purged', detail };
      });
    }
    const entries = await admin.volumes.list();
    const purge = await openPurge({ entries, clock: call.clock ?? systemClock, random });
    try {
      const done: Outcome[] = [];
      for (const { login, id } of users) {
        done.push(await outcomeOf({ login, id }, () => purgeOne(admin, purge, { id, force })));
      }
      return done;
    } finally {
      purge.close();
    }
  });
  report(call, outcomes);
  return exitCode(outcomes.some(({ result }) => result === 'left') ? 'tempfail' : 'ok');
}

async function outcomeOf(
  user: { readonly login: string; readonly id: string },
  work: () => Promise<string>,
): Promise<Outcome> {
  try {
    return { ...user, result: 'purged', detail: await work() };
  } catch (error) {
    const denied = error instanceof AdminError && error.kind === 'denied'; // So are the others.
    if (denied || !(error instanceof AdminError || error instanceof StoreError)) throw error;
    return { ...user, result: 'left', detail: error.message };
  }
}

function report(call: Call, outcomes: readonly Outcome[]): void {
  if (call.json) return call.out.json(outcomes);
  if (outcomes.length === 0) return call.out.line('nobody’s days are over');
  for (const { login, id, result, detail } of outcomes) {
    if (result === 'left') call.out.note(`mailfarm: ${login} (${id}) is left: ${detail}`);
    else call.out.line(`${login} (${id}) ${result === 'purged' ? 'is purged' : result}: ${detail}`);
  }
  const left = outcomes.filter(({ result }) => result === 'left').length;
  if (left > 0) {
    call.out.note(`mailfarm: ${counted(left, 'user is', 'users are')} left; repeat the command`);
  }
}

export const USER_PURGE: Command = {
  usage: '[NAME@DOMAIN|ID …] [--older-than 30d] [--dry-run]',
  summary: 'Deletes removed users whose days are over, with their mail: for good',
  examples: [
    'mailfarm user purge --dry-run',
    'mailfarm user purge --older-than 90d',
    'mailfarm user purge carol@example.test --older-than 0',
  ],
  options: {
    'older-than': {
      type: 'string',
      value: 'TIME',
      doc: 'Removed so long ago, in place of users.removed.keep',
    },
    'dry-run': { type: 'boolean', doc: 'Says who would be purged and changes nothing' },
  },
  args: [0, 1_000],
  run,
};
