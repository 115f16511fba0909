import type { Logger } from '../log/types.ts';
import type { Account } from '../directory/types.ts';
import { StoreError } from '../volumes/error.ts';
import type { Mailbox, Mailboxes } from '../volumes/mailboxes.ts';
import { deliveries, departed, messages } from './metrics.ts';
import type { OutboundSpools } from '../spool/outbound.ts';
import type { DurableLetter } from './aftermath.ts';
import { Departure, type Parcel } from './departure.ts';
import { headOf, isMarked, listMarks, withoutListLines } from './list-copy.ts';
import type { Moderation } from './moderation.ts';
import { isParkable, type ParkedFile, type ParkingPolicy } from './parking.ts';
import { lineEnds, Piece } from './piece.ts';
import { sharesOf, type Member, type Share } from './share.ts';
import type { Delivered, Incoming, IncomingOptions, Left, Recipient } from './types.ts';

/**
 * A message on its way in: the only path by which mail gets into a mailbox.
 *
 * Phase 1: the file is written and fsynced into tmp/ on every volume concerned. Whatever fails
 * here leaves nothing visible. Phase 2: it is published, which is one rename, or links and a
 * rename. What fails here fails for its recipient alone; with one reply for all (SMTP) the sender
 * then repeats for everybody, and those who had it get it twice: counted as 'partly', and as rare
 * as a volume that fails between an fsync and the rename after it.
 *
 * A result that is unknown (a deadline passed) is a failure: the message may come twice, it is
 * never lost.
 *
 * What leaves the farm is staged and committed beside the mailboxes: departure.ts.
 *
 * A volume that is down: its share goes to the spool in the same two phases (parking.ts), from the
 * start when it is known to be down, or when its first piece cannot be written. Then all that came
 * so far is still in memory. Later, and above all in phase 2, it fails: what a rename that was sent
 * may yet do would come beside the parked letter.
 */
export interface IncomingParts {
  readonly mailboxes: Mailboxes<Account>;
  readonly parking: ParkingPolicy;
  /** Where letters wait that leave the farm. */
  readonly outbound: OutboundSpools | undefined;
  /** Where letters wait for a moderator. */
  readonly moderation?: Pick<Moderation, 'open'> | undefined;
  readonly usage: (account: Account) => Promise<number>;
  /** A message of so many octets is in the account's mailbox. */
  readonly onDelivered: (account: Account, octets: number) => void;
  /** Told of what is durable, at least in part. */
  readonly onDurable?: ((letter: DurableLetter) => void) | undefined;
  readonly log: Logger;
  readonly bufferMax: number;
  readonly pieceBytes: number;
}

/** Trace headers are some 400 octets; a longer one costs a copy of the first piece. */
const HEADER_ROOM = 2048;
/** Mailboxes looked for at once: a list must not fill the queue of a volume that all wait in. */
const FOUND_AT_ONCE = 16;

export class IncomingMessage implements Incoming {
  readonly #parts: IncomingParts;
  readonly #options: IncomingOptions;
  readonly #members = new Map<Recipient, Member | StoreError>();
  left: readonly Left[] = [];
  #state: 'open' | 'committed' | 'aborted' = 'open';
  #piece: Piece;
  #lineEnds = 0;
  #octets = 0;
  #shares: readonly Share[] | undefined;
  /** What leaves; made with the shares. Undefined where nothing does. */
  #departure: Departure | undefined;
  /** Copies that their list has sent before. */
  readonly #looping = new Set<Recipient>();
  /** Line ends of list lines that copies of lists leave out. */
  #listLineEnds = 0;
  /** Header as it came, where somebody wants it. */
  #head: Buffer | undefined;
  /** The piece that is being written. Rejects for our own faults only. */
  #writing: Promise<void> | undefined;

  constructor(parts: IncomingParts, options: IncomingOptions) {
    this.#parts = parts;
    this.#options = options;
    this.#piece = new Piece(HEADER_ROOM, parts.bufferMax);
  }

