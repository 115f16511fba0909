/**
 * Mail that leaves, on one spool volume.
 *
 *   <volume>/spool/outbound/message/<bucket>/<id>          the letter, a link for each envelope
 *                          /draft/<bucket>/<id>            an envelope that nobody answers for yet
 *                          /version/<bucket>/<id>,V=…      what an envelope has become
 *                          /waiting/<lane>/<bucket>/<name> due now
 *                          /later/<slot>/<lane>/<name>     due when the slot is: its name is a time
 *                          /taken/<lane>/<name>            claimed; the name says by whom and when
 *                          /hold/<lane>/<bucket>/<name>    until somebody releases it
 *                          /aside/<bucket>/<id>,T=…        letters without envelope, before they go
 *
 * A state is a directory, a move is a rename, as in tree.ts, whose invariants hold here: a letter
 * is durable before its envelope is, that before the rename to `waiting`, which is the commit; an
 * envelope is in one state, and goes before its message; whoever works on a letter holds a name
 * that nobody else makes and that never comes again; leases run by the server's time in the name.
 *
 * What is more
 * 5. An envelope never changes. What an attempt changed (who is left, what the peers said) is
 *    written to a file beside it, durable before the rename that ends the claim; the new name
 *    says which file it is (V=). So the one rename is the change, whole or not at all.
 * 6. A lane is a route (lane.ts). Lanes come and go: one that is empty for a while is removed.
 * 7. A letter that is not due is in the directory of a slot that nobody lists before its time.
 * 8. A bucket of `waiting` is chosen by whoever files: one process uses one, for some hundred
 *    letters of a lane, then the next. So a commit makes no directory, no directory gets large, and
 *    processes that begin to look at different buckets seldom meet. Slots are split the same way.
 *
 * Races
 * - Two claim one letter: one rename wins. A claim whose reply was lost is nobody's until its
 *   lease is over: to ask would cost a listing for each race that is lost, and those are many.
 * - The reply to a renewal or a settlement is lost: only this holder makes that name, so a listing
 *   says whether it happened. What that cannot say is an error, and both names are tried next.
 * - A holder sleeps beyond its lease: another takes the letter over, and may send it a second time.
 *   The sleeper's rename finds nothing, and it stops; the file that it wrote for a new version has
 *   a name of its own, so that it overwrites nobody's.
 * - The new version is written and the rename never comes: the letter is what it was. The file is
 *   removed by the sweep, as is one whose letter has gone on.
 * - Two settle at once, the one that lost its claim and the one that has it: the names differ.
 * - A letter with several envelopes is committed and one of them fails: the others are taken back
 *   by the reverse rename, unless a sender was quicker; the client is told to try again.
 * - A commit whose result is unknown: removing the draft ends it. When the draft was not there any
 *   more the envelope may be visible, and the message stays.
 * - `wake` renames the directory of a lane in a slot to a new bucket of `waiting`, all letters at
 *   once: who claims by the old path loses, who files there makes the directory anew.
 * - A slot or lane is removed while somebody files into it: ENOENT, made anew, tried again.
 * - An administrator holds, releases, deletes: by the same renames, of what nobody has claimed.
 * - A look misses a name: the next one has it. The sweep lists all states twice, and waits.
 *
 * Harm that is possible: a letter is sent twice, when its sender died or slept beyond its lease
 * between the peer's reply and the rename; when the result of a commit was unknown and the client
 * sent it again; or when the power of a spool on a local disk was cut within seconds of sending
 * (removals are not fsynced; an NFS server commits them). No letter is lost.
 *
 * Cost: committed by 9 calls and fsync of two directories where the file system needs that; sent by
 * 3 (claim, two removals) in the process that took it, if the message is small; by 9 in another
 * (open, read, close of envelope and message, which is read once to be signed and to be sent);
 * tried again later by 4 (5 with the removal of what it was) more than the rename. A test counts.
 *
 * Rejected: rewriting an envelope in place (a crash in the middle, two writers); state in the
 * envelope (each look would open each file); a log of what happened (append: two hosts); one slot
 * for each second (a directory for each letter); a database of the queue (it can disagree with the
 * files); removing a message by the count of its links (a stat that a cache answers); claims at the
 * commit (a process that only takes mail in would hold what others are to send).
 */
