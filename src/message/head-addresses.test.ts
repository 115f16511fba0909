import fc from 'fast-check';
import { expect, test } from 'vitest';
import { addressesOf } from './head-addresses.ts';

test.each([
  ['me@farm.test', ['me@farm.test']],
  ['<me@farm.test>', ['me@farm.test']],
  ['Me <me@farm.test>', ['me@farm.test']],
  ['J. Doe <me@farm.test>', ['me@farm.test']],
  ['"ceo@bank.test" <me@farm.test>', ['me@farm.test']],
  ['=?utf-8?q?M=C3=A9?= <me@farm.test>', ['me@farm.test']],
  ['me (a (nested) \\) comment) @ farm . test', ['me@farm.test']],
  ['a@x.test, b@y.test', ['a@x.test', 'b@y.test']],
  ['A <a@x.test>, , "B, C" <b@y.test>,', ['a@x.test', 'b@y.test']],
  ['Team: a@x.test, B <b@y.test>;', ['a@x.test', 'b@y.test']],
  ['Team: a@x.test;, c@z.test', ['a@x.test', 'c@z.test']],
  ['undisclosed-recipients:;', []],
  ['<@relay.test,@b.test:me@farm.test>', ['me@farm.test']],
  ['"a b"@farm.test', ['"a b"@farm.test']],
  ['"a@b"@farm.test', ['"a@b"@farm.test']],
  ['me@[192.0.2.1]', ['me@[192.0.2.1]']],
  ['user..name.@farm.test', ['user..name.@farm.test']],
  ['käthe@bücher.test', ['käthe@bücher.test']],
  ['', []],
])('%j', (value, addresses) => {
  expect(addressesOf(value)).toEqual(addresses);
});

test.each([
  ['ceo@bank.test <me@farm.test>', ['ceo@bank.test', 'me@farm.test']],
  ['me@farm.test <me@farm.test>', ['me@farm.test', 'me@farm.test']],
  ['ceo@bank.test(x) <me@farm.test>', ['ceo@bank.test', 'me@farm.test']],
  ['ceo@bank.test: me@farm.test;', ['ceo@bank.test', 'me@farm.test']],
])('an address that stands where a name should counts: %j', (value, addresses) => {
  expect(addressesOf(value)).toEqual(addresses);
});

test.each([
  'me',
  'me@',
  '@farm.test',
  'me@farm.test you@else.test',
  '<me@farm.test> <you@else.test>',
  '<me@farm.test> you@else.test',
  '<me@farm.test>x',
  '<me@farm.test',
  'me@farm.test>',
  '<<me@farm.test>>',
  '<me@farm.test,you@else.test>',
  'a b@farm.test',
  'me@far m.test',
  'me@farm@else.test',
  '"me@farm.test',
  'me(@farm.test',
  'me)@farm.test',
  'me\\@farm.test',
  'Team: a@x.test',
  'a@x.test;',
  'Team: Other: a@x.test;;',
  '<>',
  'boss at bank@x <me@farm.test>',
  'me@farm.test\rFrom: you@else.test',
  'me\0@farm.test',
  'me@farm\u0085.test',
  'me@"farm.test"',
  'me@[a@b]',
  'me@[<x@y>]',
  '(((((((((((((((((((((a)))))))))))))))))))))me@farm.test',
])('no list: %j', (value) => {
  expect(addressesOf(value)).toBeUndefined();
});

test('nothing throws, and no address has what ends a line', () => {
  const noise = fc.string({
    unit: fc.constantFrom(...Array.from('ab@.<>,;:()"\\[] \t\r\n\0ä')),
    maxLength: 40,
  });
  fc.assert(
    fc.property(noise, (value) => {
      for (const address of addressesOf(value) ?? []) {
        expect(address).toMatch(/^[^\r\n\0]+@[^\r\n\0@<>]+$/);
      }
    }),
    { numRuns: 20_000 },
  );
});
