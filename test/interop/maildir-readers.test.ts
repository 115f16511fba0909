/**
 * Plain Maildir++, proven both ways: programs that others wrote read what our engine wrote, and it
 * reads what they wrote; flags, folders and octets.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { nameFlags, nameOctets, nameWireOctets } from '#maildir';
import { type TestContext, expect, test } from 'vitest';
import { testDirectory } from '../harness/directory.ts';
import { ImapChat } from '../harness/imap-chat.ts';
import { needs } from '../harness/needs.ts';
import { type DovecotServer, startCourier, startDovecot } from '../harness/peers.ts';
import { Pop3Chat } from '../harness/pop3-chat.ts';
import {
  type Content,
  type SharedMailbox,
  content,
  hashOf,
  letters,
  sharedMailbox,
  sorted,
} from './mailbox.ts';
import { KEEP_ALL, MUTT, muttKeeps, muttTypes } from './mutt.ts';
import { PYTHON, pythonView } from './python.ts';

const IMAP_FLAGS: Readonly<Record<string, string>> = {
  '\\Draft': 'D',
  '\\Flagged': 'F',
  '\\Answered': 'R',
  '\\Seen': 'S',
  '\\Deleted': 'T',
};

/** Flags of IMAP as letters of a Maildir name; keywords are left out. */
const letterFlags = (flags: readonly string[]): string =>
  flags
    .map((flag) => IMAP_FLAGS[flag] ?? '')
    .toSorted()
    .join('');

/** Our engine fills INBOX with flags of every kind and two folders. */
async function written(
  box: SharedMailbox,
  keeps: (wire: Buffer) => boolean,
): Promise<{ inbox: Content[]; folders: Record<string, Content[]> }> {
  const flags = ['', 'S', 'F', 'FS', 'RS', 'DFRST'];
  const inbox: Content[] = [];
  for (const [at, wire] of letters().filter(keeps).entries()) {
    const entry = await box.deliver(wire);
    const add = flags[at % flags.length] ?? '';
    const { engine, maildir } = box;
    if (add !== '') await engine.setFlags({ maildir, entry, add, remove: '' });
    inbox.push(content(add, wire));
  }
  const folders: Record<string, Content[]> = {};
  for (const [at, name] of ['Sent', 'Archive.2026'].entries()) {
    const wire = letters()[at]!;
    await box.engine.createFolder(box.maildir, name);
    await box.deliver(wire, name);
    folders[name] = [content('', wire)];
  }
  return { inbox: sorted(inbox), folders };
}

/** Dovecot on this mailbox, stopped with the test. */
async function dovecotOn(ctx: TestContext, box: SharedMailbox): Promise<DovecotServer> {
  const directory = join(box.maildir, '..');
  const users = { alice: 'demo' };
  box.give();
  const dovecot = await startDovecot({ directory, maildir: box.maildir, users });
  ctx.onTestFinished(() => dovecot.stop());
  return dovecot;
}

async function courierOn(
  ctx: TestContext,
  box: SharedMailbox,
  protocol: 'imap' | 'pop3',
): Promise<number> {
  const courier = await startCourier({ protocol, maildir: box.maildir });
  ctx.onTestFinished(() => courier.stop());
  return courier.port;
}

const imap = (port: number): Promise<ImapChat> => ImapChat.login({ port }, 'alice', 'demo');

async function imapContents(chat: ImapChat, folder: string): Promise<Content[]> {
  await chat.ok(`EXAMINE "${folder}"`);
  const messages = await chat.messages();
  return sorted(messages.map((each) => content(letterFlags(each.flags), each.octets)));
}

/**
 * What the two servers hand over unchanged: no IMAP literal may hold NUL, for which Dovecot gives
 * 0x80; and neither doubles, in POP3, a dot with which a message begins.
 */
const serversKeep = (wire: Buffer): boolean => !wire.includes(0) && wire[0] !== 46;

const hashes = (contents: readonly Content[]): string[] =>
  contents.map((each) => each.hash).toSorted();

async function pop3Hashes(chat: Pop3Chat): Promise<string[]> {
  const found: string[] = [];
  for (const [number, size] of await chat.listing('LIST')) {
    const wire = await chat.retrieve(number);
    expect(wire.length, `message ${number}`).toBe(Number(size));
    found.push(hashOf(wire));
  }
  await chat.quit();
  return found.toSorted();
}

test('[P-14] Python reads what we wrote', async (ctx) => {
  needs(ctx, PYTHON);
  const box = await sharedMailbox(testDirectory(ctx));
  const { inbox, folders } = await written(box, () => true);
  const view = await pythonView(box.maildir);
  expect(sorted(view.inbox)).toEqual(inbox);
  expect(view.folders).toEqual(folders);
});

