/**
 * What the senders and readers know, and what must follow from it.
 *
 * Invariants that the verdict proves, whatever was killed in between:
 * 1. A letter acknowledged with 250 is in the mailbox of each recipient, byte-exact, unless a
 *    reader deleted it.
 * 2. A recipient holds a letter at most once more than its sender had attempts with an unknown end
 *    (final dot sent, no reply read, or 4xx): only a resend may double.
 * 3. A UIDL means one letter for ever, and a session shows every letter that was acknowledged
 *    before the session began and whose deletion nobody asked for.
 */
import { createHash } from 'node:crypto';

export interface Letter {
  readonly id: string;
  readonly recipients: readonly string[];
  /** SHA-256 of the header fields and body as sent, without trace headers. */
  readonly hash: string;
  /** Attempts whose end the sender does not know. */
  unknown: number;
  acknowledgedAt: number | undefined;
}

/** What one user's mailbox is known to have shown. */
export interface Box {
  readonly user: string;
  /** UIDL to letter id, from every RETR. */
  readonly known: Map<string, string>;
  /** UIDLs whose deletion was asked for; the server may or may not have done it. */
  readonly deletionAsked: Set<string>;
  /** UIDLs whose deletion was confirmed. */
  readonly deleted: Set<string>;
}

export class Ledger {
  readonly letters = new Map<string, Letter>();
  readonly boxes = new Map<string, Box>();
  readonly violations: string[] = [];

  constructor(users: readonly string[]) {
    for (const user of users) {
      this.boxes.set(user, {
        user,
        known: new Map(),
        deletionAsked: new Set(),
        deleted: new Set(),
      });
    }
  }

  violated(text: string): void {
    if (this.violations.length < 100) this.violations.push(text);
  }

  /** A message that a reader fetched: which letter is it, and is it whole? */
  fetched(box: Box, uidl: string, message: Buffer): void {
    const { id, hash } = identify(message);
    const letter = id === undefined ? undefined : this.letters.get(id);
    if (id === undefined || !letter) {
      return this.violated(`${box.user} ${uidl}: a message that nobody sent`);
    }
    if (hash !== letter.hash) this.violated(`${box.user} ${uidl}: letter ${id} is not byte-exact`);
    const before = box.known.get(uidl);
    if (before !== undefined && before !== id) {
      this.violated(`${box.user} ${uidl}: UIDL meant ${before}, now ${id}`);
    }
    box.known.set(uidl, id);
  }

  /** The last look at a mailbox, with everything fetched: counts are final. */
  judge(box: Box, present: readonly string[]): void {
    const counts = new Map<string, number>();
    for (const uidl of present) {
      const id = box.known.get(uidl) ?? '';
      counts.set(id, (counts.get(id) ?? 0) + 1);
      if (box.deleted.has(uidl)) this.violated(`${box.user} ${uidl}: deleted and back`);
    }
    const maybeDeleted = new Map<string, number>();
    for (const uidl of box.deletionAsked) {
      const id = box.known.get(uidl) ?? '';
      if (!present.includes(uidl)) maybeDeleted.set(id, (maybeDeleted.get(id) ?? 0) + 1);
    }
    for (const letter of this.letters.values()) {
      if (!letter.recipients.includes(box.user)) continue;
      const copies = (counts.get(letter.id) ?? 0) + (maybeDeleted.get(letter.id) ?? 0);
      const most = letter.unknown + (letter.acknowledgedAt === undefined ? 0 : 1);
      if (letter.acknowledgedAt !== undefined && copies === 0) {
        this.violated(`${box.user}: letter ${letter.id} was acknowledged and is lost`);
      }
      if (copies > most) {
        this.violated(`${box.user}: letter ${letter.id} is there ${copies} times, at most ${most}`);
      }
    }
  }
}

export const letterHash = (payload: Buffer): string =>
  createHash('sha256').update(payload).digest('hex');

const MARK = Buffer.from('X-Chaos-Id: ');

/** Everything from our own first header field on is the letter; what stands before is trace. */
function identify(message: Buffer): { id: string | undefined; hash: string } {
  const at = message.indexOf(MARK);
  if (at < 0) return { id: undefined, hash: '' };
  const id = message.toString('latin1', at + MARK.length, message.indexOf('\r\n', at));
  return { id, hash: letterHash(message.subarray(at)) };
}
