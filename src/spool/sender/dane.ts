/** TLSA records held against a peer's certificate (RFC 7672). mx-connect does the matching. */
import mxConnect from 'mx-connect/lib/dane.js';
import { X509Certificate } from 'node:crypto';
import { checkServerIdentity, type DetailedPeerCertificate, type TLSSocket } from 'node:tls';
import type { Resolver, TlsaRecord } from '../../dns/types.ts';

/**
 * What DANE says of a host: nothing, that TLS must be (records that we cannot use, RFC 7672 §2.2),
 * or which certificates are right.
 */
export type Dane =
  | { readonly kind: 'none' }
  | { readonly kind: 'encrypt' }
  | { readonly kind: 'verify'; readonly records: readonly TlsaRecord[]; readonly names: string[] }
  /** Nobody knows now: the host is not used. */
  | { readonly kind: 'trouble'; readonly text: string };

const NO_DANE: Dane = { kind: 'none' };

/** Whether records of usage 2 or 3 can be held against a certificate. */
const isUsable = ({ usage, selector, matching, data }: TlsaRecord): boolean =>
  (usage === 2 || usage === 3) && selector <= 1 && matching <= 2 && data.length > 0;

/** Asks for the records of a host whose MX record is signed. Never rejects. */
export async function daneOf(
  host: string,
  port: number,
  parts: { readonly resolver: Resolver; readonly domain: string },
): Promise<Dane> {
  const { resolver, domain } = parts;
  const address = await resolver.secureAddress(host);
  if (address.answer.kind === 'trouble') return { kind: 'trouble', text: address.answer.text };
  if (!address.secure) return NO_DANE;
  // The name at the end of CNAMEs first, then the one that the MX record has (RFC 7672 §2.2.2).
  for (const base of new Set([address.name, host])) {
    const { answer, secure } = await resolver.tlsa(`_${port}._tcp.${base}`);
    if (answer.kind === 'trouble') return { kind: 'trouble', text: answer.text };
    if (answer.kind !== 'records' || !secure) continue;
    const records = answer.records.filter(isUsable);
    if (records.length === 0) return { kind: 'encrypt' };
    return { kind: 'verify', records, names: [...new Set([base, host, domain])] };
  }
  return NO_DANE;
}

/** Why the certificate of a TLS connection is not one of the records; undefined: it is. */
export function daneFault(
  socket: TLSSocket,
  dane: Extract<Dane, { kind: 'verify' }>,
  now: number,
): string | undefined {
  const chain = certificates(socket);
  const [leaf, ...issuers] = chain;
  if (!leaf) return 'the peer showed no certificate';
  const ends = dane.records.filter(({ usage }) => usage === 3);
  // An end entity is what it is, whatever its names and dates (RFC 7672 §3.1.1).
  if (ends.length > 0 && matches(leaf, ends, [])) return undefined;
  const anchors = dane.records.filter(({ usage }) => usage === 2);
  if (anchors.length === 0 || !matches(leaf, anchors, issuers)) {
    return 'the certificate is none that the TLSA records name';
  }
  const expired = chain.some(
    (each) => now < Date.parse(each.validFrom) || now > Date.parse(each.validTo),
  );
  if (expired) return 'a certificate is not valid at this time';
  const subject = socket.getPeerCertificate();
  const named = dane.names.some((name) => checkServerIdentity(name, subject) === undefined);
  return named ? undefined : `the certificate is not for ${dane.names.join(' or ')}`;
}

function matches(
  leaf: X509Certificate,
  records: readonly TlsaRecord[],
  issuers: readonly X509Certificate[],
): boolean {
  const rows = records.map(({ usage, selector, matching, data }) => ({
    usage,
    selector,
    mtype: matching,
    cert: data,
  }));
  return mxConnect.verifyCertAgainstTlsa(leaf, rows, issuers).valid;
}

const CHAIN_MAX = 10;

function certificates(socket: TLSSocket): X509Certificate[] {
  const found: X509Certificate[] = [];
  let next: DetailedPeerCertificate | undefined = socket.getPeerCertificate(true);
  while (next?.raw && found.length < CHAIN_MAX) {
    found.push(new X509Certificate(next.raw));
    next = next.issuerCertificate === next ? undefined : next.issuerCertificate;
  }
  return found;
}
