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
 * Another tree (outbound mail) has the same states and claims under a name of its own; where the
 * contents of an envelope change, the new file is written beside it and named by the renamed one.
 */
import type { Clock } from '../base/clock.ts';
import type { Random } from '../base/random.ts';
import { StoreError } from '../volumes/error.ts';
import { nfsLies, type VolumeOperation } from '../volumes/metrics.ts';
import { directorySyncOf } from '../volumes/space.ts';
import type { Volume } from '../volumes/volume.ts';
import {
  believed,
  isErrno,
  linkOurs,
  listFresh,
  makeDirectory,
  moveOurs,
  nodeToken,
  parentOf,
  removeDirectory,
  removeIfThere,
  renameExact,
  serverTime,
  syncDirectory,
  uniqueNames,
  writePiece,
  type Fs,
  type Nfs,
} from '#maildir';
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

/** Long beyond any deadline; short for whoever waits for the letters of a node that died. */
export const LEASE_MS = 120_000;
const CLOCK_KEPT_MS = 60_000;
const LANE_KEPT_MS = 60_000;
/** A measurement that took longer says too little. */
const CLOCK_TAKES_MS = 10_000;
const ATTEMPTS = 3;

export interface SpoolTreeParts {
  readonly volume: Volume;
  /** Name below `spool/`. */
  readonly tree: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly node: string;
}

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
  readonly volume: Volume;
  readonly root: string;
  readonly node: string;
  readonly #parts: SpoolTreeParts;
  readonly #unique: () => string;
  readonly #holder: string;
  #claims = 0;
  /** Lanes whose directory of claims was there, by our clock: somebody may have removed it. */
  readonly #lanesMade = new Map<string, number>();
  /** How far the server's clock is ahead of ours, and when that was measured. */
  #clock: { readonly aheadMs: number; readonly at: number } | undefined;

  constructor(parts: SpoolTreeParts) {
    const { volume, tree, clock, random, node } = parts;
    this.#parts = parts;
    this.volume = volume;
    this.node = node;
    this.root = `${volume.entry.path}/spool/${tree}`;
    const { pid } = process;
    this.#unique = uniqueNames({ clock, random, node, pid });
    const chance = Buffer.from(random.bytes(6)).toString('hex');
    this.#holder = `${nodeToken(node)}-${pid}-${chance}`;
  }

  /** Who this process is in the names of its claims. */
  get holder(): string {
    return this.#holder;
  }

  newId(): string {
    return this.#unique();
  }

  /** Writes a piece of a message; the last is followed by fsync. @throws StoreError */
  async write(
    place: Place,
    piece: { readonly offset: number; readonly bytes: Uint8Array; readonly last: boolean },
  ): Promise<void> {
    const path = this.#message(place);
    await this.#making('stage', path, (nfs) => writePiece(nfs, path, piece));
  }

  /** Gives a written message, by a link, to one more owner. @throws StoreError */
  async share(from: Place, to: Place): Promise<void> {
    const path = this.#message(to);
    await this.#making('stage', path, (nfs) => linkOurs(nfs, this.#message(from), path));
  }

  /** Writes the envelope of a message that is written; not visible yet. @throws StoreError */
  async draft(envelope: Envelope): Promise<void> {
    const path = this.#draft(envelope);
    const bytes = Buffer.from(formatEnvelope(envelope));
    if (bytes.length > ENVELOPE_OCTETS_MAX) throw new Error('an envelope that nobody could read');
    await this.#making('stage', path, async (nfs) => {
      await syncDirectory(nfs, parentOf(this.#message(envelope)));
      await writePiece(nfs, path, { offset: 0, bytes, last: true });
    });
  }

  /** The letter is accepted: visible to whoever looks, durable. @throws StoreError */
  async commit({ id, owner, octets, wireOctets, lane }: Envelope): Promise<void> {
    const name = formatName({ id, owner, octets, wireOctets, tries: 0, reason: undefined });
    const to = `${this.#lane('waiting', lane, owner)}/${name}`;
    await this.#moved(this.#draft({ id, owner }), to);
  }

  /** Forgets what was written of a letter that was not committed. Never rejects. */
  async discard(place: Place): Promise<void> {
    const paths = [this.#draft(place), this.#message(place)];
    await this.#guard('discard', paths[0] as string, async (nfs) => {
      for (const path of paths) await removeIfThere(nfs, path);
    }).catch(() => {}); // The sweep finds it.
  }

  /** What letters wait for; [] is an empty tree, or none. @throws StoreError */
  async lanes(state: State = 'waiting'): Promise<readonly string[]> {
    return (await this.#names(`${this.root}/${state}`)).filter(isLane);
  }

  async buckets(state: Exclude<State, 'taken'>, lane: string): Promise<readonly string[]> {
    return (await this.#names(`${this.root}/${state}/${lane}`)).filter(isBucket);
  }

  /** Letters of one bucket in order of arrival; `taken` has no buckets. @throws StoreError */
  async list(state: State, lane: string, bucket = ''): Promise<readonly Spooled[]> {
    const path = state === 'taken' ? `taken/${lane}` : `${state}/${lane}/${bucket}`;
    const names = await this.#names(`${this.root}/${path}`);
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
    const lease = await this.#lease();
    const claimed = await this.#renamed(letter, lease);
    const now = this.#parts.clock.now();
    const madeAt = this.#lanesMade.get(letter.lane);
    if (claimed !== undefined || isWithin(now, madeAt, LANE_KEPT_MS)) return claimed;
    await this.#makeDirectories(`${this.root}/taken/${letter.lane}`);
    this.#lanesMade.set(letter.lane, now);
    return this.#renamed(letter, lease);
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
    return this.#guard('remove', path, async (nfs) => {
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
    const bytes = await this.#read(path, 0, ENVELOPE_OCTETS_MAX);
    return bytes && parseEnvelope(bytes.toString('utf8'));
  }

  /** Octets of a message from `offset`; undefined when there is none. @throws StoreError */
  async read(place: Place, offset: number, length: number): Promise<Buffer | undefined> {
    const found = await this.#read(this.#message(place), offset, length);
    if (found !== undefined) return found;
    const aside = `${this.root}/aside/${bucketOf(place.owner)}`;
    const name = (await this.#names(aside)).find((one) => one.startsWith(`${place.id},`));
    return name === undefined ? undefined : this.#read(`${aside}/${name}`, offset, length);
  }

  /** Removes what is empty, so that the next look costs nothing. @throws StoreError */
  async tidy(lane: string, bucket: string): Promise<void> {
    const path = `${this.root}/waiting/${lane}`;
    await this.#guard('remove', path, async (nfs) => {
      for (const directory of [`${path}/${bucket}`, path]) {
        try {
          await removeDirectory(nfs, directory);
        } catch (error) {
          if (isErrno(error, 'ENOTEMPTY') || isErrno(error, 'EEXIST')) return;
          throw error;
        }
      }
    });
  }

  /** The spool server's time in ms, as far as one can know it from here. @throws StoreError */
  async serverNow(): Promise<number> {
    const { clock } = this.#parts;
    const now = clock.now();
    // Asked anew also when our own clock went back.
    if (this.#clock === undefined || !isWithin(now, this.#clock.at, CLOCK_KEPT_MS)) {
      const path = `${this.root}/clock/${this.newId()}`;
      const stamped = await this.#making('stage', path, (nfs) => serverTime(nfs, path));
      const took = clock.now() - now;
      if (took > CLOCK_TAKES_MS) throw new StoreError('volume-busy', `${path} took ${took} ms`);
      this.#clock = { aheadMs: stamped - clock.now(), at: now };
    }
    return clock.now() + this.#clock.aheadMs;
  }

  /** Runs what other files of this module do to the tree. @throws StoreError */
  run<T>(operation: VolumeOperation, where: string, work: (nfs: Nfs) => Promise<T>): Promise<T> {
    return this.#guard(operation, where, work);
  }

  async #lease(): Promise<Lease> {
    const at = Math.floor((await this.serverNow()) / 1000);
    return { count: this.#claims++, at, holder: this.#holder };
  }

  async #renamed(from: Spooled, lease: Lease): Promise<Spooled | undefined> {
    const name = formatName({ ...from, reason: undefined }, lease);
    const claimed: Spooled = { ...from, state: 'taken', name, lease, reason: undefined };
    const path = this.#path(claimed);
    const how = await this.#guard('publish', path, (nfs) =>
      renameExact(nfs, this.#path(from), path),
    );
    return how === 'renamed' ? claimed : undefined;
  }

  async #put(claim: Spooled, state: 'waiting' | 'failed', letter: Letter): Promise<boolean> {
    const to = `${this.#lane(state, claim.lane, claim.owner)}/${formatName(letter)}`;
    const from = this.#path(claim);
    for (let attempt = 1; ; attempt++) {
      const how = await this.#guard('publish', to, (nfs) => renameExact(nfs, from, to));
      if (how === 'renamed') return true;
      // Not there, or nowhere to go to: the latter is mended and tried once more.
      if (attempt === 2) return false;
      await this.#makeDirectories(parentOf(to));
    }
  }

  /** A rename of what is ours alone, into a lane that may not be there. @throws StoreError */
  async #moved(from: string, to: string): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      const how = await this.#guard('publish', to, async (nfs) => {
        const moved = await moveOurs(nfs, from, to);
        if (moved === 'moved') await syncDirectory(nfs, parentOf(to));
        return moved;
      });
      if (how === 'moved') return;
      if (attempt === ATTEMPTS) throw new StoreError('volume-busy', `${to}: no directory for it`);
      await this.#makeDirectories(parentOf(to));
    }
  }

  /** Runs it again when its directory had to be made. @throws StoreError */
  async #making<T>(
    operation: VolumeOperation,
    path: string,
    work: (nfs: Nfs) => Promise<T>,
  ): Promise<T> {
    try {
      return await this.#guard(operation, path, work);
    } catch (error) {
      // The sentinel was read: it is this volume, and something of the path is not there.
      if (!isAbsentHere(error)) throw error;
    }
    await this.#makeDirectories(parentOf(path));
    return this.#guard(operation, path, work);
  }

  async #makeDirectories(path: string): Promise<void> {
    const { volume } = this;
    await volume.verify();
    const steps = path.slice(volume.entry.path.length + 1).split('/');
    await this.#guard('create', path, async (nfs) => {
      let at = volume.entry.path;
      for (const step of steps) {
        const parent = at;
        at = `${at}/${step}`;
        if ((await makeDirectory(nfs, at)) === 'made') await syncDirectory(nfs, parent);
      }
    });
    await volume.verify(); // Unmounted in between, they are in the mount point.
  }

  /** Names in a directory; none where there is no directory. */
  async #names(directory: string): Promise<readonly string[]> {
    try {
      return await this.#guard('list', directory, (nfs) => listFresh(nfs, directory));
    } catch (error) {
      if (isAbsentHere(error)) return [];
      throw error;
    }
  }

  async #read(path: string, offset: number, length: number): Promise<Buffer | undefined> {
    try {
      // Another host has just made it: "not there" may come from a cache.
      return await this.#guard('read', path, (nfs) =>
        believed(nfs, path, () => readRange(nfs.fs, path, { offset, length })),
      );
    } catch (error) {
      if (isAbsentHere(error)) return undefined;
      throw error;
    }
  }

  #guard<T>(operation: VolumeOperation, where: string, work: (nfs: Nfs) => Promise<T>): Promise<T> {
    const directorySync = directorySyncOf(this.volume.space);
    return this.volume.guard({
      operation,
      where,
      absent: 'mailbox-missing',
      run: (fs) => work({ fs, directorySync, lie: (lie) => nfsLies.inc(lie) }),
    });
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

/** A claim without a readable lease is nobody's; one from the future was made by a wrong clock. */
export function isOver(lease: Lease | undefined, serverNow: number): boolean {
  if (lease === undefined) return true;
  const age = serverNow - lease.at * 1000;
  return age > LEASE_MS || age < -LEASE_MS;
}

/** Whether that was lately; what is in the future was before a clock went back. */
const isWithin = (now: number, at: number | undefined, ms: number): boolean =>
  at !== undefined && at <= now && now - at <= ms;

/** "Not there", said of a volume whose sentinel was read after it. */
const isAbsentHere = (error: unknown): boolean =>
  error instanceof StoreError && error.kind === 'mailbox-missing';

async function readRange(
  fs: Fs,
  path: string,
  { offset, length }: { readonly offset: number; readonly length: number },
): Promise<Buffer> {
  const fd = await fs.openRead(path);
  try {
    const buffer = Buffer.alloc(length);
    let filled = 0;
    while (filled < length) {
      const read = await fs.read(fd, buffer.subarray(filled), offset + filled);
      if (read === 0) break;
      filled += read;
    }
    return buffer.subarray(0, filled);
  } finally {
    await fs.close(fd).catch(() => {}); // Nothing was written: no error can matter.
  }
}
