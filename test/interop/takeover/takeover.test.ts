/** Real servers fill a Maildir; we import it; their clients see no difference. */
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Farm, startFarm } from '../../harness/farm.ts';
import { ImapChat } from '../../harness/imap-chat.ts';
import { maildirOf } from '../../harness/maildir-of.ts';
import { needs } from '../../harness/needs.ts';
import { startCourier, startDovecot } from '../../harness/peers.ts';
import { Pop3Chat } from '../../harness/pop3-chat.ts';
import { SmtpChat } from '../../harness/smtp-chat.ts';
import type { ImportReport } from '../../../src/mailbox/takeover/import.ts';
import { dovecotReads, filled, viewOf, withoutKeywords } from '../imap/servers.ts';
import { letters, sharedMailbox } from '../mailbox.ts';
import { type MailboxSeen, imapSees, pop3Sees } from './seen.ts';

const PASSWORD = 'demo';
const [ONE, TWO, THREE] = letters() as [Buffer, Buffer, Buffer];
const LONG_AGO = '"03-Feb-2019 04:05:06 +0000"';

interface Old {
  readonly imap: MailboxSeen;
  readonly pop3: readonly string[];
}

describe('taking over', { timeout: 300_000 }, () => {
  let directory: string;
  let farm: Farm;
  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), 'mailfarm-takeover-'));
    chmodSync(directory, 0o711);
    farm = await startFarm({ dir: join(directory, 'farm') });
  }, 300_000);
  afterAll(async () => {
    await farm?.stop();
    rmSync(directory, { recursive: true, force: true });
  });

  const command = async (words: readonly string[], input?: string): Promise<string> => {
    const { code, stdout, stderr } = await farm.command(words, input);
    if (code !== 0) throw new Error(`${words.join(' ')}: ${code}\n${stderr.toString()}`);
    return stdout.toString();
  };

  /** A new user who has what lies there. */
  async function importedAs(
    name: string,
    from: string,
    more: readonly string[] = [],
  ): Promise<{ login: string; report: ImportReport }> {
    const login = `${name}@example.test`;
    await command(['user', 'add', login, '--password-stdin'], PASSWORD);
    const words = ['mailbox', 'import', login, '--from', from, '--volume', 'mail1', ...more];
    return { login, report: JSON.parse(await command([...words, '--json'])) as ImportReport };
  }

  const loginOf = (user: string) => {
    const { ports, authority } = farm;
    const to = { host: '127.0.0.1', port: ports.imap, imaps: ports.imaps, authority };
    return { ...to, user, password: PASSWORD };
  };

  /** Our IMAP and POP3 say what theirs said. */
  async function expectSame(login: string, old: Old): Promise<void> {
    expect(await imapSees(loginOf(login))).toEqual(old.imap);
    expect(await pop3Sees(farm.ports.pop3, login, PASSWORD)).toEqual(old.pop3);
  }

  const FORMATS = [
    { of: 'the default', name: 'dovecot-default', more: [], uidl: '%08Xu%08Xv' },
    { of: 'UIDVALIDITY-UID', name: 'dovecot-numbers', more: ['%v-%u'], uidl: '%v-%u' },
    { of: 'the file name', name: 'dovecot-names', more: ['%f'], uidl: '%f' },
  ];
  test.for(FORMATS)(
    '[N-08] Dovecot, UIDL $of: clients see no difference',
    async ({ name, more, uidl }, ctx) => {
      needs(ctx, 'dovecot');
      await dovecotMoves({ name, uidl, more: more.flatMap((format) => ['--pop3-uidl', format]) });
    },
  );

  async function dovecotMoves(given: {
    readonly name: string;
    readonly uidl: string;
    readonly more: readonly string[];
  }): Promise<void> {
    const at = join(directory, given.name);
    const box = await sharedMailbox(at);
    chmodSync(at, 0o711);
    box.give();
    const dovecot = await startDovecot({
      directory: at,
      maildir: box.maildir,
      users: { old: PASSWORD },
      settings: `protocol pop3 {\n  pop3_uidl_format = ${given.uidl}\n}`,
    });
    let old: Old;
    try {
      await fillDovecot(dovecot);
      const imap = await imapSees({ port: dovecot.imap, user: 'old', password: PASSWORD });
      old = { imap, pop3: await pop3Sees(dovecot.pop3, 'old', PASSWORD) };
    } finally {
      await dovecot.stop();
    }
    expect(old.imap.folders['INBOX']?.messages).toHaveLength(3);
    const { login, report } = await importedAs(given.name, box.maildir, given.more);
    expect(report.problems).toEqual([]);
    await expectSame(login, old);
    // Once more changes nothing, and brings nothing back.
    const again = await command(['mailbox', 'import', login, '--from', box.maildir, '--json']);
    expect(JSON.parse(again)).toMatchObject({
      folders: [{ numbers: 'done before', copied: 0 }, {}, {}],
    });
    await expectSame(login, old);
  }

  test('[N-08] [P-14] Courier, which numbers IMAP and POP3 each its own way', async (ctx) => {
    needs(ctx, 'courier');
    const at = join(directory, 'courier');
    const box = await sharedMailbox(at);
    await box.deliver(THREE);
    const imapd = await startCourier({ protocol: 'imap', maildir: box.maildir });
    const pop3d = await startCourier({ protocol: 'pop3', maildir: box.maildir });
    let old: Old;
    try {
      await fillCourier(imapd.port);
      const plain = (name: string): string => name.replace(/^INBOX\./, '').replaceAll('.', '/');
      const imap = await imapSees({ port: imapd.port, user: '', password: '' }, plain);
      const { chat } = await Pop3Chat.open({
        port: pop3d.port,
      });
      const uidls = [...(await chat.listing('UIDL')).values()].toSorted();
      await chat.quit();
      old = { imap, pop3: uidls };
    } finally {
      await imapd.stop();
      await pop3d.stop();
    }
    const { login, report } = await importedAs('courier', box.maildir);
    expect(report.problems).toEqual([]);
    await expectSame(login, old);
    expect(old.pop3[0]).toMatch(/^UID\d+-\d+$/);
    const told = withoutKeywords(filled(await viewOf(loginOf(login))));
    const read = await dovecotReads(ctx, await maildirOf(farm, login));
    expect(withoutKeywords(filled(read))).toEqual(told);
  });
});

