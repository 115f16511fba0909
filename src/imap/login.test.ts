import { constants, deflateRawSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { defaults } from '../config/options.ts';
import { testTls } from '../smtp/testing/certificate.ts';
import { StoreError } from '../volumes/error.ts';
import { type CapabilityFacts, capabilities } from './capabilities.ts';
import { COMMANDS } from './commands.ts';
import { IMAP_OPTIONS } from './options.ts';
import { StrictClient } from './testing/client.ts';
import { withServer } from './testing/server.ts';

const FAR = '203.0.113.9';
const LOGIN = 'in LOGIN tevie "secret word"';

async function connect(port: number): Promise<StrictClient> {
  const client = await StrictClient.connect(port);
  await client.response();
  return client;
}

const names = async (client: StrictClient): Promise<string[]> =>
  ((await client.ok('c CAPABILITY'))[0] ?? '').split(' ').slice(2);

test('[P-03] without TLS a password is not taken from afar, and LOGIN is not offered', async () => {
  const options = { tls: testTls(), remoteAddress: FAR };
  await withServer(options, async ({ port, auth }) => {
    const client = await connect(port);
    const offered = await names(client);
    expect(offered).toContain('LOGINDISABLED');
    expect(offered).toContain('STARTTLS');
    expect(offered.filter((name) => name.startsWith('AUTH='))).toEqual([]);
    expect((await client.command(LOGIN)).at(-1)).toMatch(/^in NO \[PRIVACYREQUIRED\] /);
    expect((await client.command('a AUTHENTICATE PLAIN')).at(-1)).toMatch(/^a NO \[PRIVACY/);
    expect(auth.attempts).toEqual([]);
    await client.ok('t STARTTLS');
    await client.startTls();
    const now = await names(client);
    expect(now).not.toContain('LOGINDISABLED');
    expect(now).not.toContain('STARTTLS');
    expect((await client.command('t STARTTLS')).at(-1)).toMatch(/^t BAD /);
    await client.ok(LOGIN);
    client.close();
  });
});

test('[P-03] what was sent before TLS does not count after it', async () => {
  await withServer({ tls: testTls() }, async ({ port, auth }) => {
    for (const injected of [`${LOGIN}\r\nc CAPABILITY\r\n`, 'x NOO', 'x LOGIN {5+}\r\nte']) {
      const client = await connect(port);
      client.write(`t STARTTLS\r\n${injected}`);
      expect(await client.response()).toBe('t OK Begin TLS negotiation');
      await client.startTls();
      expect(await client.command('first NOOP')).toEqual(['first OK NOOP completed']);
      expect((await client.command('s SELECT INBOX')).at(-1)).toMatch(/^s BAD /);
      client.close();
    }
    expect(auth.attempts).toEqual([]);
  });
});

const VERDICTS = [
  [{ kind: 'suspended' }, 'AUTHORIZATIONFAILED'],
  [{ kind: 'throttled', retryAfterMs: 2_500 }, 'UNAVAILABLE'],
  [{ kind: 'unavailable' }, 'UNAVAILABLE'],
  [{ kind: 'refused' }, 'AUTHENTICATIONFAILED'],
] as const;

test.each(VERDICTS)('[P-03] a login that is %j answers %s', async (verdict, code) => {
  await withServer({}, async ({ port, auth }) => {
    auth.verdict = verdict;
    const client = await connect(port);
    expect((await client.command(LOGIN)).at(-1)).toMatch(new RegExp(`^in NO \\[${code}\\] .`));
    expect(auth.attempts[0]).toMatchObject({ service: 'imap', login: 'tevie' });
    client.close();
  });
});

test('[P-03] a mailbox that is not there now is UNAVAILABLE, never empty', async () => {
  const store = {
    openMail: () => Promise.reject(new StoreError('volume-down', '/mail1 does not answer')),
  };
  await withServer({ store }, async ({ port }) => {
    const client = await connect(port);
    expect((await client.command(LOGIN)).at(-1)).toMatch(/^in NO \[UNAVAILABLE\] /);
    expect((await client.command('s SELECT INBOX')).at(-1)).toMatch(/^s BAD /);
    client.close();
  });
});

test('[P-03] who guesses passwords is sent away', async () => {
  await withServer({ values: { 'imap.failed-logins.max': 2 } }, async ({ port }) => {
    const client = await connect(port);
    await client.command('1 LOGIN tevie wrong');
    expect(await client.command('2 LOGIN tevie wrong')).toEqual([
      '* BYE Too many failed logins, closing',
      expect.stringMatching(/^2 NO \[AUTHENTICATIONFAILED\] /),
    ]);
    expect(await client.response()).toBe(undefined);
  });
});

test('[P-03] COMPRESS=DEFLATE: both ways, once (RFC 4978)', async () => {
  const messages = [`Subject: big\n\n${'The same line again.\n'.repeat(20_000)}`];
  await withServer({ messages }, async ({ port }) => {
    const client = await connect(port);
    await client.ok(LOGIN);
    expect((await client.command('1 COMPRESS LZW')).at(-1)).toMatch(/^1 BAD /);
    await client.ok('2 COMPRESS DEFLATE');
    client.startCompression();
    const before = client.socket.bytesRead;
    await client.ok('3 SELECT INBOX');
    const [body] = await client.ok('4 FETCH 1 (BODY.PEEK[TEXT])');
    expect(body?.length).toBeGreaterThan(400_000);
    expect(client.socket.bytesRead - before).toBeLessThan(40_000);
    expect((await client.command('5 COMPRESS DEFLATE')).at(-1)).toMatch(/^5 NO \[COMPRESSIONACT/);
    expect(await names(client)).not.toContain('COMPRESS=DEFLATE');
    client.line('6 LOGOUT');
    expect((await client.until('6')).at(-1)).toBe('6 OK LOGOUT completed');
    expect(await client.response()).toBe(undefined);
  });
});

test('[P-03] compressed commands that came before the end of the connection are answered', async () => {
  await withServer({}, async ({ port }) => {
    const client = await connect(port);
    await client.ok(LOGIN);
    await client.ok('2 COMPRESS DEFLATE');
    client.startCompression();
    const text = `${'3 NOOP\r\n'.repeat(5_000)}4 NOOP\r\n`;
    client.socket.end(deflateRawSync(text, { finishFlush: constants.Z_SYNC_FLUSH }));
    const last = '4 OK NOOP completed';
    let told = 0;
    for (let line = await client.response(); line !== last; line = await client.response()) {
      expect(line).toBe('3 OK NOOP completed');
      told += 1;
    }
    expect(told).toBe(5_000);
  });
});

const FACTS: CapabilityFacts = {
  state: 'after-login',
  password: 'allowed',
  starttls: 'not-offered',
  compress: 'offered',
  appendMax: 1000,
};

test('[P-03] CAPABILITY has what the product promises', () => {
  const found = new Set(capabilities(COMMANDS, FACTS).split(' '));
  const promised = (
    'IMAP4rev1 IMAP4rev2 IDLE UIDPLUS MOVE CONDSTORE QRESYNC NOTIFY SPECIAL-USE NAMESPACE ID ' +
    'ENABLE QUOTA SORT THREAD=REFERENCES ESEARCH LIST-EXTENDED LIST-STATUS LITERAL- UNSELECT ' +
    'COMPRESS=DEFLATE APPENDLIMIT=1000'
  ).split(' ');
  expect(promised.filter((name) => !found.has(name))).toEqual([]);
});

test('[P-03] a command that is not in the table is not announced', () => {
  const { NOTIFY: _, ...rest } = COMMANDS;
  expect(capabilities(rest, FACTS).split(' ')).not.toContain('NOTIFY');
  expect(capabilities({ NOOP: true }, FACTS)).toBe('LITERAL-');
});

test('an idle session is ended after 30 minutes at the earliest (RFC 9051 §5.4)', () => {
  expect(IMAP_OPTIONS['imap.idle.timeout'].min).toBe(30 * 60_000);
  expect(defaults(IMAP_OPTIONS)['imap.idle.timeout']).toBeGreaterThanOrEqual(30 * 60_000);
});
