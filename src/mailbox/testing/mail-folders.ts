import { expect, test } from 'vitest';
import type { Mail, SpecialUse } from '../mail.ts';
import { append, byUid, kindOf, names, shown, wireOf, type Current } from './mail-under-test.ts';

/** Names that no folder can have. */
const REFUSED: readonly (readonly [what: string, name: string])[] = [
  ['none', ''],
  ['a separator alone', '/'],
  ['an empty part', 'a//b'],
  ['a separator at the start', '/a'],
  ['a separator at the end', 'a/'],
  ['NUL', 'a\0b'],
  ['a line end', 'a\r\nb'],
  ['a C1 control', 'a\u0085b'],
  ['a line separator', 'a\u2028b'],
  ['half a surrogate', 'a\ud83d'],
  ['more than a file name holds', 'x'.repeat(255)],
  ['more than a file name holds, in base64', 'ü'.repeat(150)],
  ['many parts that are too much together', Array.from({ length: 130 }, () => 'a').join('/')],
  ['what NFS clients call a file that is still open', 'nfs000000000012ab'],
];

/** Names that mean nothing special, whatever they look like. */
const TAKEN: readonly string[] = [
  'Sent',
  'Entwürfe',
  '日本語/受信',
  'a.b',
  '...',
  '.hidden',
  'a/b.c/d',
  'a&b',
  '&',
  '&-',
  '&AOk-',
  '~root',
  ' blank ',
  '%*',
  '😀',
  '{7}',
  '"quoted" \\',
  'INBOX/below',
  'inboxes',
  'tmp',
  'cur',
  'mailfarm',
  'maildirfolder',
  'x'.repeat(250),
];

export function folderCases(now: Current): void {
  test('at first there is INBOX, however it is written (RFC 9051 §5.1)', async () => {
    expect(await names(now.one)).toEqual(['INBOX']);
    for (const name of ['INBOX', 'inbox', 'iNbOx']) {
      const folder = await now.one.open(name);
      expect([folder.name, folder.state.messages.length]).toEqual(['INBOX', 0]);
      folder.close();
    }
    expect(await kindOf(now.one.create('inbox'))).toBe('folder-exists');
    expect(await kindOf(now.one.remove('Inbox'))).toBe('not-possible');
  });

  test('names that no folder can have are refused, whatever is asked', async () => {
    for (const [what, name] of REFUSED) {
      const asked = [
        now.one.create(name),
        now.one.open(name),
        now.one.remove(name),
        now.one.rename(name, 'x'),
        now.one.subscribe(name, 'yes'),
        now.one.draft(name, { letters: '', keywords: [] }),
      ];
      for (const work of asked) expect(await kindOf(work), what).toBe('bad-name');
    }
    expect(await names(now.one)).toEqual(['INBOX']);
  });

  test('no folder is made whose name has a part that directories call something else', async () => {
    await now.one.create('a');
    for (const name of ['.', '..', 'a/..', '../../etc/passwd', 'a/./b', 'inbox/..']) {
      expect(await kindOf(now.one.create(name)), name).toBe('bad-name');
      expect(await kindOf(now.one.rename('a', name)), name).toBe('bad-name');
      expect(await kindOf(now.one.rename('INBOX', name)), name).toBe('bad-name');
      expect(await kindOf(now.one.open(name)), name).toBe('no-such-folder');
    }
    expect(await names(now.two)).toEqual(['INBOX', 'a']);
  });

  test('any other name is a name: made by one front end, used and removed by another', async () => {
    for (const name of TAKEN) {
      await now.one.create(name);
      expect(await names(now.two), name).toEqual(['INBOX', name]);
      const uid = await append(now.two, name, 'x: y\r\n\r\nz\r\n');
      const folder = await now.one.open(name);
      expect(await wireOf(folder, await byUid(folder, uid)), name).toBe('x: y\r\n\r\nz\r\n');
      folder.close();
      await now.two.remove(name);
      expect(await names(now.one), name).toEqual(['INBOX']);
    }
  });

  comingAndGoing(now);
  limits(now);
  renaming(now);
  subscriptions(now);
  specialUse(now);
  userFacts(now);
}

