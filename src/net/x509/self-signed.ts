/**
 * A self-signed certificate, so that the demo speaks TLS on a machine that has nothing but Node.
 *
 * node:crypto makes keys and signatures and reads certificates, but makes none. Asking `openssl`
 * would tie `npm start` to a program that need not be there, and a library for one certificate is
 * a dependency for ever; the structure is forty lines (RFC 5280 §4.1), so it is written here.
 *
 * The key is EC P-256, signed with ECDSA and SHA-256 (RFC 5758 §3.2): every client since 2012
 * knows it and the handshake costs a tenth of RSA. The extensions say: no authority, a TLS server,
 * these names and addresses. keyUsage is left out: OpenSSL does not take a self-signed certificate
 * as its own issuer when keyUsage is there without keyCertSign, and with it some clients object to
 * an authority's certificate on a server.
 *
 * For the demo and tests only. A farm gets its certificates from an authority.
 */
import { generateKeyPairSync, sign } from 'node:crypto';
import { isIP, isIPv4, SocketAddress } from 'node:net';
import type { Clock } from '../../base/clock.ts';
import type { Random } from '../../base/random.ts';
import * as asn from './der.ts';

export interface SelfSignedOptions {
  /** Host names, wildcards and IP addresses; the first one is the subject's common name. */
  readonly names: readonly [string, ...string[]];
  /** Days from now. */
  readonly days: number;
  readonly clock: Clock;
  readonly random: Random;
}

/** PEM texts. */
export interface KeyPair {
  readonly cert: string;
  readonly key: string;
}

const ECDSA_WITH_SHA256 = asn.sequence(asn.oid('1.2.840.10045.4.3.2'));
const COMMON_NAME = asn.oid('2.5.4.3');
const SUBJECT_ALT_NAME = asn.oid('2.5.29.17');
const BASIC_CONSTRAINTS = asn.oid('2.5.29.19');
const EXTENDED_KEY_USAGE = asn.oid('2.5.29.37');
const SERVER_AUTH = asn.oid('1.3.6.1.5.5.7.3.1');

const DAY_MS = 86_400_000;
const SERIAL_BYTES = 16; // RFC 5280 §4.1.2.2 allows 20.
const COMMON_NAME_CHARACTERS_MAX = 64; // RFC 5280 appendix A.1, ub-common-name.

/** Makes a new key and a certificate for it. */
export function selfSigned(options: SelfSignedOptions): KeyPair {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
  const now = options.clock.now();
  const commonName = options.names[0].slice(0, COMMON_NAME_CHARACTERS_MAX);
  const name = asn.sequence(asn.set(asn.sequence(COMMON_NAME, asn.utf8String(commonName))));
  const toBeSigned = asn.sequence(
    asn.explicit(0, asn.integer(Buffer.from([2]))), // Version 3.
    asn.integer(options.random.bytes(SERIAL_BYTES)),
    ECDSA_WITH_SHA256,
    name, // Issuer.
    // An hour back, for clients whose clock is behind.
    asn.sequence(asn.time(now - 3_600_000), asn.time(now + options.days * DAY_MS)),
    name, // Subject.
    publicKey.export({ type: 'spki', format: 'der' }),
    asn.explicit(3, asn.sequence(...extensions(options.names))),
  );
  const signature = sign('sha256', toBeSigned, privateKey);
  const certificate = asn.sequence(toBeSigned, ECDSA_WITH_SHA256, asn.bitString(signature));
  return {
    cert: pem('CERTIFICATE', certificate),
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
  };
}

function extensions(names: readonly string[]): Buffer[] {
  const critical = asn.boolean(true);
  return [
    asn.sequence(BASIC_CONSTRAINTS, critical, asn.octetString(asn.sequence())), // CA: false.
    asn.sequence(EXTENDED_KEY_USAGE, asn.octetString(asn.sequence(SERVER_AUTH))),
    asn.sequence(SUBJECT_ALT_NAME, asn.octetString(asn.sequence(...names.map(generalName)))),
  ];
}

/** RFC 5280 §4.2.1.6: dNSName is [2], iPAddress is [7] with 4 or 16 octets. */
const generalName = (name: string): Buffer =>
  isIP(name) === 0
    ? asn.implicit(2, Buffer.from(name, 'latin1'))
    : asn.implicit(7, addressOctets(name));

function addressOctets(address: string): Buffer {
  if (isIPv4(address)) return Buffer.from(address.split('.').map(Number));
  const plain = new SocketAddress({ address, family: 'ipv6' }).address;
  const [head = '', tail] = plain.split('::');
  const groups = (text: string | undefined): number[] =>
    text ? text.split(':').map((group) => Number.parseInt(group, 16)) : [];
  const [front, back] = [groups(head), groups(tail)];
  const octets = Buffer.alloc(16);
  for (const [i, group] of front.entries()) octets.writeUInt16BE(group, 2 * i);
  for (const [i, group] of back.entries()) octets.writeUInt16BE(group, 16 - 2 * (back.length - i));
  return octets;
}

function pem(label: string, content: Buffer): string {
  const lines = content.toString('base64').match(/.{1,64}/g) ?? [];
  return [`-----BEGIN ${label}-----`, ...lines, `-----END ${label}-----`, ''].join('\n');
}
