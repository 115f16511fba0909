/**
 * Changes told in parts (`maxChanges`, RFC 8620 §5.2): each part ends in a state from which any
 * node tells the rest, and nobody keeps what was told.
 *
 * Invariants:
 *  P1. A state says of each folder which UIDs its holder knows, and as of which MODSEQ: a function
 *      that is constant over spans of UIDs. Between two whole states it has several spans
 *      (`earlier`).
 *  P2. Whoever knows an email knows a place of it that is still there, or has one of its departures
 *      still to be told. So an email is told created once, and destroyed when the last place went.
 *  P3. Parts end: each has at least one deed, and what was told is told again only where it has
 *      changed since.
 *
 * P2 is why arrivals are told first, in all folders, then what changed and went, then folders that
 * were removed: an email that was moved is known at its new place before it is told to have left
 * the old one. Told the other way round it would be an email without a place, and its arrival, in
 * the next part, the creation of an email that the client has.
 *
 * What came after the state and is gone again was never told, and for emails there is nothing to
 * say. Of threads there is: who was told of a thread in one part and asked for it was shown an
 * email that comes in a later part; when that goes meanwhile the thread has changed and no deed
 * says so. So for threads each such email is a deed (`unseen`), told where its arrival would have
 * been. Of a folder that was removed they are told only where all fits into one part: there is no
 * place in a state that says they were.
 *
 * Races, between one part and the next:
 *  - More arrives: it comes first in the next part; what was left to tell waits.
 *  - An email of the first part changes or goes: its span is known as of the version of that part,
 *    so it is told once more.
 *  - An email that was told moves on: its arrival and its departure are both new: updated.
 *  - The folder goes: what is known of it is told from the highest UID down, and the row ends below
 *    what was told.
 *  - Each part in another version makes a span more: beyond SPANS_MAX the lowest two become one, as
 *    of the older; some emails are told as updated that have not changed.
 *  - One commit changed thousands, all of one MODSEQ: so parts go by UID, not by MODSEQ.
 */
import type { Changed, ChangedPart, MailView } from './view.ts';
import {
  differenceSince,
  mailboxDifference,
  spansOf,
  type Deed,
  type Difference,
} from './view-changes.ts';
import {
  decodeMailboxes,
  EARLIER_SPANS_MAX,
  encodeEmails,
  encodeMailboxes,
  mailboxIdOf,
  type EmailRow,
  type KnownSpan,
  type MailboxRow,
} from './view-states.ts';
import type { Version } from './view-version.ts';

/** Of a folder in a state. */
const SPANS_MAX = EARLIER_SPANS_MAX + 1;

/** Undefined where it cannot be told. */
export function emailChangesPart(
  since: string,
  version: Version,
  { max, unseen: how }: Parameters<MailView['emailChangesPart']>[2],
): ReturnType<MailView['emailChangesPart']> {
  const newState = version.emailState;
  if (since === newState) {
    const none: Changed = { created: [], updated: [], destroyed: [] };
    return { told: none, all: none, unseen: [], newState, hasMore: false };
  }
  const found = differenceSince(since, version);
  if (found === undefined) return undefined;
  const { all } = found;
  const { created, updated, destroyed } = all;
  const deeds = new Set([...created, ...updated, ...destroyed]);
  // One that has moved on is told where it came to.
  const isUnseen = (emailId: string): boolean => how === 'told' && !deeds.has(emailId);
  const difference = { ...found, unseen: found.unseen.filter((one) => isUnseen(one.emailId)) };
  const unseen = [...new Set(difference.unseen.map(({ emailId }) => emailId))];
  if (deeds.size + unseen.length <= max) {
    const more = [...new Set([...unseen, ...found.unseenRemoved.filter(isUnseen)])];
    const fitting = deeds.size + more.length <= max ? more : unseen;
    return { told: all, all, unseen: fitting, newState, hasMore: false };
  }
  const { ids, rows } = firstOf(difference, version, max);
  const within = (list: readonly string[]): readonly string[] => list.filter((id) => ids.has(id));
  const told = {
    created: within(created),
    updated: within(updated),
    destroyed: within(destroyed),
  };
  const newRows = encodeEmails(rows);
  return { told, all, unseen: within(unseen), newState: newRows, hasMore: true };
}

