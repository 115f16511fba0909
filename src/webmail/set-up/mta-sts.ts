/**
 * The farm's MTA-STS policy (RFC 8461): what senders may expect of the MX of every domain here. It
 * names the MX by a wildcard of the farm's own zone, so it stays when nodes come and go; the farm's
 * host name and one setting make it, so that the record (`mailfarm dns`) and the text (any node of
 * the web) agree without knowing of each other.
 */
import { hash } from 'node:crypto';

export type StsMode = 'none' | 'testing' | 'enforce';

/** A week: short enough to take it back, long enough to be worth something (RFC 8461 §3.2). */
const MAX_AGE_S = 604_800;
const ID_LENGTH = 20;

/**
 * Below these labels of a country others have domains of theirs: co.uk, com.au, ac.jp. Those that a
 * farm is likely to meet; the whole list (publicsuffix.org) changes each week.
 */
const SHARED =
  /^(?:ac|co|com|edu|go|gob|gouv|gov|gv|id|ltd|me|mil|ne|net|nhs|nom|or|org|plc|sch)\.[a-z]{2}$/;

/**
 * The zone of the farm's own names: that of its host name; of a host name that is a domain itself
 * (`example.org`, `example.co.uk`) the name, since what stands above it is not the farm's and a
 * policy would trust everybody's hosts there. Undefined: it has no name in the DNS.
 */
export function farmZone(hostName: string): string | undefined {
  const name = hostName.toLowerCase().replace(/\.$/, '');
  if (!name.includes('.')) return undefined;
  const above = name.replace(/^[^.]+\./, '');
  return above.includes('.') && !SHARED.test(above) ? above : name;
}

/**
 * Undefined where the farm has no zone. `none` is a policy as well, which takes an earlier one
 * back: senders that keep an `enforce` believe no silence (RFC 8461 §8.3).
 */
export function stsPolicy(mode: StsMode, hostName: string): string | undefined {
  const zone = farmZone(hostName);
  if (zone === undefined) return undefined;
  const mx = mode === 'none' ? [] : [`mx: *.${zone}`];
  const rows = ['version: STSv1', `mode: ${mode}`, ...mx, `max_age: ${MAX_AGE_S}`];
  return `${rows.join('\r\n')}\r\n`;
}

/** Changes when the policy does, by which senders know that it did (RFC 8461 §3.1). */
export const stsRecord = (policy: string): string =>
  `v=STSv1; id=${hash('sha256', policy, 'hex').slice(0, ID_LENGTH)}`;
