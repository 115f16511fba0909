import { mkdirSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { nameFlags } from '#maildir';
import { type TestContext, expect } from 'vitest';
import { testDirectory } from '../../harness/directory.ts';
import { run, saidBy } from '../../harness/process.ts';
import { hashOf, wireForm } from '../mailbox.ts';
import { append, named, plainLetters } from './letters.ts';
import {
  type ImapLogin,
  type ImapServer,
  type Seen,
  type View,
  chatTo,
  expectFilesAgree,
  filled,
  sortedView,
  viewOf,
  withoutKeywords,
} from './servers.ts';

export const MBSYNC = '/usr/bin/mbsync';

const FLAGS: Readonly<Record<string, string>> = {
  D: '\\Draft',
  F: '\\Flagged',
  R: '\\Answered',
  S: '\\Seen',
  T: '\\Deleted',
};

/** A Maildir of a user's own machine that mbsync keeps equal to the server. */
export class MbsyncHome {
  readonly near: string;
  readonly #file: string;

  constructor(home: string, login: ImapLogin) {
    this.near = join(home, 'near');
    this.#file = join(home, 'mbsyncrc');
    mkdirSync(this.near);
    const lines = [
      'IMAPAccount far',
      `Host ${login.host}`,
      `Port ${login.port}`,
      `User ${login.user}`,
      `Pass ${login.password}`,
      'SSLType None',
      'AuthMechs LOGIN',
      '',
      'IMAPStore far',
      'Account far',
      '',
      'MaildirStore near',
      `Path ${this.near}/`,
      `Inbox ${this.near}/INBOX`,
      'SubFolders Verbatim',
      '',
      'Channel all',
      'Far :far:',
      'Near :near:',
      'Patterns *',
      'Create Both',
      'Remove Both',
      'Expunge Both',
      'Sync All',
      'SyncState *',
      'CopyArrivalDate yes',
      '',
    ];
    writeFileSync(this.#file, lines.join('\n'), { mode: 0o600 });
  }

  /** @throws Error with what it said, unless it ended well */
  async sync(): Promise<string> {
    const result = await run([MBSYNC, '-c', this.#file, '-V', '-a'], { env: { HOME: this.near } });
    const said = saidBy(result);
    if (result.code !== 0) throw new Error(`mbsync: exit ${result.code}\n${said}`);
    return said;
  }

  files(folder: string): { readonly path: string; readonly name: string }[] {
    return ['new', 'cur'].flatMap((sub) =>
      readdirSync(join(this.near, folder, sub)).map((name) => ({
        path: join(this.near, folder, sub, name),
        name,
      })),
    );
  }

  /** The one of `plainLetters` with this number. */
  letter(folder: string, number: number): { readonly path: string } | undefined {
    return this.files(folder).find(({ path }) =>
      readFileSync(path, 'latin1').startsWith(`X-Number: ${number}\n`),
    );
  }

  folders(): string[] {
    return readdirSync(this.near, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map((entry) => entry.name);
  }

  /** As the server's view; Maildirs of mbsync know no keywords. */
  view(): View {
    const view: Record<string, readonly Seen[]> = {};
    for (const folder of this.folders()) {
      const messages = this.files(folder).map(({ path, name }) => ({
        hash: hashOf(withoutMark(wireForm(readFileSync(path)))),
        flags: nameFlags(name)
          .split('')
          .map((letter) => FLAGS[letter] ?? letter)
          .toSorted(),
        keywords: [],
      }));
      if (messages.length > 0) view[folder] = sortedView(messages);
    }
    return view;
  }

  /** A message that the user's own machine puts there. */
  put(folder: string, name: string, stored: Uint8Array): void {
    writeFileSync(join(this.near, folder, 'cur', name), stored);
  }
}

/** mbsync marks what it writes, to find it again. */
const withoutMark = (wire: Buffer): Buffer =>
  Buffer.from(wire.toString('latin1').replace(/^X-TUID: .*\r\n/m, ''), 'latin1');

/** Both sides are changed, then synchronised until a run changes nothing. */
export async function mbsyncBothWays(ctx: TestContext, server: ImapServer): Promise<void> {
  const login = await server.user('mbsync');
  const far = await chatTo(login);
  await append(far, 'INBOX', plainLetters(8));
  await append(far, 'INBOX', [named('answered')], '\\Seen \\Answered');
  await far.ok('CREATE "Work"');
  await append(far, 'Work', [named('work one'), named('work two')], '\\Flagged');
  const home = new MbsyncHome(testDirectory(ctx), login);
  await home.sync();
  await expectEqual(home, login);

  await far.ok('SELECT INBOX');
  await far.ok('STORE 2 +FLAGS (\\Flagged \\Seen)');
  await far.ok('STORE 3 +FLAGS (\\Deleted)');
  await far.ok('EXPUNGE');
  await append(far, 'INBOX', [named('from afar')], '\\Draft');
  await far.ok('CREATE "Fern"');
  await append(far, 'Fern', [named('far')]);
  // Not those that change on the other side.
  const [one, two, three] = [4, 5, 6].map((number) => home.letter('INBOX', number));
  if (!one || !two || !three) throw new Error('letters did not come');
  flag(one, 'FS');
  flag(two, 'RS');
  rmSync(three.path);
  const stored = Buffer.from(named('from nearby').toString('latin1').replaceAll('\r\n', '\n'));
  home.put('INBOX', '1795300000.near1.here:2,S', stored);
  home.put('Work', '1795300001.near2.here:2,', stored);
  for (const sub of ['tmp', 'new', 'cur']) {
    mkdirSync(join(home.near, 'Nah', sub), { recursive: true });
  }
  home.put('Nah', '1795300002.near3.here:2,FS', stored);
  await home.sync();
  await expectEqual(home, login);
  const again = filled(await viewOf(login));
  await home.sync();
  expect(filled(await viewOf(login))).toEqual(again);
  await expectEqual(home, login);
  expect(again['INBOX']).toHaveLength(10 - 2 + 2);
  expect(Object.keys(again).toSorted()).toEqual(['Fern', 'INBOX', 'Nah', 'Work']);
  await far.logout();
  await expectFilesAgree(ctx, login);
}

const flag = (file: { readonly path: string }, flags: string): void =>
  renameSync(file.path, file.path.replace(/\/new\//, '/cur/').replace(/(:2,.*)?$/, `:2,${flags}`));

async function expectEqual(home: MbsyncHome, login: ImapLogin): Promise<void> {
  expect(home.view()).toEqual(withoutKeywords(filled(await viewOf(login, withoutMark))));
}