import type { VolumeOperation } from '../volumes/metrics.ts';
import type { Volume } from '../volumes/volume.ts';
import {
  linkOurs,
  listFresh,
  moveDirectory,
  parentOf,
  removeIfThere,
  renameExact,
  writePiece,
  type Nfs,
} from '#maildir';
import { byId, type Lease } from './names.ts';
import type { OutboundEnvelope, Settlement } from './outbound.ts';
import {
  formatOutboundEnvelope,
  isWholeEnvelope,
  OUTBOUND_ENVELOPE_OCTETS_MAX,
  parseOutboundEnvelope,
} from './outbound-envelope.ts';
import {
  formatOutboundName,
  isOutboundBucket,
  messageBucket,
  OUTBOUND_STATES,
  parseOutboundName,
  pathOf,
  reasonIn,
  slotName,
  slotTime,
  type OutboundLetter,
  type OutboundPlace,
  type OutboundSpooled,
  type OutboundState,
} from './outbound-names.ts';
import { isOutboundLane } from './lane.ts';
import { isOver, TreeFiles, type TreeParts } from './tree-files.ts';

/** Letters that one process files into one directory before it begins another. */
const FILED_MAX = 512;
const SLOTS_KEPT_MAX = 1000;
const LANES_KEPT_MAX = 10_000;
const BUCKETS = 256;

export type Later = Extract<Settlement, { readonly kind: 'later' }>;

export interface OutboundTreeParts extends Omit<TreeParts, 'tree'> {
  readonly slotMs: number;
}

export class OutboundTree {
  readonly #files: TreeFiles;
  readonly #slotMs: number;
  readonly #random: OutboundTreeParts['random'];
  #bucket: number;
  /** How many this process filed into `waiting` of a lane. */
  readonly #filed = new Map<string, number>();
  /** How many this process filed into a lane of a slot. */
  readonly #slots = new Map<string, number>();

  constructor(parts: OutboundTreeParts) {
    this.#files = new TreeFiles({ ...parts, tree: 'outbound' });
    this.#slotMs = parts.slotMs;
    this.#random = parts.random;
    this.#bucket = parts.random.bytes(1)[0] ?? 0;
  }

  get volume(): Volume {
    return this.#files.volume;
  }

  get root(): string {
    return this.#files.root;
  }

  get node(): string {
    return this.#files.node;
  }

  /** Who this process is in the names of its claims. */
  get holder(): string {
    return this.#files.holder;
  }

  newId(): string {
    return this.#files.newId();
  }

  /** The spool server's time in ms, as far as one can know it from here. @throws StoreError */
  serverNow(): Promise<number> {
    return this.#files.serverNow();
  }

  /** Writes a piece of a message; the last is followed by fsync. @throws StoreError */
  async write(
    id: string,
    piece: { readonly offset: number; readonly bytes: Uint8Array; readonly last: boolean },
  ): Promise<void> {
    const path = this.#message(id);
    await this.#files.making('stage', path, (nfs) => writePiece(nfs, path, piece));
  }