function comingAndGoing(now: Current): void {
  test('INBOX as the first part is INBOX in any case', async () => {
    await now.one.create('inbox/Below');
    expect(await names(now.one)).toEqual(['INBOX', 'INBOX/Below']);
    expect(await kindOf(now.two.create('Inbox/Below'))).toBe('folder-exists');
  });

  test('what is not there, and what is there already', async () => {
    await now.one.create('a');
    expect(await kindOf(now.two.create('a'))).toBe('folder-exists');
    expect(await kindOf(now.two.remove('b'))).toBe('no-such-folder');
    expect(await kindOf(now.two.open('b'))).toBe('no-such-folder');
    expect(await kindOf(now.two.rename('b', 'c'))).toBe('no-such-folder');
    expect(await kindOf(now.two.draft('b', { letters: '', keywords: [] }))).toBe('no-such-folder');
    const folder = await now.one.open('a');
    await now.two.remove('a');
    expect(await kindOf(folder.refresh())).toBe('no-such-folder');
    expect(await kindOf(folder.claim())).toBe('no-such-folder');
  });

  test('a folder goes with its messages, those below it stay (RFC 9051 §6.3.5)', async () => {
    for (const name of ['a', 'a/b', 'a/b/c']) await now.one.create(name);
    await append(now.one, 'a/b', 'x\r\n');
    await now.one.remove('a/b');
    expect(await names(now.two)).toEqual(['INBOX', 'a', 'a/b/c']);
    await now.two.create('a/b');
    const folder = await now.one.open('a/b');
    expect((await folder.refresh()).messages).toEqual([]);
  });

  test('a name that is used again has another UIDVALIDITY (RFC 9051 §2.3.1.1)', async () => {
    const seen = new Set<number>();
    for (let i = 0; i < 3; i++) {
      await now.one.create('a');
      await append(now.one, 'a', `${i}\r\n`);
      const folder = await now.two.open('a');
      seen.add((await folder.refresh()).uidValidity);
      folder.close();
      await now.two.remove('a');
    }
    expect(seen.size).toBe(3);
  });
}

function limits(now: Current): void {
  test('so many folders and no more', async () => {
    const { one, two } = await now.limited({ foldersMax: 3 });
    await one.create('a');
    await one.create('b');
    expect(await kindOf(two.create('c'))).toBe('too-many-folders');
    await two.remove('a');
    await two.create('c');
    expect(await kindOf(one.rename('INBOX', 'd'))).toBe('too-many-folders');
  });

  test('somebody who never got mail has an empty INBOX and nothing else', async () => {
    const { newcomer } = now.under;
    expect(await names(newcomer)).toEqual(['INBOX']);
    expect(await newcomer.subscriptions()).toEqual([]);
    expect(await newcomer.quota()).toMatchObject({ octets: 0, messages: 0 });
    expect(await kindOf(newcomer.open('a'))).toBe('no-such-folder');
    expect(await kindOf(newcomer.remove('a'))).toBe('no-such-folder');
    const folder = await newcomer.open('INBOX');
    expect((await folder.refresh()).messages).toEqual([]);
    expect(await folder.claim()).toEqual([]);
    expect(await folder.expunge([1])).toEqual(folder.state);
    expect(await append(newcomer, 'INBOX', 'x\r\n')).toBeGreaterThan(0);
    expect((await folder.refresh()).messages).toHaveLength(1);
  });

  test('the first folder of somebody who never got mail makes his mailbox', async () => {
    await now.under.newcomer.create('a');
    expect(await names(now.under.newcomer)).toEqual(['INBOX', 'a']);
  });
}

function renaming(now: Current): void {
  test('a folder is renamed with those below it, and keeps its numbers', async () => {
    for (const name of ['a', 'a/b', 'a/b/c', 'ab']) await now.one.create(name);
    const uid = await append(now.one, 'a/b', 'x\r\n', { letters: 'S', keywords: ['k'] });
    const before = await now.one.open('a/b');
    const { uidValidity } = await before.refresh();
    await now.two.rename('a', 'z/y');
    expect(await names(now.one)).toEqual(['INBOX', 'ab', 'z/y', 'z/y/b', 'z/y/b/c']);
    expect(await kindOf(before.refresh())).toBe('no-such-folder');
    const after = await now.one.open('z/y/b');
    expect(await shown(after)).toEqual([`${uid} S k`]);
    expect(after.state.uidValidity).toBe(uidValidity);
  });

  test('a name that has only folders below it can be renamed', async () => {
    await now.one.create('a/b');
    await now.two.rename('a', 'c');
    expect(await names(now.one)).toEqual(['INBOX', 'c/b']);
  });

  test('no folder is renamed to what is there, nor into itself', async () => {
    for (const name of ['a', 'b', 'c/x', 'd/x', 'd']) await now.one.create(name);
    expect(await kindOf(now.one.rename('a', 'b'))).toBe('folder-exists');
    expect(await kindOf(now.one.rename('a', 'inbox'))).toBe('folder-exists');
    expect(await kindOf(now.one.rename('a', 'a'))).toBe('folder-exists');
    expect(await kindOf(now.one.rename('a', 'a/b'))).toBe('not-possible');
    expect(await kindOf(now.one.rename('d', 'c'))).toBe('folder-exists');
    expect(await names(now.two)).toEqual(['INBOX', 'a', 'b', 'c/x', 'd', 'd/x']);
  });

  test('a name below that gets too long stops all of it', async () => {
    await now.one.create('a');
    await now.one.create(`a/${'x'.repeat(200)}`);
    expect(await kindOf(now.one.rename('a', 'y'.repeat(100)))).toBe('bad-name');
    expect(await names(now.two)).toEqual(['INBOX', 'a', `a/${'x'.repeat(200)}`]);
  });

  test('INBOX renamed: its messages go, it stays, with what is below (RFC 9051 §6.3.6)', async () => {
    await now.one.create('INBOX/below');
    for (let i = 0; i < 3; i++) await append(now.one, 'INBOX', `${i}\r\n`, { letters: 'S' });
    await now.under.deliver('new\n');
    await now.two.rename('INBOX', 'old');
    expect(await names(now.one)).toEqual(['INBOX', 'INBOX/below', 'old']);
    const inbox = await now.one.open('INBOX');
    expect((await inbox.refresh()).messages).toEqual([]);
    const old = await now.one.open('old');
    const { messages } = await old.refresh();
    const texts = await Promise.all(messages.map((message) => wireOf(old, message)));
    expect(texts).toEqual(['0\r\n', '1\r\n', '2\r\n', 'new\r\n']);
    expect(messages.map(({ flags }) => flags)).toEqual(['S', 'S', 'S', '']);
    expect(await append(now.two, 'INBOX', 'x\r\n')).toBeGreaterThan(4);
  });
}

