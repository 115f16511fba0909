import { systemClock } from '../../base/clock.ts';
import { systemRandom as random } from '../../base/random.ts';
import { exitCode } from '../../config/exit.ts';
import { defaults } from '../../config/options.ts';
import { AdminError } from '../../directory/admin/admin.ts';
import type { Identity } from '../../directory/admin/identity.ts';
import { LEVELS } from '../../directory/rights.ts';
import { requireMailRight } from '../../mailbox/messages.ts';
import { MAILBOX_OPTIONS } from '../../mailbox/options.ts';
import {
  restoreMailbox,
  type RestoredFolder,
  type RestoreReport,
} from '../../mailbox/restore/restore.ts';
import { snapshotTime } from '../../mailbox/restore/snapshots.ts';
import { withAdmin, withChange } from '../administration.ts';
import { flagOn, flagText, quoted, UsageError, word, type Call, type Command } from '../command.ts';
import { counted, humanCount } from '../human.ts';
import { pin } from './user-fields.ts';

/** A moment as people write it: RFC 3339, a date alone (its end), or a snapshot's name; UTC. */
const MOMENT = /^(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d(?::\d\d(?:\.\d+)?)?)(Z|[+-]\d\d:\d\d)?)?$/;

/** In ms since 1970. @throws UsageError */
export function momentOf(text: string): number {
  const snapshot = snapshotTime(text);
  if (snapshot !== undefined) return snapshot;
  const [, date, time = '23:59:59.999', zone = 'Z'] = MOMENT.exec(text) ?? [];
  const at = date === undefined ? Number.NaN : Date.parse(`${date}T${time}${zone}`);
  if (Number.isFinite(at)) return at;
  const forms = '2026-11-22, 2026-11-22T09:30, 2026-11-22T09:30:00+02:00';
  throw new UsageError(
    `--at: ${quoted(text)} is no moment; write it as ${forms} (UTC without zone)`,
  );
}

async function restore(call: Call): Promise<number> {
  const from = flagText(call, 'from');
  if (from === undefined || from === '') {
    throw new UsageError('say by --from where the snapshots lie');
  }
  const at = flagText(call, 'at');
  const when = at === undefined ? undefined : momentOf(at);
  const dryRun = flagOn(call, 'dry-run');
  const volume = flagText(call, 'volume');
  const session = dryRun ? withAdmin : withChange;
  const report = await session(call, async (admin) => {
    const user = await admin.users.show(word(call, 0));
    requireMailRight(admin.who, user);
    const id = flagText(call, 'account');
    if (id !== undefined && id !== user.id) requireAdministrator(admin.who, id);
    const isNew = volume !== undefined && user.volume === undefined;
    const account = isNew && !dryRun ? await pin(admin, user, volume) : user;
    const volumes = {
      entries: await admin.volumes.list(),
      clock: call.clock ?? systemClock,
      random,
    };
    return await restoreMailbox(volumes, {
      account,
      from,
      at: when,
      id,
      folder: flagText(call, 'folder'),
      message: flagText(call, 'message'),
      into: flagText(call, 'into'),
      dryRun,
      subscriptionsMax: defaults(MAILBOX_OPTIONS)['mailbox.folders.max'],
      onFolder: (folder) => {
        if (!call.json && !dryRun && folder.restored > 0) call.out.note(putText(folder));
      },
    });
  });
  if (call.json) call.out.json(report);
  else print(call, report);
  const isWhole = report.folders.every(({ damaged }) => damaged === 0);
  return exitCode(isWhole && report.problems.length === 0 ? 'ok' : 'warnings');
}

/**
 * Another user's mailbox, perhaps an administrator's: nobody can be asked any more whose it was,
 * and what is in it may let one become that person. @throws AdminError denied
 */
function requireAdministrator({ name, level }: Identity, id: string): void {
  if (level !== undefined && LEVELS[level] >= LEVELS.administrator) return;
  const text = `${name} is no administrator and may not restore the mailbox ${id} of somebody else`;
  throw new AdminError('denied', text);
}

const putText = ({ name, restored }: RestoredFolder): string =>
  `${name}: ${counted(restored, 'message')} put back`;

/** Messages that are named one by one, at most. */
const SHOWN_MAX = 20;

function print(call: Call, report: RestoreReport): void {
  const { out } = call;
  const { user, snapshot, to, folders, messages } = report;
  out.line(`${user}: from ${snapshot.path} to ${to.maildir}`);
  const right = { align: 'right' } as const;
  out.table(
    [
      'folder',
      { title: 'in backup', ...right },
      { title: report.dryRun ? 'missing' : 'restored', ...right },
      { title: 'there', ...right },
      { title: 'elsewhere', ...right },
      { title: 'damaged', ...right },
    ],
    folders.map(({ name, messages: all, restored, there, elsewhere, damaged }) =>
      [name, all, restored, there - elsewhere, elsewhere, damaged].map((cell) =>
        typeof cell === 'number' ? humanCount(cell) : cell,
      ),
    ),
  );
  const told = messages.filter(({ result, folder, now }) => result !== 'there' || now !== folder);
  for (const { uidl, result, now, folder } of told.slice(0, SHOWN_MAX)) {
    const what = result === 'there' ? `lies in ${now} now: left there` : result;
    if (result !== 'restored' || told.length <= SHOWN_MAX) out.line(`  ${folder} ${uidl}: ${what}`);
  }
  if (told.length > SHOWN_MAX) out.line('  … --json has them all');
  for (const name of report.made) out.line(`the folder ${name} was gone and is there again`);
  for (const { count, text, first } of report.problems) {
    out.note(`mailfarm: ${humanCount(count)}: ${text} (first: ${first})`);
  }
  const damaged = messages.filter(({ result }) => result === 'damaged').length;
  if (damaged > 0) {
    const files = counted(damaged, 'file');
    out.note(
      `mailfarm: ${files} of the backup shorter or longer than named; --at takes an older one`,
    );
  }
  if (report.dryRun) out.line('nothing was changed: this was a dry run');
}

export const RESTORE_COMMAND: Command = {
  usage: 'NAME@DOMAIN --from DIR [--at TIME] [--folder F] [--message ID] [--into F] [--dry-run]',
  summary: 'Puts back from a backup what a mailbox has lost, in use or not; nothing is doubled',
  examples: [
    'mailfarm mailbox restore carol@example.test --from /backup --dry-run',
    'mailfarm mailbox restore carol@example.test --from /backup --at 2026-11-20 --folder Archive/2026',
    "mailfarm mailbox restore carol@example.test --from /backup --message '<4711@example.test>'",
    'mailfarm mailbox restore carol@example.test --from /backup --account 2b0c7b1e-… --volume mail2',
  ],
  options: {
    from: { type: 'string', value: 'DIR', doc: 'Snapshots: of one volume, or of all below it' },
    at: { type: 'string', value: 'TIME', doc: 'The newest snapshot that was complete by then' },
    folder: { type: 'string', value: 'FOLDER', doc: 'This folder of the backup alone' },
    message: { type: 'string', value: 'ID', doc: 'UIDL, file name, email id or Message-ID' },
    into: { type: 'string', value: 'FOLDER', doc: 'Into this folder; else where each one was' },
    account: {
      type: 'string',
      value: 'ID',
      doc: 'The mailbox of a user who is gone, by its id; for administrators',
    },
    volume: { type: 'string', value: 'NAME', doc: 'Where a user without a mailbox gets one' },
    'dry-run': { type: 'boolean', doc: 'Says what would be done and changes nothing' },
  },
  args: [1, 1],
  run: restore,
};
