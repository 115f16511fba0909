/**
 * What has changed between a state that a client holds and a version: pure functions over what the
 * folders' journals say (RFC 8620 §5.2, RFC 8621 §2.2, §4.3). In parts: `view-changes-part.ts`.
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
  type KnownSpan,
  type MailboxRow,
  type Rows,
} from './view-states.ts';
import type { Version } from './view-version.ts';

/** One message of one folder that became another, or came, or went. */
export interface Deed {
  readonly journalId: string;
  readonly uid: number;
  readonly emailId: string;
}

/** All that a client has not been told. */
export interface Difference {
  /** What it was told. */
  readonly rows: Rows<EmailRow>;
  /** By folder, then by UID: what came. */
  readonly arrived: readonly Deed[];
  /** By folder, then by UID: what changed or went in folders that are there. */
  readonly inPlace: readonly Deed[];
  /** By folder, then by UID: what came and went, so that nobody who holds the state knows of it. */
  readonly unseen: readonly Deed[];
  /** The same of folders that are not there any more, as emails. */
  readonly unseenRemoved: readonly string[];
  /** By folder, the highest UID first: what went with folders that are not there any more. */
  readonly removed: readonly Deed[];
  readonly all: Changed;
}

/** Undefined where it cannot be told. */
export const emailChanges = (since: string, version: Version): Changed | undefined =>
  since === version.emailState
    ? { created: [], updated: [], destroyed: [] }
    : differenceSince(since, version)?.all;

/** Undefined where it cannot be told. */
export function differenceSince(since: string, version: Version): Difference | undefined {
  const rows = decodeEmails(since);
  if (rows === undefined) return undefined;
  const seen = new Seen();
  for (const [journalId, row] of rows) {
    const state = version.withJournal(journalId)?.state;
    const told =
      state === undefined
        ? seen.removedFolder({ row, journalId }, version.removed.get(journalId))
        : seen.folder(row, state);
    if (told === 'untold') return undefined;
  }
  for (const { state } of version.folders) {
    if (rows.has(state.journalId)) continue;
    for (const message of state.messages) seen.arrives(state, message);
    seen.wentUnseen(state, state.expunged);
  }
  const { arrived, inPlace, unseen, removed, unseenRemoved } = seen;
  const all = seen.sorted(rows, version);
  return { rows, arrived, inPlace, unseen, removed, unseenRemoved, all };
}

/** All that a client knows of a folder, as spans of UIDs. */
export const spansOf = ({ earlier = [], uidNext, modseq }: EmailRow): readonly KnownSpan[] => [
  ...earlier,
  { below: uidNext, modseq },
];

/** Says of ascending UIDs as of which MODSEQ they are known; Infinity: they are not. */
function knownAt(spans: readonly KnownSpan[]): (uid: number) => number {
  let at = 0;
  let last = 0;
  return (uid) => {
    if (uid < last) at = 0;
    last = uid;
    while (at < spans.length && (spans[at] as KnownSpan).below <= uid) at += 1;
    return spans[at]?.modseq ?? Infinity;
  };
}

/** Ids by what became of a place of theirs; an email may have been moved, so it may be in many. */
class Seen {
  readonly arrived: Deed[] = [];
  readonly inPlace: Deed[] = [];
  readonly unseen: Deed[] = [];
  readonly removed: Deed[] = [];
  readonly unseenRemoved: string[] = [];
  readonly #changed = new Set<string>();
  readonly #left = new Set<string>();

  arrives({ journalId }: FolderState, { uid, key }: Numbered): void {
    this.arrived.push({ journalId, uid, emailId: emailIdOf(key) });
  }

