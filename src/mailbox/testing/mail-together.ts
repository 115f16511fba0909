import { expect, test } from 'vitest';
import type { Folder, FolderState } from '../mail.ts';
import { append, byUid, shown, wireOf, type Current } from './mail-under-test.ts';

/** As long as a busy machine may take to do what is due. */
const SOON = { timeout: 30_000, interval: 20 };

export function togetherCases(now: Current): void {
  test('both front ends give a delivery the same number, one of them \\Recent', async () => {
    for (let i = 0; i < 5; i++) await now.under.deliver(`${i}\n`);
    const [one, two] = [await now.one.open('INBOX'), await now.two.open('INBOX')];
    const [a, b] = await Promise.all([one.claim(), two.claim()]);
    expect([...a, ...b].toSorted((x, y) => x - y)).toEqual(
      (await one.refresh()).messages.map(({ uid }) => uid),
    );
    expect(await shown(one)).toEqual(await shown(two));
    expect((await one.refresh()).uidValidity).toBe((await two.refresh()).uidValidity);
    expect(await one.claim()).toEqual([]);
    const texts = await Promise.all(one.state.messages.map((message) => wireOf(two, message)));
    expect(texts.toSorted()).toEqual(['0\r\n', '1\r\n', '2\r\n', '3\r\n', '4\r\n']);
  });

  test('EXAMINE takes nothing: what one refreshes is \\Recent for whoever claims it', async () => {
    await now.under.deliver('x\n');
    const [one, two] = [await now.one.open('INBOX'), await now.two.open('INBOX')];
    expect((await one.refresh()).messages).toHaveLength(1);
    expect(await two.claim()).toEqual([one.state.messages[0]?.uid]);
  });

  watching(now);
  atOnce(now);
}

function watching(now: Current): void {
  test('who watches is told of what the other does, of each kind', async () => {
    const [one, two] = [await now.one.open('INBOX'), await now.two.open('INBOX')];
    let seen: FolderState = await one.refresh();
    const unwatch = one.watch((state) => (seen = state));
    await now.under.deliver('x\n');
    await expect.poll(() => seen.messages.length, SOON).toBe(1);
    const uid = await append(now.two, 'INBOX', 'y\r\n');
    await expect.poll(() => seen.messages.length, SOON).toBe(2);
    await two.store({ uids: [uid], how: 'add', letters: 'F', keywords: ['k'] });
    await expect.poll(() => seen.messages[1]?.keywords, SOON).toEqual(['k']);
    await two.expunge([uid]);
    await expect.poll(() => seen.messages.length, SOON).toBe(1);
    expect(seen).toBe(one.state);
    unwatch();
    const last = seen;
    await two.expunge(two.state.messages.map((message) => message.uid));
    expect((await one.refresh()).messages).toHaveLength(0);
    expect(seen).toBe(last);
  });

  test('sessions of one front end hear of each other', async () => {
    const uid = await append(now.one, 'INBOX', 'x\r\n');
    const [here, there] = [await now.one.open('INBOX'), await now.one.open('INBOX')];
    const told: FolderState[] = [];
    here.watch((state) => void told.push(state));
    await there.store({ uids: [uid], how: 'add', letters: 'S', keywords: [] });
    await expect.poll(() => told.at(-1)?.messages[0]?.flags, SOON).toBe('S');
    expect(here.state.messages[0]?.flags).toBe('S');
    here.close();
    const before = told.length;
    await there.expunge([uid]);
    await there.refresh();
    expect(told.length).toBe(before);
    expect((await there.refresh()).messages).toEqual([]);
  });
}

function atOnce(now: Current): void {
  test('a UID means one message for both, whatever they do at once', async () => {
    await now.one.create('a');
    const fronts = [now.one, now.two];
    const texts = new Map<string, string>();
    const check = async (folder: Folder): Promise<void> => {
      for (const message of (await folder.refresh()).messages) {
        const text = await wireOf(folder, message).catch(() => undefined);
        if (text === undefined) continue;
        const id = `${folder.name} ${folder.state.uidValidity} ${message.uid}`;
        expect(texts.get(id) ?? text, id).toBe(text);
        texts.set(id, text);
      }
    };
    const work = async (mail: (typeof fronts)[0], who: number): Promise<void> => {
      const inbox = await mail.open('INBOX');
      for (let round = 0; round < 8; round++) {
        const uid = await append(mail, 'INBOX', `${who} ${round}\r\n`);
        await inbox.store({ uids: [uid], how: 'add', letters: 'S', keywords: [`k${who}`] });
        if (round % 3 === 0) await inbox.copy([uid], 'a');
        if (round % 4 === 1) await inbox.expunge([uid]);
        await check(inbox);
      }
    };
    await Promise.all(fronts.map(work));
    const [one, two] = [await now.one.open('INBOX'), await now.two.open('INBOX')];
    expect(await shown(one)).toEqual(await shown(two));
    expect(one.state.messages).toHaveLength(12);
    for (const { uid } of one.state.messages) expect((await byUid(two, uid)).flags).toBe('S');
    const copies = await now.two.open('a');
    await check(copies);
    expect(copies.state.messages).toHaveLength(6);
  });
}
