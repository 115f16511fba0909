import { expect, test } from 'vitest';
import { MessageIdFinder } from './message-id.ts';

function find(text: string, size = text.length): string | undefined {
  const finder = new MessageIdFinder();
  const bytes = Buffer.from(text);
  for (let at = 0; at < bytes.length; at += size) finder.push(bytes.subarray(at, at + size));
  finder.finish();
  return finder.found;
}

test.each([
  ['From: a\nMessage-ID: <a.b@c>\n\nbody', '<a.b@c>'],
  ['MESSAGE-ID:<x@y>\n\n', '<x@y>'],
  ['Message-Id:\n <folded@y>\nSubject: x\n\n', '<folded@y>'],
  ['Subject: x\n\nMessage-ID: <in-the-body@y>\n', undefined],
  ['X-Message-ID: <other@y>\n\n', undefined],
  ['Message-ID: no brackets\n\n', undefined],
  [`Message-ID: <${'x'.repeat(300)}@y>\n\n`, undefined],
  [`Subject: ${'x'.repeat(20_000)}\nMessage-ID: <late@y>\n\n`, undefined],
])('%#: the id in the header and nothing else, however it comes in', (text, id) => {
  for (const size of [1, 7, text.length]) expect(find(text, size)).toBe(id);
});
