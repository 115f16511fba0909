import { execFileSync } from 'node:child_process';
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { systemClock } from '../../base/clock.ts';
import { systemRandom } from '../../base/random.ts';
import * as asn from './der.ts';
import { selfSigned } from './self-signed.ts';

const make = (names: readonly [string, ...string[]], now = systemClock.now()) =>
  selfSigned({ names, days: 30, clock: { ...systemClock, now: () => now }, random: systemRandom });

test('a certificate that node reads: names, dates, key, its own signature', () => {
  const now = Date.UTC(2026, 10, 21, 12, 0, 0);
  const pair = make(
    ['mail.example.test', '*.example.test', '127.0.0.1', '2001:db8::1', '::1'],
    now,
  );
  const cert = new X509Certificate(pair.cert);
  expect(cert.subject).toBe('CN=mail.example.test');
  expect(cert.issuer).toBe(cert.subject);
  expect(cert.subjectAltName).toBe(
    'DNS:mail.example.test, DNS:*.example.test, IP Address:127.0.0.1, ' +
      'IP Address:2001:DB8:0:0:0:0:0:1, IP Address:0:0:0:0:0:0:0:1',
  );
  expect(cert.ca).toBe(false);
  expect(Date.parse(cert.validFrom)).toBe(now - 3_600_000);
  expect(Date.parse(cert.validTo)).toBe(now + 30 * 86_400_000);
  expect(cert.verify(cert.publicKey)).toBe(true);
  expect(cert.checkPrivateKey(createPrivateKey(pair.key))).toBe(true);
  expect(cert.checkHost('mail.example.test')).toBe('mail.example.test');
  expect(cert.checkHost('other.test')).toBeUndefined();
  expect(cert.checkIP('2001:db8::1')).toBe('2001:db8::1');
  expect(make(['a.test']).cert).not.toBe(make(['a.test']).cert);
});

test('dates from 2050 on have four digits (RFC 5280 §4.1.2.5)', () => {
  const cert = new X509Certificate(make(['a.test'], Date.UTC(2049, 11, 20)).cert);
  expect(cert.validFrom).toContain('Dec 19 23:00:00 2049');
  expect(cert.validTo).toContain('Jan 19 00:00:00 2050');
});

test('a serial with its highest bit set is a positive number', () => {
  const random = { bytes: (n: number) => Buffer.alloc(n, 0xff) };
  const cert = new X509Certificate(
    selfSigned({ names: ['a.test'], days: 1, clock: systemClock, random }).cert,
  );
  expect(cert.serialNumber).toBe('F'.repeat(32));
  expect(asn.integer(Buffer.from([0, 0, 5])).toString('hex')).toBe('020105');
  expect(asn.integer(Buffer.from([0])).toString('hex')).toBe('020100');
});

test('lengths and object identifiers in DER', () => {
  expect(asn.octetString(Buffer.alloc(127)).subarray(0, 2).toString('hex')).toBe('047f');
  expect(asn.octetString(Buffer.alloc(128)).subarray(0, 3).toString('hex')).toBe('048180');
  expect(asn.octetString(Buffer.alloc(256)).subarray(0, 4).toString('hex')).toBe('04820100');
  expect(() => asn.octetString(Buffer.alloc(65_536))).toThrow(RangeError);
  expect(asn.oid('1.2.840.10045.4.3.2').toString('hex')).toBe('06082a8648ce3d040302');
});

test('OpenSSL takes it as its own authority', () => {
  const dir = mkdtempSync(join(tmpdir(), 'mailfarm-x509-'));
  try {
    const path = join(dir, 'cert.pem');
    writeFileSync(path, make(['mail.example.test', '127.0.0.1']).cert);
    const openssl = (...args: string[]): string => {
      try {
        return execFileSync('openssl', args, { encoding: 'utf8' });
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'ENOENT') return 'no openssl: OK';
        throw error;
      }
    };
    const purpose = ['-purpose', 'sslserver', '-verify_hostname', 'mail.example.test'];
    expect(openssl('verify', '-CAfile', path, ...purpose, path)).toContain('OK');
  } finally {
    rmSync(dir, { recursive: true });
  }
});
