import fc from 'fast-check';
import { expect, test } from 'vitest';
import { countedRandom, headOf, HOSTILE } from './testing.ts';
import { vacationAnswer, type VacationRefusal } from './vacation-rules.ts';
import { writeVacation } from './vacation.ts';

const NOW = Date.UTC(2026, 10, 22);
const SENDER = 'carol@example.net';
const HEAD = 'From: Carol <carol@example.net>\nTo: Alice <alice@example.test>\n';
const question = (sender: string, head: string) => ({
  sender,
  head: headOf(`${head}\n`),
  addresses: ['alice@example.test', 'a.smith@example.test'],
  from: undefined,
  until: undefined,
  now: NOW,
});
const said = (sender: string, head: string): VacationRefusal | 'answer' => {
  const decision = vacationAnswer(question(sender, head));
  return decision.answer ? 'answer' : decision.why;
};

test.each([
  [SENDER, 'a person', HEAD, 'answer'],
  [SENDER, 'an alias in Cc', 'To: x@example.org\nCc: a.smith@EXAMPLE.test\n', 'answer'],
  [SENDER, 'a plus address', 'To: Alice+shop@example.test\n', 'answer'],
  [SENDER, 'Resent-To', 'To: x@example.org\nResent-To: alice@example.test\n', 'answer'],
  [SENDER, 'the second To', 'To: x@example.org\nTo: alice@example.test\n', 'answer'],
  [SENDER, 'a group', 'To: Us: bob@example.test, alice@example.test;\n', 'answer'],
  [SENDER, 'a folded To', 'To: x@example.org,\n\talice@example.test\n', 'answer'],
  [SENDER, 'Auto-Submitted: no', `${HEAD}Auto-Submitted: no (a person) \n`, 'answer'],
  [SENDER, 'Auto-Submitted: No; x=y', `${HEAD}Auto-Submitted: No; x=y\n`, 'answer'],
  [SENDER, 'Precedence: first-class', `${HEAD}Precedence: first-class\n`, 'answer'],
  [SENDER, 'suppressed receipts only', `${HEAD}X-Auto-Response-Suppress: DR, RN\n`, 'answer'],
  [SENDER, 'X-Spam-Flag: NO', `${HEAD}X-Spam-Flag: NO\n`, 'answer'],
  ['requester@example.net', 'a name that only looks so', HEAD, 'answer'],
  ['reply@example.net', 'a reply address', HEAD, 'answer'],
  ['noah.replyn@example.net', 'a person again', HEAD, 'answer'],
  ['', 'the null sender', HEAD, 'null-sender'],
  ['owner-list@example.net', 'owner-*', HEAD, 'sender-is-a-program'],
  ['list-OWNER@example.net', '*-owner', HEAD, 'sender-is-a-program'],
  ['list-request@example.net', '*-request', HEAD, 'sender-is-a-program'],
  ['list-bounces+a=b@example.net', 'VERP', HEAD, 'sender-is-a-program'],
  ['bounce-77-x@example.net', 'bounce-*', HEAD, 'sender-is-a-program'],
  ['Mailer-Daemon@example.net', 'MAILER-DAEMON', HEAD, 'sender-is-a-program'],
  ['"mailer-daemon"@example.net', 'quoted', HEAD, 'sender-is-a-program'],
  ['mailer-daemon', 'no domain', HEAD, 'sender-is-a-program'],
  ['LISTSERV@example.net', 'LISTSERV', HEAD, 'sender-is-a-program'],
  ['majordomo@example.net', 'majordomo', HEAD, 'sender-is-a-program'],
  ['noreply@example.net', 'noreply', HEAD, 'sender-is-a-program'],
  ['No-Reply@example.net', 'No-Reply', HEAD, 'sender-is-a-program'],
  ['do_not_reply@example.net', 'do_not_reply', HEAD, 'sender-is-a-program'],
  ['shop.donotreply@example.net', 'in part', HEAD, 'sender-is-a-program'],
  ['no-reply+77@example.net', 'with detail', HEAD, 'sender-is-a-program'],
  [SENDER, 'From: noreply', 'From: x <noreply@b>\nTo: alice@example.test\n', 'sender-is-a-program'],
  ['alice@example.test', 'himself', HEAD, 'sender-is-the-user'],
  ['A.Smith+x@Example.Test', 'himself by alias', HEAD, 'sender-is-the-user'],
  [SENDER, 'auto-generated', `${HEAD}Auto-Submitted: auto-generated\n`, 'made-by-a-program'],
  [SENDER, 'auto-replied', `${HEAD}auto-submitted:\n Auto-Replied; x\n`, 'made-by-a-program'],
  [SENDER, 'nothing known', `${HEAD}Auto-Submitted: nothing\n`, 'made-by-a-program'],
  [SENDER, 'one of two', `${HEAD}Auto-Submitted: no\nAuto-Submitted: y\n`, 'made-by-a-program'],
  [SENDER, 'X-Autoreply', `${HEAD}X-Autoreply: yes\n`, 'made-by-a-program'],
  [SENDER, 'a report', `${HEAD}Content-Type: multipart/report; x=y\n`, 'made-by-a-program'],
  [SENDER, 'List-Id', `${HEAD}List-Id: <l.example.net>\n`, 'from-a-list'],
  [SENDER, 'List-Unsubscribe', `${HEAD}LIST-UNSUBSCRIBE: <mailto:x>\n`, 'from-a-list'],
  [SENDER, 'Mailing-List', `${HEAD}Mailing-List: x\n`, 'from-a-list'],
  [SENDER, 'bulk', `${HEAD}Precedence: BULK\n`, 'bulk'],
  [SENDER, 'junk', `${HEAD}Precedence: junk\n`, 'bulk'],
  [SENDER, 'list', `${HEAD}Precedence: list (x)\n`, 'bulk'],
  [SENDER, 'OOF', `${HEAD}X-Auto-Response-Suppress: DR, OOF\n`, 'asked-not-to'],
  [SENDER, 'All', `${HEAD}X-Auto-Response-Suppress: All\n`, 'asked-not-to'],
  [SENDER, 'spam', `${HEAD}X-Spam-Flag: YES\n`, 'spam'],
  [SENDER, 'Bcc', 'To: bob@example.test\n', 'not-to-the-user'],
  [SENDER, 'no To', 'From: x@y\n', 'not-to-the-user'],
  [SENDER, 'a name like his', 'To: "alice@example.test" <x@example.org>\n', 'not-to-the-user'],
  [SENDER, 'in a comment', 'To: x@example.org (alice@example.test)\n', 'not-to-the-user'],
  [SENDER, 'the local part alone', 'To: alice@example.org\n', 'not-to-the-user'],
  [SENDER, 'broken', 'To: alice@example.test <\n', 'not-to-the-user'],
])('[P-09] from %s, %s', (sender, _name, head, expected) => {
  expect(said(sender, head)).toBe(expected);
});