/** As many ids as may be told, and what is known by whoever was told. */
function firstOf(
  { rows, arrived, unseen, inPlace, removed }: Difference,
  version: Version,
  max: number,
): { readonly ids: ReadonlySet<string>; readonly rows: ReadonlyMap<string, EmailRow> } {
  const ids = new Set<string>();
  const known = new Map(rows);
  const phases = [
    [byFolder([...arrived, ...unseen]), afterArrival],
    [inPlace, afterChange],
    [removed, afterRemoval],
  ] as const;
  for (const [deeds, after] of phases) {
    for (const deed of deeds) {
      if (ids.size === max && !ids.has(deed.emailId)) return { ids, rows: known };
      ids.add(deed.emailId);
      const { journalId } = deed;
      const modseq = version.withJournal(journalId)?.state.modseq ?? 0;
      const row = after(known.get(journalId), deed, modseq);
      if (row === undefined) known.delete(journalId);
      else known.set(journalId, row);
    }
  }
  return { ids, rows: known };
}

/** Then by UID; folders as they come. */
function byFolder(deeds: readonly Deed[]): readonly Deed[] {
  const folders = Map.groupBy(deeds, ({ journalId }) => journalId);
  return [...folders.values()].flatMap((some) => some.toSorted((a, b) => a.uid - b.uid));
}

function afterArrival(row: EmailRow | undefined, { uid }: Deed, modseq: number): EmailRow {
  const spans = row === undefined ? [] : spansOf(row);
  return rowOf([...spans, { below: uid + 1, modseq }]);
}

/** All with lower UIDs were told before. */
function afterChange(row: EmailRow | undefined, { uid }: Deed, modseq: number): EmailRow {
  const rest = row === undefined ? [] : spansOf(row).filter(({ below }) => below > uid + 1);
  return rowOf([{ below: uid + 1, modseq }, ...rest]);
}

/** All with higher UIDs were told before. */
function afterRemoval(row: EmailRow | undefined, { uid }: Deed): EmailRow | undefined {
  const spans = row === undefined ? [] : spansOf(row);
  const below = spans.filter((span) => span.below < uid);
  const last = spans[below.length];
  return last === undefined || uid === 1
    ? undefined
    : rowOf([...below, { below: uid, modseq: last.modseq }]);
}

/** @param given Ascending; never none */
function rowOf(given: readonly KnownSpan[]): EmailRow {
  const spans: KnownSpan[] = [];
  for (const span of given) {
    const before = spans.at(-1);
    if (span.below <= (before?.below ?? 1)) continue;
    if (before?.modseq === span.modseq) spans.pop();
    spans.push(span);
  }
  const [first, second] = spans;
  if (spans.length > SPANS_MAX && first !== undefined && second !== undefined) {
    const modseq = Math.min(first.modseq, second.modseq);
    spans.splice(0, 2, { below: second.below, modseq });
  }
  const { below: uidNext, modseq } = spans.pop() as KnownSpan;
  return { modseq, uidNext, isEmpty: false, ...(spans.length > 0 && { earlier: spans }) };
}

/** Undefined where it cannot be told. */
export function mailboxChangesPart(
  since: string,
  version: Version,
  { max, recount }: { readonly max: number; readonly recount: boolean },
): (ChangedPart & { readonly countsOnly: boolean }) | undefined {
  const decoded = decodeMailboxes(since);
  if (decoded === undefined) return undefined;
  // No mailbox has MODSEQ 0, so each of them is told, in this part or in one after it.
  const rows = new Map(
    [...decoded].map(([id, row]) => [id, recount ? { ...row, modseq: 0 } : row] as const),
  );
  const { countsOnly, ...all } = mailboxDifference(rows, version);
  const ids = [...all.created, ...all.updated, ...all.destroyed];
  if (ids.length <= max) {
    return { told: all, newState: version.mailboxState, hasMore: false, countsOnly };
  }
  const told = new Set(ids.slice(0, max));
  const known = new Map<string, MailboxRow>();
  for (const [id, row] of rows) if (!told.has(mailboxIdOf(id))) known.set(id, row);
  for (const [id, row] of version.mailboxRows) if (told.has(mailboxIdOf(id))) known.set(id, row);
  const within = (list: readonly string[]): readonly string[] => list.filter((id) => told.has(id));
  return {
    told: {
      created: within(all.created),
      updated: within(all.updated),
      destroyed: within(all.destroyed),
    },
    newState: encodeMailboxes(known),
    hasMore: true,
    countsOnly,
  };
}
