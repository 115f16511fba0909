/** The other half of maildir-readers.test.ts: our engine reads what others wrote. */
import { join } from 'node:path';
import { type Entry, nameFlags } from '#maildir';
import { expect, test } from 'vitest';
import { testDirectory } from '../harness/directory.ts';
import { ImapChat } from '../harness/imap-chat.ts';
import { MAIL_GID, MAIL_UID, runInPeers } from '../harness/in-peers.ts';
import { needs } from '../harness/needs.ts';
import { startCourier, startDovecot, startPostfix } from '../harness/peers.ts';
import { SmtpChat } from '../harness/smtp-chat.ts';
import {
  type SharedMailbox,
  content,
  hashOf,
  letters,
  sharedMailbox,
  sorted,
  storedForm,
} from './mailbox.ts';
import { MUTT, muttTypes } from './mutt.ts';
import { PYTHON, python } from './python.ts';

const [ONE, TWO, THREE] = letters() as [Buffer, Buffer, Buffer];

/** Every operation of the engine on a message that another program wrote. */
async function worksOn(box: SharedMailbox, entry: Entry): Promise<void> {
  const { engine, maildir } = box;
  const wire = await box.read(entry);
  const flagged = await engine.setFlags({ maildir, entry, add: 'F', remove: '' });
  expect(nameFlags(flagged.name)).toContain('F');
  const sizes = { octets: storedForm(wire).length, wireOctets: wire.length };
  const sized = await engine.setSizes({ maildir, entry: flagged, ...sizes });
  expect(sized.name).toContain(`,S=${sizes.octets},W=${sizes.wireOctets}`);
  expect(await box.read(sized)).toEqual(wire);
  expect(await engine.remove({ maildir, entries: [sized] })).toEqual([undefined]);
}

async function worksOnAll(box: SharedMailbox): Promise<void> {
  for (const entry of await box.engine.list(box.maildir)) await worksOn(box, entry);
  expect(await box.engine.list(box.maildir)).toEqual([]);
}

test('[P-14] we read what Python wrote', async (ctx) => {
  needs(ctx, PYTHON);
  const box = await sharedMailbox(testDirectory(ctx));
  const add = (to: string, wire: Buffer, flags: string): string => `
message = mailbox.MaildirMessage()
key = ${to}.add(bytes.fromhex('${storedForm(wire).toString('hex')}'))
message = ${to}.get_message(key)
${flags === '' ? '' : `message.set_subdir('cur'); message.set_flags('${flags}')`}
with open(${to}._path + '/' + ${to}._lookup(key), 'rb') as file: before = file.read()
${to}[key] = message
with open(${to}._path + '/' + ${to}._lookup(key), 'wb') as file: file.write(before)
`;
  await python(
    box.maildir,
    `
sent = box.add_folder('Sent')
${add('box', ONE, '')}${add('box', TWO, 'FS')}${add('sent', THREE, 'S')}`,
  );
  expect(await box.contents()).toEqual(sorted([content('', ONE), content('FS', TWO)]));
  expect(await box.engine.folders(box.maildir)).toEqual(['Sent']);
  expect(await box.contents('Sent')).toEqual([content('S', THREE)]);
  await worksOnAll(box);
});

test('[P-14] we read what mutt wrote', async (ctx) => {
  needs(ctx, MUTT);
  const directory = testDirectory(ctx);
  const box = await sharedMailbox(directory);
  await box.deliver(ONE);
  const keys = '<flag-message><tag-pattern>~A<enter><tag-prefix><copy-message>=.Saved<enter>';
  await muttTypes(directory, box.maildir, keys);
  // It leaves a flagged message unread in new, with `:2,F` in its name.
  const [entry] = await box.engine.list(box.maildir);
  expect(entry!.directory).toBe('new');
  expect(await box.contents()).toEqual([content('F', ONE)]);
  expect(await box.engine.folders(box.maildir)).toEqual(['Saved']);
  const [saved] = await box.engine.list(box.path('Saved'));
  const copy = (await box.read(saved!, 'Saved')).toString('latin1');
  // A copy by mutt counts itself in its header.
  expect(copy.replace(/^(Content-Length|Lines|Status): .*\r\n/gm, '')).toBe(ONE.toString('latin1'));
  await worksOnAll(box);
});

