import { expect, test } from 'vitest';
import { systemRandom } from '../base/random.ts';
import { base32, fromBase32 } from './base32.ts';
import { newRecoveryCode, newTotpSecret, otpauthUri, plainCode } from './totp.ts';
import { stepAt, totpCode, totpStep } from './totp.ts';

/** "12345678901234567890", the secret of RFC 6238 appendix B. */
const SECRET = 'GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ';

test.each([
  [59, '287082'],
  [1_111_111_109, '081804'],
  [1_111_111_111, '050471'],
  [1_234_567_890, '005924'],
  [2_000_000_000, '279037'],
  [20_000_000_000, '353130'],
])('the code at %i s is %s (RFC 6238 appendix B)', (seconds, code) => {
  expect(totpCode(SECRET, stepAt(seconds * 1_000))).toBe(code);
  expect(totpStep(SECRET, code, seconds * 1_000)).toBe(stepAt(seconds * 1_000));
});

test('one step to either side is accepted, two are not (RFC 6238 §5.2)', () => {
  const now = 1_234_567_890_000;
  const at = (aside: number): string => totpCode(SECRET, stepAt(now) + aside) ?? '';
  expect([-2, -1, 0, 1, 2].map((aside) => totpStep(SECRET, at(aside), now))).toEqual([
    undefined,
    stepAt(now) - 1,
    stepAt(now),
    stepAt(now) + 1,
    undefined,
  ]);
});

test('what is no code of six digits is none', () => {
  const now = 1_234_567_890_000;
  const code = totpCode(SECRET, stepAt(now)) ?? '';
  const others = [
    '',
    '0',
    `${code}0`,
    code.slice(1),
    ` ${code}`,
    '００５９２４',
    'é'.repeat(3),
    'abcdef',
  ];
  for (const other of others) expect(totpStep(SECRET, other, now), other).toBeUndefined();
  expect(totpStep('not base32!', code, now)).toBeUndefined();
  expect(totpStep('', code, now)).toBeUndefined();
});

test('base32 as RFC 4648 §10 has it, without padding', () => {
  const vectors = { '': '', f: 'MY', fo: 'MZXQ', foo: 'MZXW6', foob: 'MZXW6YQ', fooba: 'MZXW6YTB' };
  for (const [plain, text] of Object.entries({ ...vectors, foobar: 'MZXW6YTBOI' })) {
    expect(base32(Buffer.from(plain))).toBe(text);
    expect(String(fromBase32(text))).toBe(plain);
  }
  expect(fromBase32('a1')).toBeUndefined();
});

test('secrets and codes are long enough, and what people type of them is found', () => {
  const secret = newTotpSecret(systemRandom);
  expect(fromBase32(secret)).toHaveLength(20);
  const code = newRecoveryCode(systemRandom);
  expect(code).toMatch(/^[a-z2-7]{4}(-[a-z2-7]{4}){3}$/);
  expect(plainCode(` ${code.toUpperCase().replaceAll('-', ' ')} `)).toBe(code.replaceAll('-', ''));
  expect(otpauthUri(secret, { issuer: 'Mail & more', login: 'zoë@example.test' })).toBe(
    `otpauth://totp/Mail%20%26%20more:zo%C3%AB%40example.test?secret=${secret}` +
      '&issuer=Mail%20%26%20more&algorithm=SHA1&digits=6&period=30',
  );
});

test('codes by their number (RFC 4226 appendix D)', () => {
  const codes = Array.from({ length: 10 }, (_, at) => totpCode(SECRET, at)).join(' ');
  expect(codes).toBe('755224 287082 359152 969429 338314 254676 287922 162583 399871 520489');
});
