import { mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import type { Draft, Folder, Mail, Numbered } from './mail.ts';
import type { MailboxOptions } from './options.ts';
import { mailConformance } from './testing/mail-conformance.ts';
import {
  append,
  byUid,
  kindOf,
  names,
  shown,
  wireOf,
  type MailLimits,
} from './testing/mail-under-test.ts';
import { openMaildirMail, type MaildirUnderTest } from './testing/maildir-mail.ts';

mailConformance('maildir', openMaildirMail);

describe('Mail over Maildirs', () => {
  const opened: MaildirUnderTest[] = [];
  const open = async (
    limits?: MailLimits,
    set?: Partial<MailboxOptions>,
  ): Promise<MaildirUnderTest> => {
    const under = await openMaildirMail(limits, set);
    opened.push(under);
    return under;
  };
  afterEach(async () => {
    for (const under of opened.splice(0)) await under.close();
  });

  test('folders called `.` and `..` that are there already are shown, opened and renamed', async () => {
    const { one, maildir } = await open();
    await one.create('a');
    for (const disk of ['.&AC4-', '.&AC4ALg-', '.b.&AC4ALg-']) {
      for (const part of ['cur', 'new', 'tmp'])
        mkdirSync(join(maildir, disk, part), { recursive: true });
    }
    expect(await names(one)).toEqual(['INBOX', '.', '..', 'a', 'b/..']);
    (await one.open('..')).close();
    await one.rename('..', 'c');
    await one.remove('.');
    await one.rename('b', 'd');
    expect(await names(one)).toEqual(['INBOX', 'a', 'c', 'd/..']);
    expect(await kindOf(one.create('.'))).toBe('bad-name');
  });

  test('a RENAME that broke off goes on when it is asked for again', async () => {
    const { one, maildir } = await open();
    for (const name of ['a', 'a/1', 'a/2', 'a/2/3']) await one.create(name);
    const inTheWay = join(maildir, '.b.2');
    mkdirSync(join(inTheWay, 'x'), { recursive: true });
    await expect(one.rename('a', 'b')).rejects.toThrow(
      /directory not empty|ENOTEMPTY|EEXIST|rename/i,
    );
    const between = await names(one);
    expect(between).toHaveLength(5);
    expect(between.filter((name) => name.startsWith('b'))).not.toEqual([]);
    rmSync(inTheWay, { recursive: true });
    await one.rename('a', 'b');
    expect(await names(one)).toEqual(['INBOX', 'b', 'b/1', 'b/2', 'b/2/3']);
  });

  test('a mailbox that is placed and not there is our trouble, whatever is asked', async () => {
    const { one, two, maildir, account, stores } = await open();
    await one.create('a');
    const inbox = await two.open('INBOX');
    const below = await two.open('a');
    renameSync(maildir, `${maildir}-away`);
    const fresh = await stores[1].openMail(account);
    const asked = [
      one.folders(),
      one.create('b'),
      one.remove('a'),
      one.rename('a', 'b'),
      one.subscribe('a', 'yes'),
      one.subscriptions(),
      fresh.open('INBOX').then((folder) => folder.refresh()),
      fresh.open('a').then((folder) => folder.refresh()),
      fresh.open('never'),
      one.quota(),
      one.draft('a', { letters: '', keywords: [] }),
      one
        .draft('INBOX', { letters: '', keywords: [] })
        .then((draft) => one.append('INBOX', [draft])),
      inbox.refresh(),
      below.refresh(),
      inbox.claim(),
    ];
    const kinds = await Promise.all(asked.map(kindOf));
    expect(kinds).toEqual(asked.map(() => 'mailbox-missing'));
    renameSync(`${maildir}-away`, maildir);
    expect((await inbox.refresh()).messages).toEqual([]);
    expect(await names(one)).toEqual(['INBOX', 'a']);
  });

  test('folders that another tool made under names of its own are read, filled and removed', async () => {
    const { one, two, maildir } = await open();
    for (const disk of ['.Entwürfe', '.a&b']) {
      for (const part of ['tmp', 'new', 'cur'])
        mkdirSync(join(maildir, disk, part), { recursive: true });
    }
    writeFileSync(join(maildir, '.a&b', 'new', '1700000000.x'), 'x\n');
    expect(await names(one)).toEqual(['INBOX', 'Entwürfe', 'a&b']);
    const folder = await two.open('a&b'); // Without a listing before.
    expect((await folder.refresh()).messages).toHaveLength(1);
    const uid = await append(two, 'Entwürfe', 'y\r\n');
    expect(
      await wireOf(await one.open('Entwürfe'), await byUid(await one.open('Entwürfe'), uid)),
    ).toBe('y\r\n');
    expect(await kindOf(two.create('a&b'))).toBe('folder-exists');
    await two.rename('a&b', 'a/b');
    expect(readdirSync(maildir).filter((name) => name.startsWith('.'))).toEqual([
      '.Entwürfe',
      '.a.b',
    ]);
    await two.remove('Entwürfe');
    expect(await names(one)).toEqual(['INBOX', 'a/b']);
  });

  test('subscriptions of Dovecot are taken over once', async () => {
    const { one, two, maildir } = await open();
    writeFileSync(join(maildir, 'subscriptions'), 'V\t2\n\nSent\nArchive\t2026\n');
    expect(await one.subscriptions()).toEqual(['Archive/2026', 'Sent']);
    await two.subscribe('Sent', 'no');
    expect(await one.subscriptions()).toEqual(['Archive/2026']);
    expect(await two.subscriptions()).toEqual(['Archive/2026']);
  });

  test('who unsubscribes before anybody asked does not get it back from the other tool', async () => {
    const { one, two, maildir } = await open();
    writeFileSync(join(maildir, 'courierimapsubscribed'), 'INBOX.Sent\nINBOX.a\n');
    await one.subscribe('Sent', 'no');
    expect(await two.subscriptions()).toEqual(['a']);
  });

  test('folders for new users are made once, by whoever looks first', async () => {
    const { one, two } = await open({}, { 'mailbox.folders.new': ['Drafts', 'Sent'] });
    expect(await one.folders()).toMatchObject([
      { name: 'INBOX' },
      { name: 'Drafts', use: 'Drafts', subscribed: false },
      { name: 'Sent', use: 'Sent', subscribed: false },
    ]);
    expect(await two.folders()).toMatchObject([{}, { subscribed: true }, { subscribed: true }]);
    await two.remove('Drafts');
    await two.remove('Sent');
    expect(await names(one)).toEqual(['INBOX']);
  });

  test('what is given up, too large or refused leaves nothing in tmp', async () => {
    const { one, maildir } = await open({ messageMax: 1_000_000, quotaBytes: 500_000 });
    const tmp = (): string[] => readdirSync(join(maildir, 'tmp'));
    const options = { letters: '', keywords: [] };
    const large = await one.draft('INBOX', options);
    await large.write(Buffer.alloc(600_000, 'x'));
    expect(tmp()).toHaveLength(1);
    expect(await kindOf(large.write(Buffer.alloc(600_000, 'x')))).toBe('too-large');
    await large.discard();
    expect(tmp()).toEqual([]);
    const over = await one.draft('INBOX', options);
    await over.write(Buffer.alloc(600_000, 'x'));
    expect(await kindOf(one.append('INBOX', [over]))).toBe('over-quota');
    expect(tmp()).toEqual([]);
    await append(one, 'INBOX', 'x\r\n', { keywords: ['k'] });
    expect(tmp()).toEqual([]);
  });

  test('of many drafts that come together only some octets are in memory', async () => {
    const { one, maildir } = await open();
    const text = `${'x'.repeat(200_000)}\r`; // Its CR is held back until the end.
    const octets = text.length;
    const drafts: Draft[] = [];
    for (let at = 0; at < 10; at++) {
      const before = at * octets;
      drafts.push(await one.draft('INBOX', { letters: '', keywords: [], octets, before }));
      await drafts[at]?.write(Buffer.from(text));
      expect(readdirSync(join(maildir, 'tmp'))).toHaveLength(Math.max(0, at - 5));
    }
    const { uids } = await one.append('INBOX', drafts);
    expect(uids).toHaveLength(10);
    expect(readdirSync(join(maildir, 'tmp'))).toEqual([]);
    const inbox = await one.open('INBOX');
    for (const uid of uids) {
      expect(await wireOf(inbox, await byUid(inbox, uid as number))).toBe(text);
    }
  });

  test('INBOX of a newcomer that two sessions select at once stays theirs when mail comes', async () => {
    const { newcomer, stores } = await open();
    const mails = await Promise.all(stores.map((store) => store.openMail(newcomer.account)));
    const folders = await Promise.all(mails.map((mail) => mail.open('INBOX')));
    // EXAMINE and STATUS make nothing.
    expect(folders.map(({ state }) => state.uidValidity)).toEqual([1, 1]);
    expect(await Promise.all(folders.map((folder) => folder.claim()))).toEqual([[], []]);
    const [one, two] = folders.map(({ state }) => state.uidValidity);
    expect(one).toBeGreaterThan(1);
    expect(two).toBe(one);
    await append(mails[1] as Mail, 'INBOX', 'x\r\n');
    const now = await (folders[0] as Folder).refresh();
    expect({ uidValidity: now.uidValidity, count: now.messages.length }).toEqual({
      uidValidity: one,
      count: 1,
    });
  });

  test('of two front ends that CREATE at once none breaks anything, and it is one folder', async () => {
    const { one, two } = await open();
    for (let round = 0; round < 5; round++) {
      const name = `at-once-${round}`;
      const made = await Promise.allSettled([one.create(name), two.create(name)]);
      const failed = made.filter((how) => how.status === 'rejected');
      for (const { reason } of failed) expect(reason).toMatchObject({ kind: 'folder-exists' });
      expect(failed.length).toBeLessThan(2);
      const [a, b] = await Promise.all([one.open(name), two.open(name)]);
      expect(a.state.uidValidity).toBe(b.state.uidValidity);
      a.close();
      b.close();
    }
  });

  test('the date of a message that another session renames meanwhile', async () => {
    const { one, two, deliver } = await open();
    for (let at = 0; at < 20; at++) await deliver('Subject: x\n\ny\n', `odd${at}`);
    const folder = await one.open('INBOX');
    const other = await two.open('INBOX');
    await other.claim(); // Moves them all to cur.
    const messages = [...folder.state.messages];
    expect(messages.map(({ entry }) => entry.directory)).toEqual(messages.map(() => 'new'));
    for (const message of messages) expect(await folder.date(message)).toBeGreaterThan(0);
    await deliver('Subject: x\n\ny\n', 'odd-and-gone');
    const gone = (await folder.refresh()).messages.at(-1) as Numbered;
    await other.refresh();
    await other.expunge([gone.uid]);
    await expect(folder.date(gone)).rejects.toMatchObject({ kind: 'message-gone' });
  });

  test('a file without a date in its name has the date of the file', async () => {
    const { one, maildir } = await open();
    writeFileSync(join(maildir, 'new', 'x'), 'y\n');
    const folder = await one.open('INBOX');
    const [message] = (await folder.refresh()).messages;
    if (message === undefined) throw new Error('no message');
    const age = Date.now() - (await folder.date(message));
    expect(Math.abs(age)).toBeLessThan(600_000);
    expect(await folder.octets(message)).toBe(3);
    expect(await shown(folder)).toHaveLength(1);
  });

  test('[N-09] several writers, no drift: each front end says the sum of the files', async () => {
    const { one, two, stores, account, volume, maildir } = await open(
      { quotaBytes: 1_000_000 },
      { 'mailbox.usage.cache': 1 },
    );
    await one.create('a');
    const writers = [one, two].map(async (mail, who) => {
      const inbox = await mail.open('INBOX');
      for (let round = 0; round < 10; round++) {
        const uid = await append(mail, 'INBOX', `${'x'.repeat(97 + who)}\r\n`);
        await stores[who]?.usage(account);
        if (round % 3 === 0) await inbox.copy([uid], 'a');
        if (round % 3 === 1) await inbox.expunge([uid]);
        if (round % 3 === 2) await inbox.move([uid], 'a');
      }
    });
    await Promise.all(writers);
    const sizes = [maildir, `${maildir}/.a`].flatMap((folder) =>
      ['new', 'cur'].flatMap((part) =>
        readdirSync(join(folder, part)).map((name) => Number(/,S=(\d+)/.exec(name)?.[1])),
      ),
    );
    const sum = sizes.reduce((all, size) => all + size, 0);
    expect(sizes).toHaveLength(22);
    await expect.poll(() => stores[0].usage(account)).toBe(sum);
    await expect.poll(() => stores[1].usage(account)).toBe(sum);
    expect(await one.quota()).toEqual({ octets: sum, messages: 22, octetsMax: 1_000_000 });
    expect(volume.up).toBe(true);
  });
});
