import type { Placed, Role } from '../jmap/types.ts';
import type { Action, ActionKind, CountChange } from './actions.ts';
import type { Folders } from './folders.ts';
import { inverse, type Patch } from './patch.ts';

/** What the user wants, to which emails; the rest of `Action` follows from the emails. */
export interface Intent {
  readonly kind: ActionKind;
  /** For `move`. */
  readonly folder?: string;
}

export interface IntentParts {
  readonly emails: readonly Placed[];
  readonly folders: Folders;
  readonly rows: number;
  readonly id: string;
  readonly now: number;
  readonly undoMs: number;
}

/** Where a kind of move goes. */
const TARGETS: Partial<Record<ActionKind, Role>> = {
  archive: 'archive',
  trash: 'trash',
  junk: 'junk',
  'not-junk': 'inbox',
};

/** undefined: there is nothing to do, or no folder to do it with. */
export function actionOf(intent: Intent, parts: IntentParts): Action | undefined {
  const target = targetOf(intent, parts.folders);
  const moves = intent.kind === 'move' || TARGETS[intent.kind] !== undefined;
  if (moves && target === undefined) return undefined;
  const destroy = intent.kind === 'destroy' ? parts.emails.map((email) => email.id) : [];
  const patch = patchOf(intent.kind, target);
  const changed = parts.emails.filter((email) => changes(email, patch));
  if (destroy.length === 0 && changed.length === 0) return undefined;
  const touched = destroy.length > 0 ? parts.emails : changed;
  return {
    id: parts.id,
    kind: intent.kind,
    rows: parts.rows,
    folder: target === undefined ? undefined : parts.folders.get(target)?.name,
    patches: Object.fromEntries(changed.map((email) => [email.id, patch])),
    undo: Object.fromEntries(changed.map((email) => [email.id, inverse(email, patch)])),
    destroy,
    counts: countsOf(touched, destroy.length > 0 ? { mailboxes: [] } : patch),
    notBefore: destroy.length > 0 ? parts.now + parts.undoMs : 0,
  };
}

function targetOf(intent: Intent, folders: Folders): string | undefined {
  if (intent.kind === 'move') return intent.folder;
  const role = TARGETS[intent.kind];
  return role && folders.target(role);
}

function patchOf(kind: ActionKind, target: string | undefined): Patch {
  const mailboxes = target === undefined ? {} : { mailboxes: [target] };
  switch (kind) {
    case 'star':
    case 'unstar':
      return { keywords: { $flagged: kind === 'star' } };
    case 'read':
    case 'unread':
      return { keywords: { $seen: kind === 'read' } };
    case 'junk':
      return { keywords: { $junk: true, $notjunk: false }, ...mailboxes };
    case 'not-junk':
      return { keywords: { $junk: false, $notjunk: true }, ...mailboxes };
    default:
      return mailboxes;
  }
}

function changes(email: Placed, patch: Patch): boolean {
  const words = Object.entries(patch.keywords ?? {});
  if (words.some(([name, on]) => (email.keywords[name] === true) !== on)) return true;
  const here = Object.keys(email.mailboxIds);
  return (
    patch.mailboxes !== undefined &&
    (here.length !== patch.mailboxes.length || patch.mailboxes.some((id) => !here.includes(id)))
  );
}

function countsOf(emails: readonly Placed[], patch: Patch): Record<string, CountChange> {
  const counts: Record<string, CountChange> = {};
  const add = (folder: string, total: number, unread: number): void => {
    const known = counts[folder] ?? { total: 0, unread: 0 };
    counts[folder] = { total: known.total + total, unread: known.unread + unread };
  };
  for (const email of emails) {
    const before = email.keywords['$seen'] === true ? 0 : 1;
    const seen = patch.keywords?.['$seen'] ?? email.keywords['$seen'] === true;
    for (const folder of Object.keys(email.mailboxIds)) add(folder, -1, -before);
    for (const folder of patch.mailboxes ?? Object.keys(email.mailboxIds))
      add(folder, 1, seen ? 0 : 1);
  }
  return counts;
}