test('[P-14] we read what Dovecot wrote, by LMTP and IMAP', async (ctx) => {
  needs(ctx, 'dovecot');
  const directory = testDirectory(ctx);
  const box = await sharedMailbox(directory);
  box.give();
  const users = { alice: 'demo' };
  const dovecot = await startDovecot({ directory, maildir: box.maildir, users });
  ctx.onTestFinished(() => dovecot.stop());
  const { chat: lmtp } = await SmtpChat.open({ port: dovecot.lmtp });
  await lmtp.hello('LHLO');
  expect((await lmtp.send('a@client.example', ['alice'], ONE)).code).toBe(250);
  await lmtp.quit();
  const [delivered] = await box.engine.list(box.maildir);
  expect((await box.read(delivered!)).subarray(-ONE.length)).toEqual(ONE);
  await worksOn(box, delivered!);

  const chat = await ImapChat.login({ port: dovecot.imap }, 'alice', 'demo');
  await chat.ok('CREATE "Archive/2026"');
  await chat.ok('APPEND INBOX (\\Seen \\Answered $Later)', TWO);
  await chat.ok('APPEND "Archive/2026"', THREE);
  await chat.logout();
  expect(await box.contents()).toEqual([content('RSa', TWO)]);
  expect(await box.engine.folders(box.maildir)).toEqual(['Archive.2026']);
  expect(await box.contents('Archive.2026')).toEqual([content('', THREE)]);
  await worksOnAll(box);
});

test('[P-14] we read what Courier wrote, by IMAP and maildrop', async (ctx) => {
  needs(ctx, 'courier');
  const directory = testDirectory(ctx);
  const box = await sharedMailbox(directory);
  const courier = await startCourier({ protocol: 'imap', maildir: box.maildir });
  ctx.onTestFinished(() => courier.stop());
  const chat = await ImapChat.login({ port: courier.port }, '', '');
  await chat.ok('CREATE INBOX.Kept');
  await chat.ok('APPEND INBOX (\\Flagged \\Seen)', ONE);
  await chat.ok('APPEND INBOX.Kept', TWO);
  await chat.logout();
  expect(await box.contents()).toEqual([content('FS', ONE)]);
  expect(await box.engine.folders(box.maildir)).toContain('Kept');
  expect(await box.contents('Kept')).toEqual([content('', TWO)]);

  const input = storedForm(THREE);
  const argv = ['/usr/bin/deliverquota.courier', box.maildir];
  const result = await runInPeers(argv, { bind: [directory], input });
  expect(result.code, result.stderr).toBe(0);
  expect((await box.contents()).map((each) => each.hash)).toContain(hashOf(THREE));
  await worksOnAll(box);
});

test('[P-14] we read what Postfix delivered', async (ctx) => {
  needs(ctx, 'postfix');
  const directory = testDirectory(ctx);
  const box = await sharedMailbox(join(directory, 'users'));
  box.give();
  expect(MAIL_UID + MAIL_GID).toBeGreaterThan(0);
  const maildirs = { 'alice@example.test': box.maildir };
  const postfix = await startPostfix({ directory, maildirs });
  ctx.onTestFinished(() => postfix.stop());
  const { chat } = await SmtpChat.open({ port: postfix.smtp });
  await chat.hello();
  expect((await chat.send('a@client.example', ['alice@example.test'], ONE)).code).toBe(250);
  await chat.quit();
  const arrived = (): Promise<readonly Entry[]> => box.engine.list(box.maildir);
  await expect.poll(arrived, { timeout: 60_000 }).toHaveLength(1);
  const [entry] = await arrived();
  expect((await box.read(entry!)).subarray(-ONE.length)).toEqual(ONE);
  await worksOnAll(box);
});
