import { expect, test } from 'vitest';
import { REPLY_LINE_BYTES_MAX } from './options.ts';
import { REPLIES, replyText, type ReplyName } from './replies.ts';

test('every reply fits a line and has an enhanced code of its class (RFC 2034 §4, RFC 3463 §3, RFC 5248 §2.4)', () => {
  for (const name of Object.keys(REPLIES) as ReplyName[]) {
    const { code, enhanced } = REPLIES[name];
    expect(String(code)[0], name).toBe(enhanced[0]);
    const line = `${code} ${replyText(name, 'x'.repeat(32))}\r\n`;
    expect(line, name).toMatch(/^[245]\d\d [245]\.\d{1,3}\.\d{1,3} [\x20-\x7e]+\r\n$/);
    expect(line.length, name).toBeLessThanOrEqual(REPLY_LINE_BYTES_MAX);
  }
});

test('our own trouble is never permanent', () => {
  const own = [
    'directoryDown',
    'storageDown',
    'storageFull',
    'storageBusy',
    'partial',
    'internal',
    'commitTimeout',
    'tlsUnavailable',
    'shuttingDown',
  ] as const;
  for (const name of own) expect(REPLIES[name].code, name).toBeLessThan(500);
});

test('a refusal carries the trace id, a success does not need it', () => {
  expect(replyText('mailboxUnknown', 'abc')).toBe('5.1.1 No such user here (abc)');
  expect(replyText('ok', 'abc')).toBe('2.0.0 OK');
});
