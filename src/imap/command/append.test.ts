import { expect, test } from 'vitest';
import { MemoryStore } from '../../mailbox/memory.ts';
import { APPEND_BYTES_MAX } from '../options.ts';
import { StrictClient } from '../testing/client.ts';
import { withServer } from '../testing/server.ts';
import { enter, play, type Step, talk } from '../testing/talk.ts';

const LETTER = 'Subject: a\r\n\r\nText\r\n';
const OTHER = 'Subject: b\r\n\r\nMore\r\n';
const GO = '+ Go ahead';
const literal = (text: string, sign = ''): string => `{${text.length}${sign}}`;
const uid = (set: string): RegExp =>
  new RegExp(`^a OK \\[APPENDUID \\d+ ${set}\\] APPEND completed$`);

test.each(['whole', 1, 3, 17] as const)(
  '[P-03] APPEND in pieces of %s (RFC 9051 §6.3.12)',
  async (pieces) => {
    const date = '"17-Jul-1996 02:44:25 -0700"';
    const steps: Step[] = [
      [`a APPEND INBOX ${literal(LETTER)}`, GO],
      [`${LETTER}`, '* 1 EXISTS', '* 0 RECENT', uid('1')],
      [
        String.raw`a APPEND INBOX (\Seen $Forwarded x) ${date} ${literal(LETTER, '+')}` +
          `\r\n${LETTER}`,
        '* 2 EXISTS',
        '* 0 RECENT',
        uid('2'),
      ],
      [
        `a APPEND {5+}\r\nINBOX ${literal(LETTER, '+')}\r\n${LETTER}`,
        '* 3 EXISTS',
        '* 0 RECENT',
        uid('3'),
      ],
      [
        'a FETCH 2 (FLAGS INTERNALDATE BODY.PEEK[])',
        String.raw`* 2 FETCH (FLAGS ($Forwarded \Seen x) INTERNALDATE "17-Jul-1996 09:44:25 +0000"` +
          ` BODY[] ${literal(LETTER)}\r\n${LETTER})`,
        'a OK FETCH completed',
      ],
      ['a SEARCH ALL', '* SEARCH 1 2 3', 'a OK SEARCH completed'],
    ];
    await withServer({}, async ({ port }) => {
      const client = await enter(port, undefined, pieces);
      await play(client, steps);
    });
  },
);

test('[P-03] several messages in one command, all or none (RFC 3502 §6.3.11)', async () => {
  const steps: Step[] = [
    [
      `a APPEND INBOX ${literal(LETTER, '+')}\r\n${LETTER} (x) ${literal(OTHER, '+')}\r\n${OTHER}`,
      '* 2 EXISTS',
      '* 0 RECENT',
      uid('1:2'),
    ],
    [
      `a APPEND INBOX ${literal(LETTER, '+')}\r\n${LETTER} {0+}\r\n`,
      'a NO An empty message: nothing was appended',
    ],
    [`a APPEND INBOX ${literal(LETTER, '+')}\r\n${LETTER} nonsense`, 'a BAD A literal is missing'],
    [`a APPEND INBOX ${literal(LETTER, '+')}\r\n${LETTER} `, 'a BAD A literal is missing'],
    ['a NOOP', 'a OK NOOP completed'],
    ['a FETCH 1:* FLAGS', '* 1 FETCH (FLAGS ())', '* 2 FETCH (FLAGS (x))', 'a OK FETCH completed'],
  ];
  await talk({ steps });
});

test('[P-03] literal8 and UTF8 (RFC 3516 §4.4, RFC 6855 §4)', async () => {
  const steps: Step[] = [
    [`a APPEND INBOX ~${literal(LETTER, '+')}\r\n${LETTER}`, '* 1 EXISTS', '* 0 RECENT', uid('1')],
    [
      `a APPEND INBOX UTF8 (~${literal(LETTER, '+')}\r\n${LETTER})`,
      '* 2 EXISTS',
      '* 0 RECENT',
      uid('2'),
    ],
    [`a APPEND INBOX UTF8 (~${literal(LETTER, '+')}\r\n${LETTER}`, 'a BAD ) expected'],
  ];
  await talk({ steps });
});

