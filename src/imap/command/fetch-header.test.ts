import { test } from 'vitest';
import { talk } from '../testing/talk.ts';

const WIRE = `Subject: large\r\n${`X-Many: ${'x'.repeat(60)}\r\n`.repeat(500)}To: a\r\n b\r\n\r\n`;
const LINE = 'X-Long: ' + 'y'.repeat(40_000);
const OK = 'a OK FETCH completed';
const literal = (octets: string): string => `{${octets.length}}\r\n${octets}`;

// Of 50 MB it was a text in memory, looked through again for each piece: 6 s and 500 MB.
test('[P-03] headers longer than what is read at first (RFC 9051 §6.4.5.1)', async () => {
  const messages = [
    `${WIRE.replaceAll('\r\n', '\n')}Body\n`,
    `Subject: long\n${LINE}\n\nBody\n`,
    `Subject: no end\n${LINE}`,
    `${'X-Many: x\n'.repeat(500_000)}\nBody\n`,
  ];
  const long = `Subject: long\r\n${LINE}\r\n\r\n`;
  const endless = `Subject: no end\r\n${LINE}`;
  await talk({
    messages,
    steps: [
      ['a FETCH 1 BODY.PEEK[HEADER]', `* 1 FETCH (BODY[HEADER] ${literal(WIRE)})`, OK],
      ['a FETCH 1 RFC822.HEADER', `* 1 FETCH (RFC822.HEADER ${literal(WIRE)})`, OK],
      [
        'a FETCH 1 BODY.PEEK[HEADER]<35000.500>',
        `* 1 FETCH (BODY[HEADER]<35000> ${literal(WIRE.slice(35_000))})`,
        OK,
      ],
      [
        'a FETCH 1 BODY.PEEK[HEADER.FIELDS (To)]',
        `* 1 FETCH (BODY[HEADER.FIELDS (To)] ${literal('To: a\r\n b\r\n\r\n')})`,
        OK,
      ],
      ['a FETCH 2 BODY.PEEK[HEADER]', `* 2 FETCH (BODY[HEADER] ${literal(long)})`, OK],
      [
        'a FETCH 2 BODY.PEEK[HEADER.FIELDS.NOT (Subject)]',
        `* 2 FETCH (BODY[HEADER.FIELDS.NOT (Subject)] ${literal(`${LINE}\r\n\r\n`)})`,
        OK,
      ],
      // The head of a summary ends at 4 MB.
      ['a FETCH 4 BODY.PEEK[TEXT]', '* 4 FETCH (BODY[TEXT] {6}\r\nBody\r\n)', OK],
      [
        'a FETCH 4 BODY.PEEK[HEADER]<5499995.20>',
        '* 4 FETCH (BODY[HEADER]<5499995> {7}\r\n: x\r\n\r\n)',
        OK,
      ],
      ['a FETCH 3 BODY.PEEK[HEADER]', `* 3 FETCH (BODY[HEADER] ${literal(endless)})`, OK],
    ],
  });
});
