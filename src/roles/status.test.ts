import { expect, test } from 'vitest';
import { defaults } from '../config/options.ts';
import { NODE_OPTIONS } from './options.ts';
import { beatMs, isSilent, statusInWords, statusLetters } from './status.ts';

const listen = (...services: string[]) => services.map((service) => ({ service }));

test.each([
  [['mx', 'lmtp', 'pop3', 'pop3s', 'health'], true, 'SPM'],
  [['mx', 'lmtp', 'pop3', 'pop3s', 'health'], false, 'spm'],
  [['pop3s'], true, 'PM'],
  [['lmtp'], true, 'SM'],
  [['imap', 'imaps'], true, 'MG'],
  [['http', 'https'], true, 'MA'],
  [[], true, 'M'],
])('[S0-34] a node with %j that is up (%s) shows %s', (services, up, letters) => {
  expect(statusLetters(listen(...services), up)).toBe(letters);
});

test('[S0-34] status letters in words, and one that nobody knows', () => {
  expect(statusInWords('SpM')).toBe('SMTP up, POP3 down, Mailfarm up');
  expect(statusInWords('LbAgX')).toBe('LDAP up, balancer down, web up, IMAP down, X up');
  expect(statusInWords('')).toBe('');
});

test.each([
  [1, 60_000],
  [2, 115_200],
  [10, 576_000],
  [100, 5_760_000],
])('[S3-23] of %i nodes each beats every %i ms: together 1,500 times a day', (nodes, ms) => {
  const settings = defaults(NODE_OPTIONS);
  expect(beatMs(settings, nodes)).toBe(ms);
  expect((nodes * 86_400_000) / ms).toBeLessThanOrEqual(1_500);
});

test('a node is silent after three beats, and when it never told', () => {
  const now = 1_000_000_000;
  expect(isSilent({ at: now - 180_000, now, everyMs: 60_000 })).toBe(false);
  expect(isSilent({ at: now - 180_001, now, everyMs: 60_000 })).toBe(true);
  expect(isSilent({ at: undefined, now, everyMs: 60_000 })).toBe(true);
});