test('[P-14] mutt reads what we wrote', async (ctx) => {
  needs(ctx, MUTT);
  const directory = testDirectory(ctx);
  const box = await sharedMailbox(directory);
  const { inbox } = await written(box, muttKeeps);
  const got = await muttTypes(directory, box.maildir, KEEP_ALL);
  expect(got.map(hashOf).toSorted()).toEqual(hashes(inbox));
  const flagged = await muttTypes(directory, box.maildir, '<delete-pattern>!~F<enter>');
  expect(flagged).not.toEqual([]);
  const left = await box.contents();
  // It expunges what we flagged as deleted, too.
  const kept = inbox.filter(({ flags }) => flags.includes('F') && !flags.includes('T'));
  expect(hashes(left)).toEqual(hashes(kept));
});

test('[P-14] Dovecot reads what we wrote, by IMAP and POP3', async (ctx) => {
  needs(ctx, 'dovecot');
  const box = await sharedMailbox(join(testDirectory(ctx)));
  const { inbox, folders } = await written(box, serversKeep);
  const dovecot = await dovecotOn(ctx, box);
  const chat = await imap(dovecot.imap);
  expect(await chat.folders()).toEqual(['Archive/2026', 'INBOX', 'Sent']);
  expect(await imapContents(chat, 'INBOX')).toEqual(inbox);
  expect(await imapContents(chat, 'Sent')).toEqual(folders['Sent']);
  expect(await imapContents(chat, 'Archive/2026')).toEqual(folders['Archive.2026']);
  await chat.logout();
  const pop3 = await Pop3Chat.login({ port: dovecot.pop3 }, 'alice', 'demo');
  expect(await pop3Hashes(pop3)).toEqual(hashes(inbox));
  // It believes S= and W= of names, and says so when they are wrong.
  const log = readFileSync(join(box.maildir, '../dovecot/log'), 'utf8');
  expect(log.split('\n').filter((line) => /error|corrupt|fixed/i.test(line))).toEqual([]);
});

test('[P-14] Courier reads what we wrote, by IMAP and POP3', async (ctx) => {
  needs(ctx, 'courier');
  const box = await sharedMailbox(testDirectory(ctx));
  const { inbox, folders } = await written(box, serversKeep);
  const chat = await imap(await courierOn(ctx, box, 'imap'));
  expect(await chat.folders()).toEqual(['INBOX', 'INBOX.Archive.2026', 'INBOX.Sent']);
  expect(await imapContents(chat, 'INBOX')).toEqual(inbox);
  expect(await imapContents(chat, 'INBOX.Sent')).toEqual(folders['Sent']);
  await chat.logout();
  const port = await courierOn(ctx, box, 'pop3');
  const { chat: pop3 } = await Pop3Chat.open({ port });
  expect(await pop3Hashes(pop3)).toEqual(hashes(inbox));
});

test('[P-14] Dovecot sees our changes while a session runs, and we see its', async (ctx) => {
  needs(ctx, 'dovecot');
  const box = await sharedMailbox(testDirectory(ctx));
  const { engine, maildir } = box;
  const dovecot = await dovecotOn(ctx, box);
  const chat = await imap(dovecot.imap);
  await chat.ok('SELECT INBOX');
  const [first, second] = letters();
  await box.deliver(first!);
  await box.deliver(second!);
  box.give();
  await chat.ok('NOOP');
  expect((await chat.messages()).map((each) => hashOf(each.octets))).toEqual(
    [first, second].map((wire) => hashOf(wire!)),
  );
  await chat.ok('STORE 1 +FLAGS (\\Seen $Later)');
  const [entry] = (await engine.list(maildir)).filter(({ name }) => nameFlags(name) !== '');
  // $Later is a letter of its dovecot-keywords file: not ours, and kept.
  expect(nameFlags(entry!.name)).toBe('Sa');
  await engine.setFlags({ maildir, entry: entry!, add: 'F', remove: 'S' });
  await chat.ok('NOOP');
  const seen = (await chat.messages()).map((each) => each.flags);
  expect(seen).toEqual([['$Later', '\\Flagged'], []]);
  await engine.remove({ maildir, entries: await engine.list(maildir) });
  await chat.ok('NOOP');
  expect(await chat.messages()).toEqual([]);
  await chat.logout();
});

test('[P-14] S= and W= of our names are the sizes of the two forms', async (ctx) => {
  const box = await sharedMailbox(testDirectory(ctx));
  for (const wire of letters()) {
    const { name } = await box.deliver(wire);
    expect(nameWireOctets(name)).toBe(wire.length);
    const stored = readFileSync(join(box.maildir, 'new', name));
    expect(nameOctets(name)).toBe(stored.length);
  }
});