test('[P-09] answers begin and end when the user said', () => {
  const asked = { ...question(SENDER, HEAD), from: NOW, until: NOW + 1000 };
  const at = (now: number) => vacationAnswer({ ...asked, now });
  expect(at(NOW - 1)).toEqual({ answer: false, why: 'not-yet' });
  expect(at(NOW)).toEqual({ answer: true, to: SENDER });
  expect(at(NOW + 999)).toEqual({ answer: true, to: SENDER });
  expect(at(NOW + 1000)).toEqual({ answer: false, why: 'over' });
});

const answer = (head: string, text = 'I am away.\n', subject?: string): string =>
  writeVacation({
    user: { name: 'Alice \u00c4', address: 'alice@example.test' },
    to: SENDER,
    head: headOf(`${head}\n`),
    text,
    subject,
    at: NOW,
    host: 'mx1.example.test',
    random: countedRandom(),
  }).bytes.toString();

test('[P-09] an answer, whole (RFC 3834 §3.1)', () => {
  const head = 'Subject: =?iso-8859-1?Q?Gr=FC=DFe?= now\nMessage-ID: <1@x>\nReferences: <0@x>\n';
  expect(answer(head)).toBe(
    `Date: Sun, 22 Nov 2026 00:00:00 +0000
From: =?UTF-8?Q?Alice_=C3=84?= <alice@example.test>
To: <carol@example.net>
Subject: =?UTF-8?Q?Auto=3A_Gr=C3=BC=C3=9Fe_now?=
Message-ID: <mwr2lmo0.000102030405060708090a0b@mx1.example.test>
In-Reply-To: <1@x>
References: <0@x> <1@x>
Auto-Submitted: auto-replied
X-Auto-Response-Suppress: All
MIME-Version: 1.0
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: 7bit

I am away.
`,
  );
});

test('[P-09] the user may give a subject, and a letter may have none', () => {
  expect(answer('', 'x', 'Back on Monday')).toContain('\nSubject: Back on Monday\n');
  expect(answer('', 'x')).toContain('\nSubject: Auto: your letter\n');
  expect(answer('', 'x')).not.toContain('References');
});

const hostile = fc.array(fc.constantFrom(...HOSTILE), { maxLength: 12 }).map((p) => p.join(''));

test('[P-09] no header of a stranger and no text of a user adds a field, a line too long, or 8 bits', () => {
  fc.assert(
    fc.property(hostile, hostile, hostile, hostile, (subject, id, text, own) => {
      const head = `Subject: ${subject.replace(/\n(?![ \t])/g, '\n ')}\nMessage-ID: ${id}\n`;
      const bytes = answer(head, text, own);
      const [header = '', ...rest] = bytes.split('\n\n');
      const names = header
        .replace(/\n[ \t]+/g, ' ')
        .split('\n')
        .map((line) => line.split(':')[0]);
      expect(names.filter((one) => one !== 'In-Reply-To' && one !== 'References')).toEqual([
        'Date',
        'From',
        'To',
        'Subject',
        'Message-ID',
        'Auto-Submitted',
        'X-Auto-Response-Suppress',
        'MIME-Version',
        'Content-Type',
        'Content-Transfer-Encoding',
      ]);
      expect(rest.length).toBeGreaterThan(0);
      expect(Math.max(...bytes.split('\n').map((line) => line.length))).toBeLessThan(900);
      expect(bytes).toMatch(/^[\n\t -~]*$/);
    }),
    { numRuns: 500 },
  );
});
