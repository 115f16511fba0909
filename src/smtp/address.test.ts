import fc from 'fast-check';
import { expect, test } from 'vitest';
import { parsePath } from './address.ts';

const GOOD: readonly [path: string, address: string | null][] = [
  ['<>', null],
  ['<a@b>', 'a@b'],
  ['<A.b+c@Example.TEST>', 'A.b+c@Example.TEST'],
  ["<!#$%&'*+-/=?^_`{|}~@b.example>", "!#$%&'*+-/=?^_`{|}~@b.example"],
  ['<user..name@docomo.example>', 'user..name@docomo.example'],
  ['<.a.@b>', '.a.@b'],
  ['<"a"@b>', 'a@b'],
  ['<"a b"@c>', '"a b"@c'],
  ['<"a>b"@c>', '"a>b"@c'],
  ['<"a\\"b\\\\c"@d>', '"a\\"b\\\\c"@d'],
  ['<"a\\@b"@c>', '"a@b"@c'],
  ['<"@"@c>', '"@"@c'],
  ['<@x.example:a@b>', 'a@b'],
  ['<@x.example,@[192.0.2.1],@y:a@b>', 'a@b'],
  ['<a@[192.0.2.1]>', 'a@[192.0.2.1]'],
  ['<a@[IPv6:2001:db8::1]>', 'a@[IPv6:2001:db8::1]'],
  ['<PostMaster>', 'PostMaster'],
  ['<ä@ö.example>', 'ä@ö.example'],
  ['<用户@例子.测试>', '用户@例子.测试'],
  ['<a@xn--bcher-kva.example>', 'a@xn--bcher-kva.example'],
  ['<a@under_score.example>', 'a@under_score.example'],
];
for (const [path, address] of GOOD) {
  test(`${path} is an address (RFC 5321 §4.1.2)`, () => {
    const parsed = parsePath(`${path} SIZE=1`);
    expect(parsed?.end).toBe(path.length);
    expect(parsed?.kind === 'mailbox' ? parsed.mailbox.address : null).toBe(address);
  });
}

const BAD = [
  '',
  '<',
  '>',
  '<a',
  'a@b',
  '< a@b>',
  '<a@b >',
  '<a@>',
  '<@b>',
  '<@>',
  '<@b:>',
  '<@b:@c>',
  '<a@b,c@d>',
  '<a@b@c>',
  '<a b@c>',
  '<a(c)@b>',
  '<a,b@c>',
  '<a:b@c>',
  '<a;b@c>',
  '<a\\b@c>',
  '<a"b"@c>',
  '<"a"b@c>',
  '<"a@c>',
  '<"a\\"@c>',
  '<""@c>',
  '<"a">',
  '<a@-b>',
  '<a@b->',
  '<a@b..c>',
  '<a@.b>',
  '<a@b.>',
  '<a@[b]>',
  '<a@[1.2.3]>',
  '<a@[1.2.3.4>',
  '<a@1.2.3.4]>',
  '<a@[IPv6:1.2.3.4]>',
  '<a@[IPv6:zz]>',
  '<a@b/c>',
  '<a@b%c>',
  '<<a@b>>',
  '<a\0@b>',
  '<a\r\n@b>',
  '<a\u200b@b>',
  '<a\u202e@b>',
  '<a\ufeff@b>',
  '<a\u0085@b>',
  '<a\ufffd@b>',
  `<${'a'.repeat(253)}@b>`,
  `<a@${'b'.repeat(64)}>`,
  '<alice>',
];
for (const path of BAD) {
  test(`${JSON.stringify(path.slice(0, 30))} is none`, () => {
    expect(parsePath(path)).toBeUndefined();
  });
}

test('whatever is an address survives being written and read again', () => {
  const part = fc.constantFrom(
    'a',
    '.',
    '"',
    '\\',
    '@',
    ' ',
    '<',
    '>',
    ':',
    ',',
    '[',
    ']',
    'ä',
    '%',
    '1',
  );
  const path = fc.array(part, { maxLength: 14 }).map((parts) => `<${parts.join('')}@b.example>`);
  fc.assert(
    fc.property(path, (text) => {
      const first = parsePath(text);
      if (first?.kind !== 'mailbox') return;
      expect(first.mailbox.address).not.toMatch(/[\0-\x1f\x7f]/);
      const again = parsePath(`<${first.mailbox.address}>`);
      expect(again?.kind === 'mailbox' && again.mailbox).toEqual(first.mailbox);
    }),
    { numRuns: 20_000, seed: Number(process.env['FUZZ_SEED'] ?? 1) },
  );
});
