import { systemClock } from '../../base/clock.ts';
import { systemRandom as random } from '../../base/random.ts';
import { exitCode } from '../../config/exit.ts';
import { defaults } from '../../config/options.ts';
import { AdminError, type Admin } from '../../directory/admin/admin.ts';
import type { UserRecord } from '../../directory/admin/users.ts';
import { requireMailRight } from '../../mailbox/messages.ts';
import { MAILBOX_OPTIONS } from '../../mailbox/options.ts';
import { importMailbox, type FolderReport } from '../../mailbox/takeover/import.ts';
import { checkMailbox, showMailbox } from '../../mailbox/takeover/inspect.ts';
import { FORMATS, SourceError, type Format } from '../../mailbox/takeover/source.ts';
import type { TakeoverOptions } from '../../mailbox/takeover/volumes.ts';
import { withAdmin, withChange } from '../administration.ts';
import { flagOn, flagText, UsageError, word, type Call, type Command } from '../command.ts';
import type { Group, OptionRows } from '../command.ts';
import { counted, humanBytes, humanCount } from '../human.ts';
import { printReport } from './mailbox-report.ts';
import { RESTORE_COMMAND } from './mailbox-restore.ts';
import { pin } from './user-fields.ts';

/** The user whom the first argument names, for somebody who may see the mail. */
async function ownerOf(call: Call, admin: Admin): Promise<UserRecord> {
  const user = await admin.users.show(word(call, 0));
  requireMailRight(admin.who, user);
  return user;
}

const volumesOf = async (call: Call, admin: Admin): Promise<TakeoverOptions> => ({
  entries: await admin.volumes.list(),
  clock: call.clock ?? systemClock,
  random,
});

/** A user without a mailbox gets one where --volume says. */
async function placed(call: Call, admin: Admin, user: UserRecord): Promise<UserRecord> {
  const volume = flagText(call, 'volume');
  if (volume === undefined || user.volume === volume) return user;
  if (user.volume !== undefined) {
    throw new UsageError(`${user.login} has a mailbox on volume ${user.volume} already`);
  }
  return flagOn(call, 'dry-run') ? user : await pin(admin, user, volume);
}

function formatOf(call: Call): Format | 'auto' {
  const text = flagText(call, 'format') ?? 'auto';
  if (text === 'auto') return text;
  const format = FORMATS.find((each) => each === text);
  if (format !== undefined) return format;
  throw new UsageError(`--format: one of auto, ${FORMATS.join(', ')}`);
}

async function take(call: Call, from: string | undefined): Promise<number> {
  const onFolder = (folder: FolderReport): void => {
    const files = counted(folder.copied, 'message');
    if (!call.json && folder.copied > 0) call.out.note(`${folder.name}: ${files} copied`);
  };
  const dryRun = flagOn(call, 'dry-run');
  const session = dryRun ? withAdmin : withChange;
  const report = await session(call, async (admin) => {
    const user = await placed(call, admin, await ownerOf(call, admin));
    return await importMailbox(await volumesOf(call, admin), {
      account: user,
      from,
      format: formatOf(call),
      uidlFormat: flagText(call, 'pop3-uidl'),
      dryRun,
      merge: flagOn(call, 'merge'),
      subscriptionsMax: defaults(MAILBOX_OPTIONS)['mailbox.folders.max'],
      onFolder: dryRun ? () => {} : onFolder,
    });
  }).catch((error: unknown) => {
    throw error instanceof SourceError ? new AdminError('invalid', error.message) : error;
  });
  if (call.json) call.out.json(report);
  else printReport(call, report);
  return exitCode('ok');
}