test('[P-03] what cannot be appended is refused before its octets (RFC 9051 §6.3.12)', async () => {
  const steps: Step[] = [
    ['a APPEND nothing {10}', /^a NO \[TRYCREATE\] /],
    ['a APPEND INBOX {99999999999}', /^a NO \[TOOBIG\] /],
    ['a APPEND INBOX', 'a BAD An argument is missing'],
    ['a APPEND INBOX "text"', /^a BAD /],
    [String.raw`a APPEND INBOX (\Nonsense) {10}`, 'a BAD There is no such system flag'],
    ['a APPEND INBOX "31-Feb-2026 00:00:00 +0000" {10}', /^a BAD A date and time /],
    // What comes without waiting is skipped, and both stay in step.
    [`a APPEND nothing ${literal(LETTER, '+')}\r\n${LETTER}`, /^a NO \[TRYCREATE\] /],
    ['a NOOP', 'a OK NOOP completed'],
  ];
  await talk({ steps });
});

test('[P-03] a mailbox that is full (RFC 9208 §4.3.1)', async () => {
  await withServer({}, async ({ port, auth }) => {
    auth.account = { ...auth.account, quotaBytes: 100 };
    const client = await enter(port);
    await play(client, [
      ['a APPEND INBOX {200}', /^a NO \[OVERQUOTA\] /],
      [`a APPEND INBOX {50+}\r\n${'x'.repeat(50)}`, '* 1 EXISTS', '* 0 RECENT', uid('1')],
      [`a APPEND INBOX {51+}\r\n${'x'.repeat(51)}`, /^a NO \[OVERQUOTA\] /],
    ]);
  });
});

test('[P-03] messages of one APPEND count together: quota and limit before they come', async () => {
  const first = `a APPEND INBOX ${literal(LETTER, '+')}\r\n${LETTER}`;
  await withServer({}, async ({ port, auth }) => {
    const most = APPEND_BYTES_MAX - LETTER.length;
    await play(await enter(port), [
      [`${first} {${most + 1}}`, /^a NO \[LIMIT\] /],
      [`${first} {${most}}`, /^a NO \[TOOBIG\] /], // Too much for one message alone.
    ]);
    auth.account = { ...auth.account, quotaBytes: 100 };
    const client = await enter(port);
    await play(client, [
      [`${first} {${101 - LETTER.length}}`, /^a NO \[OVERQUOTA\] /],
      [`${first} {${100 - LETTER.length}}`, GO],
    ]);
  });
});

test('[P-03] a client that breaks off leaves nothing', async () => {
  const store = new MemoryStore();
  await withServer({ store }, async ({ port }) => {
    const client = await enter(port);
    client.write(`a APPEND INBOX {100+}\r\n${'x'.repeat(60)}`);
    client.socket.end();
    await expect.poll(() => client.socket.destroyed, { timeout: 20_000 }).toBe(true);
    const next = await enter(port);
    await play(next, [['a SEARCH ALL', '* SEARCH', 'a OK SEARCH completed']]);
  });
});

test('[P-03] a message of some megabytes comes back as it went (RFC 9051 §6.3.12)', async () => {
  const letter = `Subject: big\r\n\r\n${'0123456789abcdef'.repeat(64)}\r\n`.repeat(3000);
  await withServer({}, async ({ port }) => {
    const client: StrictClient = await enter(port);
    client.line(`a APPEND INBOX {${letter.length}}`);
    await client.until('a');
    client.line(letter);
    expect((await client.until('a')).at(-1)).toMatch(/^a OK/);
    const [row = ''] = await client.ok('a FETCH 1 BODY.PEEK[]');
    expect(row === `* 1 FETCH (BODY[] {${letter.length}}\r\n${letter})`).toBe(true);
  });
});
