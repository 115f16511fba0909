import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, expect } from 'vitest';
import { testDirectory } from '../../harness/directory.ts';
import { run, saidBy } from '../../harness/process.ts';
import { append, named, plainLetters } from './letters.ts';
import { type ImapLogin, type ImapServer, chatTo, expectFilesAgree } from './servers.ts';

export const CURL = '/usr/bin/curl';

type Ask = (path: string, ...words: readonly string[]) => Promise<Buffer>;

function curl(home: string, login: ImapLogin, mode: 'clear' | 'starttls' | 'implicit'): Ask {
  const host = mode === 'clear' ? login.host : 'localhost';
  const place =
    mode === 'implicit' ? `imaps://${host}:${login.imaps}` : `imap://${host}:${login.port}`;
  const trust = mode === 'clear' ? [] : ['--cacert', login.authority, '--ssl-reqd'];
  const who = ['-u', `${login.user}:${login.password}`];
  return async (path, ...words) => {
    const argv = [CURL, '-q', '-sS', '-4', ...trust, ...who, ...words, `${place}/${path}`];
    const result = await run(argv, { env: { HOME: home } });
    if (result.code !== 0) throw new Error(`${argv.join(' ')}: ${result.code}\n${saidBy(result)}`);
    return result.stdout;
  };
}

/** FETCH, APPEND, SEARCH, STORE, LIST and EXPUNGE by curl, in clear, with STARTTLS and by imaps. */
export async function curlAsks(ctx: TestContext, server: ImapServer): Promise<void> {
  const login = await server.user('curl');
  const home = testDirectory(ctx);
  const chat = await chatTo(login);
  const wires = plainLetters(6);
  await chat.ok('SELECT INBOX'); // The letter that came by LMTP has its number from here on.
  await append(chat, 'INBOX', wires);
  const ask = curl(home, login, 'clear');
  for (const [at, wire] of wires.entries()) {
    expect((await ask(`INBOX;MAILINDEX=${at + 2}`)).equals(wire), `letter ${at}`).toBe(true);
  }
  for (const mode of ['starttls', 'implicit'] as const) {
    const got = await curl(home, login, mode)('INBOX;MAILINDEX=2');
    expect(got.equals(wires[0]!), mode).toBe(true);
  }
  expect(String(await ask('INBOX;MAILINDEX=1;SECTION=TEXT'))).toMatch(/The first\./);

  const file = join(home, 'letter');
  writeFileSync(file, named('sent by curl'));
  await ask('INBOX', '-T', file);
  expect(String(await ask('INBOX?SUBJECT%20%22sent%20by%20curl%22'))).toBe('* SEARCH 8\r\n');
  expect(String(await ask('INBOX?SUBJECT%20nobody'))).toMatch(/^\* SEARCH *\r\n$/);
  expect((await ask('INBOX;MAILINDEX=8')).equals(named('sent by curl'))).toBe(true);

  const store = await ask('INBOX', '-X', 'STORE 1 +FLAGS (\\Flagged)');
  expect(String(store)).toMatch(/^\* 1 FETCH \(.*FLAGS \([^)]*\\Flagged/m);
  await ask('', '-X', 'CREATE Curl');
  expect(String(await ask(''))).toMatch(/^\* LIST \([^)]*\) "." "?Curl"?\r$/m);
  await ask('INBOX', '-X', 'COPY 8 Curl');
  expect((await ask('Curl;MAILINDEX=1')).equals(named('sent by curl'))).toBe(true);
  await ask('INBOX', '-X', 'STORE 8 +FLAGS.SILENT (\\Deleted)');
  expect(String(await ask('INBOX', '-X', 'EXPUNGE'))).toMatch(/^\* 8 EXPUNGE\r$/m);
  const refused = curl(home, { ...login, password: 'wrong' }, 'clear')('INBOX;MAILINDEX=1');
  await expect(refused).rejects.toThrow(/67/);
  await chat.logout();
  await expectFilesAgree(ctx, login);
}
