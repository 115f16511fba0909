import type { FolderReport, ImportReport } from '../../mailbox/takeover/import.ts';
import type { Call } from '../command.ts';
import { counted, humanCount } from '../human.ts';

/** What an import did, for people. */
export function printReport(call: Call, report: ImportReport): void {
  const { out } = call;
  const { user, from, format, to, folders, dryRun } = report;
  const place = from === to.maildir ? `${from}, in place` : `${from} to ${to.maildir}`;
  out.line(`${user}: ${format}, ${place}`);
  out.table(
    ['folder', 'messages', 'copied', 'uids kept', 'uidvalidity', 'numbers'],
    folders.map((folder) => [
      folder.name,
      humanCount(folder.messages),
      humanCount(folder.copied),
      humanCount(folder.numbered),
      folder.uidValidity === undefined ? '' : String(folder.uidValidity),
      numbersText(folder),
    ]),
  );
  const uidls = folders.reduce((sum, folder) => sum + folder.uidls, 0);
  if (uidls > 0) out.line(`${counted(uidls, 'UIDL')} written into file names`);
  out.line(counted(report.subscriptions, 'subscription'));
  for (const { count, text, first } of report.problems) {
    out.note(`mailfarm: ${humanCount(count)}: ${text} (first: ${first})`);
  }
  if (dryRun) out.line('nothing was changed: this was a dry run');
}

const numbersText = ({ numbers, why }: FolderReport): string =>
  why === undefined ? numbers : `${numbers}: ${why}`;
