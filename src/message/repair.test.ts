import fc from 'fast-check';
import { expect, test } from 'vitest';
import { HeadCollector, type MessageHead } from './head.ts';
import { claimsOf, repairedHeader } from './repair.ts';

function headOf(text: string): MessageHead {
  const collector = new HeadCollector({ octetsMax: 10_000 });
  const step = collector.push(Buffer.from(text));
  return step.kind === 'head' ? step.head : collector.end().head;
}

test('claims: From, Sender, what is there', () => {
  expect(claimsOf(headOf('From: A <a@x.test>, b@y.test\nSender: c@z.test\nDate: d\n\n'))).toEqual({
    from: ['a@x.test', 'b@y.test'],
    sender: 'c@z.test',
    hasDate: true,
    hasMessageId: false,
  });
  expect(claimsOf(headOf('Message-Id: <x>\n\n'))).toMatchObject({
    from: undefined,
    sender: undefined,
    hasDate: false,
    hasMessageId: true,
  });
});

test.each([
  ['From: a@b\nfrom: a@b\n\n', 'from stands there twice'],
  ['From: nobody\n\n', 'From has no valid address'],
  ['From: x:;\n\n', 'From has no valid address'],
  ['From: a@b\nSender: a@b, c@d\n\n', 'Sender is not one valid address'],
  ['From: a@b\nX-Y: z\rFrom: c@d\n\n', 'x-y has a bare CR in it'],
  ['From: a@b\nX-Y: \x1b[2J\n\n', 'x-y has a control character in it'],
])('%j: %s', (text, problem) => {
  expect(claimsOf(headOf(text))).toEqual({ problem });
});

test('a From of more addresses than twenty is a problem: each would be looked up', () => {
  const problem = (count: number): unknown => {
    const from = Array.from({ length: count }, (_, at) => `a${at}@x.test`).join(',\n ');
    return claimsOf(headOf(`From: ${from}\n\n`));
  };
  expect(problem(20)).toMatchObject({ from: { length: 20 } });
  expect(problem(21)).toEqual({ problem: 'From has 21 addresses, at most 20 are taken' });
  expect(problem(600)).toEqual({ problem: 'From has 600 addresses, at most 20 are taken' });
});

test('what is added is a line, whatever is in it', () => {
  const head = headOf('Subject: x\n\n');
  const hostile = 'a@b>\r\nBcc: <c@d\0';
  const added = { from: hostile, sender: hostile, date: hostile, messageId: hostile };
  const lines = repairedHeader(head, added).toString().split('\n');
  expect(lines.map((line) => /^[A-Za-z-]*/.exec(line)?.[0])).toEqual([
    'Subject',
    'From',
    'Sender',
    'Date',
    'Message-ID',
    '',
    '',
  ]);
});

test('a header that ends without a line end gets one; kept fields keep their octets', () => {
  expect(repairedHeader(headOf('A: b'), { from: 'x@y' }).toString()).toBe('A: b\nFrom: <x@y>\n\n');
  const field = fc.constantFrom(
    'A: b\n',
    'Bcc: x\n y\n',
    'To: ä\n\tz\n',
    'BCC: c\n',
    'From: a@b\n',
  );
  fc.assert(
    fc.property(fc.array(field, { maxLength: 10 }), (fields) => {
      const kept = fields.filter((one) => !/^bcc/i.test(one)).join('');
      expect(repairedHeader(headOf(`${fields.join('')}\n`), {}).toString()).toBe(`${kept}\n`);
    }),
  );
});
