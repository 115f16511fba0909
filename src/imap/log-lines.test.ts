/** What a client sends can stand in a log line, and do nothing there. */
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { createLogger } from '../log/logger.ts';
import { collectingLogger, type LogLine } from '../log/testing.ts';
import { MemoryStore } from '../mailbox/memory.ts';
import { encodeUtf7 } from '../mailbox/utf7.ts';
import { StoreError } from '../volumes/error.ts';
import { StrictClient } from './testing/client.ts';
import { withServer } from './testing/server.ts';

const FORGED = '"}\r\n{"level":"error","message":"forged"}\r\n';
const HOSTILE = [
  ['a line of its own', FORGED],
  ['CR', 'a\rb'],
  ['LF', 'a\nb'],
  ['a terminal sequence', '\u001b[2J\u001b]0;title\u0007'],
  ['a terminal sequence of one octet', '\u009b31m'],
  ['line separators', 'a\u2028b\u2029c\u0085d'],
  ['reversed writing', 'gpj.\u202eexe\u2066\u061c\u200f'],
  ['what nobody sees', 'a\u200bb\u2060c\ufeffd\u00ade'],
  ['much', 'y'.repeat(4_000)],
] as const;

const literal = (text: string): string => {
  const octets = Buffer.from(text);
  return `{${octets.length}+}\r\n${octets.toString('latin1')}`;
};

/** Every place where a client's words may reach a log. */
const commands = (text: string): string[] => [
  `${text} NOOP`,
  `a ${text}`,
  `a LOGIN ${literal(text)} ${literal(text)}`,
  `a LOGIN tevie ${literal(text)}`,
  `a AUTHENTICATE PLAIN ${Buffer.from(`\0${text}\0${text}`).toString('base64')}`,
  `a ID ("name" ${literal(text)} "version" ${literal(text)} ${literal(text)} "x")`,
  'a LOGIN tevie "secret word"',
  `a SELECT ${literal(text)}`,
  `a SELECT ${literal(encodeUtf7(text))}`,
  `a CREATE ${literal(encodeUtf7(text))}`,
  `a APPEND ${literal(encodeUtf7(text))} {1+}\r\nx`,
  `a SELECT INBOX`,
  `a STATUS ${literal(text)} (MESSAGES)`,
  `a CREATE ${literal(text)}`,
  `a APPEND ${literal(text)} {1+}\r\nx`,
  `a RENAME ${literal(text)} ${literal(text)}`,
  `a SEARCH CHARSET ${literal(text)} ALL`,
  `a ENABLE ${text}`,
  `a LOGOUT`,
];

/** A store in trouble, with names of folders in what it says. */
function troubledStore() {
  const inner = new MemoryStore();
  const trouble = (what: string) => (name: unknown) =>
    Promise.reject(new StoreError('volume-down', `${what} ${String(name)}: no answer`));
  const openMail: MemoryStore['openMail'] = async (account) =>
    Object.assign(await inner.openMail(account), {
      open: trouble('open'),
      create: trouble('mkdir'),
      draft: (name: string) => Promise.reject(new Error(`draft in ${name}`)),
    });
  return { openMail };
}

// oxlint-disable-next-line no-control-regex -- control characters are what this looks for.
const UNSAFE =
  /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/;

test.each(HOSTILE)(
  '[P-03] [P-11] %s: log lines stay one harmless line each',
  async (_name, text) => {
    const lines: string[] = [];
    const logger = createLogger({
      level: 'debug',
      time: 'iso',
      destination: { write: (line) => void lines.push(line) },
    });
    const values = { 'imap.bad-commands.max': 1_000, 'imap.failed-logins.max': 100 };
    await withServer({ logger, values, store: troubledStore() }, async ({ port, service }) => {
      const client = await StrictClient.connect(port);
      client.strict = false; // An answer has no control either; that is looked at here.
      for (const command of commands(text)) client.line(command);
      let told = '';
      for (;;) {
        const response = await client.response();
        if (response === undefined) break;
        told += response;
      }
      // oxlint-disable-next-line no-control-regex -- control characters are what this looks for.
      expect(told.replaceAll('\r\n', '')).not.toMatch(/[\u0000-\u001f]/);
      while (service.connections > 0) await sleep(5);
    });
    expect(lines.length).toBeGreaterThan(1);
    for (const line of lines) {
      expect(line.endsWith('}\n')).toBe(true);
      expect(line.slice(0, -1)).not.toMatch(UNSAFE);
      expect(line.length).toBeLessThan(8_192);
      expect(JSON.parse(line)).not.toMatchObject({ message: 'forged' });
    }
    expect(lines.join('')).not.toContain('secret word');
  },
);

test('[P-11] one log line for each session, with who it was, and no password in any', async () => {
  const lines: LogLine[] = [];
  const messages = ['Subject: x\n\nText\n'];
  await withServer({ messages, logger: collectingLogger(lines) }, async ({ port, service }) => {
    const client = await StrictClient.connect(port);
    await client.response();
    await client.ok('a ID ("name" "Client" "version" "1.0")');
    await client.command('b LOGIN tevie wrong');
    await client.ok('c LOGIN tevie "secret word"');
    await client.ok('d SELECT INBOX');
    await client.ok('e FETCH 1 BODY[]');
    await client.ok('f LOGOUT');
    while (service.connections > 0) await sleep(5);
  });
  expect(lines).toEqual([
    {
      level: 'info',
      message: 'IMAP session',
      trace: 'session1',
      address: '127.0.0.1',
      user: 'tevie@t1.example',
      tls: false,
      client: 'Client 1.0',
      commands: 6,
      fetched: 1,
      octets: 20,
      failedLogins: 1,
      ms: expect.any(Number) as number,
      reason: 'logout',
    },
  ]);
});
