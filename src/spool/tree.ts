/**
 * Letters that wait on a spool volume, and who is at work on them.
 *
 *     <volume>/spool/<tree>/message/<bucket>/<id>         the letter, immutable
 *                          /draft/<bucket>/<id>           an envelope that nobody answers for yet
 *                          /waiting/<lane>/<bucket>/<name>
 *                          /taken/<lane>/<name>           claimed; its name says by whom and when
 *                          /failed/<lane>/<bucket>/<name> somebody has to look at it
 *                          /aside/<bucket>/<id>,T=…       letters without envelope, before they go
 *
 * A state is a directory, a move is a rename. A lane is what a letter waits for (parked mail: the
 * volume that was down); a bucket is one of 256, by the owner. So a million letters are some
 * thousand names a directory, and what is asked often (is there anything; whose is how much; what
 * comes next) is a listing of one of them. Lanes and buckets that are empty are removed: nothing
 * that waits costs one listing.
 *
 * Invariants
 * 1. The message is durable before its envelope is written, the envelope before it is renamed to
 *    `waiting`. That rename is the commit: only after it anybody is told. A crash before leaves a
 *    draft or a message that nobody was told of; `sweep` removes them when they are old.
 * 2. An envelope is always in exactly one state, since it is one file that is only renamed; it is
 *    removed before its message. So no envelope is ever without its message.
 * 3. Whoever works on a letter holds a claim: the envelope under a name that nobody else made and
 *    that never comes again. Every step (renew, release, fail, finish) is a rename or a removal of
 *    that name. Who lost the claim gets ENOENT and stops.
 * 4. A lease runs from the spool server's time, which is in the name. A listing judges it; no
 *    stat, which a cache may have answered, and no clock of a host.
 *
 * Races
 * - Two claim one letter: one rename wins, the other gets ENOENT.
 * - The reply to a claim, renewal or finish is lost and the call sent again: ENOENT, though it
 *   worked. It counts as lost. The claim is nobody's and its lease runs out; a removed envelope
 *   leaves its message to the sweep.
 * - The reply to a commit is lost: the name is in `waiting`, or else somebody has claimed it
 *   already; the former counts as done, the latter as unknown, and the sender sends again.
 * - A holder sleeps beyond its lease: another takes the letter over. What the sleeper then does to
 *   the mailbox is stopped by `fence` (maildir/), what it does here by the name.
 * - A listing misses a name: the letter waits for the next look. `sweep`, for which that would be
 *   a loss, lists all states twice, waits a day, and moves what it found aside for a week, from
 *   where it is still read.
 * - Somebody removes an empty bucket while a commit goes there: the commit gets ENOENT, makes it
 *   anew and tries again.
 * - The volume is unmounted while directories are made: its sentinel is read before and after.
 *
 * Harm that is possible: a letter arrives twice when whoever landed it died between the mailbox's
 * rename and the removal of the envelope, and its user removed it before the next one looked; or
 * when a commit's result was unknown and the sender sent it again. No letter is lost.
 *
 * Rejected: one file of all that waits (two hosts append: NFS.md); locks; the age of a claim by its
 * modification time (a cached stat makes living holders look dead); counting the users of a shared
 * message (a crash leaves the count wrong; a link for each costs one call); changing an envelope in
 * place (what changes is in the name, so that one rename is the change and the proof of holding).
 *
 * What it is made of is in tree-files.ts. Outbound mail has a tree of its own: outbound-tree.ts.
 */
import { linkOurs, parentOf, removeIfThere, syncDirectory, writePiece, type Nfs } from '#maildir';
import type { VolumeOperation } from '../volumes/metrics.ts';
import type { Volume } from '../volumes/volume.ts';
import { ENVELOPE_OCTETS_MAX, formatEnvelope, parseEnvelope, type Envelope } from './envelope.ts';
import {
  bucketOf,
  byId,
  formatName,
  isBucket,
  isLane,
  parseName,
  type Lease,
  type Letter,
  type State,
} from './names.ts';
import { isOver, LEASE_MS, TreeFiles, type TreeParts } from './tree-files.ts';

export { isOver, LEASE_MS };

