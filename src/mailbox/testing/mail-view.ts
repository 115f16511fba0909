import fc from 'fast-check';
import { expect, onTestFinished, test } from 'vitest';
import { systemClock } from '../../base/clock.ts';
import { emailIdOf } from '../email-id.ts';
import type { Mail } from '../mail.ts';
import { openMailView } from '../mail-view.ts';
import type { Changed, MailVersion, MailView } from '../view.ts';
import { append, names, type Current } from './mail-under-test.ts';

const SOON = { timeout: 30_000, interval: 20 };
const NOTHING: Changed = { created: [], updated: [], destroyed: [] };

async function viewOf(mail: Mail): Promise<MailView> {
  const view = await openMailView({ mail, clock: systemClock });
  onTestFinished(() => view.close());
  return view;
}

/** Ids of a folder's emails, by UID. */
function emails(version: MailVersion, name: string): readonly string[] {
  const view = version.folders.find(({ info }) => info.name === name);
  return view?.state.messages.map(({ key }) => emailIdOf(key)) ?? [];
}

const idOf = (version: MailVersion, name: string): string | undefined =>
  version.folders.find(({ info }) => info.name === name)?.id;

const allEmails = (version: MailVersion): readonly string[] =>
  [...new Set(version.folders.flatMap(({ info }) => emails(version, info.name)))].toSorted();

/** What became of the emails since a state; each id in one list. */
function changes(view: MailView, since: string, version: MailVersion): Changed {
  const changed = view.emailChanges(since, version);
  if (changed === undefined) throw new Error('cannotCalculateChanges');
  const { created, updated, destroyed } = changed;
  const all = [...created, ...updated, ...destroyed];
  expect(new Set(all).size).toBe(all.length);
  return changed;
}

async function uidsOf(mail: Mail, name: string): Promise<readonly number[]> {
  const folder = await mail.open(name);
  const { messages } = await folder.refresh();
  folder.close();
  return messages.map(({ uid }) => uid);
}

/** One act of an IMAP client on one front end. */
async function act(
  mail: Mail,
  what: 'move' | 'copy' | 'expunge' | 'flag',
  from: string,
  { at = 0, to = '' }: { readonly at?: number; readonly to?: string } = {},
): Promise<void> {
  const folder = await mail.open(from);
  const { messages } = await folder.refresh();
  const message = messages[at % Math.max(1, messages.length)];
  if (message !== undefined) {
    const { uid, flags } = message;
    if (what === 'move') await folder.move([uid], to);
    if (what === 'copy') await folder.copy([uid], to);
    if (what === 'expunge') await folder.expunge([uid]);
    const how = flags.includes('F') ? 'remove' : 'add';
    if (what === 'flag') await folder.store({ uids: [uid], how, letters: 'F', keywords: [] });
  }
  folder.close();
}

export function viewCases(now: Current): void {
  idCases(now);
  changeCases(now);
  folderCases(now);
  mailboxCases(now);
  threadCases(now);
  watchCases(now);
  randomCase(now);
}

function idCases(now: Current): void {
  test('ids of emails are the same on both front ends, over moves and renames', async () => {
    await now.one.create('a');
    await now.under.deliver('x\n');
    await now.under.deliver('y\n', '1700000000.foreign.host');
    const [one, two] = [await viewOf(now.one), await viewOf(now.two)];
    const ids = emails(one.version, 'INBOX');
    expect(ids).toHaveLength(2);
    for (const id of ids) expect(id).toMatch(/^[A-Za-z][\w-]{0,254}$/);
    expect(emails(two.version, 'INBOX')).toEqual(ids);
    await act(now.two, 'move', 'INBOX', { to: 'a' });
    await act(now.one, 'move', 'INBOX', { to: 'a' });
    await now.two.rename('a', 'b');
    for (const view of [one, two]) {
      const version = await view.refresh();
      expect([emails(version, 'INBOX'), emails(version, 'b')]).toEqual([[], ids]);
      expect(version.places(ids[0] as string)).toMatchObject([
        { in: { info: { name: 'b' } }, message: { uid: 1 } },
      ]);
    }
    expect(two.version.emailState).toBe(one.version.emailState);
    expect(two.version.mailboxState).toBe(one.version.mailboxState);
  });

  test('a copy is another email; one that lies in two folders has both for places', async () => {
    await now.one.create('a');
    await now.under.deliver('x\n', '1700000000.twice.host');
    await act(now.two, 'copy', 'INBOX', { to: 'a' });
    const view = await viewOf(now.one);
    const [[id], [copy]] = [emails(view.version, 'INBOX'), emails(view.version, 'a')];
    expect(copy).not.toBe(id);
    expect(view.version.places(id as string)).toHaveLength(1);
    expect(view.version.places('none')).toEqual([]);
  });

  test('ids of folders survive renames and are never those of others', async () => {
    for (const name of ['a', 'a/b']) await now.one.create(name);
    const view = await viewOf(now.one);
    const [inbox, a, b] = view.version.folders.map(({ id }) => id);
    expect([inbox, idOf(view.version, 'a'), idOf(view.version, 'a/b')]).toEqual(['inbox', a, b]);
    await now.two.rename('a', 'z');
    await now.two.create('a');
    const later = await view.refresh();
    expect([idOf(later, 'z'), idOf(later, 'z/b')]).toEqual([a, b]);
    expect([inbox, a, b]).not.toContain(idOf(later, 'a'));
    await now.two.remove('z');
    await now.two.create('z');
    const last = await view.refresh();
    expect([inbox, a, b, idOf(last, 'a')]).not.toContain(idOf(last, 'z'));
    expect(last.folder(b as string)?.info.name).toBe('z/b');
    expect(last.folder(a as string)).toBeUndefined();
  });
}