  /** One that is there. */
  folder(row: EmailRow, state: FolderState): 'told' | 'untold' {
    const { journalId, messages, modseq, uidNext, expungedSince } = state;
    if (!row.earlier && row.modseq === modseq && row.uidNext === uidNext) return 'told';
    const spans = spansOf(row);
    const modseqs = spans.map((span) => span.modseq);
    if (Math.max(...modseqs) > modseq || Math.min(...modseqs) < expungedSince) return 'untold';
    const fresh = indexFrom(messages, row.uidNext);
    const known = knownAt(spans);
    const deeds: Deed[] = [];
    for (let at = 0; at < fresh; at++) {
      const message = messages[at] as Numbered;
      if (message.modseq <= known(message.uid)) continue;
      const emailId = emailIdOf(message.key);
      this.#changed.add(emailId);
      deeds.push({ journalId, uid: message.uid, emailId });
    }
    for (let at = fresh; at < messages.length; at++) this.arrives(state, messages[at] as Numbered);
    const gone = expungedOf(spans, state.expunged);
    if (gone === 'untold') return 'untold';
    for (const { uid, emailId } of gone) deeds.push({ journalId, uid, emailId });
    for (const { emailId } of gone) this.#left.add(emailId);
    for (const deed of deeds.toSorted(byUid)) this.inPlace.push(deed);
    const since = Math.min(...modseqs);
    const later = state.expunged.filter((one) => one.uid >= row.uidNext && one.modseq > since);
    this.wentUnseen(state, later);
    return 'told';
  }

  wentUnseen({ journalId }: Pick<FolderState, 'journalId'>, gone: readonly Expunged[]): void {
    const deeds = gone.map(({ uid, emailId }) => ({ journalId, uid, emailId }));
    for (const deed of deeds.toSorted(byUid)) this.unseen.push(deed);
  }

  /** One that is not there any more. */
  removedFolder(
    { row, journalId }: { readonly row: EmailRow; readonly journalId: string },
    folder: RemovedFolder | undefined,
  ): 'told' | 'untold' {
    // What came after the state was never told to whoever holds it.
    if (row.isEmpty || row.uidNext === 1) return 'told';
    const spans = spansOf(row);
    const oldest = Math.min(...spans.map(({ modseq }) => modseq));
    if (folder === undefined || oldest < folder.expungedSince) return 'untold';
    const gone = expungedOf(spans, folder.expunged);
    if (gone === 'untold') return 'untold';
    const isUnseen = ({ uid }: { readonly uid: number }): boolean => uid >= row.uidNext;
    const unseen = [...folder.messages, ...folder.expunged].filter(isUnseen);
    this.unseenRemoved.push(...unseen.map(({ emailId }) => emailId));
    const lay = folder.messages.filter((one) => !isUnseen(one));
    for (const { uid, emailId } of [...lay, ...gone].toSorted((a, b) => b.uid - a.uid)) {
      this.#left.add(emailId);
      this.removed.push({ journalId, uid, emailId });
    }
    return 'told';
  }

  sorted(rows: Rows<EmailRow>, version: Version): Changed {
    const created: string[] = [];
    const destroyed: string[] = [];
    const updated = new Set(this.#changed);
    for (const id of new Set(this.arrived.map(({ emailId }) => emailId))) {
      if (this.#left.has(id) || wasThere(id, rows, version)) updated.add(id);
      else created.push(id);
    }
    for (const id of this.#left) {
      if (version.places(id).length > 0) updated.add(id);
      else destroyed.push(id);
    }
    return { created, updated: [...updated], destroyed };
  }
}

const byUid = (a: Deed, b: Deed): number => a.uid - b.uid;

/** Those that a client knew. Ascending by MODSEQ: those of before are not looked at. */
function expungedOf(
  spans: readonly KnownSpan[],
  expunged: readonly Expunged[],
): readonly Expunged[] | 'untold' {
  const oldest = Math.min(...spans.map(({ modseq }) => modseq));
  let at = expunged.length;
  while (at > 0 && (expunged[at - 1] as Expunged).modseq > oldest) at -= 1;
  const known = knownAt(spans);
  const gone = expunged.slice(at).filter(({ uid, modseq }) => modseq > known(uid));
  return gone.some(({ emailId }) => emailId === '') ? 'untold' : gone;
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
  return rows && mailboxDifference(rows, version);
}

export function mailboxDifference(
  rows: Rows<MailboxRow>,
  version: Version,
): Changed & { readonly countsOnly: boolean } {
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
