import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ENGLISH, type NoticeWords } from './notice-words.ts';
import { writeNotice, type NoticeFacts, type Reported } from './notice.ts';
import { countedRandom, HOSTILE, joined, letterOf } from './testing.ts';

const AT = Date.UTC(2026, 10, 22, 10);
const LETTER = 'From: a@example.test\nSubject: Offer\nMessage-ID: <1@example.test>\n\nHello Bob\n';
const FAILED: Reported = {
  event: 'failed',
  address: 'bob@example.net',
  original: 'rfc822;Bob@example.net',
  status: '5.1.1',
  reply: '550 5.1.1 No such user here',
  remote: { host: 'mx.example.net', address: '192.0.2.1' },
  triedAt: AT - 1000,
};

const factsOf = (more: Partial<NoticeFacts> = {}, letter = LETTER): NoticeFacts => ({
  to: 'alice@example.test',
  host: 'mx1.example.test',
  at: AT,
  acceptedAt: AT - 60_000,
  recipients: [FAILED],
  smtpUtf8: false,
  letter: letterOf(Buffer.from(letter, 'latin1')),
  fullOctetsMax: 10_000,
  random: countedRandom(),
  ...more,
});

const written = async (facts: NoticeFacts): Promise<string> =>
  (await joined((await writeNotice(facts)).bytes)).toString('latin1');

const ASCII = /^[\n\t -~]*$/;
const SEPARATOR = '=_0c0d0e0f101112131415161718191a';

test('[P-08] a notice of failure, whole (RFC 3464, RFC 6522)', async () => {
  expect(await written(factsOf({ envid: 'QQ314159' }))).toBe(
    `Date: Sun, 22 Nov 2026 10:00:00 +0000
From: Mail Delivery <MAILER-DAEMON@mx1.example.test>
To: <alice@example.test>
Subject: Not delivered: Offer
Message-ID: <mwro18g0.000102030405060708090a0b@mx1.example.test>
In-Reply-To: <1@example.test>
References: <1@example.test>
Auto-Submitted: auto-replied
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status;
 boundary="${SEPARATOR}"
Content-Language: en

--${SEPARATOR}
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: 7bit

This is about the letter that you sent on Sun, 22 Nov 2026 09:59:00
+0000 with the subject "Offer".

It could not be delivered to:

    bob@example.net

The mail server mx.example.net [192.0.2.1] said:

    550 5.1.1 No such user here

There is no mailbox of this name. Check the address for typing errors;
if it is right, ask the recipient in another way whether it has changed.
It is not tried again.

A report for programs and your letter are attached.

--${SEPARATOR}
Content-Type: message/delivery-status

Original-Envelope-Id: QQ314159
Reporting-MTA: dns; mx1.example.test
Arrival-Date: Sun, 22 Nov 2026 09:59:00 +0000

Original-Recipient: rfc822; Bob@example.net
Final-Recipient: rfc822; bob@example.net
Action: failed
Status: 5.1.1
Remote-MTA: dns; mx.example.net (192.0.2.1)
Diagnostic-Code: smtp; 550 5.1.1 No such user here
Last-Attempt-Date: Sun, 22 Nov 2026 09:59:59 +0000

--${SEPARATOR}
Content-Type: message/rfc822

${LETTER}
--${SEPARATOR}--
`,
  );
});

test('[P-08] a delay says until when it is tried, and that nothing need be done', async () => {
  const delayed: Reported = {
    event: 'delayed',
    address: 'bob@example.net',
    status: '4.4.1',
    text: 'No host of example.net answered.',
    triedAt: AT,
  };
  const text = await written(factsOf({ recipients: [delayed], expiresAt: AT + 86_400_000 }));
  expect(text).toContain('\nSubject: Delayed: Offer\n');
  expect(text).toContain(
    'You need not do anything: it is tried again by itself. It is given up on\n' +
      'Mon, 23 Nov 2026 10:00:00 +0000.',
  );
  expect(text).toContain('\n    No host of example.net answered.\n');
  expect(text).toContain('\nDiagnostic-Code: x-mailfarm; No host of example.net answered.\n');
  expect(text).toContain('\nWill-Retry-Until: Mon, 23 Nov 2026 10:00:00 +0000\n');
  expect(text).not.toContain('Remote-MTA');
  expect(text).toContain('text/rfc822-headers');
  expect(text).not.toContain('Hello Bob');
});

test.each([
  ['delivered', 'Delivered: Offer', '2.0.0'],
  ['relayed', 'Passed on: Offer', '2.0.0'],
  ['expanded', 'Passed on: Offer', '2.0.0'],
] as const)('[P-08] %s: what a sender who asked for it is told', async (event, subject, status) => {
  const recipients = [{ event, address: 'bob@example.net', status: 'what?' }];
  const text = await written(factsOf({ recipients, ret: 'full' }));
  expect(text).toContain(`\nSubject: ${subject}\n`);
  expect(text).toContain(`\nAction: ${event}\nStatus: ${status}\n`);
  expect(text).toContain('\nContent-Type: text/rfc822-headers\n\nFrom: a@example.test\n');
  expect(text).not.toContain('Hello Bob');
});