  async write(chunk: Uint8Array): Promise<void> {
    if (this.#state !== 'open') throw new Error(`write to a message that is ${this.#state}`);
    this.#lineEnds += lineEnds(chunk);
    this.#octets += chunk.length;
    let rest = chunk;
    while (rest.length > 0) {
      if (this.#piece.isFull) await this.#writePiece();
      rest = rest.subarray(this.#piece.add(rest));
    }
  }

  async commit(): Promise<readonly Delivered[]> {
    if (this.#state !== 'open') throw new Error(`commit of a message that is ${this.#state}`);
    this.#state = 'committed';
    await this.#writing;
    await this.#judgeQuotas();
    if (this.#failure() === undefined) await this.#stage(this.#piece, 'last');
    if (this.#failure() === undefined) await this.#departure?.commit();
    if (this.#failure() === undefined) await this.#publish();
    else await this.#discard();
    const results = this.#results();
    const { left } = this;
    const head = this.#head;
    if (head) this.#parts.onDurable?.({ options: this.#options, results, left, head });
    return results;
  }

  async abort(): Promise<void> {
    if (this.#state !== 'open') return;
    this.#state = 'aborted';
    messages.inc('aborted');
    await this.#writing?.catch(() => {});
    await this.#discard();
  }

  /** Gives the full piece to the volumes, while the next one fills. */
  async #writePiece(): Promise<void> {
    await this.#writing;
    const failure = this.#failure();
    if (failure !== undefined) throw failure;
    const piece = this.#piece;
    const { pieceBytes } = this.#parts;
    this.#piece = new Piece(0, pieceBytes, pieceBytes);
    this.#writing = this.#stage(piece, 'more');
    this.#writing.catch(() => {}); // Whoever waits for it next hears of it.
  }

  /** Why nobody can get the message any more, if so. */
  #failure(): StoreError | undefined {
    const errors = [...this.#members.values()].map((member) => this.#errorOf(member));
    if (this.#departure) errors.push(...this.#departure.parcels.map(({ error }) => error));
    const first = errors.find((error) => error !== undefined);
    if (this.#options.failure === 'each' && errors.includes(undefined)) return undefined;
    return first;
  }

  #errorOf(member: Member | StoreError): StoreError | undefined {
    if (member instanceof StoreError) return member;
    return member.error ?? member.share?.error;
  }

  /** Finds each recipient's mailbox, once, and makes the shares. */
  async #prepare(first = this.#piece): Promise<readonly Share[]> {
    if (this.#shares !== undefined) return this.#shares;
    const { header } = this.#options;
    const recipients = this.#readHead(first);
    const byMaildir = new Map<string, Member>();
    const found: (Member | StoreError)[] = [];
    for (let at = 0; at < recipients.length; at += FOUND_AT_ONCE) {
      const some = recipients.slice(at, at + FOUND_AT_ONCE);
      found.push(...(await Promise.all(some.map((recipient) => this.#find(recipient)))));
    }
    for (const [index, recipient] of recipients.entries()) {
      const member = found[index] as Member | StoreError;
      const path = member instanceof StoreError ? undefined : member.mailbox.maildir;
      const known = path === undefined ? undefined : byMaildir.get(path);
      this.#members.set(recipient, known ?? member);
      if (path !== undefined && !(member instanceof StoreError)) {
        byMaildir.set(path, known ?? member);
      }
    }
    this.#shares = sharesOf([...byMaildir.values()], header);
    return this.#shares;
  }

  async #find(recipient: Recipient): Promise<Member | StoreError> {
    try {
      const mailbox = await this.#parts.mailboxes.ensure(recipient.account);
      if (!mailbox.volume.up) await mailbox.volume.ready();
      return memberOf(recipient, mailbox, undefined);
    } catch (error) {
      return this.#park(recipient, asOwn(error));
    }
  }

  async #park(recipient: Recipient, why: StoreError): Promise<Member | StoreError> {
    try {
      const mailbox = await this.#parts.parking.accept(recipient.account, this.#octets, why);
      return memberOf(recipient, mailbox, why);
    } catch (error) {
      return asOwn(error);
    }
  }

  /** What the letter's own header decides, while its first piece is in memory. */
  #readHead(piece: Piece): readonly Recipient[] {
    const { recipients, leaving = [], success = [] } = this.#options;
    const held = leaving.map((one) => ({ list: one.held?.list ?? one.list }));
    const ofLists = [...recipients, ...held].some(({ list }) => list !== undefined);
    const answered = recipients.some(({ account }) => account.vacation !== undefined);
    if (ofLists || answered || success.length > 0) this.#head = headOf(piece.content());
    const marks = ofLists && this.#head ? listMarks(this.#head) : new Set<string>();
    const loops = ({ list }: Pick<Recipient, 'list'>): boolean =>
      list !== undefined && marks.size > 0 && isMarked(marks, list);
    if (leaving.length > 0) {
      const dropped = new Set(leaving.filter((_, at) => held[at] && loops(held[at])));
      this.#departure = new Departure(
        { moderation: undefined, ...this.#parts },
        this.#options,
        dropped,
      );
    }
    if (marks.size === 0) return recipients;
    for (const recipient of recipients.filter(loops)) this.#looping.add(recipient);
    return recipients.filter((recipient) => !this.#looping.has(recipient));
  }

  /** Phase 1, one piece: to all volumes at once. Failures are noted in the shares. */
  async #stage(piece: Piece, which: 'more' | 'last'): Promise<void> {
    const shares = await this.#prepare(piece);
    if (this.#failure() !== undefined) return;
    const open = shares.filter(({ error }) => error === undefined);
    const parcels = (this.#departure?.parcels ?? []).filter(({ error }) => error === undefined);
    const use =
      shares.length + (this.#departure?.parcels.length ?? 0) === 1 ? 'sole' : 'one-of-many';
    let bare: Buffer | undefined;
    const bytesFor = (one: Share | Parcel): Buffer => {
      if (one.staged > 0) return piece.content();
      if (one.list === undefined) return piece.withHeader(one.header, use);
      bare ??= this.#forLists(piece);
      return Buffer.concat([one.header, bare]);
    };
    const last = which === 'last';
    await Promise.all([
      ...open.map((share) => this.#stageShare(share, bytesFor(share), which)),
      ...parcels.map((parcel) => {
        const wireOctets = (): number => this.#wireOctets(parcel);
        return this.#departure?.stage(parcel, bytesFor(parcel), { last, wireOctets });
      }),
    ]);
  }

  #forLists(piece: Piece): Buffer {
    const { bytes, lines } = withoutListLines(piece.content());
    this.#listLineEnds = lines;
    return bytes;
  }

  async #stageShare(share: Share, bytes: Uint8Array, which: 'more' | 'last'): Promise<void> {
    const { volume, base } = share;
    const why = share.holder.parked;
    if (share.parking !== undefined || why !== undefined) {
      return this.#parkShare(share, bytes, { which, why });
    }
    for (;;) {
      const { maildir } = share.holder.mailbox;
      try {
        const offset = share.staged;
        await volume.stage({ maildir, base, offset, bytes, last: which === 'last' });
        share.staged += bytes.length;
        return;
      } catch (error) {
        const failed = asOwn(error);
        if (isParkable(failed) && share.staged === 0) {
          void discardShare(share);
          return this.#parkShare(share, bytes, { which, why: failed });
        }
        const next = this.#nextHolder(share, failed);
        if (next === undefined) return this.#failShare(share, failed);
        share.holder = next;
      }
    }
  }

  /** Phase 1 of what goes to the spool. The first piece is all that came so far. */
  async #parkShare(
    share: Share,
    bytes: Uint8Array,
    { which, why }: { readonly which: 'more' | 'last'; readonly why: StoreError | undefined },
  ): Promise<void> {
    const { parking } = this.#parts;
    const { volume } = share;
    const down = why ?? new StoreError('volume-down', `Volume ${volume.name} is down`);
    const trace = this.#options.id;
    try {
      // Those that were found well a moment ago were not counted by name yet.
      if (share.holder.parked === undefined && share.parking === undefined) {
        await this.#acceptAll(share, bytes.length, down);
      }
      share.parkedFor ??= share.members.filter(({ error }) => error === undefined);
      const recipients = share.parkedFor.map(({ recipient }) => recipient);
      share.parking ??= parking.open({ trace, lane: volume.name, recipients }, down);
      await share.parking.write(share.staged, bytes, which === 'last');
      share.staged += bytes.length;
      if (which === 'more') return;
      await share.parking.seal(share.staged, this.#wireOctets(share));
    } catch (error) {
      await this.#failShare(share, asOwn(error));
    }
  }

  /** Who may not have it parked fails alone, where each has a reply of his own. */
  async #acceptAll(share: Share, bytes: number, why: StoreError): Promise<void> {
    for (const member of share.members) {
      if (member.error !== undefined) continue;
      try {
        await this.#parts.parking.accept(member.recipient.account, bytes, why);
      } catch (error) {
        member.error = asOwn(error);
      }
    }
    const refused = share.members.find(({ error }) => error !== undefined)?.error;
    const none = share.members.every(({ error }) => error !== undefined);
    if (refused !== undefined && (none || this.#options.failure !== 'each')) throw refused;
  }

  /** A missing mailbox fails for its own user only, where each has a reply of his own. */
  #nextHolder(share: Share, error: StoreError): Member | undefined {
    if (error.kind !== 'mailbox-missing') return undefined;
    share.holder.error = this.#parts.mailboxes.missing(share.holder.mailbox);
    if (this.#options.failure !== 'each' || share.staged > 0) return undefined;
    return share.members.find((member) => member.error === undefined);
  }

  async #failShare(share: Share, error: StoreError): Promise<void> {
    share.error = error;
    this.#parts.log.warn(
      { trace: this.#options.id, volume: share.volume.name, err: error },
      'message not written',
    );
    const removed = discardShare(share);
    // A volume that is down does not make the sender wait once more.
    if (error.kind !== 'volume-down' && error.kind !== 'volume-busy') await removed;
  }

  /** With the real size: SIZE is the client's word, and optional. */
  async #judgeQuotas(): Promise<void> {
    if (this.#options.recipients.every(({ account }) => account.quotaBytes === 0)) return;
    await this.#prepare();
    const over: Member[] = [];
    for (const member of this.#members.values()) {
      if (member instanceof StoreError || member.parked || over.includes(member)) continue;
      if (await this.#isOver(member)) over.push(member);
    }
    const others = [...this.#members.values()].some(
      (member) => !(member instanceof StoreError) && !over.includes(member),
    );
    // One reply for all cannot refuse it to one of them: the overshoot is this one message.
    if (others && this.#options.failure !== 'each') return;
    for (const member of over) {
      const { id, quotaBytes } = member.recipient.account;
      member.error = new StoreError('over-quota', `${id} is over its ${quotaBytes} octets`);
    }
  }

  async #isOver({ recipient }: Member): Promise<boolean> {
    const { quotaBytes } = recipient.account;
    if (quotaBytes === 0) return false;
    try {
      return (await this.#parts.usage(recipient.account)) + this.#octets > quotaBytes;
    } catch {
      return false; // Counted by the volume; if it is down, writing says so too.
    }
  }

  /** Phase 2, on all volumes at once. */
  async #publish(): Promise<void> {
    const shares = await this.#prepare();
    const open = shares.filter(({ error }) => error === undefined);
    await Promise.all(open.map((share) => this.#publishShare(share)));
  }

  async #publishShare(share: Share): Promise<void> {
    if (share.parking !== undefined) return this.#commitParked(share, share.parking);
    const { volume, base, holder, staged: octets } = share;
    const getters = share.members.filter(({ error }) => error === undefined);
    if (getters.length === 0) return discardShare(share);
    // The holder last: what is renamed and not linked stays below its own directory.
    const others = getters.filter((member) => member !== holder);
    const ordered = getters.length === others.length ? others : [...others, holder];
    const targets = ordered.map(({ mailbox }) => mailbox.maildir);
    const wireOctets = this.#wireOctets(share);
    try {
      const { maildir } = holder.mailbox;
      const results = await volume.publish({ maildir, base, octets, wireOctets, targets });
      for (const [index, member] of ordered.entries()) {
        const result = results[index];
        member.name = result?.name;
        if (result?.name === undefined) this.#notPublished(member, result?.error);
        else this.#parts.onDelivered(member.recipient.account, octets);
      }
    } catch (error) {
      for (const member of ordered) this.#notPublished(member, error);
      void discardShare(share); // It was staged, and perhaps nobody began to publish it.
    }
  }

  #wireOctets({ staged, headerLineEnds, list }: Share | Parcel): number {
    const own = list === undefined ? 0 : this.#listLineEnds;
    return staged + headerLineEnds + this.#lineEnds - own;
  }

  /** Phase 2 of what is parked. A result that is unknown fails: the sender sends again. */
  async #commitParked({ parkedFor }: Share, parking: ParkedFile): Promise<void> {
    const members = parkedFor ?? [];
    for (let at = 0; at < members.length; at += FOUND_AT_ONCE) {
      const some = members.slice(at, at + FOUND_AT_ONCE);
      await Promise.all(
        some.map(async (member, index) => {
          if (member.error !== undefined) return;
          try {
            member.name = await parking.commit(at + index);
            member.parkedOn = parking.tree.volume.name;
          } catch (error) {
            this.#notPublished(member, error);
          }
        }),
      );
    }
  }

  #notPublished(member: Member, error: unknown): void {
    member.error = asOwn(error);
    if (member.error.kind === 'mailbox-missing') this.#parts.mailboxes.missing(member.mailbox);
    const { maildir, volume } = member.mailbox;
    const fields = { trace: this.#options.id, volume: volume.name, maildir, err: member.error };
    this.#parts.log.warn(fields, 'message not published');
  }

  async #discard(): Promise<void> {
    const open = (this.#shares ?? []).filter(({ error, staged }) => !error && staged > 0);
    await Promise.all([...open.map((share) => discardShare(share)), this.#departure?.discard()]);
  }

  #results(): readonly Delivered[] {
    const failure = this.#failure();
    this.left = this.#departure?.results(failure) ?? [];
    const results = this.#options.recipients.map((recipient) => this.#result(recipient, failure));
    for (const { error, parkedOn, dropped } of results) {
      deliveries.inc(dropped ?? error?.kind ?? (parkedOn === undefined ? 'delivered' : 'parked'));
    }
    for (const { error, dropped } of this.left) departed.inc(dropped ?? error?.kind ?? 'spooled');
    const all = [...results, ...this.left];
    const failed = all.filter(({ error }) => error !== undefined).length;
    messages.inc(failed === 0 ? 'delivered' : failed < all.length ? 'partly' : 'failed');
    return results;
  }

  #result(recipient: Recipient, failure: StoreError | undefined): Delivered {
    const nowhere = { recipient, name: undefined, volume: undefined, parkedOn: undefined };
    if (this.#looping.has(recipient)) return { ...nowhere, error: undefined, dropped: 'loop' };
    const member = this.#members.get(recipient);
    if (member === undefined || member instanceof StoreError) {
      return { ...nowhere, error: member ?? failure };
    }
    const { name, parkedOn } = member;
    const error = name === undefined ? (this.#errorOf(member) ?? failure) : undefined;
    return { recipient, error, name, volume: member.mailbox.volume.name, parkedOn };
  }
}

const memberOf = (
  recipient: Recipient,
  mailbox: Mailbox,
  parked: StoreError | undefined,
): Member => ({
  mailbox,
  parked,
  recipient,
  share: undefined,
  error: undefined,
  name: undefined,
  parkedOn: undefined,
});

/** Removes what lies in tmp. What cannot be removed now is left to the sweep. */
async function discardShare({ volume, holder, base, parking }: Share): Promise<void> {
  if (parking !== undefined) return parking.discard();
  await volume.discard({ maildir: holder.mailbox.maildir, base }).catch(() => {});
}

const asOwn = (error: unknown): StoreError =>
  error instanceof StoreError
    ? error
    : new StoreError('volume-down', String(error), { cause: error });
