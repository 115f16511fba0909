import fc from 'fast-check';
import { expect, test } from 'vitest';
import { dateTime } from '../message/date.ts';
import { addressLiteral, protocol, traceHeader } from './trace.ts';
import type { SessionView } from './types.ts';

const session = (given: Partial<SessionView> = {}): SessionView => ({
  id: 'abc',
  peer: { id: 'abc', remoteAddress: '192.0.2.1', remotePort: 1, localAddress: '', localPort: 25 },
  mode: 'smtp',
  helo: 'c.example',
  extended: true,
  tls: undefined,
  account: undefined,
  ...given,
});
const TLS = { protocol: 'TLSv1.3', cipher: 'TLS_AES_128_GCM_SHA256' };
const facts = {
  session: session(),
  id: 'abc-1',
  hostName: 'mx.farm.test',
  sender: 'a@c.example',
  smtpUtf8: false,
  at: Date.UTC(2026, 10, 21, 23, 52, 1, 999),
  recipients: ['alice@farm.test'],
};

test('the trace lines of one recipient (RFC 5321 §4.4)', () => {
  expect(traceHeader({ ...facts, session: session({ tls: TLS }) })).toBe(
    'Return-Path: <a@c.example>\nDelivered-To: alice@farm.test\n' +
      'Received: from c.example ([192.0.2.1])\n' +
      '\tby mx.farm.test with ESMTPS id abc-1\n\t(TLSv1.3 TLS_AES_128_GCM_SHA256)\n' +
      '\tfor <alice@farm.test>;\n\tSat, 21 Nov 2026 23:52:01 +0000\n',
  );
});

test('protocol names (RFC 3848, RFC 6531 §4.3)', () => {
  expect(protocol(session({ extended: false }), false)).toBe('SMTP');
  expect(protocol(session(), false)).toBe('ESMTP');
  expect(protocol(session({ tls: TLS }), false)).toBe('ESMTPS');
  expect(protocol(session({ tls: TLS }), true)).toBe('UTF8SMTPS');
  expect(protocol(session({ mode: 'lmtp' }), false)).toBe('LMTP');
  expect(protocol(session({ mode: 'lmtp', tls: TLS }), true)).toBe('UTF8LMTPS');
});

test('address literals (RFC 5321 §4.1.3)', () => {
  expect(addressLiteral('192.0.2.1')).toBe('[192.0.2.1]');
  expect(addressLiteral('fe80::1%eth0')).toBe('[IPv6:fe80::1]');
});

test('dates are those of RFC 5322 §3.3', () => {
  expect(dateTime(0)).toBe('Thu, 01 Jan 1970 00:00:00 +0000');
  expect(dateTime(999.9)).toBe('Thu, 01 Jan 1970 00:00:00 +0000');
  expect(dateTime(1_000_000_000_000)).toBe('Sun, 09 Sep 2001 01:46:40 +0000');
});

test('nothing a peer says ends a line or the header', () => {
  const nasty = fc.string({
    unit: fc.constantFrom('\r', '\n', '\0', ':', 'a', ' ', 'ü', '(', ';'),
  });
  fc.assert(
    fc.property(nasty, nasty, nasty, fc.array(nasty, { maxLength: 2 }), (helo, peer, from, to) => {
      const view = session({ helo, peer: { ...facts.session.peer, remoteAddress: peer } });
      const header = traceHeader({ ...facts, session: view, sender: from, recipients: to });
      expect(header).toMatch(
        /^Return-Path: [^\n]*\n(Delivered-To: [^\n]*\n)?Received: from [^\n]*(\n\t[^\n]+)+\n$/,
      );
      expect(header).not.toMatch(/[\0\r]/);
      expect(Math.max(...header.split('\n').map((one) => Buffer.byteLength(one)))).toBeLessThan(
        998,
      );
    }),
  );
});
