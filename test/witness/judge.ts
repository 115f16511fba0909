/**
 * What must follow from what is known, whatever was broken meanwhile.
 *
 * A session's view is a snapshot taken at some moment between `from` (before PASS was sent) and
 * `until` (the whole of UIDL was read). So, by our own one clock:
 * - what was acknowledged, or seen by a session that had ended its listing, before `from` must be
 *   shown, unless its deletion was asked for before `until` (QUIT sent, whatever came of it);
 * - what was confirmed as deleted before `from`, or had been asked for and was gone from a listing
 *   that ended before `from`, must not be shown;
 * - everything between may be or not be there.
 * DELE without QUIT asks for nothing: such a message must stay.
 *
 * A letter has at most as many copies, those deleted meanwhile included, as attempts sent the end
 * of the data. A message whose id changed is a copy too many while another is missing. The copy of
 * an attempt that was acknowledged is one that nobody saw before that attempt sent the end of its
 * data: the copy of an earlier attempt, seen by then, does not stand for it.
 *
 * A loss of power may take back what nobody was told: messages that were seen and not acknowledged,
 * deletions that were seen and not confirmed.
 *
 * Judged is only what the session could know: acknowledged letters that nobody fetched yet are
 * missing only if every message of the session was identified.
 */
import { mayBePromised, type Book, type Box, type Copy } from './book.ts';
import type { Letter, Message } from './book.ts';
import type { Desk } from './desk.ts';
import { bodyHash, difference, hashOctets, identify, makeLetter } from './letter.ts';
import type { Settings } from './options.ts';
import type { Violation, ViolationKind } from './violation.ts';

export interface Listing {
  readonly box: Box;
  readonly frontEnd: string;
  readonly from: number;
  readonly until: number;
  /** Unique id to octets. */
  readonly rows: ReadonlyMap<string, number>;
  /** Acknowledged letters that nobody had fetched at `from`. */
  readonly expected: readonly string[];
}

const clock = (at: number | undefined): string =>
  at === undefined ? 'never' : new Date(at).toISOString().slice(11, 23);

export class Judge {
  readonly #desk: Desk;
  readonly #settings: Settings;
  /** Messages that were seen, never acknowledged, and gone after a loss of power. */
  readonly vanished = new Set<Message>();

  constructor(desk: Desk, settings: Settings) {
    this.#desk = desk;
    this.#settings = settings;
  }

  get book(): Book {
    return this.#desk.book;
  }

  /** @param complete every message of the listing is known by now */
  listing(listing: Listing, complete: boolean): void {
    const { box, rows } = listing;
    this.#shown(listing);
    const missing = this.#missing(listing);
    const unseen = complete ? this.#unseen(listing) : [];
    const count = missing.length + unseen.length;
    if (rows.size === 0 && count > 0) {
      this.#violate('empty', listing, `empty, though ${count} messages had to be there`, {});
      return;
    }
    for (const message of missing) this.#isMissing(listing, message, complete);
    for (const letter of unseen) {
      const at = this.book.copy(letter, box.login)?.ackedAt;
      const text = `acknowledged at ${clock(at)}, before the session, and not shown`;
      this.#violate('missing', listing, text, { letter });
    }
    this.#doubled(listing);
  }

