/** Which addresses a stranger's DNS may send us to. */
import { addressRanges } from '../../net/address.ts';

/** Nobody's mail host, whatever a network looks like: this host, multicast, reserved. */
const NEVER = addressRanges(['0.0.0.0/8', '224.0.0.0/4', '240.0.0.0/4', '::/128', 'ff00::/8']);

/** Loopback, link-local, private (RFC 1918, RFC 4193), shared (RFC 6598), for documents. */
const PRIVATE = addressRanges([
  '127.0.0.0/8',
  '10.0.0.0/8',
  '172.16.0.0/12',
  '192.168.0.0/16',
  '169.254.0.0/16',
  '100.64.0.0/10',
  '192.0.2.0/24',
  '198.51.100.0/24',
  '203.0.113.0/24',
  '::1/128',
  'fe80::/10',
  'fc00::/7',
  '2001:db8::/32',
]);

/** Whether letters may go there by DNS. */
export function isPermitted(address: string, privates: 'refuse' | 'allow'): boolean {
  if (NEVER.has(address)) return false;
  if (privates === 'allow') return true;
  return !PRIVATE.has(address);
}
