import type { Account } from '../directory/types.ts';
import { attemptName, settle } from '../spool/settle.ts';
import type { SpoolTree, Spooled } from '../spool/tree.ts';
import { StoreError } from '../volumes/error.ts';
import type { Mailbox } from '../volumes/mailboxes.ts';
import type { LanderParts } from './landing.ts';
import { parkedLetters } from './metrics.ts';

type Shared = Pick<
  LanderParts,
  'directory' | 'mailboxes' | 'onDelivered' | 'onLanded' | 'options' | 'log'
>;

export interface Parts extends Shared {
  /** Aborted: nothing more is begun, what is held and not landed is given back. */
  readonly signal: AbortSignal;
  readonly landed: Landed;
}

const LANDED_MAX = 10_000;

/** Letters that are in their mailboxes and could not be removed from the spool yet. */
export class Landed {
  readonly #claims = new Map<SpoolTree, Set<Spooled>>();

  /** Never rejects: what cannot be removed now is kept in mind. */
  async add(tree: SpoolTree, claim: Spooled): Promise<void> {
    try {
      await tree.finish(claim);
    } catch {
      const claims = this.#claims.get(tree) ?? new Set();
      if (claims.size < LANDED_MAX) claims.add(claim);
      this.#claims.set(tree, claims);
    }
  }

  /** @throws StoreError: the spool still has trouble */
  async finish(tree: SpoolTree): Promise<void> {
    const claims = this.#claims.get(tree);
    for (const claim of claims ?? []) {
      await tree.finish(claim);
      claims?.delete(claim);
    }
    this.#claims.delete(tree);
  }
}

/**
 * Brings letters of one owner to where the mailbox is now; landing.ts has the order of steps.
 * @returns how many are there now. @throws StoreError, DirectoryUnavailable: the volume, the spool
 *   or the directory has trouble, and the letters are as they were
 */
export async function landLetters(
  parts: Parts,
  tree: SpoolTree,
  letters: readonly Spooled[],
): Promise<number> {
  const owner = letters[0]?.owner ?? '';
  const account = await parts.directory.accountById(owner);
  if (account === undefined) return failAll(parts, tree, letters, 'account-gone');
  let mailbox: Mailbox;
  try {
    mailbox = await parts.mailboxes.ensure(account);
  } catch (error) {
    if (!isMissing(error)) throw error;
    return failAll(parts, tree, letters, 'mailbox-missing');
  }
  await mailbox.volume.ready();
  const octets = letters.reduce((sum, letter) => sum + letter.octets, 0);
  if (!mailbox.volume.fits(octets)) {
    throw new StoreError('volume-full', `Volume ${mailbox.volume.name} has no room`);
  }
  const held: Held[] = [];
  for (const letter of letters) {
    if (parts.signal.aborted) break;
    const claim = await tree.claim(letter);
    if (claim !== undefined) held.push({ claim });
  }
  return landHeld(parts, tree, { account, mailbox, held });
}

/** A claim that is renewed on the way. */
interface Held {
  claim: Spooled;
}

interface Work {
  readonly account: Account;
  readonly mailbox: Mailbox;
  readonly held: readonly Held[];
}

async function landHeld(parts: Parts, tree: SpoolTree, work: Work): Promise<number> {
  const { mailbox, held } = work;
  if (held.length === 0) return 0;
  const ids = new Set(held.map(({ claim }) => claim.id));
  let done = 0;
  try {
    const there = await settle(mailbox.volume, mailbox.maildir, ids);
    for (const one of held) {
      if (parts.signal.aborted) break;
      if (there.has(one.claim.id)) await finish(parts, tree, one, 'found');
      else await landOne(parts, tree, { ...work, one });
      done += 1;
    }
    await giveBack(tree, held.slice(done), 0);
  } catch (error) {
    await giveBack(tree, held.slice(done), 1);
    if (!isMissing(error)) throw error;
    parts.mailboxes.missing(mailbox); // The next look asks again, and sets the letters aside.
  }
  return done;
}