  #shown(listing: Listing): void {
    const { box, rows, from } = listing;
    for (const [uidl, octets] of rows) {
      const message = box.messages.get(uidl);
      if (!message) continue;
      const { letter, deletedAt, goneAt } = message;
      message.shownFrom = Math.max(message.shownFrom, from);
      if (deletedAt !== undefined && deletedAt < from) {
        const text = `its deletion was confirmed at ${clock(deletedAt)}, and it is shown`;
        this.#violate('came-back', listing, text, { letter, uidl });
      } else if (goneAt !== undefined && goneAt < from) this.#isBack(listing, message);
      if (octets !== message.octets) {
        const text = `listed with ${octets} octets, before with ${message.octets}`;
        this.#violate('size', listing, text, { letter, uidl });
      }
    }
  }

  /** Its deletion was asked for, one session did not show it, and a later one does. */
  #isBack(listing: Listing, message: Message): void {
    const { letter, uidl, goneAt } = message;
    if (this.#settings.powerCuts) {
      message.goneAt = undefined;
      return;
    }
    const text = `its deletion was asked for, it was gone at ${clock(goneAt)}, and is back`;
    this.#violate('came-back', listing, text, { letter, uidl });
  }

  /** Seen before, to be there, and not there. */
  #missing(listing: Listing): Message[] {
    const { box, rows, from, until } = listing;
    const missing: Message[] = [];
    for (const message of box.messages.values()) {
      if (rows.has(message.uidl) || this.vanished.has(message)) continue;
      if (message.seenAt >= from) continue; // It may have come after this snapshot.
      if (message.askedAt !== undefined && message.askedAt <= until) {
        message.goneAt = Math.min(message.goneAt ?? until, until);
        // A session that began later, and was judged earlier, has shown it.
        if (message.shownFrom > until) this.#isBack(listing, message);
      } else missing.push(message);
    }
    return missing;
  }

  #isMissing(listing: Listing, message: Message, complete: boolean): void {
    const { letter, uidl } = message;
    const copy = this.book.copy(letter, listing.box.login);
    const other = copy?.uidls.find((id) => id !== uidl && listing.rows.has(id));
    if (copy && other !== undefined && copy.uidls.length > copy.tries) {
      const text = `letter ${letter} has the id ${other} now`;
      this.#violate('uidl-changed', listing, text, { letter, uidl });
      message.askedAt ??= 0; // It counts as gone; nobody has to miss it again.
      copy.uidls.splice(copy.uidls.indexOf(uidl), 1);
      return;
    }
    if (this.#settings.powerCuts && copy) {
      const { messages } = listing.box;
      const isThere = (id: string): boolean =>
        id !== uidl && listing.rows.has(id) && mayBePromised(copy, messages.get(id));
      if (!mayBePromised(copy, message) || copy.uidls.some(isThere)) {
        this.vanished.add(message);
        return;
      }
      if (copy.open > 0 && !complete) return; // It may be among what was not fetched.
    }
    const text = `seen at ${clock(message.seenAt)}, nobody deleted it, and it is not shown`;
    this.#violate('missing', listing, text, { letter, uidl });
  }

  /** Acknowledged and never fetched, by nobody until now. */
  #unseen(listing: Listing): string[] {
    const { box, rows, from, until } = listing;
    return listing.expected.filter((id) => {
      const copy = this.book.copy(id, box.login);
      if (!copy || copy.parking || (copy.ackedAt ?? from) >= from) return false;
      return !copy.uidls.some((uidl) => {
        const message = box.messages.get(uidl);
        if (!mayBePromised(copy, message)) return false;
        const asked = message?.askedAt;
        return rows.has(uidl) || (asked !== undefined && asked <= until);
      });
    });
  }

  #doubled(listing: Listing): void {
    const { box } = listing;
    for (const uidl of listing.rows.keys()) {
      const letter = box.messages.get(uidl)?.letter;
      const copy = letter === undefined ? undefined : this.book.copy(letter, box.login);
      if (!copy || copy.uidls.length <= copy.tries) continue;
      const text = `${copy.uidls.length} copies of ${copy.tries} attempts: ${copy.uidls.join(' ')}`;
      this.#violate('doubled', listing, text, { letter, uidl });
    }
  }

  /** A message was fetched with a clean end. @returns the letter that it is. */
  fetched(listing: Listing, uidl: string, message: Buffer): string | undefined {
    const { box, rows } = listing;
    const { id, payload } = identify(message);
    const letter = id === undefined ? undefined : this.book.letters.get(id);
    const copy = letter?.copies.get(box.login);
    const octets = rows.get(uidl) ?? 0;
    if (!letter && message.length < octets) {
      const text = `listed with ${octets} octets, and ends after ${message.length}`;
      this.#violate('truncated', listing, text, { uidl });
      return undefined;
    }
    if (!letter || !copy || copy.tries === 0) {
      const what = letter
        ? copy
          ? 'no attempt to send it came to its end'
          : 'it was sent to others'
        : `it begins with ${JSON.stringify(message.toString('latin1', 0, 60))}`;
      this.#violate('foreign', listing, what, { uidl, letter: letter?.id });
      box.before.add(uidl);
      return undefined;
    }
    const before = box.messages.get(uidl)?.letter;
    const good = payload.length === letter.octets && hashOctets(payload) === letter.hash;
    if (before !== undefined && before !== letter.id) {
      const text = `the id meant letter ${before}; now letter ${letter.id} comes under it`;
      this.#violate('uidl-reused', listing, text, { letter: before, uidl });
      return undefined;
    }
    if (!good) this.#spoiled(listing, uidl, letter, payload);
    else if (message.length !== octets) {
      const text = `listed with ${octets} octets, letter ${letter.id} came with ${message.length}`;
      this.#violate(before === undefined ? 'wrong-body' : 'size', listing, text, { uidl });
      return undefined;
    }
    this.#desk.put({
      kind: 'seen',
      box: box.login,
      uidl,
      id: letter.id,
      octets,
      at: listing.until,
    });
    return letter.id;
  }

  /** A message is not what was sent: how? */
  #spoiled(listing: Listing, uidl: string, letter: Letter, came: Buffer): void {
    const sent = makeLetter(this.#settings, letter.id).payload;
    const text = difference(sent, came);
    const where = { letter: letter.id, uidl };
    const body = bodyHash(came);
    const other = [...this.book.letters.values()].find((one) => one.body === body);
    // A server adds a line end to what has none.
    const bare = came.subarray(-2).toString('latin1') === '\r\n' ? came.subarray(0, -2) : came;
    const isStart = (part: Buffer): boolean => sent.subarray(0, part.length).equals(part);
    if (came.length < sent.length && (isStart(came) || isStart(bare))) {
      this.#violate('truncated', listing, text, where);
    } else if (other && other.id !== letter.id) {
      this.#violate('wrong-body', listing, `it has the content of letter ${other.id}`, where);
    } else this.#violate('corrupt', listing, text, where);
  }

  /** After everything has had its time: what is acknowledged and not deleted is there. */
  lost(box: Box, rows: ReadonlyMap<string, number>): { letter: string; copy: Copy }[] {
    const lost: { letter: string; copy: Copy }[] = [];
    for (const { id, copies } of this.book.letters.values()) {
      const copy = copies.get(box.login);
      if (copy?.ackedAt === undefined) continue;
      const there = copy.uidls.some((uidl) => {
        const message = box.messages.get(uidl);
        return mayBePromised(copy, message) && (rows.has(uidl) || message?.askedAt !== undefined);
      });
      if (!there) lost.push({ letter: id, copy });
    }
    return lost;
  }

  #violate(kind: ViolationKind, listing: Listing, text: string, where: Partial<Violation>): void {
    const { box, frontEnd } = listing;
    this.#desk.violate(kind, text, { mailbox: box.login, frontEnd, ...where });
  }
}
