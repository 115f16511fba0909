import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, expect } from 'vitest';
import { testDirectory } from '../../harness/directory.ts';
import { startDovecot } from '../../harness/peers.ts';
import { run, saidBy } from '../../harness/process.ts';
import { append, named, plainLetters } from './letters.ts';
import {
  type ImapLogin,
  type ImapServer,
  type View,
  chatTo,
  expectFilesAgree,
  filled,
  viewOf,
} from './servers.ts';

export const INTERIMAP = '/usr/bin/interimap';

const section = (name: string, login: ImapLogin, more: readonly string[]): string[] => [
  `[${name}]`,
  'type = imap',
  `host = ${login.host}`,
  `port = ${login.port}`,
  `username = ${login.user}`,
  `password = ${login.password}`,
  'auth = LOGIN',
  'STARTTLS = NO',
  ...more,
  '',
];

/** interimap between two servers; it resynchronises by QRESYNC alone (RFC 7162). */
function interimap(home: string, near: ImapLogin, far: ImapLogin): () => Promise<string> {
  const file = join(home, 'interimap');
  const lines = [
    `database = ${join(home, 'database')}`,
    '',
    ...section('local', near, ['compress = NO']),
    ...section('remote', far, ['compress = YES']),
  ];
  writeFileSync(file, lines.join('\n'), { mode: 0o600 });
  return async () => {
    const result = await run([INTERIMAP, `--config=${file}`], { env: { HOME: home } });
    const said = saidBy(result);
    if (result.code !== 0) throw new Error(`interimap: exit ${result.code}\n${said}`);
    return said;
  };
}

async function reference(ctx: TestContext, directory: string): Promise<ImapLogin> {
  const users = { near: 'demo' };
  const server = await startDovecot({ directory, maildir: `${directory}/near-mail/%u`, users });
  ctx.onTestFinished(() => server.stop());
  const to = { host: '127.0.0.1', port: server.imap, imaps: 0, authority: '' };
  return { ...to, user: 'near', password: 'demo' };
}

async function expectEqual(near: ImapLogin, far: ImapLogin): Promise<View> {
  const view = filled(await viewOf(far));
  expect(filled(await viewOf(near))).toEqual(view);
  return view;
}

/** Dovecot on the near side, the server on the far one; keywords go along. */
export async function interimapBothWays(ctx: TestContext, server: ImapServer): Promise<void> {
  const directory = testDirectory(ctx);
  mkdirSync(join(directory, 'near-mail'));
  chmodSync(join(directory, 'near-mail'), 0o777);
  const far = await server.user('interimap');
  const near = await reference(ctx, directory);
  const [farChat, nearChat] = [await chatTo(far), await chatTo(near)];
  await append(farChat, 'INBOX', plainLetters(6), '$Forwarded');
  await append(nearChat, 'INBOX', [named('near')], '\\Seen Own');
  await farChat.ok('CREATE "Fern"');
  await append(farChat, 'Fern', [named('far one'), named('far two')], '\\Flagged');
  const sync = interimap(directory, near, far);
  await sync();
  const first = await expectEqual(near, far);
  expect(Object.keys(first).toSorted()).toEqual(['Fern', 'INBOX']);
  expect(first['INBOX']).toHaveLength(1 + 6 + 1);

  for (const chat of [farChat, nearChat]) await chat.ok('SELECT INBOX');
  await farChat.ok('STORE 1 +FLAGS (\\Answered Later)');
  await farChat.ok('STORE 2 +FLAGS (\\Deleted)');
  await farChat.ok('EXPUNGE');
  await append(farChat, 'INBOX', [named('far three')]);
  await nearChat.ok('STORE 4 +FLAGS (\\Flagged)');
  await nearChat.ok('STORE 5 -FLAGS ($Forwarded)');
  await nearChat.ok('STORE 6 +FLAGS (\\Deleted)');
  await nearChat.ok('EXPUNGE');
  await append(nearChat, 'INBOX', [named('near two')], '\\Draft');
  await nearChat.ok('CREATE "Nah"');
  await append(nearChat, 'Nah', [named('near three')]);
  await sync();
  const second = await expectEqual(near, far);
  expect(Object.keys(second).toSorted()).toEqual(['Fern', 'INBOX', 'Nah']);
  expect(second['INBOX']).toHaveLength(8 - 2 + 2);
  await sync();
  expect(await expectEqual(near, far)).toEqual(second);
  for (const chat of [farChat, nearChat]) await chat.logout();
  await expectFilesAgree(ctx, far);
}
