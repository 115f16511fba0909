/**
 * Letters to moderated lists that nobody decided over are removed, and whoever answers for the list
 * is told: its owner, or the moderators where it has none. One notice for all of a list, since what
 * expires is mostly what nobody wanted.
 *
 * Their senders are told nothing. Whom a letter at the MX names as its sender is anybody's word,
 * and what goes unmoderated is mostly spam: a bounce would hit whoever was named. Nor was the
 * letter lost on its way: the list took it (RFC 3461 §5.2.7, which is what NOTIFY=SUCCESS was
 * told).
 *
 * Told first, removed then: who dies between them tells it twice. Where it cannot be told, the
 * letters stay until the next look.
 */
import { isAscii } from '../message/plain.ts';
import type { Spooled, SpoolTree } from '../spool/tree.ts';
import { arrivedAt } from '../spool/names.ts';
import { headIn } from './list-copy.ts';
import { EXPIRED_TOLD_MAX, expiryNotice, type ToldLetter } from './list-notices.ts';
import { moderated } from './metrics.ts';
import type { ModerationParts } from './moderation.ts';
import { OwnLetters } from './own-letters.ts';

const HEAD_OCTETS = 65_536;
/** Of one bucket in one look: a claim is not renewed here. */
const AT_ONCE_MAX = 200;

export async function expireHeld(
  parts: ModerationParts,
  tree: SpoolTree,
  lane: string,
): Promise<void> {
  const now = await tree.serverNow();
  for (const bucket of await tree.buckets('waiting', lane)) {
    const all = await tree.list('waiting', lane, bucket);
    const old = all.filter(({ id }) => now - arrivedAt(id) >= parts.expiresMs);
    // The owner of a held letter is its list.
    for (const letters of Map.groupBy(old.slice(0, AT_ONCE_MAX), ({ owner }) => owner).values()) {
      await expireOf(parts, tree, letters);
    }
  }
}

async function expireOf(
  parts: ModerationParts,
  tree: SpoolTree,
  letters: readonly Spooled[],
): Promise<void> {
  const claims: Spooled[] = [];
  for (const letter of letters) {
    const claim = await tree.claim(letter);
    if (claim !== undefined) claims.push(claim);
  }
  const [first] = claims;
  if (first === undefined) return;
  const fields = { spool: tree.volume.name, ids: claims.map(({ id }) => id) };
  let told: readonly string[];
  try {
    told = await tell(parts, tree, claims);
  } catch (error) {
    for (const claim of claims) await tree.release(claim).catch(() => {});
    return parts.log.warn(
      { ...fields, err: error },
      'held letters not removed: nobody could be told',
    );
  }
  let count = 0;
  for (const claim of claims) if (await tree.finish(claim)) count += 1;
  moderated.inc('expired', count);
  parts.log.warn({ ...fields, count, told }, 'held letters removed, nobody decided');
}

/** @returns who was told */
async function tell(
  parts: ModerationParts,
  tree: SpoolTree,
  claims: readonly Spooled[],
): Promise<readonly string[]> {
  const { directory, clock, random, hostName: host } = parts;
  const [first] = claims;
  const envelope = first && (await tree.envelope(first));
  if (envelope === undefined || host === undefined) return [];
  const { address, trace } = envelope;
  const asked = await directory.resolve(address, { sender: '' });
  const list = asked.kind === 'expanded' ? asked.list : undefined;
  const letters = await Promise.all(
    claims.slice(0, EXPIRED_TOLD_MAX).map((claim) => toldOf(tree, claim)),
  );
  const told: string[] = [];
  for (const to of list?.owner === undefined ? (list?.moderators ?? []) : [list.owner]) {
    const facts = { list: address, letters, count: claims.length, at: clock.now(), host, random };
    const text = [expiryNotice({ ...facts, to })];
    const letter = { to, trace, origin: 'notice', smtpUtf8: !isAscii(to), text } as const;
    if (await new OwnLetters(parts).send(letter)) told.push(to);
  }
  return told;
}

async function toldOf(tree: SpoolTree, claim: Spooled): Promise<ToldLetter> {
  const envelope = await tree.envelope(claim);
  const bytes = (await tree.read(claim, 0, HEAD_OCTETS)) ?? Buffer.alloc(0);
  const sender = envelope?.login ?? '';
  return { id: claim.id, sender: sender === '<>' ? '' : sender, head: headIn(bytes) };
}