function changeCases(now: Current): void {
  test('what one front end does the other tells from the state that the one gave', async () => {
    await now.one.create('a');
    const view = await viewOf(now.one);
    const other = await viewOf(now.two);
    let since = view.version.emailState;
    expect(changes(view, since, view.version)).toEqual(NOTHING);
    const step = async (): Promise<Changed> => {
      const version = await other.refresh();
      const told = changes(other, since, version);
      const here = await view.refresh();
      expect(changes(view, since, here)).toEqual(told);
      since = here.emailState;
      return told;
    };
    await now.under.deliver('x\n');
    const created = (await step()).created;
    const id = created[0] as string;
    expect(created).toEqual(emails(view.version, 'INBOX'));
    await act(now.one, 'flag', 'INBOX');
    expect(await step()).toEqual({ ...NOTHING, updated: [id] });
    await act(now.one, 'move', 'INBOX', { to: 'a' });
    expect(await step()).toEqual({ ...NOTHING, updated: [id] });
    await act(now.two, 'move', 'a', { to: 'INBOX' });
    await act(now.two, 'move', 'INBOX', { to: 'a' });
    await act(now.two, 'flag', 'a');
    expect(await step()).toEqual({ ...NOTHING, updated: [id] });
    await act(now.one, 'expunge', 'a');
    expect(await step()).toEqual({ ...NOTHING, destroyed: [id] });
    await append(now.one, 'a', 'y\r\n');
    await act(now.one, 'expunge', 'a');
    expect(await step()).toEqual(NOTHING);
  });

  test('a string that is no state of ours, or of later than what is seen, says nothing', async () => {
    const view = await viewOf(now.one);
    const early = view.version;
    const { emailState, mailboxState } = early;
    await now.under.deliver('x\n');
    const late = await view.refresh();
    for (const foreign of ['', 'x', '0', `${emailState}A`, emailState.slice(1), mailboxState]) {
      expect(view.emailChanges(foreign, late), foreign).toBeUndefined();
    }
    for (const foreign of ['', 'x', '0', `${mailboxState}A`, emailState]) {
      expect(view.mailboxChanges(foreign, late), foreign).toBeUndefined();
    }
    expect(view.emailChanges(late.emailState, early)).toBeUndefined();
    expect(early.emailState).toBe(emailState);
  });
}

