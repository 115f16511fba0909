/**
 * What has changed between a state that a client holds and a version: pure functions over what the
 * folders' journals say (RFC 8620 §5.2, RFC 8621 §2.2, §4.3).
 */
import { emailIdOf } from '#maildir';
import type { Expunged, FolderState, Numbered } from './mail.ts';
import { indexFrom } from './shared-folder.ts';
import type { RemovedFolder } from './removed-folders.ts';
import type { Changed } from './view.ts';
import {
  decodeEmails,
  decodeMailboxes,
  mailboxIdOf,
  type EmailRow,
  type Rows,
} from './view-states.ts';
import type { Version } from './view-version.ts';

/** Undefined where it cannot be told. */
export function emailChanges(since: string, version: Version): Changed | undefined {
  if (since === version.emailState) return { created: [], updated: [], destroyed: [] };
  const rows = decodeEmails(since);
  if (rows === undefined) return undefined;
  const seen = new Seen();
  for (const [journalId, row] of rows) {
    const state = version.withJournal(journalId)?.state;
    const told =
      state === undefined
        ? seen.removed(row, version.removed.get(journalId))
        : seen.changed(row, state);
    if (told === 'untold') return undefined;
  }
  for (const { state } of version.folders) {
    if (!rows.has(state.journalId)) for (const message of state.messages) seen.arrived(message);
  }
  return seen.sorted(rows, version);
}

/** Ids by what became of a place of theirs; an email may have been moved, so it may be in many. */
class Seen {
  readonly #arrived = new Set<string>();
  readonly #changed = new Set<string>();
  readonly #left = new Set<string>();

  arrived({ key }: Numbered): void {
    this.#arrived.add(emailIdOf(key));
  }

  /** In a folder that is there. */
  changed(row: EmailRow, state: FolderState): 'told' | 'untold' {
    const { messages, modseq, expungedSince } = state;
    if (row.modseq === modseq) return 'told';
    if (row.modseq > modseq || row.modseq < expungedSince) return 'untold';
    const fresh = indexFrom(messages, row.uidNext);
    for (let at = 0; at < fresh; at++) {
      const message = messages[at] as Numbered;
      if (message.modseq > row.modseq) this.#changed.add(emailIdOf(message.key));
    }
    for (let at = fresh; at < messages.length; at++) this.arrived(messages[at] as Numbered);
    return this.#expunged(row, state.expunged);
  }

  /** In a folder that is not there any more. */
  removed(row: EmailRow, folder: RemovedFolder | undefined): 'told' | 'untold' {
    // What came after the state was never told to whoever holds it.
    if (row.isEmpty || row.uidNext === 1) return 'told';
    if (folder === undefined || row.modseq < folder.expungedSince) return 'untold';
    for (const { uid, emailId } of folder.messages) {
      if (uid < row.uidNext) this.#left.add(emailId);
    }
    return this.#expunged(row, folder.expunged);
  }

  sorted(rows: Rows<EmailRow>, version: Version): Changed {
    const created: string[] = [];
    const destroyed: string[] = [];
    const updated = new Set(this.#changed);
    for (const id of this.#arrived) {
      if (this.#left.has(id) || wasThere(id, rows, version)) updated.add(id);
      else created.push(id);
    }
    for (const id of this.#left) {
      if (version.places(id).length > 0) updated.add(id);
      else destroyed.push(id);
    }
    return { created, updated: [...updated], destroyed };
  }

  /** Ascending by MODSEQ: those of before are not looked at. */
  #expunged(row: EmailRow, expunged: readonly Expunged[]): 'told' | 'untold' {
    let at = expunged.length;
    while (at > 0 && (expunged[at - 1] as Expunged).modseq > row.modseq) at -= 1;
    for (const { uid, emailId } of expunged.slice(at)) {
      if (uid >= row.uidNext) continue;
      if (emailId === '') return 'untold';
      this.#left.add(emailId);
    }
    return 'told';
  }
}

/** Whether an email that has come to a folder lay in another then, and does so still. */
function wasThere(emailId: string, rows: Rows<EmailRow>, version: Version): boolean {
  return version.places(emailId).some(({ in: { state }, message }) => {
    const row = rows.get(state.journalId);
    return row !== undefined && message.uid < row.uidNext;
  });
}

/** Undefined where it cannot be told. */
export function mailboxChanges(
  since: string,
  version: Version,
): (Changed & { readonly countsOnly: boolean }) | undefined {
  const rows = decodeMailboxes(since);
  if (rows === undefined) return undefined;
  const now = version.mailboxRows;
  const created: string[] = [];
  const updated: string[] = [];
  let countsOnly = true;
  for (const [id, { shown, modseq }] of now) {
    const before = rows.get(id);
    if (before === undefined) created.push(mailboxIdOf(id));
    else if (before.shown !== shown || before.modseq !== modseq) {
      updated.push(mailboxIdOf(id));
      countsOnly &&= before.shown === shown;
    }
  }
  const gone = [...rows.keys()].filter((id) => !now.has(id));
  const destroyed = gone.map(mailboxIdOf);
  return { created, updated, destroyed, countsOnly: countsOnly && updated.length > 0 };
}