/** A letter in one of the states. */
export interface Spooled extends Letter {
  readonly lane: string;
  readonly state: State;
  /** File name, with all that is in it. */
  readonly name: string;
  readonly lease: Lease | undefined;
}

/** Where one letter's message and draft are. */
export type Place = Pick<Letter, 'id' | 'owner'>;

export class SpoolTree {
  readonly #files: TreeFiles;

  constructor(parts: TreeParts) {
    this.#files = new TreeFiles(parts);
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

  /** Writes a piece of a message; the last is followed by fsync. @throws StoreError */
  async write(
    place: Place,
    piece: { readonly offset: number; readonly bytes: Uint8Array; readonly last: boolean },
  ): Promise<void> {
    const path = this.#message(place);
    await this.#files.making('stage', path, (nfs) => writePiece(nfs, path, piece));
  }

  /** Gives a written message, by a link, to one more owner. @throws StoreError */
  async share(from: Place, to: Place): Promise<void> {
    const path = this.#message(to);
    await this.#files.making('stage', path, (nfs) => linkOurs(nfs, this.#message(from), path));
  }

  /** Writes the envelope of a message that is written; not visible yet. @throws StoreError */
  async draft(envelope: Envelope): Promise<void> {
    const path = this.#draft(envelope);
    const bytes = Buffer.from(formatEnvelope(envelope));
    if (bytes.length > ENVELOPE_OCTETS_MAX) throw new Error('an envelope that nobody could read');
    await this.#files.making('stage', path, async (nfs) => {
      await syncDirectory(nfs, parentOf(this.#message(envelope)));
      await writePiece(nfs, path, { offset: 0, bytes, last: true });
    });
  }

  /** The letter is accepted: visible to whoever looks, durable. @throws StoreError */
  async commit({ id, owner, octets, wireOctets, lane }: Envelope): Promise<void> {
    const name = formatName({ id, owner, octets, wireOctets, tries: 0, reason: undefined });
    const to = `${this.#lane('waiting', lane, owner)}/${name}`;
    await this.#files.moveOurs(this.#draft({ id, owner }), to);
  }

  /** Forgets what was written of a letter that was not committed. Never rejects. */
  async discard(place: Place): Promise<void> {
    const paths = [this.#draft(place), this.#message(place)];
    await this.#files
      .guard('discard', paths[0] as string, async (nfs) => {
        for (const path of paths) await removeIfThere(nfs, path);
      })
      .catch(() => {}); // The sweep finds it.
  }

  /** What letters wait for; [] is an empty tree, or none. @throws StoreError */
  async lanes(state: State = 'waiting'): Promise<readonly string[]> {
    return (await this.#files.names(`${this.root}/${state}`)).filter(isLane);
  }

  async buckets(state: Exclude<State, 'taken'>, lane: string): Promise<readonly string[]> {
    return (await this.#files.names(`${this.root}/${state}/${lane}`)).filter(isBucket);
  }

  /** Letters of one bucket in order of arrival; `taken` has no buckets. @throws StoreError */
  async list(state: State, lane: string, bucket = ''): Promise<readonly Spooled[]> {
    const path = state === 'taken' ? `taken/${lane}` : `${state}/${lane}/${bucket}`;
    const names = await this.#files.names(`${this.root}/${path}`);
    const all = names.flatMap((name): readonly Spooled[] => {
      const parsed = parseName(name);
      if (parsed === undefined) return [];
      return [{ ...parsed.letter, lane, state, name, lease: parsed.lease }];
    });
    return all.toSorted(byId);
  }

  /** Of one owner, in one lane. @throws StoreError */
  async octetsOf(owner: string, lane: string): Promise<number> {
    const bucket = bucketOf(owner);
    const waiting = await this.list('waiting', lane, bucket);
    const failed = await this.list('failed', lane, bucket);
    const own = [...waiting, ...failed].filter((letter) => letter.owner === owner);
    return own.reduce((sum, { octets }) => sum + octets, 0);
  }

  /** Undefined when somebody else was quicker, or the answer got lost. @throws StoreError */
  async claim(letter: Spooled): Promise<Spooled | undefined> {
    const lease = await this.#files.lease();
    const name = formatName({ ...letter, reason: undefined }, lease);
    const claimed: Spooled = { ...letter, state: 'taken', name, lease, reason: undefined };
    const [from, to] = [this.#path(letter), this.#path(claimed)];
    return (await this.#files.renamed(from, to, 'seldom')) ? claimed : undefined;
  }

  /** Undefined when the claim is lost: whoever held it stops. @throws StoreError */
  renew(claim: Spooled): Promise<Spooled | undefined> {
    return this.claim(claim);
  }

  /** Gives it back, to be tried again. Undefined when the claim was lost. @throws StoreError */
  async release(claim: Spooled, change: { readonly tries?: number } = {}): Promise<boolean> {
    const tries = change.tries ?? claim.tries;
    return this.#put(claim, 'waiting', { ...claim, tries, reason: undefined });
  }

  /** Sets it aside for somebody to look at. @throws StoreError */
  async fail(claim: Spooled, reason: string): Promise<boolean> {
    return this.#put(claim, 'failed', { ...claim, tries: claim.tries + 1, reason });
  }

  /** The letter is where it belongs, or is not wanted any more. @throws StoreError */
  async finish(claim: Spooled): Promise<boolean> {
    const path = this.#path(claim);
    return this.#files.guard('remove', path, async (nfs) => {
      // Absent: somebody took it over, who may still need the message.
      if ((await removeIfThere(nfs, path)) === 'absent') return false;
      await removeIfThere(nfs, this.#message(claim));
      return true;
    });
  }

  /** Claims whose lease is over go back to `waiting`. @returns how many. @throws StoreError */
  async reclaim(lane: string): Promise<number> {
    const taken = await this.list('taken', lane);
    if (taken.length === 0) return 0;
    const now = await this.serverNow();
    let count = 0;
    for (const claim of taken) {
      if (!isOver(claim.lease, now)) continue;
      if (await this.release(claim, { tries: claim.tries + 1 })) count += 1;
    }
    return count;
  }

  /** Undefined for an envelope that is damaged or gone. @throws StoreError */
  async envelope(letter: Spooled): Promise<Envelope | undefined> {
    const path = this.#path(letter);
    const bytes = await this.#files.read(path, 0, ENVELOPE_OCTETS_MAX);
    return bytes && parseEnvelope(bytes.toString('utf8'));
  }

  /** Octets of a message from `offset`; undefined when there is none. @throws StoreError */
  async read(place: Place, offset: number, length: number): Promise<Buffer | undefined> {
    const found = await this.#files.read(this.#message(place), offset, length);
    if (found !== undefined) return found;
    const aside = `${this.root}/aside/${bucketOf(place.owner)}`;
    const name = (await this.#files.names(aside)).find((one) => one.startsWith(`${place.id},`));
    return name === undefined ? undefined : this.#files.read(`${aside}/${name}`, offset, length);
  }

  /** Removes what is empty, so that the next look costs nothing. @throws StoreError */
  async tidy(lane: string, bucket: string): Promise<void> {
    const path = `${this.root}/waiting/${lane}`;
    await this.#files.removeEmpty([`${path}/${bucket}`, path]);
  }

  /** The spool server's time in ms, as far as one can know it from here. @throws StoreError */
  serverNow(): Promise<number> {
    return this.#files.serverNow();
  }

  /** Runs what other files of this module do to the tree. @throws StoreError */
  run<T>(operation: VolumeOperation, where: string, work: (nfs: Nfs) => Promise<T>): Promise<T> {
    return this.#files.guard(operation, where, work);
  }

  async #put(claim: Spooled, state: 'waiting' | 'failed', letter: Letter): Promise<boolean> {
    const to = `${this.#lane(state, claim.lane, claim.owner)}/${formatName(letter)}`;
    return this.#files.renamed(this.#path(claim), to, 'always');
  }

  #message = ({ id, owner }: Place): string => `${this.root}/message/${bucketOf(owner)}/${id}`;
  #draft = ({ id, owner }: Place): string => `${this.root}/draft/${bucketOf(owner)}/${id}`;
  #lane = (state: State, lane: string, owner: string): string =>
    state === 'taken'
      ? `${this.root}/taken/${lane}`
      : `${this.root}/${state}/${lane}/${bucketOf(owner)}`;
  #path = ({ state, lane, owner, name }: Spooled): string =>
    `${this.#lane(state, lane, owner)}/${name}`;
}