const LARGE = `${LETTER}${'line\n'.repeat(2000)}`;
const LONG = `${LETTER}${'x'.repeat(999)}\n`;
test.each<[name: string, Partial<NoticeFacts>, letter: string, third: string | undefined]>([
  ['a small letter', {}, LETTER, 'message/rfc822'],
  ['RET=FULL', { ret: 'full' }, LETTER, 'message/rfc822'],
  ['RET=HDRS', { ret: 'hdrs' }, LETTER, 'text/rfc822-headers'],
  ['at the limit', { fullOctetsMax: LETTER.length }, LETTER, 'message/rfc822'],
  ['over the limit', { fullOctetsMax: LETTER.length - 1 }, LETTER, 'text/rfc822-headers'],
  ['RET=FULL does not lift the limit', { ret: 'full' }, LARGE, 'text/rfc822-headers'],
  ['a line over 998 octets', {}, LONG, 'text/rfc822-headers'],
  ['NUL', {}, `${LETTER}\0\n`, 'text/rfc822-headers'],
  ['8 bits', {}, `${LETTER}\xc3\xa4\n`, 'message/rfc822'],
  ['8 bits, for an old host', { sevenBit: true }, `${LETTER}\xc3\xa4\n`, 'text/rfc822-headers'],
  ['no header', { ret: 'hdrs' }, '\nbody\n', undefined],
  ['gone', { letter: undefined }, '', undefined],
  ['empty', {}, '', 'message/rfc822'],
])('[P-01] what is returned: %s', async (_name, more, letter, third) => {
  const text = await written({ ...factsOf(more, letter), ...more });
  const parts = text.split(`--${SEPARATOR}`);
  expect(parts).toHaveLength(third === undefined ? 4 : 5);
  if (third !== undefined) expect(parts[3]).toContain(`Content-Type: ${third}\n`);
  if (third === 'message/rfc822') expect(parts[3]).toContain(letter);
});

test('a letter with 8 bits is declared so; the header alone goes quoted-printable', async () => {
  const letter = 'From: J\xc3\xb6rg <a@b>\n\n\xc3\xa4\n';
  const full = await written(factsOf({}, letter));
  expect(full.match(/^Content-Transfer-Encoding: 8bit$/gm)).toHaveLength(2);
  const head = await written(factsOf({ ret: 'hdrs' }, letter));
  expect(head).toContain('rfc822-headers\nContent-Transfer-Encoding: quoted-printable\n\n');
  expect(head).toContain('\nFrom: J=C3=B6rg <a@b>\n');
  expect(head).toMatch(ASCII);
});

test('[P-08] a letter that ends too soon is an error, never a notice that looks whole', async () => {
  const bytes = Buffer.from(LETTER);
  let gone = false;
  const letter = {
    octets: bytes.length,
    read: (offset: number, length: number) =>
      Promise.resolve(gone ? undefined : bytes.subarray(offset, offset + length)),
  };
  const notice = await writeNotice(factsOf({ letter }));
  gone = true;
  await expect(joined(notice.bytes)).rejects.toThrow('ended too soon');
  expect(await written(factsOf({ letter }))).toContain('A report for programs is attached.');
});

test('[P-08] a letter of a gigabyte is read in pieces of 64 KiB', async () => {
  let most = 0;
  let octets = 0;
  const head = Buffer.from('From: a@b\n\n');
  const letter = {
    octets: 2 ** 30,
    read: (offset: number, length: number) => {
      most = Math.max(most, length);
      return Promise.resolve(offset === 0 ? head : Buffer.alloc(length, 10));
    },
  };
  const { bytes } = await writeNotice(factsOf({ letter, fullOctetsMax: 2 ** 20 }));
  await joined(bytes);
  const small = { ...letter, octets: 2 ** 24 };
  const full = await writeNotice(factsOf({ letter: small, fullOctetsMax: 2 ** 30 }));
  for await (const piece of full.bytes) octets += piece.length;
  expect(most).toBe(65_536);
  expect(octets).toBeGreaterThan(2 ** 24);
});

test('[P-08] addresses in UTF-8 (RFC 6533): all of it where the letter was so, else ASCII', async () => {
  const recipients = [{ ...FAILED, address: 'j\u00f6rg@b\u00fccher.test', original: undefined }];
  const utf8 = await writeNotice(factsOf({ recipients, smtpUtf8: true }));
  const text = (await joined(utf8.bytes)).toString();
  expect(utf8.smtpUtf8).toBe(false);
  expect(text).toContain(
    'Content-Type: message/global-delivery-status\n' +
      'Content-Transfer-Encoding: quoted-printable\n\n',
  );
  expect(text).toContain('Final-Recipient: utf-8; j=C3=B6rg@b=C3=BCcher.test\n');
  expect(text).toContain('Content-Type: message/global\n');
  const mixed = { ...FAILED, reply: '550 kein Postfach f\u00fcr dich' };
  const plain = await written(factsOf({ recipients: [mixed] }));
  expect(plain).toContain('Diagnostic-Code: smtp; 550 kein Postfach f\\x{FC}r dich\n');
  expect(plain).toContain('    550 kein Postfach f=C3=BCr dich\n');
  const back = await writeNotice(factsOf({ to: 'j\u00f6rg@example.test' }));
  expect(back.smtpUtf8).toBe(true);
});

