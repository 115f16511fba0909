import fc from 'fast-check';
import { expect, test } from 'vitest';
import { parseLogin, parsePlain, parseXoauth2 } from './sasl.ts';

const base64 = (text: string | Buffer): string => Buffer.from(text).toString('base64');

test('PLAIN: name and password, the identity the same or none', () => {
  const parsed = { kind: 'password', login: 'ä@b', password: 'p w' };
  expect(parsePlain(base64('\0ä@b\0p w'))).toEqual(parsed);
  expect(parsePlain(base64('ä@b\0ä@b\0p w'))).toEqual(parsed);
  for (const wrong of ['', 'a', '\0a', '\0\0b', '\0a\0', 'x\0a\0b', '\0a\0b\0', '\0a\nb\0c']) {
    expect(parsePlain(base64(wrong)), JSON.stringify(wrong)).toBeUndefined();
  }
  expect(parsePlain(base64(Buffer.from([0, 0xc3, 0x28, 0, 0x61])))).toBeUndefined();
  for (const wrong of ['AGEAYg', 'AGEAYg=', 'AGEAYg==\n', 'AGEA Yg==', '=AGEAYg=', '====']) {
    expect(parsePlain(wrong), wrong).toBeUndefined();
  }
});

test('LOGIN: one text; XOAUTH2: a name and a token', () => {
  expect(parseLogin(base64('alice'))).toBe('alice');
  for (const wrong of ['', base64('a\0b'), base64('a\r'), '!']) {
    expect(parseLogin(wrong)).toBeUndefined();
  }
  const token = base64('user=a@b\x01auth=Bearer t.o-k_e/n==\x01\x01');
  expect(parseXoauth2(token)).toEqual({ kind: 'token', login: 'a@b', token: 't.o-k_e/n==' });
  for (const wrong of [
    'user=a\x01auth=Bearer \x01\x01',
    'user=\x01auth=Bearer t\x01\x01',
    'user=a\x01auth=Bearer t\x01',
    'user=a\nb\x01auth=Bearer t\x01\x01',
    'user=a\x01auth=Bearer t t\x01\x01',
    'user=a\x01auth=Bearer t\x01\x01x',
  ]) {
    expect(parseXoauth2(base64(wrong)), JSON.stringify(wrong)).toBeUndefined();
  }
});

test('whatever comes: no control character in a name or a password', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), (octets) => {
      const response = base64(Buffer.from(octets));
      const plain = parsePlain(response);
      const texts =
        plain?.kind === 'password' ? [plain.login, plain.password] : [parseLogin(response) ?? 'x'];
      for (const text of texts) expect(text).toMatch(/^[^\0-\x1f\x7f-\x9f]+$/u);
    }),
    { numRuns: 5000 },
  );
});
