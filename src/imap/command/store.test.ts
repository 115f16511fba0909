import { expect, test } from 'vitest';
import { withServer } from '../testing/server.ts';
import { enter, play, type Step, talk } from '../testing/talk.ts';

const PLAIN = 'Subject: one\n\nFirst.\n';
const THREE = [PLAIN, PLAIN, PLAIN];
const OK = 'a OK STORE completed';
const flags = (number: number, text: string): string =>
  String.raw`* ${number} FETCH (FLAGS (${text}))`;

test('[P-03] STORE sets, adds and removes flags and keywords (RFC 9051 §6.4.6)', async () => {
  const steps: Step[] = [
    [String.raw`a STORE 1 FLAGS (\Seen work)`, flags(1, String.raw`\Seen work \Recent`), OK],
    [
      String.raw`a STORE 1 +FLAGS \Flagged $Junk`,
      flags(1, String.raw`\Flagged \Seen $Junk work \Recent`),
      OK,
    ],
    [String.raw`a STORE 1 -FLAGS (\seen WORK)`, flags(1, String.raw`\Flagged $Junk \Recent`), OK],
    [String.raw`a STORE 1 FLAGS ()`, flags(1, String.raw`\Recent`), OK],
    [
      String.raw`a STORE 1:2 +FLAGS ($Forwarded)`,
      flags(1, String.raw`$Forwarded \Recent`),
      flags(2, String.raw`$Forwarded \Recent`),
      OK,
    ],
    [
      String.raw`a STORE 1:2 -FLAGS ($forwarded)`,
      flags(1, String.raw`\Recent`),
      flags(2, String.raw`\Recent`),
      OK,
    ],
    [String.raw`a STORE 2,3 +FLAGS.SILENT (\Deleted)`, OK],
    [String.raw`a FETCH 3 FLAGS`, flags(3, String.raw`\Deleted \Recent`), 'a OK FETCH completed'],
    // Nothing changes, and the client is told all the same.
    [String.raw`a STORE 3 +FLAGS (\Deleted)`, flags(3, String.raw`\Deleted \Recent`), OK],
    [
      String.raw`a UID STORE 3 +FLAGS (\Draft)`,
      String.raw`* 3 FETCH (UID 3 FLAGS (\Draft \Deleted \Recent))`,
      OK,
    ],
    [String.raw`a UID STORE 9 +FLAGS (\Draft)`, OK],
    [String.raw`a STORE 4 +FLAGS (\Draft)`, 'a BAD There is no such message number'],
    [String.raw`a STORE 1 +FLAGS (\Nonsense)`, 'a BAD There is no such system flag'],
    [String.raw`a STORE 1 *FLAGS (\Seen)`, 'a BAD An atom is missing'],
    [String.raw`a STORE 1 FLAGS`, 'a BAD An argument is missing'],
    [String.raw`a STORE 1 FLAGS (\Seen) x`, 'a BAD Too many arguments'],
    [String.raw`a STORE 1 (MAGIC 1) FLAGS (\Seen)`, 'a BAD A modifier of STORE is not known'],
  ];
  await talk({ messages: THREE, steps });
});

test('[P-03] a folder opened by EXAMINE is not changed (RFC 9051 §6.3.3)', async () => {
  const no = 'a NO [READ-ONLY] This folder was opened to read only';
  const steps: Step[] = [
    [String.raw`a STORE 1 +FLAGS (\Seen)`, no],
    ['a EXPUNGE', no],
    ['a UID EXPUNGE 1', no],
    ['a MOVE 1 INBOX', no],
  ];
  await talk({ messages: THREE, first: ['EXAMINE INBOX'], steps });
});

test('[P-03] what another session changed meanwhile is left alone (RFC 7162 §3.1.3)', async () => {
  await withServer({ messages: THREE }, async ({ port }) => {
    const client = await enter(port, ['ENABLE CONDSTORE', 'SELECT INBOX']);
    const [row = ''] = await client.ok(String.raw`a STORE 1 +FLAGS (\Seen)`);
    const modseq = Number(/MODSEQ \((\d+)\)\)$/.exec(row)?.[1]);
    await play(client, [
      [
        String.raw`a STORE 1:2 (UNCHANGEDSINCE ${modseq - 1}) +FLAGS.SILENT (\Deleted)`,
        `* 2 FETCH (MODSEQ (${modseq + 1}))`,
        'a OK [MODIFIED 1] Some messages were changed by others meanwhile and are left alone',
      ],
      [
        String.raw`a UID STORE 1:3 (UNCHANGEDSINCE ${modseq}) FLAGS (\Draft)`,
        String.raw`* 1 FETCH (UID 1 FLAGS (\Draft \Recent) MODSEQ (${modseq + 2}))`,
        String.raw`* 3 FETCH (UID 3 FLAGS (\Draft \Recent) MODSEQ (${modseq + 2}))`,
        'a OK [MODIFIED 2] Some messages were changed by others meanwhile and are left alone',
      ],
      [
        String.raw`a STORE 2 (UNCHANGEDSINCE 0) FLAGS (\Draft)`,
        'a OK [MODIFIED 2] Some messages were changed by others meanwhile and are left alone',
      ],
    ]);
  });
});

