/**
 * The part of a letter that leaves the farm: written to the outbound spool beside the volumes of
 * its mailboxes (incoming.ts), in the same two phases.
 *
 * Invariant: a client hears 250 only when the letter is durable in every mailbox and on a spool
 * volume for every place elsewhere; and an envelope that a sender may act on belongs to a letter
 * whose every mailbox was staged and fsynced before.
 *
 * Phase 1: message and envelopes, durable, visible to nobody. What fails here fails with the
 * mailboxes: nothing is visible anywhere, 451. Phase 2: the envelopes are committed FIRST, then the
 * Maildir renames.
 *
 * Races and order
 * - The spool fails in phase 2: the mailboxes have nothing yet and get nothing. One letter of one
 *   envelope then is as if it had never been, and the client sends again; of several envelopes some
 *   may be committed, which is `partly`.
 * - A volume fails after the commit: the client sends again to all, and those elsewhere get it
 *   twice. The other order would double it in the mailboxes instead, and oftener: a commit is a
 *   rename for each envelope on one more volume, and mailboxes are most of the farm's mail.
 * - The reply to a commit is lost: unknown counts as failed, so that the letter may come twice, and
 *   never is nobody's (invariant 1 of the tree).
 * - A sender takes the envelope between our commit and the renames: it may be sent before it is in
 *   the mailbox, which nobody can tell; it cannot be told of by a bounce before, since a bounce is
 *   a letter of its own.
 * - The process dies between commit and renames: sent elsewhere, and again by its client, who has
 *   no reply. A double, and no loss.
 *
 * Copies of lists have header lines of their own, so a list's copies are a message of their own on
 * the spool; all other places share one, with an envelope for each route and sender (S3-05).
 *
 * Rejected: an envelope for each recipient (S3-05, and ten thousand files for a list); the renames
 * first; handing the letter to the sender in memory (a smarthost's death would strand it).
 */
import type { Logger } from '../log/types.ts';
import { laneOf } from '../spool/lane.ts';
import type { NewEnvelope, OutboundDraft, OutboundSpools } from '../spool/outbound.ts';
import { StoreError } from '../volumes/error.ts';
import { listHeader } from './list-copy.ts';
import { lineEnds } from './piece.ts';
import { HeldDraft, type Moderation } from './moderation.ts';
import type { HeldFor, IncomingOptions, Leaving, Left, ListCopy } from './types.ts';

/** Recipients of one envelope: it is a small file that is written anew with every attempt. */
export const ENVELOPE_RECIPIENTS_MAX = 1_000;

/** One message on the spool: all that leaves as it came, or as copies of one list. */
export interface Parcel {
  readonly list: ListCopy | undefined;
  /** The list for whose moderators it is kept; alone in its parcel. */
  readonly held: HeldFor | undefined;
  readonly leaving: readonly Leaving[];
  readonly header: Uint8Array;
  readonly headerLineEnds: number;
  draft: OutboundDraft | HeldDraft | undefined;
  /** Octets written, header included. */
  staged: number;
  error: StoreError | undefined;
  /** Where it is, once committed. */
  spool: string | undefined;
}

export interface DepartureParts {
  readonly outbound: OutboundSpools | undefined;
  /** Where letters to moderated lists are held. */
  readonly moderation: Pick<Moderation, 'open'> | undefined;
  readonly log: Logger;
}

export class Departure {
  readonly parcels: readonly Parcel[];
  readonly #parts: DepartureParts;
  readonly #options: IncomingOptions;
  readonly #dropped: ReadonlySet<Leaving>;

