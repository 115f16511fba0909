/**
 * Mail for users whose volume is down: taken all the same, and kept on a spool volume until a
 * lander (landing.ts) brings it to them. What is parked is decided here, and only before anything
 * of the letter could have become visible: at RCPT, or when staging fails and all that came of the
 * letter is still in memory. A rename or link that was sent is never followed by parking.
 *
 * Not parked: users whose mailbox was never made (they are placed on another volume), missing
 * mailboxes, full ones, suspended users. Nobody can ask a volume that is down how much a user has,
 * so what is parked for one user is bounded by an option instead, by the names on the spool.
 */
import type { Clock } from '../base/clock.ts';
import type { Account } from '../directory/types.ts';
import type { Logger } from '../log/types.ts';
import type { Envelope } from '../spool/envelope.ts';
import { isLane, isOwner } from '../spool/names.ts';
import type { Spools } from '../spool/spools.ts';
import type { SpoolTree } from '../spool/tree.ts';
import { StoreError } from '../volumes/error.ts';
import type { Mailbox, Mailboxes } from '../volumes/mailboxes.ts';
import { parkedLetters } from './metrics.ts';
import type { Recipient } from './types.ts';

export interface ParkingParts {
  readonly spools: Pick<Spools, 'all' | 'up' | 'withRoom'>;
  readonly mailboxes: Pick<Mailboxes<Account>, 'locate'>;
  /** Octets that may be parked for one account. */
  readonly accountMax: number;
  readonly clock: Clock;
  readonly log: Logger;
  /** Called when something was parked: the lander has work to come. */
  readonly onParked: () => void;
}

const OWNED_MS = 10_000;
const OWNED_MAX = 10_000;
/** Envelopes written or committed at once for one letter. */
const AT_ONCE = 8;

/** What is parked for one owner, as it was listed, and what came since. */
interface Owned {
  readonly at: number;
  octets: number;
}

/**
 * Whether a letter that met this before its rename was sent may be parked. What got no turn
 * ('volume-busy') never began: a volume hangs for some seconds before it is known to be down.
 */
export const isParkable = ({ kind }: StoreError): boolean =>
  kind === 'volume-down' || kind === 'volume-busy';

/** What happens to mail that cannot be delivered now. */
export type ParkingPolicy = Pick<Parking, 'accept' | 'open'>;

/** The sender keeps it. */
export const DEFERRING: ParkingPolicy = {
  accept: (_account, _bytes, why) => Promise.reject(why),
  open: (_share, why) => {
    throw why;
  },
};

export class Parking {
  readonly #parts: ParkingParts;
  readonly #owned = new Map<string, Owned>();
  #fullTold = -Infinity;

  constructor(parts: ParkingParts) {
    this.#parts = parts;
  }

  /**
   * Whether mail for this account may be parked, `why` it cannot be delivered.
   * @returns the mailbox it is for; throws what the client is to be told where it may not.
   * @throws StoreError: `why`, or 'volume-full' when there is no room for it on the spool
   */
  async accept(account: Account, bytes: number, why: StoreError): Promise<Mailbox> {
    const mailbox = await this.#parkable(account, why);
    if (mailbox === undefined) throw why;
    const { spools } = this.#parts;
    // A process that just began has not seen any volume yet.
    if (spools.up.length === 0) {
      await Promise.allSettled(spools.all.map(({ volume }) => volume.ready()));
    }
    if (spools.up.length === 0) throw why;
    if (spools.withRoom(bytes).length === 0) throw this.#full(why);
    const owned = await this.#octetsOf(account.id, mailbox.volume.name);
    if (owned.octets + bytes <= this.#parts.accountMax) return mailbox;
    const text = `${account.id} has ${owned.octets} octets parked already`;
    throw new StoreError('volume-full', text, { cause: why });
  }

  /** Begins a letter's share on a spool volume. @throws StoreError: `why`, or 'volume-full' */
  open(share: ParkedShare, why: StoreError): ParkedFile {
    const { spools } = this.#parts;
    if (spools.up.length === 0) throw why;
    const [first, ...others] = spools.withRoom(0);
    if (first === undefined) throw this.#full(why);
    const onParked = (owner: string, octets: number): void => this.#parked(owner, octets);
    return new ParkedFile([first, ...others], share, { ...this.#parts, onParked });
  }

  async #parkable(account: Account, why: StoreError): Promise<Mailbox | undefined> {
    const { mailboxes } = this.#parts;
    if (!isParkable(why)) return undefined;
    const mailbox = await mailboxes.locate(account).catch(() => undefined);
    if (mailbox?.stored !== true) return undefined;
    // A letter of whose name a lander could make nothing would wait for ever.
    return isOwner(account.id) && isLane(mailbox.volume.name) ? mailbox : undefined;
  }

  async #octetsOf(owner: string, lane: string): Promise<Owned> {
    const { clock, spools } = this.#parts;
    const known = this.#owned.get(owner);
    if (known !== undefined && clock.now() - known.at < OWNED_MS) return known;
    const all = await Promise.all(spools.up.map((tree) => tree.octetsOf(owner, lane)));
    const owned = { at: clock.now(), octets: all.reduce((sum, octets) => sum + octets, 0) };
    if (this.#owned.size >= OWNED_MAX) this.#owned.clear();
    this.#owned.set(owner, owned);
    return owned;
  }

  #parked(owner: string, octets: number): void {
    const owned = this.#owned.get(owner);
    if (owned !== undefined) owned.octets += octets;
    parkedLetters.inc('parked');
    this.#parts.onParked();
  }

  #full(why: StoreError): StoreError {
    const { clock, log } = this.#parts;
    if (clock.now() - this.#fullTold > 60_000) {
      this.#fullTold = clock.now();
      log.error({ code: 'MF-DLV-002', err: why }, 'no spool volume has room');
    }
    return new StoreError('volume-full', 'No spool volume has room', { cause: why });
  }
}

