/**
 * Letters to moderated lists, held until a moderator says yes: a tree of the spool volumes of its
 * own, `<spool volume>/spool/moderation/`, with the states and claims of parked mail
 * (spool/tree.ts).
 *
 *     waiting                     held; the moderators were written to
 *     failed, with R=approved     to be delivered to the members by whichever process looks first
 *
 * Invariant: nothing goes to the members of a moderated list unless a moderator wrote it or
 * somebody who may (`mailfarm list approve`) renamed it. The client's 250 means that it is held,
 * durably: it is staged and committed like what leaves (departure.ts).
 *
 * Races
 * - Two approve, or one approves and one rejects: one claim wins, the other is told that it is
 *   gone.
 * - A process dies while it delivers an approved letter: its lease runs out and the letter is held
 *   again, since from outside nobody can say how far it came; a moderator decides. Nobody gets it
 *   twice without a person's word.
 * - It dies between delivery and removal: the same; a second approval doubles it.
 * - It sleeps beyond its lease, or a renewal fails: before the commit the claim is renewed once
 *   more, and whose claim is lost gives the letter to nobody. Only a commit that itself takes
 *   longer than a lease (120 s) may still be doubled, by a moderator who approves what is held
 *   again.
 * - The notice to the moderators fails, or the process dies before it: the letter is held and in
 *   `mailfarm list held`; when its time is over it goes and somebody is told (held-expiry.ts).
 *
 * The moderators are asked and the list's owner is not: what he is told is what nobody moderates.
 *
 * Rejected: `hold` of the outbound tree (its letters have a route and go there when released, and
 * `queue release` is for operators, not for judging contents); the moderators' mailboxes alone (who
 * forwards it by hand makes another letter of it); approval by a reply (its sender's address proves
 * nothing).
 */
import { hash } from 'node:crypto';
import type { Clock } from '../base/clock.ts';
import type { Random } from '../base/random.ts';
import type { Logger } from '../log/types.ts';
import type { OutboundDraft } from '../spool/outbound.ts';
import type { Spools } from '../spool/spools.ts';
import { sweepBucket } from '../spool/sweep.ts';
import type { SpoolTree, Spooled } from '../spool/tree.ts';
import { StoreError } from '../volumes/error.ts';
import { expireHeld } from './held-expiry.ts';
import { moderated } from './metrics.ts';
import type { OwnLettersParts } from './own-letters.ts';
import { placesOf, type Places } from './places.ts';
import { Renewing } from './renewing.ts';
import type { Leaving } from './types.ts';

/** Name of the tree below `spool/`. */
export const MODERATION_TREE = 'moderation';
/** Why a letter stands aside: somebody may deliver it. */
export const APPROVED = 'approved';
const LANE = 'lists';

export interface ModerationParts extends OwnLettersParts {
  /** Made with `tree: MODERATION_TREE`. */
  readonly spools: Pick<Spools, 'up' | 'withRoom'>;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly lookMs: number;
  /** Held longer, it is removed. */
  readonly expiresMs: number;
  /** For notices of what was removed; without it there are none. */
  readonly hostName?: string | undefined;
}

const PIECE = 262_144;
const SWEEP_MS = 3_600_000;

export class Moderation {
  readonly #parts: ModerationParts;
  readonly #stop = new AbortController();
  #running: Promise<void> | undefined;
  readonly #sweepAt = new WeakMap<SpoolTree, number>();

  constructor(parts: ModerationParts) {
    this.#parts = parts;
  }

  start(): void {
    this.#running ??= this.#loop();
  }

  /** Resolves when the letter under way is where it belongs. */
  async close(): Promise<void> {
    this.#stop.abort(new Error('closed'));
    await this.#running;
  }

