/**
 * The end: nobody sends or deletes any more. Every mailbox is looked at through every front end
 * until all is there and all agree, or the time for that is over.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { chance } from './chance.ts';
import type { Desk } from './desk.ts';
import { compareDisk } from './disk.ts';
import type { Judge, Listing } from './judge.ts';
import { now, type Settings, type User } from './options.ts';
import { Lost, Unavailable, Wrong } from './pop3.ts';
import { readMailbox, type ReaderCounts } from './reader.ts';
import type { ViolationKind } from './violation.ts';

export interface FinalParts {
  readonly desk: Desk;
  readonly judge: Judge;
  readonly settings: Settings;
  readonly counts: ReaderCounts;
}

const BOXES_AT_ONCE = 4;
const PAUSE_MS = 500;
/** The share of messages that every front end but the first sends whole. */
const OTHERS_AGAIN = 0.25;

interface Problem {
  readonly kind: ViolationKind;
  readonly text: string;
  readonly letter?: string;
  readonly uidl?: string;
  readonly frontEnd?: string;
}

/** @returns milliseconds until all was there. */
export async function verifyMailboxes(parts: FinalParts): Promise<number> {
  const start = now();
  const left = [...parts.settings.users];
  const lane = async (): Promise<void> => {
    for (let user = left.pop(); user; user = left.pop()) {
      await verifyMailbox(parts, user, start + parts.settings.landMs);
    }
  };
  await Promise.all(Array.from({ length: BOXES_AT_ONCE }, lane));
  return now() - start;
}

async function verifyMailbox(parts: FinalParts, user: User, deadline: number): Promise<void> {
  for (;;) {
    const problems = await look(parts, user);
    if (problems.length > 0 && now() < deadline) {
      await sleep(PAUSE_MS);
      continue;
    }
    for (const { kind, text, ...where } of problems) {
      parts.desk.violate(kind, text, { mailbox: user.login, ...where });
    }
    return;
  }
}

/**
 * Once through every front end; the first reads every message octet by octet, the others some: what
 * one host has in its cache, another may have otherwise.
 */
async function look(parts: FinalParts, user: User): Promise<Problem[]> {
  const { desk, judge, settings } = parts;
  const random = chance(user.login);
  const problems: Problem[] = [];
  const views: Listing[] = [];
  for (const frontEnd of settings.pop3) {
    const again = views.length === 0 ? 1 : OTHERS_AGAIN;
    try {
      const options = { user, frontEnd, random, again, deletions: 0 };
      // A listing counts also when messages in it cannot be fetched: who knows which they are?
      await readMailbox(parts, options, parts.counts, (listing) => views.push(listing));
    } catch (error) {
      const known = [Lost, Unavailable, Wrong].some((kind) => error instanceof kind);
      if (!known) throw error;
      problems.push({ kind: 'unreadable', text: (error as Error).message, frontEnd });
    }
  }
  const first = views[0];
  if (!first) return problems;
  for (const view of views.slice(1)) {
    const text = disagreement(first, view);
    if (text !== undefined) problems.push({ kind: 'views-differ', text, frontEnd: view.frontEnd });
  }
  for (const { letter, copy } of judge.lost(first.box, first.rows)) {
    const at = new Date(copy.ackedAt ?? 0).toISOString();
    const seen = copy.uidls.length > 0 ? `, was seen as ${copy.uidls.join(' ')}` : '';
    problems.push({ kind: 'lost', text: `acknowledged at ${at}${seen}`, letter });
  }
  const path = settings.maildirs[user.login];
  if (path === undefined) return problems;
  const differing = compareDisk(desk.book, { login: user.login, path, rows: first.rows });
  return problems.concat(differing.map((one) => ({ kind: 'disk-differs', ...one })));
}

function disagreement(one: Listing, other: Listing): string | undefined {
  const only = (a: Listing, b: Listing): string[] =>
    [...a.rows].filter(([uidl, octets]) => b.rows.get(uidl) !== octets).map(([uidl]) => uidl);
  const [here, there] = [only(one, other), only(other, one)];
  if (here.length === 0 && there.length === 0) return undefined;
  const some = (uidls: string[]): string => uidls.slice(0, 3).join(' ') || 'nothing';
  return `only at ${one.frontEnd}: ${some(here)}; only at ${other.frontEnd}: ${some(there)}`;
}