function folderCases(now: Current): void {
  test('emails of a removed folder are destroyed, those moved out of it before are not', async () => {
    for (const name of ['a', 'b', 'empty']) await now.one.create(name);
    for (const text of ['x', 'y', 'z']) await append(now.one, 'a', `${text}\r\n`);
    const [view, other] = [await viewOf(now.one), await viewOf(now.two)];
    const since = view.version.emailState;
    const [x, y, z] = emails(view.version, 'a');
    await act(now.one, 'move', 'a', { to: 'b' });
    await act(now.one, 'expunge', 'a');
    await now.one.remove('a');
    await now.two.remove('empty');
    for (const each of [other, view, await viewOf(now.two)]) {
      const told = changes(each, since, await each.refresh());
      expect(told).toEqual({ created: [], updated: [x], destroyed: expect.any(Array) });
      expect(new Set(told.destroyed)).toEqual(new Set([y, z]));
    }
  });

  test('INBOX renamed: its emails are updated, no other is there', async () => {
    for (const text of ['x', 'y']) await append(now.one, 'INBOX', `${text}\r\n`);
    const view = await viewOf(now.one);
    const before = view.version;
    await now.two.rename('INBOX', 'old');
    const told = changes(view, before.emailState, await view.refresh());
    expect(told).toEqual({ ...NOTHING, updated: expect.any(Array) });
    expect(told.updated.toSorted()).toEqual(allEmails(before));
  });

  test('the mailbox of somebody who never got mail begins while it is looked at', async () => {
    const view = await viewOf(now.under.newcomer);
    const { emailState, mailboxState, folders } = view.version;
    expect(folders.map(({ id, info }) => [id, info.name])).toEqual([['inbox', 'INBOX']]);
    await append(now.under.newcomer, 'INBOX', 'x\r\n');
    const version = await view.refresh();
    expect(changes(view, emailState, version)).toEqual({
      ...NOTHING,
      created: emails(version, 'INBOX'),
    });
    expect(view.mailboxChanges(mailboxState, version)).toMatchObject({
      ...NOTHING,
      updated: ['inbox'],
    });
  });
}

function mailboxCases(now: Current): void {
  test('mailboxes: what is made, renamed, subscribed to, counted, removed', async () => {
    await now.one.create('a/b');
    const [view, other] = [await viewOf(now.one), await viewOf(now.two)];
    const b = idOf(view.version, 'a/b');
    let since = view.version.mailboxState;
    const step = async (): Promise<unknown> => {
      const told = other.mailboxChanges(since, await other.refresh());
      since = other.version.mailboxState;
      return told;
    };
    expect(await step()).toEqual({ ...NOTHING, countsOnly: false });
    await append(now.one, 'a/b', 'x\r\n');
    expect(await step()).toEqual({ ...NOTHING, updated: [b], countsOnly: true });
    await now.one.create('a'); // The parent of what was at the top.
    const created = [idOf(await view.refresh(), 'a')];
    // INBOX may be told as well: its journal holds the UIDVALIDITY of the new one.
    const updated: unknown = expect.arrayContaining([b]);
    expect(await step()).toEqual({ ...NOTHING, created, updated, countsOnly: false });
    await now.one.rename('a', 'z');
    const renamed = await step();
    expect(renamed).toMatchObject({ created: [], destroyed: [], countsOnly: false });
    expect(new Set((renamed as Changed).updated)).toEqual(new Set([...created, b]));
    await now.one.subscribe('z/b', 'yes');
    expect(await step()).toEqual({ ...NOTHING, updated: [b], countsOnly: false });
    await now.two.remove('z/b');
    expect(await step()).toEqual({ ...NOTHING, destroyed: [b], countsOnly: false });
  });
}

function threadCases(now: Current): void {
  test('threads go by References and In-Reply-To, and are the same on both front ends', async () => {
    await now.one.create('Sent');
    await append(now.one, 'INBOX', 'Message-ID: <1@x>\r\n\r\nq\r\n', { date: 1_000_000 });
    await append(now.one, 'Sent', 'Message-ID: <2@x>\r\nIn-Reply-To: <1@x>\r\n\r\n', {
      date: 2_000_000,
    });
    const references = 'References: <1@x> <2@x>\r\nIn-Reply-To: <2@x>\r\nMessage-ID: <3@x>\r\n\r\n';
    await append(now.two, 'INBOX', references, { date: 3_000_000 });
    await append(now.two, 'INBOX', 'Subject: Re: q\r\n\r\n', { date: 4_000_000 });
    const [view, other] = [await viewOf(now.one), await viewOf(now.two)];
    const [first, third, alone] = emails(view.version, 'INBOX') as [string, string, string];
    const [second] = emails(view.version, 'Sent') as [string];
    const threads = await view.threads(view.version);
    const thread = threads.threadOf(first) as string;
    expect(thread).toMatch(/^[A-Za-z][\w-]+$/);
    expect(threads.emailsOf(thread)).toEqual([first, second, third]);
    expect(threads.emailsOf(threads.threadOf(alone) as string)).toEqual([alone]);
    const all = [first, second, third, alone];
    const places = all.flatMap((id) => other.version.places(id));
    expect(await other.threadIds(places)).toEqual(all.map((id) => threads.threadOf(id)));
    await act(now.two, 'expunge', 'INBOX');
    await append(now.two, 'Sent', 'In-Reply-To: <1@x>\r\n\r\n', { date: 5_000_000 });
    const later = await view.threads(await view.refresh());
    expect(later.threadOf(first)).toBe(thread);
    expect(later.emailsOf(thread)).toEqual([second, third, emails(view.version, 'Sent')[1]]);
    // What was asked before stays what it was.
    expect(threads.emailsOf(thread)).toEqual([first, second, third]);
  });

  test('threads of what is gone are known to whoever comes later', async () => {
    for (let at = 0; at < 60; at++) await append(now.one, 'INBOX', `Message-ID: <${at}@x>\r\n\r\n`);
    const view = await viewOf(now.one);
    const ids = emails(view.version, 'INBOX');
    const threads = await view.threads(view.version);
    const list = (): Promise<readonly string[]> => now.two.facts.list('threads');
    await expect.poll(list, SOON).toHaveLength(1);
    for (let at = 0; at < 20; at++) await act(now.two, 'expunge', 'INBOX');
    const fresh = await viewOf(now.two);
    const later = await fresh.threads(fresh.version);
    expect(ids.map((id) => later.threadOf(id))).toEqual(ids.map((id) => threads.threadOf(id)));
    expect(later.emailsOf(threads.threadOf(ids[0] as string) as string)).toEqual([]);
  });
}