  /** Writes an envelope, and a link of the message where it is another's. @throws StoreError */
  async draft(envelope: OutboundEnvelope, messageId: string): Promise<void> {
    const { id } = envelope;
    const path = this.#draft(id);
    const bytes = envelopeBytes(envelope);
    const [from, message] = [this.#message(messageId), this.#message(id)];
    if (id !== messageId) {
      await this.#files.making('stage', message, (nfs) => linkOurs(nfs, from, message));
    }
    await this.#files.making('stage', path, async (nfs) => {
      const named = this.#files.syncNames(nfs, parentOf(message));
      const written = writePiece(nfs, path, { offset: 0, bytes, last: true });
      // Both have ended when this does: nothing of it happens after a failure was told.
      const failed = (await Promise.allSettled([named, written])).find(isRejected);
      if (failed !== undefined) throw failed.reason;
    });
  }

  /** The letter is accepted: visible to senders, durable. @throws StoreError; `isUnknown` */
  async commit(envelope: OutboundEnvelope, lane: string): Promise<OutboundSpooled> {
    const { id, owner, octets, wireOctets } = envelope;
    const letter = { id, owner, octets, wireOctets, tries: 0, reason: undefined };
    const at = this.#waiting(lane);
    const name = formatOutboundName({ ...letter, version: '', dueAt: undefined });
    const directory = `${this.root}/${pathOf(at)}`;
    await this.#files.ensure(directory);
    await this.#files.moveOurs(this.#draft(id), `${directory}/${name}`);
    return { ...letter, version: '', dueAt: undefined, ...at, name, lease: undefined };
  }

  /** Takes back what was committed. False when a sender was quicker. @throws StoreError */
  async retract(letter: OutboundSpooled): Promise<boolean> {
    const [from, to] = [this.path(letter), this.#draft(letter.id)];
    const how = await this.#files.guard('publish', to, (nfs) => renameExact(nfs, from, to));
    return how === 'renamed';
  }

  /**
   * Forgets what was written of a letter that was not committed, or perhaps: then its message stays
   * if its draft has gone. Never rejects.
   */
  async discard(id: string, commit: 'never' | 'perhaps'): Promise<void> {
    const [draft, message] = [this.#draft(id), this.#message(id)];
    await this.#files
      .guard('discard', draft, async (nfs) => {
        const how = await removeIfThere(nfs, draft);
        if (how === 'removed' || commit === 'never') await removeIfThere(nfs, message);
      })
      .catch(() => {}); // The sweep finds it.
  }

  /** Lanes of a state; for `later` those of a slot. @throws StoreError */
  async lanes(state: OutboundState, slot = ''): Promise<readonly string[]> {
    const path = state === 'later' ? `later/${slot}` : state;
    return (await this.#files.names(`${this.root}/${path}`)).filter(isOutboundLane);
  }

  /** Slots with letters in them, in order of time. @throws StoreError */
  async slots(): Promise<readonly string[]> {
    const names = await this.#files.names(`${this.root}/later`);
    return names.filter((name) => slotTime(name) !== undefined).toSorted();
  }

  async buckets(state: 'waiting' | 'hold', lane: string): Promise<readonly string[]> {
    return (await this.#files.names(`${this.root}/${state}/${lane}`)).filter(isOutboundBucket);
  }

  /** Letters of one directory in order of arrival. @throws StoreError */
  async list(at: OutboundPlace): Promise<readonly OutboundSpooled[]> {
    const names = await this.#files.names(`${this.root}/${pathOf(at)}`);
    return names.flatMap((name) => parseOutboundName(name, at) ?? []).toSorted(byId);
  }

  /** Undefined when somebody else was quicker, or the answer got lost. @throws StoreError */
  async claim(letter: OutboundSpooled): Promise<OutboundSpooled | undefined> {
    const claimed = this.#held(letter, await this.#files.lease());
    const renamed = await this.#files.renamed(this.path(letter), this.path(claimed), 'seldom');
    return renamed ? claimed : undefined;
  }

  /** Claims of this lane are lost in a row: perhaps their directory is not there any more. */
  doubt(lane: string): void {
    this.#files.forget(`${this.root}/taken/${lane}`);
  }

  /** The name that the claim would have with a lease from now. @throws StoreError */
  async renewal(claim: OutboundSpooled): Promise<OutboundSpooled> {
    return this.#held(claim, await this.#files.lease());
  }

  /** Makes a renewal the claim. False when the claim is lost. @throws StoreError; `isUnknown` */
  renew(claim: OutboundSpooled, renewal: OutboundSpooled): Promise<boolean> {
    return this.#files.step(this.path(claim), this.path(renewal));
  }

  /** Where it was sent nobody is left. False when the claim was lost. @throws StoreError */
  async finish(claim: OutboundSpooled): Promise<boolean> {
    const path = this.path(claim);
    return this.#files.guard('remove', path, async (nfs) => {
      // Absent: somebody took it over, who may still need the message.
      if ((await removeIfThere(nfs, path)) === 'absent') return false;
      await removeIfThere(nfs, this.#message(claim.id));
      if (claim.version !== '') await removeIfThere(nfs, this.#version(claim, claim.version));
      return true;
    });
  }

  /** Gives it back as it was, or with other tries. False when it was lost. @throws StoreError */
  async release(claim: OutboundSpooled, tries = claim.tries): Promise<boolean> {
    return this.#move(claim, this.#waiting(claim.lane), { ...claim, tries });
  }

  /** Sets a letter aside, claimed or not. False when it was lost. @throws StoreError */
  async hold(letter: OutboundSpooled, reason: string): Promise<boolean> {
    const at = { ...this.#waiting(letter.lane), state: 'hold' } as const;
    return this.#move(letter, at, letter, reasonIn(reason));
  }

  /** To be tried again, for those who are left. False when it was lost. @throws StoreError */
  async postpone(
    claim: OutboundSpooled,
    envelope: OutboundEnvelope,
    { dueAt, recipients, troubles, delayTold, tried }: Later,
  ): Promise<boolean> {
    const tries = claim.tries + (tried ? 1 : 0);
    const next = { ...envelope, recipients, troubles, delayTold, tries };
    const version = isSame(envelope, next) ? claim.version : await this.#write(claim, next);
    const at =
      dueAt <= (await this.serverNow())
        ? this.#waiting(claim.lane)
        : this.#later(claim.lane, dueAt);
    const letter = { ...claim, tries, version };
    const moved = await this.#move(claim, at, letter, undefined, dueAt);
    if (!moved || version === claim.version) return moved;
    await this.#files
      .guard('remove', this.root, async (nfs) => {
        // Undone by a power cut it would be sent again to those who have it.
        await this.#files.syncNames(nfs, `${this.root}/${pathOf(at)}`).catch(() => {});
        if (claim.version !== '') await removeIfThere(nfs, this.#version(claim, claim.version));
      })
      .catch(() => {}); // It is done; the sweep removes what is left.
    return true;
  }

  /**
   * Claims of a lane whose lease is over go back to be tried again: another attempt, of which
   * nobody knows how it ended. @returns how many there were and how many stay. @throws StoreError
   */
  async reclaim(lane: string): Promise<{ readonly back: number; readonly left: number }> {
    const taken = await this.list({ state: 'taken', lane, place: '' });
    if (taken.length === 0) return { back: 0, left: 0 };
    const now = await this.serverNow();
    let back = 0;
    for (const claim of taken) {
      if (!isOver(claim.lease, now)) continue;
      if (await this.release(claim, claim.tries + 1)) back += 1;
    }
    return { back, left: taken.length - back };
  }

  /** All of a lane that is not due is. @returns how many letters. @throws StoreError */
  async wake(lane: string): Promise<number> {
    let count = 0;
    for (const slot of await this.slots()) {
      if ((await this.lanes('later', slot)).includes(lane)) count += await this.wakeIn(slot, lane);
    }
    return count;
  }

  /** The same for the letters of one slot. @throws StoreError */
  async wakeIn(slot: string, lane: string): Promise<number> {
    const from = `${this.root}/later/${slot}/${lane}`;
    const chance = Buffer.from(this.#random.bytes(8)).toString('hex');
    const to = `${this.root}/waiting/${lane}/w${chance}`;
    await this.#files.makeDirectories(parentOf(to));
    const count = await this.#files.guard('publish', to, async (nfs) => {
      const letters = await listFresh(nfs, from).catch(() => []);
      if (letters.length > 0) await moveDirectory(nfs, from, to);
      return letters.length;
    });
    await this.tidy([from, parentOf(from)]);
    return count;
  }

  /** Undefined for an envelope that is damaged or gone. @throws StoreError */
  async envelope(letter: OutboundSpooled): Promise<OutboundEnvelope | undefined> {
    const { version } = letter;
    const path = version === '' ? this.path(letter) : this.#version(letter, version);
    const bytes = await this.#files.readWhole(path, OUTBOUND_ENVELOPE_OCTETS_MAX, isWholeEnvelope);
    const envelope = bytes && parseOutboundEnvelope(bytes.toString('utf8'));
    return envelope && { ...envelope, tries: letter.tries };
  }

  /** Octets of a message from `offset`; undefined when there is none. @throws StoreError */
  async read(
    { id, octets }: OutboundLetter,
    offset: number,
    length: number,
  ): Promise<Buffer | undefined> {
    const wanted = Math.max(0, Math.min(length, octets - offset));
    const found = await this.#files.read(this.#message(id), offset, wanted);
    if (found !== undefined) return found;
    const aside = `${this.root}/aside/${messageBucket(id)}`;
    const name = (await this.#files.names(aside)).find((one) => one.startsWith(`${id},`));
    return name === undefined ? undefined : this.#files.read(`${aside}/${name}`, offset, wanted);
  }

  /** Removes directories as far as they are empty. @throws StoreError */
  tidy(directories: readonly string[]): Promise<void> {
    for (const directory of directories) this.#files.forget(directory);
    return this.#files.removeEmpty(directories);
  }

  path(letter: OutboundSpooled): string {
    return `${this.root}/${pathOf(letter)}/${letter.name}`;
  }

  /** Runs what other files of this module do to the tree. @throws StoreError */
  run<T>(operation: VolumeOperation, where: string, work: (nfs: Nfs) => Promise<T>): Promise<T> {
    return this.#files.guard(operation, where, work);
  }

  #held(letter: OutboundSpooled, lease: Lease): OutboundSpooled {
    const { lane } = letter;
    const plain = { ...letter, dueAt: undefined, reason: undefined };
    const name = formatOutboundName(plain, lease);
    return { ...plain, state: 'taken', lane, place: '', name, lease };
  }

  #move(
    from: OutboundSpooled,
    at: OutboundPlace,
    letter: OutboundLetter,
    reason?: string,
    dueAt?: number,
  ): Promise<boolean> {
    const later = at.state === 'later' ? dueAt : undefined;
    const name = formatOutboundName({ ...letter, reason, dueAt: later });
    return this.#files.step(this.path(from), `${this.root}/${pathOf(at)}/${name}`);
  }

  /** @returns the version under which it was written */
  async #write(claim: OutboundSpooled, envelope: OutboundEnvelope): Promise<string> {
    const chance = Buffer.from(this.#random.bytes(4)).toString('hex');
    const version = `${envelope.tries}-${chance}`;
    const path = this.#version(claim, version);
    const bytes = envelopeBytes(envelope);
    await this.#files.making('stage', path, async (nfs) => {
      await writePiece(nfs, path, { offset: 0, bytes, last: true });
      await this.#files.syncNames(nfs, parentOf(path));
    });
    return version;
  }

  #waiting(lane: string): OutboundPlace {
    if (this.#filed.size >= LANES_KEPT_MAX) {
      this.#filed.clear();
      this.#bucket += 1; // All begin another.
    }
    const filed = this.#filed.get(lane) ?? 0;
    this.#filed.set(lane, filed + 1);
    const bucket = (this.#bucket + Math.floor(filed / FILED_MAX)) % BUCKETS;
    const place = bucket.toString(16).padStart(2, '0');
    return { state: 'waiting', lane, place };
  }

  #later(lane: string, dueAt: number): OutboundPlace {
    const at = Math.ceil(dueAt / this.#slotMs) * this.#slotMs;
    const key = `${at}/${lane}`;
    const filed = this.#slots.get(key) ?? 0;
    if (filed === 0 && this.#slots.size >= SLOTS_KEPT_MAX) this.#slots.clear();
    this.#slots.set(key, filed + 1);
    return { state: 'later', lane, place: slotName(at + Math.floor(filed / FILED_MAX) * 1000) };
  }

  #message = (id: string): string => `${this.root}/message/${messageBucket(id)}/${id}`;
  #draft = (id: string): string => `${this.root}/draft/${messageBucket(id)}/${id}`;
  #version = ({ id }: OutboundLetter, version: string): string =>
    `${this.root}/version/${messageBucket(id)}/${id},V=${version}`;
}

const isRejected = (result: PromiseSettledResult<void>): result is PromiseRejectedResult =>
  result.status === 'rejected';

function envelopeBytes(envelope: OutboundEnvelope): Buffer {
  const bytes = Buffer.from(formatOutboundEnvelope(envelope));
  if (bytes.length > OUTBOUND_ENVELOPE_OCTETS_MAX) {
    throw new Error('an envelope that nobody could read');
  }
  return bytes;
}

/** Whether nothing changed that is not in the name. */
const isSame = (a: OutboundEnvelope, b: OutboundEnvelope): boolean =>
  JSON.stringify({ ...a, tries: 0 }) === JSON.stringify({ ...b, tries: 0 });

/** Every directory in which letters may be, of one lane or all, in the order of their paths. */
export async function* outboundPlaces(
  tree: OutboundTree,
  only?: string,
): AsyncGenerator<OutboundPlace> {
  const isMeant = (lane: string): boolean => only === undefined || lane === only;
  for (const state of OUTBOUND_STATES.toSorted()) {
    for (const place of state === 'later' ? await tree.slots() : ['']) {
      for (const lane of inOrder(await tree.lanes(state, place)).filter(isMeant)) {
        const hasBuckets = state === 'waiting' || state === 'hold';
        const places = hasBuckets ? inOrder(await tree.buckets(state, lane)) : [place];
        for (const one of places) yield { state, lane, place: one };
      }
    }
  }
}

/** As paths that begin with them. */
const inOrder = (names: readonly string[]): readonly string[] =>
  names.toSorted((a, b) => (`${a}/` < `${b}/` ? -1 : 1));