/** Gaps in the UIDs, flags, keywords, dates, folders with odd names, a subscription. */
async function fillDovecot(server: {
  readonly lmtp: number;
  readonly imap: number;
}): Promise<void> {
  const { chat: lmtp } = await SmtpChat.open({ port: server.lmtp });
  await lmtp.hello('LHLO');
  for (const letter of [ONE, TWO, THREE]) {
    expect((await lmtp.send('a@client.example', ['old'], letter)).code).toBe(250);
  }
  await lmtp.quit();
  const chat = await ImapChat.login({ port: server.imap }, 'old', PASSWORD);
  await chat.ok('SELECT INBOX');
  await chat.ok(`APPEND INBOX (\\Seen \\Answered $Later Work) ${LONG_AGO}`, TWO);
  await chat.ok('UID STORE 2 +FLAGS (\\Deleted)');
  await chat.ok('EXPUNGE');
  await chat.ok('UID STORE 3 +FLAGS (\\Flagged Work $Forwarded)');
  await chat.ok('CREATE "Archive/2026"');
  await chat.ok('CREATE "Entw&APw-rfe"');
  await chat.ok('APPEND "Archive/2026" (\\Draft Other)', THREE);
  await chat.ok('APPEND "Archive/2026"', ONE);
  await chat.ok('SUBSCRIBE "Archive/2026"');
  await chat.ok('SUBSCRIBE "Entw&APw-rfe"');
  await chat.logout();
}

async function fillCourier(port: number): Promise<void> {
  const first = await ImapChat.login({ port }, '', '');
  await first.ok('SELECT INBOX');
  await first.ok(`APPEND INBOX (\\Seen) ${LONG_AGO}`, ONE);
  await first.ok('APPEND INBOX (\\Flagged)', TWO);
  await first.logout();
  const chat = await ImapChat.login({ port }, '', '');
  await chat.ok('SELECT INBOX');
  await chat.ok('UID STORE 2 +FLAGS (Work)');
  await chat.ok('UID STORE 3 +FLAGS (Work $Later)');
  await chat.ok('UID STORE 1 +FLAGS (\\Deleted)');
  await chat.ok('EXPUNGE');
  await chat.ok('CREATE INBOX.Kept.2026');
  await chat.ok('APPEND INBOX.Kept.2026 (\\Seen)', THREE);
  await chat.ok('SUBSCRIBE INBOX.Kept.2026');
  await chat.logout();
}