/** Whom a parked file is for. */
export interface ParkedShare {
  readonly trace: string;
  /** The volume that is down. */
  readonly lane: string;
  readonly recipients: readonly Recipient[];
}

interface FileParts extends Pick<ParkingParts, 'clock' | 'log'> {
  readonly onParked: (owner: string, octets: number) => void;
}

/** One letter on a spool volume, for some of the users of one volume. */
export class ParkedFile {
  readonly #share: ParkedShare;
  readonly #ids: readonly string[];
  readonly #parts: FileParts;
  readonly #others: SpoolTree[];
  #tree: SpoolTree;
  #envelopes: readonly Envelope[] = [];

  /** @param trees the best first; one that fails at the first piece is passed over */
  constructor(trees: readonly [SpoolTree, ...SpoolTree[]], share: ParkedShare, parts: FileParts) {
    const [first, ...others] = trees;
    this.#tree = first;
    this.#others = others;
    this.#share = share;
    this.#ids = share.recipients.map(() => first.newId());
    this.#parts = parts;
  }

  get tree(): SpoolTree {
    return this.#tree;
  }

  /** Phase 1: the letter, by pieces. @throws StoreError */
  async write(offset: number, bytes: Uint8Array, last: boolean): Promise<void> {
    for (;;) {
      try {
        return await this.#tree.write(this.#place(0), { offset, bytes, last });
      } catch (error) {
        // Nothing of it is anywhere else but in the hands of the caller.
        const next = offset === 0 ? this.#others.shift() : undefined;
        if (next === undefined || !(error instanceof StoreError)) throw error;
        const fields = { trace: this.#share.trace, spool: this.#tree.volume.name, err: error };
        this.#parts.log.warn(fields, 'letter not parked here; the next spool volume is tried');
        void this.#tree.discard(this.#place(0)); // It may hang.
        this.#tree = next;
      }
    }
  }

  /** Phase 1: an envelope for each recipient, durable and not visible. @throws StoreError */
  async seal(octets: number, wireOctets: number): Promise<void> {
    const { trace, lane, recipients } = this.#share;
    const parked = new Date(this.#parts.clock.now()).toISOString();
    this.#envelopes = recipients.map(({ account, address }, index) => ({
      ...this.#place(index),
      login: account.login,
      address,
      lane,
      octets,
      wireOctets,
      trace,
      node: this.tree.node,
      parked,
    }));
    await inTurn(this.#envelopes, async (envelope, index) => {
      if (index > 0) await this.tree.share(this.#place(0), this.#place(index));
      await this.tree.draft(envelope);
    });
  }

  /** Phase 2, for one recipient: parked when it resolves. @throws StoreError; then unknown */
  async commit(index: number): Promise<string> {
    const envelope = this.#envelopes[index];
    if (envelope === undefined) throw new Error('commit of a letter that is not sealed');
    await this.tree.commit(envelope);
    const { id, owner, octets, lane, login, trace } = envelope;
    this.#parts.onParked(owner, octets);
    const spool = this.tree.volume.name;
    this.#parts.log.info({ trace, to: login, volume: lane, spool, id, octets }, 'letter parked');
    return id;
  }

  /** Forgets it, as far as it was not committed. Never rejects. */
  async discard(): Promise<void> {
    await inTurn(this.#ids, (_, index) => this.tree.discard(this.#place(index)));
  }

  #place(index: number): { readonly id: string; readonly owner: string } {
    const owner = this.#share.recipients[index]?.account.id ?? '';
    return { id: this.#ids[index] ?? '', owner };
  }
}

async function inTurn<T>(
  all: readonly T[],
  work: (one: T, index: number) => Promise<void>,
): Promise<void> {
  for (let at = 0; at < all.length; at += AT_ONCE) {
    const some = all.slice(at, at + AT_ONCE);
    await Promise.all(some.map((one, index) => work(one, at + index)));
  }
}