  /** @param dropped what is not sent, since it came from its list already */
  constructor(parts: DepartureParts, options: IncomingOptions, dropped: ReadonlySet<Leaving>) {
    this.#parts = parts;
    this.#options = options;
    this.#dropped = dropped;
    const going = (options.leaving ?? []).filter((one) => !dropped.has(one));
    const byList = Map.groupBy(going, parcelOf);
    this.parcels = [...byList.values()].map((leaving) => this.#parcel(leaving));
  }

  /** Phase 1, one piece. Trouble is noted in the parcel. Never rejects. */
  async stage(
    parcel: Parcel,
    bytes: Uint8Array,
    { last, wireOctets }: { readonly last: boolean; readonly wireOctets: () => number },
  ): Promise<void> {
    try {
      parcel.draft ??= this.#open(parcel, bytes.length);
      await parcel.draft.write(parcel.staged, bytes, last);
      parcel.staged += bytes.length;
      if (last) {
        const envelopes = parcel.held ? [] : this.#envelopes(parcel);
        await parcel.draft.seal(parcel.staged, wireOctets(), envelopes);
      }
    } catch (error) {
      this.#fail(parcel, error, 'letter not written to the spool');
      void parcel.draft?.discard();
    }
  }

  /** Phase 2. Trouble is noted in the parcels. Never rejects. */
  async commit(): Promise<void> {
    for (const parcel of this.parcels) {
      if (parcel.error !== undefined || parcel.draft === undefined) continue;
      try {
        await parcel.draft.commit();
        parcel.spool = parcel.draft.spool;
      } catch (error) {
        this.#fail(parcel, error, 'letter not committed to the spool');
        if (this.#options.failure !== 'each') return; // What is not committed yet never is.
      }
    }
  }

  /** Removes what was not committed. Never rejects. */
  async discard(): Promise<void> {
    const parcels = this.parcels.filter(({ spool }) => spool === undefined);
    await Promise.all(parcels.map(async ({ draft }) => draft?.discard()));
  }

  /** Result for each that leaves, in the order given. */
  results(failure: StoreError | undefined): readonly Left[] {
    const parcels = new Map(
      this.parcels.flatMap((parcel) => parcel.leaving.map((one) => [one, parcel] as const)),
    );
    return (this.#options.leaving ?? []).map((leaving) => {
      if (this.#dropped.has(leaving)) {
        return { leaving, error: undefined, spool: undefined, dropped: 'loop' };
      }
      const parcel = parcels.get(leaving);
      const spool = parcel?.spool;
      const error = spool === undefined ? (parcel?.error ?? failure) : undefined;
      const id = parcel?.draft instanceof HeldDraft ? parcel.draft.id : undefined;
      return { leaving, error, spool, ...(id !== undefined && error === undefined && { id }) };
    });
  }

  #open({ leaving: [first] }: Parcel, octets: number): OutboundDraft | HeldDraft {
    const { outbound, moderation } = this.#parts;
    if (first?.held && moderation) return moderation.open(first, this.#options.id, octets);
    if (outbound === undefined || first?.held) throw new Error('a letter leaves where nothing can');
    return outbound.open(octets);
  }

  #parcel(leaving: readonly Leaving[]): Parcel {
    const { list, held, sender = '' } = leaving[0] ?? {};
    const trace = this.#options.leavingHeader?.(leaving) ?? new Uint8Array();
    const before = Buffer.from(held ? `Return-Path: <${sender}>\n` : '');
    const lines = Buffer.from(list ? listHeader(list) : '');
    const header = Buffer.concat([before, trace, lines]);
    const headerLineEnds = lineEnds(header);
    const fresh = { draft: undefined, staged: 0, error: undefined, spool: undefined };
    return { list, held, leaving, header, headerLineEnds, ...fresh };
  }

  /** One for each route and sender. */
  #envelopes({ leaving }: Parcel): readonly NewEnvelope[] {
    const groups = Map.groupBy(leaving, (one) => `${laneOf(one.route)} ${one.sender}`);
    return [...groups.values()].flatMap((all) => {
      const envelopes: NewEnvelope[] = [];
      for (let at = 0; at < all.length; at += ENVELOPE_RECIPIENTS_MAX) {
        envelopes.push(this.#envelope(all.slice(at, at + ENVELOPE_RECIPIENTS_MAX)));
      }
      return envelopes;
    });
  }

  #envelope(group: readonly Leaving[]): NewEnvelope {
    const { id: trace, envelope } = this.#options;
    const [first] = group;
    if (first === undefined) throw new Error('an envelope for nobody');
    const { route, sender, origin, owner, login } = first;
    const recipients = group.map(({ recipient }) => recipient);
    const addresses = [sender, ...recipients.map(({ address }) => address)];
    // A list's copy has an envelope of its own; what the sender asked for ends at the list.
    const own = origin === 'list' && sender !== envelope?.sender;
    return {
      route,
      origin,
      owner,
      login,
      sender,
      recipients,
      ret: own ? undefined : envelope?.ret,
      envid: own ? undefined : envelope?.envid,
      smtpUtf8: (envelope?.smtpUtf8 ?? false) || addresses.some((text) => NON_ASCII.test(text)),
      sign: envelope?.sign ?? false,
      trace,
    };
  }

  #fail(parcel: Parcel, error: unknown, what: string): void {
    parcel.error =
      error instanceof StoreError
        ? error
        : new StoreError('volume-down', String(error), { cause: error });
    const fields = { trace: this.#options.id, spool: parcel.draft?.spool, err: parcel.error };
    this.#parts.log.warn(fields, what);
  }
}

/** What one message of the spool is for: direct ones, copies of a list, what a list holds. */
const parcelOf = ({ list, held }: Leaving): string =>
  held ? `held ${held.list.address}` : list ? `list ${list.address}` : '';

// oxlint-disable-next-line no-control-regex -- what is not ASCII is what is asked for.
const NON_ASCII = /[^\0-\x7f]/;
