import { expect, test } from 'vitest';
import { memoryAccount } from '../directory/memory.ts';
import { mailboxText, placeElsewhere, placeOf, together, type Places } from './places.ts';

const BY = { origin: 'submission', owner: 'id', login: 'a@x.test' } as const;
const rcpt = (address: string) => ({ address, sender: 'a@x.test' });

test('[S3-05] one copy, and a direct one before that of a list, in whatever order', () => {
  const account = memoryAccount({ login: 'bob@x.test' });
  const list = { address: 'team@x.test', owner: undefined };
  const direct = placeOf(rcpt('bob@x.test'), account);
  const away = placeElsewhere(rcpt('c@else.test'), BY)!;
  const listed: Places = {
    address: list.address,
    mailboxes: [{ address: list.address, account, list }],
    leaving: [{ ...away.leaving[0]!, origin: 'list', list }],
    success: undefined,
  };
  for (const order of [
    [direct, away, listed],
    [listed, away, direct],
  ]) {
    const { recipients, leaving } = together(order);
    expect(recipients.map((one) => [one.address, one.list])).toEqual([['bob@x.test', undefined]]);
    expect(leaving.map(({ origin }) => origin)).toEqual(['submission']);
  }
  expect(together([listed, listed]).recipients.map((one) => one.list)).toEqual([list]);
});

const TEXTS: readonly [local: string, domain: string, text: string | undefined][] = [
  ['a', 'Else.TEST', 'a@else.test'],
  ['a b', 'else.test', '"a b"@else.test'],
  ['a"\\', 'else.test', '"a\\"\\\\"@else.test'],
  ['a', 'bücher.test', 'a@xn--bcher-kva.test'],
  ['a', '[192.0.2.1]', 'a@[192.0.2.1]'],
  ['a\r\nRCPT TO:<b', 'else.test', undefined],
  ['a', 'else.test\r\nX: y', undefined],
  ['', 'else.test', undefined],
  ['a', '', undefined],
  ['a', '[else.test]', undefined],
];
test.each(TEXTS)('%j at %j goes over the wire as %j', (local, domain, text) => {
  expect(mailboxText(local, domain)).toBe(text);
});