async function show(call: Call): Promise<void> {
  const view = await withAdmin(call, async (admin) =>
    showMailbox(await volumesOf(call, admin), await ownerOf(call, admin)),
  );
  if (call.json) return call.out.json(view);
  const right = { align: 'right' } as const;
  call.out.line(`${view.maildir} on volume ${view.volume}`);
  call.out.line(`${counted(view.messages, 'message')}, ${humanBytes(view.octets)}`);
  call.out.table(
    [
      'folder',
      { title: 'messages', ...right },
      { title: 'new', ...right },
      { title: 'size', ...right },
      { title: 'uidvalidity', ...right },
      { title: 'next uid', ...right },
    ],
    view.folders.map((folder) => [
      folder.name,
      humanCount(folder.messages),
      humanCount(folder.fresh),
      humanBytes(folder.octets),
      folder.uidValidity === undefined ? '' : String(folder.uidValidity),
      folder.uidNext === undefined ? '' : String(folder.uidNext),
    ]),
  );
}

async function check(call: Call): Promise<number> {
  const folders = await withAdmin(call, async (admin) =>
    checkMailbox(await volumesOf(call, admin), await ownerOf(call, admin)),
  );
  const findings = folders.flatMap((folder) => folder.findings);
  if (call.json) call.out.json(folders);
  else {
    for (const { name, files, numbered, findings: told } of folders) {
      const well = told.length === 0 ? ': all is well' : '';
      call.out.line(`${name}: ${counted(files, 'file')}, ${humanCount(numbered)} numbered${well}`);
      for (const text of told) call.out.line(`  ${text}`);
    }
  }
  return exitCode(findings.length > 0 ? 'warnings' : 'ok');
}

const TAKE_OPTIONS: OptionRows = {
  format: {
    type: 'string',
    value: 'FORMAT',
    choices: ['auto', ...FORMATS],
    doc: 'Whose numbers are taken; auto looks for the files that each writes',
  },
  'pop3-uidl': {
    type: 'string',
    value: 'FORMAT',
    doc: 'pop3_uidl_format of that Dovecot, if it was set: %08Xu%08Xv, %f, %v-%u …',
  },
  volume: { type: 'string', value: 'NAME', doc: 'Where a user without a mailbox gets one' },
  'dry-run': { type: 'boolean', doc: 'Says what would be done and changes nothing' },
};

const imported: Command = {
  usage: 'NAME@DOMAIN --from DIR [--format FORMAT] [--pop3-uidl FORMAT] [--merge] [--dry-run]',
  summary: 'Copies mail from another server with its UIDs and UIDLs: no client downloads again',
  examples: [
    'mailfarm mailbox import carol@example.test --from /old/carol/Maildir --dry-run',
    "mailfarm mailbox import carol@example.test --from /old/carol/Maildir --pop3-uidl '%v.%u'",
    'mailfarm mailbox import carol@example.test --from /old/spool/user/carol --format cyrus',
  ],
  options: {
    from: { type: 'string', value: 'DIR', doc: 'Maildir, or spool directory of Cyrus' },
    ...TAKE_OPTIONS,
    merge: { type: 'boolean', doc: 'Also into a mailbox in use, where UIDs are new' },
  },
  args: [1, 1],
  run: (call) => {
    const from = flagText(call, 'from');
    if (from === undefined || from === '') {
      throw new UsageError('say by --from where the mail lies; mailbox adopt takes it in place');
    }
    return take(call, from);
  },
};

export const MAILBOX_COMMANDS: Group = {
  'mailbox import': imported,
  'mailbox adopt': {
    usage: 'NAME@DOMAIN [--format FORMAT] [--pop3-uidl FORMAT] [--dry-run]',
    summary: 'Takes over numbers of a Maildir that lies in its place already; copies nothing',
    examples: ['mailfarm mailbox adopt carol@example.test --dry-run'],
    options: TAKE_OPTIONS,
    args: [1, 1],
    run: (call) => take(call, undefined),
  },
  'mailbox restore': RESTORE_COMMAND,
  'mailbox show': {
    usage: 'NAME@DOMAIN',
    summary: 'Shows where a mailbox lies, its folders, sizes and numbers',
    examples: ['mailfarm mailbox show carol@example.test --json'],
    args: [1, 1],
    run: show,
  },
  'mailbox check': {
    usage: 'NAME@DOMAIN',
    summary: 'Compares the journal of each folder with its files; exit code 1 where they differ',
    examples: ['mailfarm mailbox check carol@example.test'],
    args: [1, 1],
    run: check,
  },
};
