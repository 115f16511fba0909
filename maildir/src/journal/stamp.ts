import { SETTLED_MS } from '../unchanged.ts';
import type { Journal, Place } from './place.ts';

/**
 * Where directories carry the exact time of their last change, a folder that has not changed
 * costs three stats. The proof is that of unchanged.ts: the same times as at a look that began
 * SETTLED_MS or more after they were first seen mean the same names.
 */

/** @returns `unchanged`, or the times for `stampAfter` */
export async function stampBefore(
  journal: Journal,
  place: Place,
): Promise<'unchanged' | { readonly text: string; readonly settles: boolean } | undefined> {
  const text = await stampOf(journal, place);
  if (text === undefined) {
    place.stamp = undefined;
    return undefined;
  }
  const now = journal.clock.now();
  if (place.stamp?.text !== text) {
    place.stamp = { text, since: now, settled: false };
    return { text, settles: false };
  }
  if (place.stamp.settled && isQuiet(place)) return 'unchanged';
  return { text, settles: now - place.stamp.since >= SETTLED_MS };
}

/** Keeps the times of before when the look between found all that they stand for. */
export async function stampAfter(
  journal: Journal,
  place: Place,
  before: { readonly text: string; readonly settles: boolean } | undefined,
): Promise<void> {
  if (before?.settles !== true || place.stamp === undefined) return;
  if ((await stampOf(journal, place)) !== before.text) return;
  place.stamp = { ...place.stamp, settled: true };
}

/**
 * Nothing waits for a later look: absence to be proved, room on the volume, files to be cleared.
 */
const isQuiet = (place: Place): boolean =>
  place.missing.size === 0 &&
  place.hidden.size === 0 &&
  place.mailNames !== undefined &&
  place.logNames !== undefined &&
  place.book?.uncleared.size === 0 &&
  place.stateVersion === place.book.version;

async function stampOf({ nfs, exact }: Journal, place: Place): Promise<string | undefined> {
  if (!exact || place.book === undefined) return undefined;
  const { fs } = nfs;
  try {
    const stamps = await Promise.all([
      fs.changed(place.log),
      fs.changed(`${place.path}/new`),
      fs.changed(`${place.path}/cur`),
    ]);
    return stamps.join(' ');
  } catch {
    return undefined; // The listing says what is wrong.
  }
}
