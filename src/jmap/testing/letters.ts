/** Letters of the mailbox that conversations are about, the oldest first. */
interface Letter {
  readonly folder: string;
  readonly text: string;
  /** Flags, as letters of a Maildir. */
  readonly letters?: string;
  readonly keywords?: readonly string[];
}

const lines = (...all: readonly string[]): string => `${all.join('\n')}\n`;

export const LETTERS: readonly Letter[] = [
  {
    folder: 'INBOX',
    letters: 'S',
    text: lines(
      'From: Bob Builder <bob@x.test>',
      'To: tevie@t1.example, "Ann, of Accounts" <ann@x.test>',
      'Cc: Team: carl@x.test, dora@x.test;',
      'Subject: Lunch on Friday',
      'Date: Fri, 02 Jan 2026 10:00:00 +0200',
      'Message-ID: <lunch@x.test>',
      'Content-Type: text/plain; charset=utf-8',
      '',
      'Shall we have lunch? The harbour is lovely.',
    ),
  },
  {
    folder: 'INBOX',
    letters: 'F',
    keywords: ['$work'],
    text: lines(
      'From: =?utf-8?q?J=C3=BCrgen?= <jurgen@y.test>',
      'To: tevie@t1.example',
      'Subject: Report of the =?utf-8?b?0LLQtdGB0L3QsA==?=',
      'List-Post: <mailto:list@y.test>, <https://y.test/post>',
      'X-Tag: first',
      'X-Tag: second',
      'Message-ID: <report@y.test>',
      'MIME-Version: 1.0',
      'Content-Type: multipart/mixed; boundary=m',
      '',
      '--m',
      'Content-Type: multipart/alternative; boundary=a',
      '',
      '--a',
      'Content-Type: text/plain; charset=iso-8859-1',
      'Content-Transfer-Encoding: quoted-printable',
      '',
      'gr=FC=DFe',
      '--a',
      'Content-Type: text/html; charset=utf-8',
      '',
      '<p>hello <b>world</b></p>',
      '--a--',
      '--m',
      'Content-Type: application/pdf; name="plan.pdf"',
      'Content-Disposition: attachment; filename="plan.pdf"',
      'Content-Transfer-Encoding: base64',
      '',
      'JVBERi0xLjQ=',
      '--m--',
    ),
  },
  {
    folder: 'Projects',
    text: lines(
      'From: tevie@t1.example',
      'To: bob@x.test',
      'Subject: Answer about lunch',
      'Message-ID: <answer@t1.example>',
      'In-Reply-To: <lunch@x.test>',
      'References: <lunch@x.test>',
      '',
      'Yes, at noon.',
    ),
  },
  {
    folder: 'Drafts',
    letters: 'DS',
    text: lines(
      'From: tevie@t1.example',
      'To: bob@x.test',
      'Bcc: hidden@x.test',
      'Subject: Ready to go',
      'Message-ID: <ready@t1.example>',
      '',
      'A letter that waits.',
    ),
  },
  {
    folder: 'Projects/Boat',
    text: lines(
      'From: carl@x.test',
      'To: tevie@t1.example',
      'Subject: Forwarded papers',
      'MIME-Version: 1.0',
      'Content-Type: multipart/mixed; boundary=f',
      '',
      '--f',
      '',
      'See below.',
      '--f',
      'Content-Type: message/rfc822',
      '',
      'From: deep@x.test',
      'Subject: Within',
      '',
      'Innermost words.',
      '--f--',
    ),
  },
];