test('recipients to whom the same happened stand together, and many are counted', async () => {
  const recipients = Array.from({ length: 3000 }, (_, i) => ({
    ...FAILED,
    address: `user${i}@example.net`,
    reply: i < 2900 ? FAILED.reply : `550 ${i}`,
  }));
  const text = await written(factsOf({ recipients }));
  const [, people = '', programs = ''] = text.split(`--${SEPARATOR}`);
  expect(people.split('\n').length).toBeLessThan(300);
  expect(people).toContain('\n    user19@example.net\n    and 2880 more, who are listed in');
  expect(programs.match(/^Final-Recipient: /gm)).toHaveLength(3000);
});

test('a second language is another table; the first has the subject', async () => {
  const german: NoticeWords = { ...ENGLISH, language: 'de', opening: () => 'Zu Ihrem Brief.' };
  const text = await written(factsOf({ words: [ENGLISH, german] }));
  expect(text).toContain('\nContent-Language: en, de\n');
  expect(text).toMatch(/attached\.\n\n-{72}\n\nZu Ihrem Brief\.\n/);
});

test('[P-08] words of a stranger stand behind a margin, or not at all', async () => {
  const words = `Dear user, ${'please visit example.org '.repeat(20)}`;
  const recipient = { ...FAILED, reply: `550 ${words}`, text: words, remote: { host: words } };
  const text = await written(factsOf({ recipients: [recipient], sevenBit: true }));
  const [, people = ''] = text.split(`--${SEPARATOR}`);
  const lines = people.split('\n').filter((line) => /Dear|visit|example\.org/.test(line));
  expect(lines.length).toBeGreaterThan(10);
  expect(lines.filter((line) => !line.startsWith('    '))).toEqual([]);
});

/** RFC 3464 §2.3, in the order that we write them. */
const PER_RECIPIENT = [
  'Original-Recipient',
  'Final-Recipient',
  'Action',
  'Status',
  'Remote-MTA',
  'Diagnostic-Code',
  'Last-Attempt-Date',
  'Will-Retry-Until',
];
const hostile = fc.array(fc.constantFrom(...HOSTILE), { maxLength: 10 }).map((p) => p.join(''));
const recipient = fc.record({
  event: fc.constantFrom('failed', 'delayed', 'relayed', 'delivered', 'expanded'),
  address: hostile,
  original: hostile,
  status: hostile,
  reply: hostile,
  text: hostile,
  remote: fc.record({ host: hostile, address: hostile }),
  triedAt: fc.constant(AT),
});

test('[P-08] no reply, address or header of a stranger leaves its place in a notice', async () => {
  const any = fc.tuple(
    fc.array(recipient, { minLength: 1, maxLength: 4 }),
    hostile,
    hostile,
    hostile,
  );
  await fc.assert(
    fc.asyncProperty(any, async ([recipients, subject, id, envid]) => {
      const folded = subject.replace(/\n(?![ \t])/g, '\n ');
      const letter = `Subject: ${folded}\nMessage-ID: ${id}\nReferences: ${id}\n\nbody\n`;
      const facts = factsOf({ recipients, envid, sevenBit: true, expiresAt: AT, to: `${id}@x` });
      const text = await written({ ...facts, letter: letterOf(Buffer.from(letter), 7) });
      const parts = text.split(`--${SEPARATOR}`);
      expect(parts).toHaveLength(parts[3] === '--\n' ? 4 : 5);
      const names = (block: string): string[] =>
        block
          .replace(/\n[ \t]+/g, ' ')
          .split('\n')
          .map((line) => line.split(':')[0] ?? '');
      const header = names((parts[0] ?? '').trimEnd());
      const optional = /^(In-Reply-To|References)$/;
      expect(header.filter((name) => !optional.test(name)).join()).toBe(
        'Date,From,To,Subject,Message-ID,Auto-Submitted,MIME-Version,Content-Type,Content-Language',
      );
      const blocks = (parts[2] ?? '').trimEnd().split('\n\n').slice(1);
      if (!parts[2]?.includes('quoted-printable')) {
        expect(blocks).toHaveLength(recipients.length + 1);
        for (const block of blocks.slice(1)) {
          const found = names(block);
          expect(found).toEqual(PER_RECIPIENT.filter((name) => found.includes(name)));
        }
      }
      // An address in UTF-8 is the one thing that has no other form.
      expect(
        parts
          .slice(0, 3)
          .join('')
          .replace(/^To: <[^\n\0-\x1f]*>$/m, ''),
      ).toMatch(ASCII);
      expect(Math.max(...text.split('\n').map((line) => line.length))).toBeLessThanOrEqual(998);
    }),
    { numRuns: 400 },
  );
});