function watchCases(now: Current): void {
  test('who watches is told of each change that the other makes, until he stops', async () => {
    const view = await viewOf(now.one);
    const told: MailVersion[] = [];
    const stop = view.watch((version) => void told.push(version));
    const other = view.watch(() => {});
    await append(now.two, 'INBOX', 'x\r\n');
    await expect.poll(() => told.at(-1)?.folders[0]?.state.messages.length, SOON).toBe(1);
    expect(view.version).toBe(told.at(-1));
    const count = told.length;
    await view.refresh();
    expect(told).toHaveLength(count); // Nothing has changed.
    stop();
    await append(now.two, 'INBOX', 'y\r\n');
    await expect.poll(() => emails(view.version, 'INBOX').length, SOON).toBe(2);
    expect(told).toHaveLength(count);
    other();
  });
}

const FOLDERS = ['INBOX', 'a', 'b'] as const;
const folder = fc.constantFrom(...FOLDERS);
const anAct = fc.record({
  front: fc.nat(1),
  what: fc.constantFrom('append', 'append', 'move', 'move', 'copy', 'expunge', 'flag', 'look'),
  from: folder,
  to: folder,
  at: fc.nat(5),
});
const RUNS = Number(process.env['MAILFARM_TEST_RUNS'] ?? 6);

function randomCase(now: Current): void {
  test('changes applied to any list of before give the list of now, always', async () => {
    for (const name of ['a', 'b']) await now.one.create(name);
    const mails = [now.one, now.two];
    const views = await Promise.all(mails.map(viewOf));
    const acts = fc.array(anAct, { minLength: 5, maxLength: 25 });
    const play = async (
      steps: readonly (typeof anAct extends fc.Arbitrary<infer T> ? T : never)[],
    ) => {
      const before: MailVersion[] = [(await views[0]?.refresh()) as MailVersion];
      for (const { front, what, ...where } of steps) {
        const mail = mails[front] as Mail;
        if (what === 'append') await append(mail, where.from, 'x\r\n');
        else if (what === 'look') before.push((await views[front]?.refresh()) as MailVersion);
        else await act(mail, what, where.from, where);
      }
      for (const view of views) {
        const version = await view.refresh();
        for (const old of before) {
          const { created, updated, destroyed } = changes(view, old.emailState, version);
          const list = new Set(allEmails(old));
          for (const id of [...updated, ...destroyed]) expect(list.has(id), id).toBe(true);
          for (const id of destroyed) list.delete(id);
          for (const id of created) {
            expect(list.has(id), id).toBe(false);
            list.add(id);
          }
          expect([...list].toSorted()).toEqual(allEmails(version));
          // What is told of none has not changed.
          const told = new Set([...created, ...updated]);
          const kept = [...list].filter((id) => !told.has(id));
          expect(kept.map((id) => shownOf(version, id))).toEqual(
            kept.map((id) => shownOf(old, id)),
          );
        }
      }
    };
    await fc.assert(fc.asyncProperty(acts, play), { numRuns: RUNS });
    expect(await names(now.one)).toEqual(['INBOX', 'a', 'b']);
    expect(await uidsOf(now.one, 'INBOX')).toEqual(await uidsOf(now.two, 'INBOX'));
  });
}

/** What an email shows that can change. */
const shownOf = (version: MailVersion, id: string): readonly string[] =>
  version.places(id).map((place) => `${place.in.id} ${place.message.flags}`);
