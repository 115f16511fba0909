import { mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, expect } from 'vitest';
import { testDirectory } from '../../harness/directory.ts';
import { runOrThrow } from '../../harness/process.ts';
import { wireForm } from '../mailbox.ts';
import { MUTT } from '../mutt.ts';
import { append, named } from './letters.ts';
import { type ImapLogin, type ImapServer, chatTo, expectFilesAgree } from './servers.ts';

/** Opens INBOX in mutt on a terminal of its own, types `keys`, and quits. @returns what it piped */
async function muttTypes(home: string, login: ImapLogin, keys: string): Promise<Buffer[]> {
  const got = join(home, 'got');
  const keep = join(home, 'keep');
  mkdirSync(got, { recursive: true });
  writeFileSync(keep, `#!/bin/sh\nexec cat > "$(mktemp ${got}/XXXXXXXXXX)"\n`, { mode: 0o755 });
  const place = `imap://${login.host}:${login.port}/`;
  const settings = [
    `set imap_user="${login.user}" imap_pass="${login.password}" imap_authenticators="login"`,
    `set folder="${place}" spoolfile="${place}INBOX" record="" header_cache="" message_cachedir=""`,
    'set ssl_starttls=no ssl_force_tls=no sleep_time=0 pipe_sep="" imap_idle=no mail_check=1',
    'set pipe_split=yes pipe_decode=no wait_key=no quit=yes print=yes delete=yes move=no',
    'set confirmappend=no confirmcreate=no resolve=no imap_check_subscribed=no',
    'unset mark_old weed',
    `macro index X "${keys.replaceAll('KEEP', keep)}<quit>"`,
    'push X',
  ];
  const file = join(home, 'muttrc');
  writeFileSync(file, `${settings.join('\n')}\n`);
  const argv = ['script', '-qec', `${MUTT} -n -F ${file} -f ${place}INBOX`, '/dev/null'];
  await runOrThrow(argv, { env: { HOME: home, TERM: 'xterm', LC_ALL: 'C.UTF-8' }, ms: 120_000 });
  return readdirSync(got).map((name) => wireForm(readFileSync(join(got, name))));
}

/** Reads, flags, deletes, saves to a folder that it makes, and comes back to see it. */
export async function muttReads(ctx: TestContext, server: ImapServer): Promise<void> {
  const login = await server.user('mutt');
  const home = testDirectory(ctx);
  const chat = await chatTo(login);
  await append(
    chat,
    'INBOX',
    ['alpha', 'beta', 'gamma', 'delta'].map((name) => named(name)),
  );
  const got = await muttTypes(
    home,
    login,
    [
      '<tag-pattern>~s alpha<enter><tag-prefix><pipe-message>KEEP<enter><untag-pattern>.<enter>',
      '<search>~s alpha<enter><display-message><exit>',
      '<tag-pattern>~s gamma<enter><tag-prefix><set-flag>!<untag-pattern>.<enter>',
      '<delete-pattern>~s beta<enter>',
      '<tag-pattern>~s delta<enter><tag-prefix><save-message>=Saved<enter>',
      '<sync-mailbox>',
    ].join(''),
  );
  expect(got.map(String)).toEqual([String(named('alpha'))]);
  const inbox = await subjects(chat, 'INBOX');
  expect(Object.keys(inbox).toSorted()).toEqual(['alpha', 'first', 'gamma']);
  expect(inbox['gamma']).toContain('\\Flagged');
  expect(inbox['alpha']).toContain('\\Seen');
  expect(inbox['first']).not.toContain('\\Seen');
  expect(Object.keys(await subjects(chat, 'Saved'))).toEqual(['delta']);
  const again = await muttTypes(home, login, '<delete-pattern>~F<enter><sync-mailbox>');
  expect(again).toHaveLength(1); // What was kept before.
  expect(Object.keys(await subjects(chat, 'INBOX')).toSorted()).toEqual(['alpha', 'first']);
  await chat.logout();
  await expectFilesAgree(ctx, login);
}

type Chat = Awaited<ReturnType<typeof chatTo>>;

/** Flags by subject. */
async function subjects(chat: Chat, folder: string): Promise<Record<string, readonly string[]>> {
  await chat.ok(`EXAMINE "${folder}"`);
  const messages = await chat.messages();
  const found: Record<string, readonly string[]> = {};
  for (const { flags, octets } of messages) {
    found[/^Subject: (.*)\r$/m.exec(String(octets))?.[1] ?? ''] = flags;
  }
  return found;
}
