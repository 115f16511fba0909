import { expect, test } from 'vitest';
import { seededRandom } from '../../test/fixtures/random.ts';
import { collectingLogger, type LogLine } from '../log/testing.ts';
import { COMMAND_NAMES, type CommandName } from './metrics.ts';
import { StrictClient } from './testing/client.ts';
import { startServer } from './testing/server.ts';

const SEED = Number(process.env['FUZZ_SEED'] ?? 1);
const RUNS = Number(process.env['MAILFARM_FUZZ_RUNS'] ?? 1_000);

// After these no probe is answered.
const LAST: readonly CommandName[] = ['LOGOUT', 'STARTTLS', 'COMPRESS'];
const COMMANDS = [...COMMAND_NAMES.filter((name) => !LAST.includes(name)), 'AUTHENTICATE PLAIN'];

const WORDS = [
  ' ',
  ' ',
  ' ',
  ' ',
  '(',
  ')',
  '(',
  ')',
  '"',
  '\\',
  '*',
  '%',
  '1',
  '1:*',
  '$',
  '0',
  '2,3',
  'INBOX',
  'x',
  '4294967295',
  '4294967296',
  '99999999999999999999',
  '{3}\r\nabc',
  '{3+}\r\nabc',
  '{0+}\r\n',
  '~{2+}\r\n\0\0',
  '{4097+}\r\n',
  '{1048577}\r\n',
  '{-1}\r\n',
  '{',
  '}',
  '\r',
  '\n',
  '\r\n',
  '\0',
  '\xff\xfe',
  '\xc0\x80',
  '&AOk-',
  '&',
  '&&',
  '../',
  '__proto__',
  'constructor',
  'FLAGS',
  'BODY[]',
  'BODY.PEEK[HEADER.FIELDS (A B)]<0.5>',
  'BODYSTRUCTURE',
  'ENVELOPE',
  'ALL',
  'BODY[1.2.3.MIME]',
  'BINARY[1]',
  '(UID MODSEQ)',
  '(CHANGEDSINCE 1 VANISHED)',
  'RETURN (MIN)',
  '+FLAGS.SILENT',
  '(\\Seen \\Deleted)',
  '(UNCHANGEDSINCE 1)',
  'OR',
  'NOT',
  'HEADER',
  'SINCE',
  '1-Jan-2020',
  '" 1-Jan-2020 00:00:00 +0000"',
  'UTF-8',
  '(DATE)',
  'REFERENCES',
  'CHARSET',
  '(QRESYNC (1 1 1:5 (1 1)))',
  '(CONDSTORE)',
  '(MESSAGES SIZE)',
  'CONDSTORE QRESYNC IMAP4rev2',
  'SET (PERSONAL (MessageNew MessageExpunge))',
  'NONE',
  'DONE',
  'x'.repeat(5_000),
  'NIL',
  '==',
] as const;

function hostile(next: (below: number) => number): Buffer {
  let text = '';
  for (let lines = 1 + next(3); lines > 0; lines -= 1) {
    text += next(10) === 0 ? '' : `t${next(9)} ${COMMANDS[next(COMMANDS.length)]} `;
    for (let parts = next(9); parts > 0; parts -= 1) {
      const kind = next(14);
      if (kind === 0) for (let n = next(40); n > 0; n -= 1) text += String.fromCharCode(next(256));
      else text += WORDS[next(WORDS.length)];
    }
    text += '\r\n';
  }
  return Buffer.from(text, 'latin1');
}

const STATES = [
  ['not authenticated', []],
  ['authenticated', ['in LOGIN tevie "secret word"']],
  ['selected', ['in LOGIN tevie "secret word"', 's SELECT INBOX']],
] as const;

/** Ends whatever the input began: a SASL exchange, IDLE, a literal, a quoted string. */
const FLUSH = `\r\n*\r\nDONE\r\n${'z'.repeat(4_100)}\r\n\r\n`;

/** Sends an input, then a probe; every response is held against the grammar on the way. */
async function probe(client: StrictClient, input: Buffer, mark: string): Promise<boolean> {
  client.write(Buffer.concat([input, Buffer.from(`${FLUSH}${mark} NOOP\r\n`)]));
  for (;;) {
    const response = await client.response();
    if (response === undefined) return false;
    if (response.startsWith(`${mark} OK`)) return true;
  }
}

test.each(STATES)(
  `[P-03] ${RUNS} hostile inputs %s: an answer in the grammar to each, no crash (FUZZ_SEED=${SEED})`,
  async (_name, commands) => {
    const lines: LogLine[] = [];
    const server = await startServer({
      messages: ['Subject: one\n\nx\n', 'Subject: two\n\ny\n'],
      values: { 'imap.bad-commands.max': 10_000, 'imap.failed-logins.max': 100 },
      logger: { ...collectingLogger(lines), info: () => {} },
    });
    const next = seededRandom(SEED).below;
    let client: StrictClient | undefined;
    let closed = 0;
    for (let run = 0; run < RUNS; run += 1) {
      if (client === undefined) {
        client = await StrictClient.connect(server.port);
        client.counts = false; // What it selects and leaves is in no order.
        client.utf8 = true;
        await client.response();
        for (const command of commands) await client.ok(command);
      }
      const input = hostile(next);
      try {
        if (await probe(client, input, `probe${run}`)) continue;
      } catch (error) {
        const shown = JSON.stringify(input.toString('latin1'));
        throw new Error(`run ${run}, FUZZ_SEED=${SEED}, input ${shown}`, { cause: error });
      }
      closed += 1;
      client.close();
      client = undefined;
    }
    client?.close();
    await server.close();
    expect(lines.filter(({ level }) => level === 'error')).toEqual([]); // No MF-IMAP-001.
    expect(closed).toBeLessThan(RUNS / 2);
  },
  Math.max(120_000, RUNS * 20),
);