test('[P-03] .SILENT tells nothing that the client knows, and what it does not (RFC 9051 §6.4.6)', async () => {
  await withServer({ messages: THREE }, async ({ port }) => {
    const [one, other] = [await enter(port), await enter(port)];
    // Both know of all three; the other's flag is told before the command, so it is no surprise.
    await other.ok(String.raw`a STORE 1 +FLAGS.SILENT (\Flagged)`);
    await play(one, [
      [String.raw`a STORE 1 +FLAGS.SILENT (\Seen)`, flags(1, String.raw`\Flagged \Recent`), OK],
      [String.raw`a NOOP`, 'a OK NOOP completed'],
      [
        String.raw`a FETCH 1 FLAGS`,
        flags(1, String.raw`\Flagged \Seen \Recent`),
        'a OK FETCH completed',
      ],
    ]);
  });
});

test('[P-03] what another session deleted is no message any more (RFC 2180 §4.2)', async () => {
  await withServer({ messages: THREE }, async ({ port }) => {
    const [one, other] = [await enter(port), await enter(port)];
    await other.ok(String.raw`a STORE 2 +FLAGS.SILENT (\Deleted)`);
    await one.ok('a NOOP');
    await other.ok('b EXPUNGE');
    await play(one, [
      [
        String.raw`a STORE 1:2 +FLAGS (\Seen)`,
        flags(1, String.raw`\Seen \Recent`),
        'a NO [EXPUNGEISSUED] Some of the messages were deleted by another session',
      ],
      [String.raw`a UID STORE 2 +FLAGS (\Seen)`, '* 2 EXPUNGE', OK],
    ]);
    expect(one.exists).toBe(2);
  });
});

test('[P-03] EXPUNGE removes what is \\Deleted, UID EXPUNGE of a set (RFC 9051 §6.4.3, §6.4.9)', async () => {
  const steps: Step[] = [
    [String.raw`a STORE 1:4 +FLAGS.SILENT (\Deleted)`, OK],
    ['a UID EXPUNGE 2,5,9', '* 2 EXPUNGE', 'a OK EXPUNGE completed'],
    ['a EXPUNGE now', 'a BAD Too many arguments'],
    ['a EXPUNGE', '* 3 EXPUNGE', '* 2 EXPUNGE', '* 1 EXPUNGE', 'a OK EXPUNGE completed'],
    ['a EXPUNGE', 'a OK EXPUNGE completed'],
    ['a UID EXPUNGE 1:*', 'a OK EXPUNGE completed'],
    ['a FETCH 1:* UID', '* 1 FETCH (UID 5)', 'a OK FETCH completed'],
  ];
  await talk({ messages: [...THREE, PLAIN, PLAIN], steps });
});

test('[P-03] after ENABLE QRESYNC: VANISHED, and the highest MODSEQ (RFC 7162 §3.2.7)', async () => {
  const steps: Step[] = [
    [String.raw`a STORE 1:2 +FLAGS.SILENT (\Deleted)`, /^\* 1 FETCH/, /^\* 2 FETCH/, OK],
    ['a EXPUNGE', '* VANISHED 1:2', /^a OK \[HIGHESTMODSEQ \d+\] EXPUNGE completed$/],
  ];
  await talk({ messages: THREE, first: ['ENABLE QRESYNC', 'SELECT INBOX'], steps });
});

test('[P-03] COPY and MOVE say which UIDs went where (RFC 9051 §6.4.7, §6.4.8)', async () => {
  const steps: Step[] = [
    ['a COPY 1 Other', /^a NO \[TRYCREATE\] /],
    ['a MOVE 1 Other', /^a NO \[TRYCREATE\] /],
    ['a CREATE Other', 'a OK CREATE completed'],
    [String.raw`a STORE 2 +FLAGS.SILENT (\Seen work)`, OK],
    ['a COPY 1:3 Other', /^a OK \[COPYUID \d+ 1:3 1:3\] COPY completed$/],
    ['a UID COPY 9 Other', 'a OK COPY completed: there are no such messages'],
    [
      'a MOVE 1,3 Other',
      /^\* OK \[COPYUID \d+ 1,3 4:5\] Moved$/,
      '* 3 EXPUNGE',
      '* 1 EXPUNGE',
      'a OK MOVE completed',
    ],
    ['a UID MOVE 2 Other', /^\* OK \[COPYUID \d+ 2 6\]/, '* 1 EXPUNGE', 'a OK MOVE completed'],
    ['a COPY 1 Other', 'a BAD There is no such message number'],
    ['a EXAMINE Other', /^\* OK \[CLOSED\]/, ...Array.from({ length: 8 }, () => /^\* /), /^a OK/],
    [
      'a FETCH 1:* (UID FLAGS)',
      '* 1 FETCH (UID 1 FLAGS ())',
      String.raw`* 2 FETCH (UID 2 FLAGS (\Seen work))`,
      '* 3 FETCH (UID 3 FLAGS ())',
      '* 4 FETCH (UID 4 FLAGS ())',
      '* 5 FETCH (UID 5 FLAGS ())',
      String.raw`* 6 FETCH (UID 6 FLAGS (\Seen work))`,
      'a OK FETCH completed',
    ],
  ];
  await talk({ messages: THREE, steps });
});

test('[P-03] a COPY of what another session deleted (RFC 2180 §4.4)', async () => {
  await withServer({ messages: THREE }, async ({ port }) => {
    const [one, other] = [await enter(port), await enter(port)];
    await other.ok(String.raw`a STORE 2 +FLAGS.SILENT (\Deleted)`);
    await one.ok('a NOOP');
    await one.ok('b CREATE Other');
    await other.ok('b EXPUNGE');
    await play(one, [
      ['a STORE 1 +FLAGS.SILENT (x)', OK],
      ['a COPY 2 Other', '* 2 EXPUNGE', /^a NO \[EXPUNGEISSUED\] /],
    ]);
  });
});
