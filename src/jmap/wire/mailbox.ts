/**
 * Folders as mailboxes of JMAP (RFC 8621 §2). A folder's name has all that is above it; a mailbox
 * has a name and a parent. Where a folder that should be above is not there, its name stays in
 * front of the mailbox's own.
 */
import type { FolderInfo, SpecialUse } from '../../mailbox/mail.ts';
import type { FolderView, MailVersion } from '../../mailbox/view.ts';

const INBOX = 'INBOX';

/** RFC 8621 §2, the registry of RFC 8457 and RFC 6154 in lower case. */
const ROLES: Readonly<Record<SpecialUse, string>> = {
  All: 'all',
  Archive: 'archive',
  Drafts: 'drafts',
  Flagged: 'flagged',
  Important: 'important',
  Junk: 'junk',
  Sent: 'sent',
  Trash: 'trash',
};
const USES: ReadonlyMap<string, SpecialUse> = new Map(
  Object.entries(ROLES).map(([use, role]) => [role, use as SpecialUse]),
);

/** In the order in which people look for them; all others come after. */
const ORDER: readonly string[] = ['inbox', 'drafts', 'sent', 'archive', 'junk', 'trash'];
const OTHERS = 10;

export const roleOf = ({ name, use }: FolderInfo): string | null =>
  name === INBOX ? 'inbox' : use === undefined ? null : ROLES[use];

/** The use of a new folder with this role; undefined for none that can be made. */
export const useOf = (role: string): SpecialUse | undefined => USES.get(role);

export function sortOrderOf(info: FolderInfo): number {
  const at = ORDER.indexOf(roleOf(info) ?? '');
  return at < 0 ? OTHERS : at + 1;
}

/** Where a mailbox stands. */
export interface Standing {
  readonly parentId: string | null;
  readonly name: string;
}

/** The standing of each folder, by id. */
export function standings(version: MailVersion): ReadonlyMap<string, Standing> {
  const byName = new Map(version.folders.map((one) => [one.info.name, one]));
  return new Map(version.folders.map((one) => [one.id, standing(one, byName)]));
}

function standing(one: FolderView, byName: ReadonlyMap<string, FolderView>): Standing {
  const { name } = one.info;
  if (name === INBOX) return { parentId: null, name: 'Inbox' };
  for (let slash = name.lastIndexOf('/'); slash > 0; slash = name.lastIndexOf('/', slash - 1)) {
    const parent = byName.get(name.slice(0, slash));
    if (parent !== undefined) return { parentId: parent.id, name: name.slice(slash + 1) };
  }
  return { parentId: null, name };
}

/** The user's own mailbox: nothing is forbidden but what cannot be done to INBOX (§2, myRights). */
export const rightsOf = ({ name }: FolderInfo): Readonly<Record<string, boolean>> => ({
  mayReadItems: true,
  mayAddItems: true,
  mayRemoveItems: true,
  maySetSeen: true,
  maySetKeywords: true,
  mayCreateChild: true,
  mayRename: name !== INBOX,
  mayDelete: name !== INBOX,
  maySubmit: true,
});