async function landOne(
  parts: Parts,
  tree: SpoolTree,
  { account, mailbox, one }: Work & { readonly one: Held },
): Promise<void> {
  const { id, octets, wireOctets } = one.claim;
  const { volume, maildir } = mailbox;
  const envelope = await tree.envelope(one.claim);
  const attempt = `${one.claim.lease?.count ?? 0}-${tree.holder}`;
  const base = attemptName(id, attempt);
  const staged = await stageParked(parts, tree, { claim: one.claim, mailbox, base });
  if (envelope === undefined || !staged) {
    await discard(mailbox, base);
    return failOne(parts, tree, { claim: one.claim, reason: 'damaged', code: 'MF-DLV-004' });
  }
  // After staging: whoever takes the letter over from now on ends this attempt by removing that.
  const renewed = await tree.renew(one.claim);
  if (renewed === undefined) return discard(mailbox, base);
  one.claim = renewed;
  const targets = [maildir];
  const request = { maildir, base, as: id, octets, wireOctets, targets };
  const [result] = await volume.publish(request);
  if (result?.name === undefined) {
    throw result?.error ?? new StoreError('volume-down', `${maildir}: no result of publishing`);
  }
  parts.onDelivered(account, octets);
  const { trace, parked } = envelope;
  const fields = { trace, to: account.login, volume: volume.name, name: result.name, parked };
  parts.log.info({ ...fields, spool: tree.volume.name, octets }, 'letter landed');
  const head = account.vacation && parts.onLanded && (await headOf(tree, one.claim));
  if (head) parts.onLanded?.({ account, address: envelope.address, trace, parked, head });
  await finish(parts, tree, one, 'landed');
}

const HEAD_OCTETS = 65_536;

/** Undefined where it cannot be read: then nobody is answered. */
const headOf = (tree: SpoolTree, claim: Spooled): Promise<Buffer | undefined> =>
  tree.read(claim, 0, HEAD_OCTETS).catch(() => undefined);

/** From the spool into tmp/. @returns false when the message is not what the envelope says */
async function stageParked(
  { options }: Parts,
  tree: SpoolTree,
  to: { readonly claim: Spooled; readonly mailbox: Mailbox; readonly base: string },
): Promise<boolean> {
  const { claim, base, mailbox } = to;
  const { maildir, volume } = mailbox;
  for (let offset = 0; ;) {
    // One octet more than there is: a message that is longer is not this one.
    const length = Math.min(options['delivery.piece.bytes'], claim.octets - offset + 1);
    const bytes = await tree.read(claim, offset, length);
    if (bytes === undefined || offset + bytes.length > claim.octets) return false;
    const last = offset + bytes.length === claim.octets;
    if (!last && bytes.length === 0) return false;
    await volume.stage({ maildir, base, offset, bytes, last });
    if (last) return true;
    offset += bytes.length;
  }
}

async function finish(
  { landed }: Parts,
  tree: SpoolTree,
  { claim }: Held,
  how: 'landed' | 'found',
): Promise<void> {
  parkedLetters.inc(how);
  await landed.add(tree, claim);
}

/** What cannot be given back now is nobody's when the lease is over. */
async function giveBack(tree: SpoolTree, held: readonly Held[], failed: 0 | 1): Promise<void> {
  for (const [index, { claim }] of held.entries()) {
    const tries = claim.tries + (index === 0 ? failed : 0);
    const back = await tree.release(claim, { tries }).catch(() => false);
    if (back) parkedLetters.inc('released');
  }
}

async function failAll(
  parts: Parts,
  tree: SpoolTree,
  letters: readonly Spooled[],
  reason: string,
): Promise<number> {
  for (const letter of letters) {
    const claim = await tree.claim(letter);
    if (claim !== undefined) await failOne(parts, tree, { claim, reason, code: 'MF-DLV-003' });
  }
  return 0;
}

/** Kept, and told to the administrator. */
async function failOne(
  { log }: Parts,
  tree: SpoolTree,
  {
    claim,
    reason,
    code,
  }: { readonly claim: Spooled; readonly reason: string; readonly code: string },
): Promise<void> {
  const { id, owner, lane: volume, octets } = claim;
  const trace = (await tree.envelope(claim))?.trace;
  // Lost to somebody else: then it was his step that we did not understand, and no damage.
  if (!(await tree.fail(claim, reason))) return;
  parkedLetters.inc('failed');
  const spool = tree.volume.name;
  log.error(
    { code, trace, id, account: owner, volume, spool, octets, reason },
    'letter not landed',
  );
}

/** What cannot be removed now is ended by whoever settles the mailbox next. */
const discard = ({ volume, maildir }: Mailbox, base: string): Promise<void> =>
  volume.discard({ maildir, base }).catch(() => {});

const isMissing = (error: unknown): boolean =>
  error instanceof StoreError && error.kind === 'mailbox-missing';
