import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { expect, test } from 'vitest';
import { cleanText, isSecretKey, REDACTED } from './clean.ts';
import { createLogger, type LoggerOptions } from './logger.ts';
import type { Logger } from './types.ts';
import { wireLine } from './wire.ts';

const clock = { now: () => 1_795_254_305_007.9, sleep: () => Promise.resolve() };

function open(options: Partial<LoggerOptions> = {}): { log: Logger; raw: string[] } {
  const raw: string[] = [];
  const destination = { write: (line: string) => void raw.push(line) };
  return {
    log: createLogger({ level: 'debug', time: 'iso', clock, destination, ...options }),
    raw,
  };
}

const parse = (raw: readonly string[]): unknown[] => raw.map((line) => JSON.parse(line) as unknown);

test('[P-11] a line is one JSON object with level, time, bindings, fields and message', () => {
  const { log, raw } = open({ bindings: { node: 'front1' } });
  log.child({ session: 'q7f3k', proto: 'pop3' }).info({ bytes: 12, tls: true }, 'session ends');
  expect(raw).toEqual([
    '{"level":"info","time":"2026-11-21T09:45:05.007Z","node":"front1","session":"q7f3k",' +
      '"proto":"pop3","bytes":12,"tls":true,"message":"session ends"}\n',
  ]);
});

test('epoch time, and the next second', () => {
  const { log, raw } = open({ time: 'epoch' });
  log.warn({}, 'x');
  expect(parse(raw)).toEqual([{ level: 'warn', time: 1_795_254_305_007, message: 'x' }]);
  const later = open({ clock: { ...clock, now: () => 1_795_254_306_000 } });
  later.log.warn({}, 'x');
  expect(parse(later.raw)).toMatchObject([{ time: '2026-11-21T09:45:06.000Z' }]);
});

test('levels below the one asked for write nothing', () => {
  const { log, raw } = open({ level: 'warn' });
  for (const level of ['debug', 'info', 'warn', 'error'] as const) log.child({})[level]({}, level);
  expect(parse(raw)).toMatchObject([{ message: 'warn' }, { message: 'error' }]);
});

const SECRETS = ['password', 'pass', 'Password', 'bindPassword', 'bind_password', 'authorization'];
SECRETS.push(
  'Authorization',
  'credentials',
  'credential',
  'userPassword',
  'x-token',
  'proxySecret',
);

test.for(SECRETS)('a value under %s is never logged, wherever it stands', (key) => {
  const { log, raw } = open({ bindings: { [key]: 'hunter2' } });
  const child = log.child({ [key]: 'hunter2', deep: { [key]: ['hunter2'] } });
  child.error({ [key]: 'hunter2', list: [{ a: { [key]: 'hunter2' } }] }, 'refused');
  child.error({ map: new Map([[key, 'hunter2']]) }, 'refused');
  expect(raw.join('')).not.toContain('hunter2');
  expect(raw.join('')).toContain(REDACTED);
});

test('words that only look like secrets are kept', () => {
  const keys = ['passed', 'bypass', 'compass', 'passwordless', 'tokens', 'account', 'session'];
  expect(keys.filter(isSecretKey)).toEqual([]);
});

const HOSTILE: readonly [what: string, text: string][] = [
  ['a forged line', 'x"}\n{"level":"info","message":"delivered'],
  ['CR and LF', 'a\r\nb'],
  ['a terminal sequence', '\u001b[2J\u009b31m\u007f'],
  ['line separators of JavaScript', 'a\u2028b\u2029c'],
  ['reversed writing', 'gpj.\u202eexe\u2066\u061c'],
  ['what nobody sees', 'a\u00adb\u180ec\u200bd\ufeffe\ufff9f'],
  ['a lone surrogate', 'a\ud800b'],
  ['NUL', 'a\0b'],
];

test.for(HOSTILE)('a hostile name stays one harmless line: %s', ([, text]) => {
  const { log, raw } = open();
  log.child({ user: text }).info({ [text]: text, list: [text] }, text);
  expect(raw).toHaveLength(1);
  expect(raw[0]).toMatch(/^[^\n]*\n$/);
  // oxlint-disable-next-line no-control-regex -- control characters are what this looks for.
  expect(raw[0]?.trimEnd()).not.toMatch(/[\p{Cc}\p{Cf}\u2028\u2029]/u);
  expect(() => parse(raw)).not.toThrow();
});

test('values without end are cut', () => {
  const { log, raw } = open();
  const ring: Record<string, unknown> = { name: 'ring' };
  ring['self'] = ring;
  const many = Array.from({ length: 10_000 }, (_, i) => i);
  log.info(
    { text: 'x'.repeat(1e6), ring, many, raw: Buffer.alloc(1e6), big: 10n },
    'x'.repeat(1e6),
  );
  expect(raw[0]?.length).toBeLessThan(4096);
  expect(cleanText('x'.repeat(1025))).toBe(`${'x'.repeat(1024)}…(1025 characters)`);
});

test('an error is name, message, code, places and causes', () => {
  const { log, raw } = open();
  const cause = Object.assign(new Error('connect failed\n\u009b'), { code: 'ECONNREFUSED' });
  log.error({ error: new TypeError('no directory', { cause }) }, 'cannot start');
  log.error(new RangeError('bare'), 'bare');
  expect(parse(raw)).toMatchObject([
    {
      error: {
        type: 'TypeError',
        message: 'no directory',
        stack: expect.arrayContaining([expect.stringMatching(/^at /)]) as unknown,
        cause: { message: 'connect failed\n\\u009b', code: 'ECONNREFUSED' },
      },
    },
    { error: { type: 'RangeError', message: 'bare' } },
  ]);
});

test('wire traces reveal in steps', () => {
  const kinds = ['command', 'credential', 'body'] as const;
  const shown = (['off', 'commands', 'credentials', 'bodies'] as const).map((trace) =>
    kinds.map((kind) => wireLine(trace, kind, 'x')),
  );
  expect(shown).toEqual([
    [undefined, undefined, undefined],
    ['x', '***', '...'],
    ['x', 'x', '...'],
    ['x', 'x', 'x'],
  ]);
});

const ENDS: readonly (readonly [string, string, number])[] = [
  ['kill -9 after a warning', "log.warn({}, 'last'); process.kill(process.pid, 'SIGKILL')", 501],
  ['kill -9 a moment later', "setTimeout(() => process.kill(process.pid, 'SIGKILL'), 100)", 500],
  ['exit', 'process.exit(0)', 500],
  ['an exception', "throw new Error('bug')", 500],
];

test.for(ENDS)('no line is lost: %s', async ([, end, lines]) => {
  const script = `
    import { createLogger } from './src/log/logger.ts';
    const log = createLogger({ level: 'info', time: 'iso' });
    for (let i = 0; i < 500; i++) log.info({ i }, 'line');
    ${end};`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script]);
  let text = '';
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
  await once(child, 'close');
  const written = text.split('\n').slice(0, -1);
  expect(written).toHaveLength(lines);
  const numbers = written.slice(0, 500).map((line) => (JSON.parse(line) as { i: number }).i);
  expect(numbers).toEqual(numbers.map((_, index) => index)); // In order.
});

test('the first line after a quiet time is written at once', async () => {
  const script = `
    import { createLogger } from './src/log/logger.ts';
    createLogger({ level: 'info', time: 'iso' }).info({}, 'started');
    process.kill(process.pid, 'SIGKILL');`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script]);
  let text = '';
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
  await once(child, 'close');
  expect(text).toContain('started');
});