function subscriptions(now: Current): void {
  test('subscriptions are names, of folders that are there or not (RFC 9051 §6.3.7)', async () => {
    const long = `${'ü'.repeat(40)}/${'x'.repeat(60)}`;
    for (const name of ['gone', 'inbox', 'Entwürfe/../x', long])
      await now.one.subscribe(name, 'yes');
    await now.one.subscribe('gone', 'yes');
    expect([...(await now.two.subscriptions())].toSorted()).toEqual(
      ['Entwürfe/../x', 'INBOX', 'gone', long].toSorted(),
    );
    await now.two.subscribe('gone', 'no');
    await now.two.subscribe(long, 'no');
    await now.two.subscribe('never', 'no');
    expect(await now.one.subscriptions()).toEqual(['INBOX', 'Entwürfe/../x']);
    await now.one.create('a');
    await now.one.subscribe('a', 'yes');
    expect(await now.two.folders()).toMatchObject([
      { name: 'INBOX', subscribed: true },
      { name: 'a', subscribed: true },
    ]);
    await now.two.remove('a');
    expect(await now.one.subscriptions()).toContain('a');
  });
}

function specialUse(now: Current): void {
  const uses = async (mail: Mail): Promise<Record<string, SpecialUse | undefined>> =>
    Object.fromEntries((await mail.folders()).map(({ name, use }) => [name, use]));

  test('well-known names have their use, where no folder was made for it', async () => {
    for (const name of ['Sent', 'Drafts', 'Junk', 'Spam', 'Trash', 'Archive', 'x', 'x/Sent']) {
      await now.one.create(name);
    }
    expect(await uses(now.two)).toEqual({
      INBOX: undefined,
      Archive: 'Archive',
      Drafts: 'Drafts',
      Junk: 'Junk',
      Sent: 'Sent',
      Spam: undefined,
      Trash: 'Trash',
      x: undefined,
      'x/Sent': undefined,
    });
  });

  test('CREATE with a use (RFC 6154 §3): one folder has it, also under another name', async () => {
    await now.one.create('Sent');
    await now.one.create('Gesendet', 'Sent');
    expect(await uses(now.two)).toMatchObject({ Gesendet: 'Sent', Sent: undefined });
    expect(await kindOf(now.two.create('x', 'Sent'))).toBe('not-possible');
    expect(await kindOf(now.two.create('x', 'All'))).toBe('not-possible');
    await now.two.rename('Gesendet', 'Verschickt');
    expect(await uses(now.one)).toMatchObject({ Verschickt: 'Sent', Sent: undefined });
    await now.two.remove('Verschickt');
    expect(await uses(now.one)).toEqual({ INBOX: undefined, Sent: 'Sent' });
    await now.one.create('x', 'Sent');
    expect(await uses(now.two)).toMatchObject({ x: 'Sent' });
  });
}

function userFacts(now: Current): void {
  test('facts of a user are seen by other front ends, whole, by names of any text', async () => {
    const [one, two] = [now.one.facts, now.two.facts];
    expect(await one.list('signins')).toEqual([]);
    expect(await one.read('signins', 'a')).toBeUndefined();
    await one.remove('signins', 'a');
    await one.put('signins', 'a', Buffer.from('first'));
    await two.put('signins', 'a', Buffer.from('second'));
    await two.put('signins', '../b%', Buffer.from(''));
    expect(await one.list('signins')).toEqual(['../b%', 'a']);
    expect(String(await one.read('signins', 'a'))).toBe('second');
    expect(await one.list('contacts')).toEqual([]);
    await one.remove('signins', 'a');
    expect(await two.list('signins')).toEqual(['../b%']);
    expect(await two.read('signins', 'a')).toBeUndefined();
  });
}
