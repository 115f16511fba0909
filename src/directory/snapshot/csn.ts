/**
 * contextCSN: the newest change of each server that takes changes, such as
 * `20261122030231.000000Z#000000#001#000000`. Texts of one server compare as the changes followed.
 */
export type Csn = readonly string[];

/** The number of the server that made a change: the third part. */
const serverOf = (csn: string): string => csn.split('#')[2] ?? '';

const byServer = (csns: Csn): ReadonlyMap<string, string> =>
  new Map(csns.map((csn) => [serverOf(csn), csn]));

/** Whether a server in state `a` has everything that one in state `b` has. */
export function covers(a: Csn, b: Csn): boolean {
  const known = byServer(a);
  return b.every((csn) => (known.get(serverOf(csn)) ?? '') >= csn);
}

/** Changes between two states have at least this CSN; undefined where nothing changed. */
export function moved(from: Csn, to: Csn): string | undefined {
  const known = byServer(from);
  const changed = to.filter((csn) => known.get(serverOf(csn)) !== csn);
  const gone = from.some((csn) => !byServer(to).has(serverOf(csn)));
  if (changed.length === 0 && !gone) return undefined;
  // A server that was not known before: everything may be new.
  const starts = changed.map((csn) => known.get(serverOf(csn)) ?? '0');
  return gone ? '0' : starts.toSorted()[0];
}