  /** A letter that is to be held. @throws StoreError when no spool volume has room */
  open(held: Leaving, trace: string, octets: number): HeldDraft {
    const [tree] = this.#parts.spools.withRoom(octets);
    if (tree === undefined) throw new StoreError('volume-full', 'No spool volume has room');
    const at = new Date(this.#parts.clock.now()).toISOString();
    return new HeldDraft(tree, { held, trace, at });
  }

  /** One look at all spool volumes. Never rejects. @returns letters that went to their members */
  async look(): Promise<number> {
    let count = 0;
    for (const tree of this.#parts.spools.up) {
      try {
        count += await this.#lookAt(tree);
      } catch (error) {
        this.#parts.log.warn({ spool: tree.volume.name, err: error }, 'held letters not seen');
      }
    }
    return count;
  }

  async #loop(): Promise<void> {
    const { clock, lookMs, random } = this.#parts;
    while (!this.#stop.signal.aborted) {
      // Not all processes at once.
      const ms = lookMs / 2 + (lookMs * (random.bytes(1)[0] ?? 0)) / 256;
      await clock.sleep(ms, this.#stop.signal).catch(() => {});
      if (!this.#stop.signal.aborted) await this.look();
    }
  }

  async #lookAt(tree: SpoolTree): Promise<number> {
    const { clock, random, log } = this.#parts;
    const now = clock.now();
    if (now >= (this.#sweepAt.get(tree) ?? 0)) {
      this.#sweepAt.set(tree, now + SWEEP_MS);
      const bucket = Buffer.from(random.bytes(1)).toString('hex');
      await sweepBucket(tree, bucket);
      await expireHeld(this.#parts, tree, LANE);
    }
    const again = await tree.reclaim(LANE);
    if (again > 0) log.warn({ code: 'MF-DLV-007', count: again }, 'held letters are held again');
    let count = 0;
    for (const bucket of await tree.buckets('failed', LANE)) {
      for (const letter of await tree.list('failed', LANE, bucket)) {
        if (this.#stop.signal.aborted) return count;
        if (letter.reason === APPROVED && (await this.#deliver(tree, letter))) count += 1;
      }
    }
    return count;
  }

  /** To the members, as if a moderator had written it. */
  async #deliver(tree: SpoolTree, letter: Spooled): Promise<boolean> {
    const claim = await tree.claim(letter);
    if (claim === undefined) return false;
    const renewing = new Renewing(tree, claim, this.#parts.clock);
    const fields = { id: letter.id, spool: tree.volume.name };
    try {
      await this.#send(tree, claim, renewing);
      const done = await renewing.end();
      if (done !== undefined) await tree.finish(done);
      moderated.inc('approved');
      this.#parts.log.info(fields, 'approved letter sent to its list');
      return true;
    } catch (error) {
      const back = await renewing.end();
      if (back !== undefined) await tree.fail(back, APPROVED).catch(() => {});
      moderated.inc('failed');
      const line = { code: 'MF-DLV-007', ...fields, err: error };
      this.#parts.log.warn(line, 'approved letter not sent yet');
      return false;
    }
  }

  async #send(tree: SpoolTree, letter: Spooled, renewing: Renewing): Promise<void> {
    const envelope = await tree.envelope(letter);
    const first = await tree.read(letter, 0, PIECE);
    if (envelope === undefined || first === undefined) throw new Error('it cannot be read');
    const end = first.indexOf('\n') + 1;
    const sender = /^Return-Path: <(.*)>\n$/.exec(first.toString('utf8', 0, end))?.[1];
    if (sender === undefined) throw new Error('its sender cannot be read');
    const places = await this.#members(envelope.address, sender);
    const incoming = this.#parts.delivery.begin({
      id: envelope.trace,
      recipients: places.mailboxes,
      leaving: this.#parts.leaves ? places.leaving : [],
      envelope: { sender },
      header: () => first.subarray(0, end),
    });
    try {
      await incoming.write(first.subarray(end));
      for (let at = first.length; at < letter.octets;) {
        const piece = await tree.read(letter, at, PIECE);
        if (piece === undefined || piece.length === 0) throw new Error('it ends too soon');
        await incoming.write(piece);
        at += piece.length;
      }
      await renewing.require();
    } catch (error) {
      await incoming.abort();
      throw error;
    }
    const results = [...(await incoming.commit()), ...incoming.left];
    const failed = results.find(({ error }) => error !== undefined && error.kind !== 'over-quota');
    if (failed?.error) throw failed.error;
  }

  /** @throws when the list is gone, or has no moderator any more */
  async #members(address: string, sender: string): Promise<Places> {
    const { directory } = this.#parts;
    const asked = await directory.resolve(address, { sender: '' });
    const list = asked.kind === 'expanded' ? asked.list : undefined;
    const writer = list?.moderators[0] ?? '';
    const found = await directory.resolve(address, { sender: writer });
    if (found.kind !== 'expanded' || found.moderated) {
      throw new Error(`${address} is no list, or has no moderator any more`);
    }
    const mailboxes = found.destinations.filter(
      (one) => one.kind !== 'mailbox' || !one.account.suspended.includes('mail'),
    );
    return placesOf({ address, sender }, { ...found, destinations: mailboxes });
  }
}

interface HeldLetter {
  readonly held: Leaving;
  readonly trace: string;
  /** RFC 3339. */
  readonly at: string;
}

/** A letter on its way into the tree, in the two phases of what leaves. */
export class HeldDraft implements OutboundDraft {
  readonly spool: string;
  /** By which people decide over it. */
  readonly id: string;
  readonly #tree: SpoolTree;
  readonly #given: HeldLetter;
  readonly #place: { readonly id: string; readonly owner: string };
  #envelope: Parameters<SpoolTree['commit']>[0] | undefined;

  constructor(tree: SpoolTree, given: HeldLetter) {
    this.#tree = tree;
    this.#given = given;
    this.spool = tree.volume.name;
    this.id = tree.newId();
    const list = given.held.held?.list.address ?? given.held.recipient.address;
    this.#place = { id: this.id, owner: hash('sha256', list, 'hex').slice(0, 40) };
  }

  async write(offset: number, bytes: Uint8Array, last: boolean): Promise<void> {
    await this.#tree.write(this.#place, { offset, bytes, last });
  }

  async seal(octets: number, wireOctets: number): Promise<void> {
    const { held, trace, at: parked } = this.#given;
    const { address } = held.recipient;
    const { node } = this.#tree;
    const sizes = { octets, wireOctets };
    const names = { login: held.sender === '' ? '<>' : held.sender, address, lane: LANE };
    this.#envelope = { ...this.#place, ...names, ...sizes, trace, node, parked };
    await this.#tree.draft(this.#envelope);
  }

  async commit(): Promise<void> {
    if (this.#envelope === undefined) throw new Error('commit of a letter that is not sealed');
    await this.#tree.commit(this.#envelope);
    moderated.inc('held');
  }

  async discard(): Promise<void> {
    await this.#tree.discard(this.#place);
  }
}
