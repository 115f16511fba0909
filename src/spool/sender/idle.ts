/** Free connections of all lanes: one that makes way, one that serves another lane as well. */
import type { Connection } from './connect.ts';
import type { Security, Target } from './hosts.ts';
import type { Lane } from './lane.ts';

/** Ends the one that has been free the longest. */
export function quitOldest(lanes: Iterable<Lane>): void {
  let oldest: Lane | undefined;
  for (const lane of lanes) {
    if ((lane.oldestIdle ?? Infinity) < (oldest?.oldestIdle ?? Infinity)) oldest = lane;
  }
  oldest?.quitIdle(Infinity, 1);
}

/**
 * One to the same host that another lane has no use for: thousands of domains have the same hosts,
 * and all of them together have no more connections to those than one would.
 */
export function spareFor(target: Target, lanes: Iterable<Lane>): Connection | undefined {
  if (!isShared(target.security)) return undefined;
  for (const lane of lanes) {
    const spare = lane.takeIdle((one) => isSame(one.target, target));
    if (spare !== undefined) return spare;
  }
  return undefined;
}

/** What DANE wants of a certificate is in the records of the one domain. */
const isShared = ({ kind }: Security): boolean =>
  kind === 'never' || kind === 'may' || kind === 'verify';

function isSame(one: Target, other: Target): boolean {
  const [a, b] = [one.security, other.security];
  const isSafe = b.kind !== 'verify' || (a.kind === 'verify' && a.why === b.why);
  const hasKeys = (['host', 'address', 'port', 'protocol', 'chosen', 'login'] as const).every(
    (key) => one[key] === other[key],
  );
  return isSafe && hasKeys;
}
