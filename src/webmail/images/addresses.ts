/** Where pictures of messages are fetched from: hosts of the world, never one of ours. */
import { addressRanges } from '../../net/address.ts';
import { isPermitted } from '../../spool/sender/addresses.ts';

/** What no host of the world has beside private ones: RFC 6890, and ways to write IPv4 as IPv6. */
const NO_HOSTS = addressRanges(['192.0.0.0/24', '192.88.99.0/24', '198.18.0.0/15']);
const GLOBAL_IPV6 = addressRanges(['2000::/3']);
/** Teredo, ORCHID, 6to4: an address within the address, which nobody has looked at. */
const WRAPPED_IPV6 = addressRanges(['2001::/23', '2002::/16', '3fff::/20']);

/** Whether an address is one of the world's; `address` in its plain form. */
export function isOfTheWorld(address: string): boolean {
  if (!isPermitted(address, 'refuse') || NO_HOSTS.has(address)) return false;
  if (!address.includes(':')) return true;
  return GLOBAL_IPV6.has(address) && !WRAPPED_IPV6.has(address);
}
