/** A lane that reads mailboxes through changing front ends, two at a time now and then. */
import { setTimeout as sleep } from 'node:timers/promises';
import { chance, hashOf, pick, shuffled, type Chance } from './chance.ts';
import type { Desk } from './desk.ts';
import type { Judge, Listing } from './judge.ts';
import type { Measure } from './measure.ts';
import { now, type Settings, type User } from './options.ts';
import { Lost, Pop3, TEMPORARY, Unavailable, Wrong } from './pop3.ts';

export interface ReaderParts {
  readonly desk: Desk;
  readonly judge: Judge;
  readonly settings: Settings;
  readonly measure: Measure;
  readonly lane: string;
  readonly group: string;
  readonly users: readonly User[];
  readonly running: () => boolean;
}

/** What all readers together have done. */
export interface ReaderCounts {
  sessions: number;
  fetched: number;
  unavailable: number;
  broken: number;
  /** Sessions in which not every message could be identified. */
  undecided: number;
  /** Sessions cut after DELE, without QUIT. */
  cut: number;
}

export const noCounts = (): ReaderCounts => ({
  sessions: 0,
  fetched: 0,
  unavailable: 0,
  broken: 0,
  undecided: 0,
  cut: 0,
});

export interface SessionOptions {
  readonly user: User;
  readonly frontEnd: string;
  readonly random: Chance;
  /** Share of known messages that are fetched again. */
  readonly again: number;
  readonly deletions: number;
}

type Parts = Pick<ReaderParts, 'desk' | 'judge' | 'settings'>;

/**
 * Opens a mailbox, lists it and fetches what is not known yet; judges.
 * @param listed called when the listing is whole
 * @throws Lost, Unavailable; Wrong after it was written down
 */
export async function readMailbox(
  parts: Parts,
  options: SessionOptions,
  counts: ReaderCounts,
  listed: (listing: Listing) => void = () => {},
): Promise<Listing> {
  const { desk, judge, settings } = parts;
  const { user, frontEnd } = options;
  const box = desk.book.box(user.login);
  const pop = await Pop3.connect(frontEnd, settings.connectMs, settings.answerMs);
  try {
    const expected = [...box.unseen];
    const view = await pop.view(user.login, user.password);
    const listing: Listing = { box, frontEnd, ...view, expected };
    listed(listing);
    counts.sessions++;
    let complete = false;
    try {
      complete = await fetchMessages(parts, options, counts, { pop, listing });
    } finally {
      if (!complete) counts.undecided++;
      judge.listing(listing, complete);
    }
    await deleteSome(parts, options, counts, { pop, listing });
    return listing;
  } catch (error) {
    if (error instanceof Wrong) {
      desk.violate(error.kind, error.message, { mailbox: user.login, frontEnd });
    }
    throw error;
  } finally {
    pop.close();
  }
}

interface Open {
  readonly pop: Pop3;
  readonly listing: Listing;
}

/** @returns whether every message of the listing is known now */
async function fetchMessages(
  parts: Parts,
  options: SessionOptions,
  counts: ReaderCounts,
  { pop, listing }: Open,
): Promise<boolean> {
  const { box } = listing;
  const known = (uidl: string): boolean => box.messages.has(uidl) || box.before.has(uidl);
  let number = 0;
  let refused: string | undefined;
  for (const uidl of listing.rows.keys()) {
    number++;
    if (known(uidl) && options.random() >= options.again) continue;
    if (box.before.has(uidl)) continue;
    const message = await pop.retrieve(number);
    if (typeof message !== 'string') {
      counts.fetched++;
      parts.judge.fetched(listing, uidl, message);
      continue;
    }
    // Another session may have deleted it; if nobody did, the farm has trouble.
    if (box.messages.get(uidl)?.askedAt !== undefined) continue;
    if (!TEMPORARY.test(message)) {
      throw new Wrong('wrong-answer', `RETR of ${uidl}, which is listed: ${message}`);
    }
    refused ??= message;
  }
  if (refused !== undefined) throw new Unavailable(refused);
  return [...listing.rows.keys()].every(known);
}

/**
 * Deletes by a hash of the id, so that sessions that run at once want the same ones, and the oldest
 * of a mailbox that got too large. Now and then the connection breaks instead of QUIT.
 */
async function deleteSome(
  parts: Parts,
  options: SessionOptions,
  counts: ReaderCounts,
  { pop, listing }: Open,
): Promise<void> {
  const { desk, settings } = parts;
  const { box, rows } = listing;
  const uidls: string[] = [];
  const surplus = options.deletions > 0 ? rows.size - settings.keep : 0;
  let number = 0;
  for (const uidl of rows.keys()) {
    number++;
    const message = box.messages.get(uidl);
    const chosen = (hashOf(uidl) % 1000) / 1000 < options.deletions || number <= surplus;
    if (!message || !chosen || message.octets !== rows.get(uidl)) continue;
    if (options.random() < 0.3) continue; // Some are there for several sessions.
    await pop.delete(number);
    uidls.push(uidl);
  }
  if (uidls.length > 0 && options.random() < 0.1) {
    counts.cut++;
    return;
  }
  if (uidls.length > 0) {
    desk.put({ kind: 'ask', box: box.login, uidls, at: now() });
    await desk.ledger.durable();
  }
  const confirmed = await pop.quit();
  if (!confirmed) throw new Unavailable('some deletions were not done');
  if (uidls.length > 0) desk.put({ kind: 'deleted', box: box.login, uidls, at: now() });
}

export class Reader {
  readonly #parts: ReaderParts;
  readonly #counts: ReaderCounts;
  readonly #random: Chance;

  constructor(parts: ReaderParts, counts: ReaderCounts) {
    this.#parts = parts;
    this.#counts = counts;
    const { settings, desk, lane } = parts;
    this.#random = chance(`${settings.seed} reader ${desk.book.starts} ${lane}`);
  }

  async run(): Promise<void> {
    const { settings, users, running } = this.#parts;
    while (running()) {
      const user = pick(this.#random, users);
      const places = shuffled(this.#random, settings.pop3);
      // Two sessions at once, at two front ends where there are two.
      const two = this.#random() < 0.3 ? [places, places.toReversed()] : [places];
      await Promise.all(two.map((order) => this.#session(user, order)));
      await sleep(settings.readPauseMs * (0.5 + this.#random()));
    }
  }

  /** At the first front end that lets us in. */
  async #session(user: User, places: readonly string[]): Promise<void> {
    const { measure, group, settings } = this.#parts;
    const { again, deletions } = settings;
    for (const frontEnd of places) {
      const done = measure.begin(group, 'read');
      let listedAt: number | undefined;
      try {
        const options = { user, frontEnd, random: this.#random, again, deletions };
        await readMailbox(this.#parts, options, this.#counts, ({ until }) => {
          listedAt = until;
        });
        return done('success', listedAt);
      } catch (error) {
        const refused = error instanceof Unavailable;
        if (!refused && !(error instanceof Lost) && !(error instanceof Wrong)) throw error;
        if (refused) this.#counts.unavailable++;
        else this.#counts.broken++;
        done(refused ? 'temporary' : 'failed');
        if (!(error instanceof Lost) || listedAt !== undefined) return;
      }
    }
  }
}
