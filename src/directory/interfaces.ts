import { networkInterfaces, type NetworkInterfaceInfo } from 'node:os';

/** More of them a node has only by mistake; the entry is read by every node. */
const ADDRESSES_MAX = 64;

/**
 * Addresses of this machine that somebody else could reach it by, sorted: none of the loopback,
 * none that counts on one link only.
 */
export function reachableAddresses(
  interfaces: NodeJS.Dict<readonly NetworkInterfaceInfo[]> = networkInterfaces(),
): readonly string[] {
  const all = Object.values(interfaces).flatMap((infos) => infos ?? []);
  const reached = all.filter(({ internal, address }) => !internal && !LINK_LOCAL.test(address));
  return [...new Set(reached.map(({ address }) => address.toLowerCase()))]
    .toSorted()
    .slice(0, ADDRESSES_MAX);
}

const LINK_LOCAL = /^(?:169\.254\.|fe[89ab])/i;
