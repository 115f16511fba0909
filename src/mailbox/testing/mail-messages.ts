import { expect, test } from 'vitest';
import type { FlagChange } from '../mail.ts';
import { append, byUid, draft, kindOf, shown, wireOf, type Current } from './mail-under-test.ts';

/** What a client sends, and what it gets back. */
const FORMS: readonly (readonly [what: string, sent: string, wire: string])[] = [
  ['usual lines', 'a: b\r\n\r\nbody\r\n', 'a: b\r\n\r\nbody\r\n'],
  ['nothing at all', '', ''],
  ['no line end at the end', 'a\r\nb', 'a\r\nb'],
  ['bare LF, which is completed', 'a\nb\r\n\n', 'a\r\nb\r\n\r\n'],
  ['bare CR, which is kept', 'a\rb\r\r\nc\r', 'a\rb\r\r\nc\r'],
  ['NUL and 8-bit', 'a\0\xff\xfe\r\n\x80\r\n', 'a\0\xff\xfe\r\n\x80\r\n'],
  ['a line of 5,000', `${'x'.repeat(5000)}\r\ny\r\n`, `${'x'.repeat(5000)}\r\ny\r\n`],
];
const PIECES = [1, 3, 17, 100_000];
const DATE = Date.UTC(2001, 1, 3, 4, 5, 6);

export function messageCases(now: Current): void {
  for (const [what, sent, wire] of FORMS) {
    test(`[N-19] appended and read: ${what}`, async () => {
      const folder = await now.two.open('INBOX');
      for (const size of PIECES) {
        const made = await now.one.draft('INBOX', {
          letters: '',
          keywords: [],
          octets: sent.length,
        });
        const bytes = Buffer.from(sent, 'latin1');
        for (let at = 0; at < bytes.length; at += size) {
          await made.write(bytes.subarray(at, at + size));
        }
        const { uids } = await now.one.append('INBOX', [made]);
        const message = await byUid(folder, uids[0] as number);
        expect(await wireOf(folder, message)).toBe(wire);
        expect(await folder.octets(message)).toBe(wire.length);
      }
    });
  }

  test('a message of several megabytes comes and goes byte for byte', async () => {
    const line = `${'0123456789abcdef'.repeat(4)}\r\n`;
    const text = line.repeat(50_000);
    const made = await now.one.draft('INBOX', { letters: '', keywords: [] });
    const bytes = Buffer.from(text);
    for (let at = 0; at < bytes.length; at += 65_536)
      await made.write(bytes.subarray(at, at + 65_536));
    const { uids } = await now.one.append('INBOX', [made]);
    const folder = await now.two.open('INBOX');
    const message = await byUid(folder, uids[0] as number);
    expect((await wireOf(folder, message)) === text).toBe(true);
    for await (const piece of folder.read(message)) {
      expect(piece.length).toBeGreaterThan(0);
      break; // A reader that stops early costs nothing.
    }
    const stored = line.length - 1;
    const range = { offset: stored * 20_000, end: stored * 40_001 };
    expect((await wireOf(folder, message, range)) === line.repeat(20_001)).toBe(true);
  });

  test('what was said of a message with it is true of it (RFC 9051 §6.3.12)', async () => {
    const keywords = ['$Forwarded', 'zebra', 'Apple'];
    const uid = await append(now.one, 'INBOX', 'x\r\n', { letters: 'SF', keywords, date: DATE });
    const folder = await now.two.open('INBOX');
    const message = await byUid(folder, uid);
    expect(message.flags).toContain('F');
    expect(message.flags).toContain('S');
    expect(message.keywords).toEqual([...keywords].toSorted());
    expect(await folder.date(message)).toBe(DATE);
    const soon = await append(now.one, 'INBOX', 'x\r\n');
    const age = Date.now() - (await folder.date(await byUid(folder, soon)));
    expect(age).toBeGreaterThanOrEqual(0);
    expect(age).toBeLessThan(600_000);
  });

  severalAndLarge(now);
  flags(now);
  moving(now);
  searching(now);
  quotas(now);
}

function severalAndLarge(now: Current): void {
  test('several at once: all or none (RFC 3502)', async () => {
    const three = ['one', 'two', 'three'].map((text) => draft(now.one, 'INBOX', `${text}\r\n`));
    const { uids, state } = await now.one.append('INBOX', await Promise.all(three));
    expect(uids).toHaveLength(3);
    expect([...uids].toSorted((a, b) => Number(a) - Number(b))).toEqual(uids);
    expect(state.messages.map(({ uid }) => uid)).toEqual(uids);
    const folder = await now.two.open('INBOX');
    expect((await folder.refresh()).messages).toHaveLength(3);
    const used = await draft(now.one, 'INBOX', 'x\r\n');
    await now.one.append('INBOX', [used]);
    await expect(now.one.append('INBOX', [used])).rejects.toThrow(TypeError);
    const given = await draft(now.one, 'INBOX', 'given up\r\n');
    await given.discard();
    expect((await folder.refresh()).messages).toHaveLength(4);
  });

  test('too large, said before or found out', async () => {
    const { one } = await now.limited({ messageMax: 65_536 });
    const options = { letters: '', keywords: [] };
    expect(await kindOf(one.draft('INBOX', { ...options, octets: 65_537 }))).toBe('too-large');
    const made = await one.draft('INBOX', { ...options, octets: 65_536 });
    await made.write(Buffer.alloc(65_536, 'x'));
    await one.append('INBOX', [made]);
    const more = await one.draft('INBOX', options);
    await more.write(Buffer.alloc(65_535, 'x'));
    expect(await kindOf(more.write(Buffer.from('\nx')))).toBe('too-large');
    await more.discard();
    const folder = await one.open('INBOX');
    expect((await folder.refresh()).messages).toHaveLength(1);
  });
}

function flags(now: Current): void {
  const change = (uids: readonly number[], more: Partial<FlagChange>): FlagChange => ({
    uids,
    how: 'add',
    letters: '',
    keywords: [],
    ...more,
  });

  test('flags are added, removed and replaced; keywords whatever their case', async () => {
    const [a, b] = [
      await append(now.one, 'INBOX', 'a\r\n', { letters: 'S', keywords: ['Work'] }),
      await append(now.one, 'INBOX', 'b\r\n'),
    ];
    const [one, two] = [await now.one.open('INBOX'), await now.two.open('INBOX')];
    await one.store(change([a, b], { letters: 'F', keywords: ['work', 'new'] }));
    expect(await shown(two)).toEqual([`${a} FS Work new`, `${b} F Work new`]);
    await two.store(change([a, b], { how: 'remove', letters: 'SF', keywords: ['WORK'] }));
    expect(await shown(one)).toEqual([`${a}  new`, `${b}  new`]);
    await one.store(change([a], { how: 'replace', letters: 'T', keywords: ['x'] }));
    expect(await shown(two)).toEqual([`${a} T x`, `${b}  new`]);
    await one.store(change([a, b], { how: 'replace' }));
    expect(await shown(two)).toEqual([`${a} `, `${b} `]);
  });

  test('letters of other tools stay, whatever is replaced', async () => {
    await now.under.deliver('x\n', '1700000000.foreign:2,Sa');
    const folder = await now.one.open('INBOX');
    await folder.claim();
    const [message] = (await folder.refresh()).messages;
    const uid = message?.uid as number;
    await folder.store(change([uid], { how: 'replace', letters: 'F' }));
    expect((await byUid(await now.two.open('INBOX'), uid)).flags).toBe('Fa');
  });

  test('UNCHANGEDSINCE (RFC 7162 §3.1.3): what changed since is left alone', async () => {
    const uids = [await append(now.one, 'INBOX', 'a\r\n'), await append(now.one, 'INBOX', 'b\r\n')];
    const [a = 0, b = 0] = uids;
    const [one, two] = [await now.one.open('INBOX'), await now.two.open('INBOX')];
    const { modseq } = await one.refresh();
    await two.store(change([a], { letters: 'S' }));
    await one.refresh();
    const stored = await one.store(change(uids, { letters: 'F', unchangedSince: modseq }));
    expect(stored).toMatchObject({ modified: [a], gone: [] });
    expect(await shown(two)).toEqual([`${a} S`, `${b} F`]);
    await two.expunge([b]);
    await one.refresh();
    expect((await one.store(change(uids, { letters: 'T' }))).gone).toEqual([b]);
  });

  test('what changed since a MODSEQ is what has a higher one (RFC 7162 §3.1)', async () => {
    const uids: number[] = [];
    for (let i = 0; i < 6; i++) uids.push(await append(now.one, 'INBOX', `${i}\r\n`));
    const [one, two] = [await now.one.open('INBOX'), await now.two.open('INBOX')];
    const { modseq: since } = await one.refresh();
    await two.store(change([uids[1] as number], { letters: 'S' }));
    await two.expunge([uids[2] as number, uids[4] as number]);
    const added = await append(now.two, 'INBOX', 'new\r\n');
    const state = await one.refresh();
    const changed = state.messages.filter(({ modseq }) => modseq > since).map(({ uid }) => uid);
    expect(changed).toEqual([uids[1], added]);
    expect(state.expungedSince).toBeLessThanOrEqual(since);
    const gone = state.expunged.filter(({ modseq }) => modseq > since).map(({ uid }) => uid);
    expect(gone.toSorted((a, b) => a - b)).toEqual([uids[2], uids[4]]);
    expect(state.modseq).toBeGreaterThan(since);
    expect(state.uidNext).toBeGreaterThan(added);
    const same = await one.store(change([uids[1] as number], { letters: 'S' }));
    expect(same.state.modseq).toBe(state.modseq); // Nothing changed.
  });
}

function moving(now: Current): void {
  test('expunged is gone for all, also twice', async () => {
    const uids = [await append(now.one, 'INBOX', 'a\r\n'), await append(now.one, 'INBOX', 'b\r\n')];
    const [a = 0, b = 0] = uids;
    const [one, two] = [await now.one.open('INBOX'), await now.two.open('INBOX')];
    const message = await byUid(two, a);
    await one.expunge([a]);
    expect(await kindOf(wireOf(two, message))).toBe('message-gone');
    expect(await shown(two)).toEqual([`${b} `]);
    await two.expunge([a]);
    expect(await shown(one)).toEqual([`${b} `]);
    expect(await append(now.one, 'INBOX', 'c\r\n')).toBeGreaterThan(b);
  });

  test('copies keep flags, keywords and date (RFC 9051 §6.4.7)', async () => {
    await now.one.create('a');
    const letter = { letters: 'FS', keywords: ['k'], date: DATE };
    const first = await append(now.one, 'INBOX', 'x: 1\r\n\r\n1\r\n', letter);
    const second = await append(now.one, 'INBOX', 'x: 2\r\n\r\n2\r\n');
    const inbox = await now.one.open('INBOX');
    await inbox.refresh();
    const { pairs } = await inbox.copy([first, second, second + 100], 'a');
    expect(pairs.map(({ from }) => from)).toEqual([first, second]);
    const target = await now.two.open('a');
    const copy = await byUid(target, pairs[0]?.to as number);
    expect([copy.flags, copy.keywords]).toEqual(['FS', ['k']]);
    expect(await target.date(copy)).toBe(DATE);
    expect(await wireOf(target, copy)).toBe('x: 1\r\n\r\n1\r\n');
    expect(await target.octets(copy)).toBe('x: 1\r\n\r\n1\r\n'.length);
    expect(await shown(inbox)).toHaveLength(2);
    const again = await inbox.copy([first], 'INBOX'); // Into itself: another message.
    expect(again.pairs).toHaveLength(1);
    expect(await shown(await now.two.open('INBOX'))).toHaveLength(3);
  });

  test('a move is a copy and an expunge (RFC 6851)', async () => {
    await now.one.create('a');
    const uids = [await append(now.one, 'INBOX', '1\r\n'), await append(now.one, 'INBOX', '2\r\n')];
    const inbox = await now.one.open('INBOX');
    const before = await inbox.refresh();
    const { pairs } = await inbox.move([uids[0] as number], 'a');
    expect(pairs).toHaveLength(1);
    expect(inbox.state.messages.map(({ uid }) => uid)).toEqual([uids[1]]);
    const gone = inbox.state.expunged.filter(({ modseq }) => modseq > before.modseq);
    expect(gone.map(({ uid }) => uid)).toEqual([uids[0]]);
    expect(await shown(await now.two.open('a'))).toHaveLength(1);
    expect(await shown(await now.two.open('INBOX'))).toHaveLength(1);
  });

  test('a folder that is not there gets nothing', async () => {
    const uid = await append(now.one, 'INBOX', 'x\r\n');
    const inbox = await now.one.open('INBOX');
    expect(await kindOf(inbox.copy([uid], 'a'))).toBe('no-such-folder');
    expect(await kindOf(inbox.move([uid], 'a'))).toBe('no-such-folder');
    expect(await kindOf(inbox.copy([uid], 'a/'))).toBe('bad-name');
    expect(await shown(inbox)).toHaveLength(1);
  });
}

function searching(now: Current): void {
  test('a search finds what matches in the state given', async () => {
    const subjects = ['Apple pie', 'pear', 'apple'];
    const uids: number[] = [];
    for (const subject of subjects) {
      uids.push(await append(now.one, 'INBOX', `Subject: ${subject}\r\n\r\nso it is\r\n`));
    }
    const folder = await now.one.open('INBOX');
    const state = await folder.refresh();
    const apple = { kind: 'header', field: 'subject', text: 'APPLE' } as const;
    expect(await folder.search(apple, state)).toEqual([uids[0], uids[2]]);
    expect(await folder.search({ kind: 'body', text: 'SO IT' }, state)).toEqual(uids);
    expect(await folder.search({ kind: 'not', of: apple }, state)).toEqual([uids[1]]);
    expect(await folder.search({ kind: 'larger', octets: 10_000 }, state)).toEqual([]);
  });

  test('summaries are those of the messages, and nothing of those gone', async () => {
    const uids: number[] = [];
    for (let i = 0; i < 3; i++) {
      uids.push(await append(now.one, 'INBOX', `Subject: s${i}\r\n\r\nbody\r\n`));
    }
    const folder = await now.one.open('INBOX');
    const { messages } = await folder.refresh();
    await (await now.two.open('INBOX')).expunge([uids[1] as number]);
    const subjects: unknown[] = [];
    for await (const summary of folder.summaries(messages, 'head')) {
      subjects.push(summary?.envelope.subject);
    }
    expect(subjects).toEqual(['s0', undefined, 's2']);
    for await (const summary of folder.summaries(messages.slice(0, 1), 'all')) {
      expect(summary).toMatchObject({ structure: { type: 'text', lines: 1 }, preview: 'body' });
    }
  });
}

function quotas(now: Current): void {
  test('[N-09] all folders count, for APPEND and COPY too', async () => {
    const { one, two, newcomer } = await now.limited({ quotaBytes: 2500 });
    await one.create('a');
    const text = `${'x'.repeat(999)}\r\n`; // 1,000 octets as stored.
    await append(one, 'a', text);
    const uid = await append(one, 'INBOX', text);
    expect(await one.quota()).toEqual({ octets: 2000, messages: 2, octetsMax: 2500 });
    const options = { letters: '', keywords: [] };
    expect(await kindOf(one.draft('INBOX', { ...options, octets: 501 }))).toBe('over-quota');
    const together = { ...options, octets: 300, before: 201 };
    expect(await kindOf(one.draft('INBOX', together))).toBe('over-quota');
    await (await one.draft('INBOX', { ...together, before: 200 })).discard();
    expect(await kindOf(append(one, 'INBOX', text))).toBe('over-quota');
    const inbox = await one.open('INBOX');
    expect(await kindOf(inbox.copy([uid], 'a'))).toBe('over-quota');
    await inbox.move([uid], 'a');
    expect((await one.quota()).octets).toBe(2000);
    const folder = await one.open('a');
    await folder.expunge(folder.state.messages.map((message) => message.uid));
    expect((await one.quota()).octets).toBe(0);
    expect((await two.open('a').then(shown)).length).toBe(0);
    await append(one, 'INBOX', text);
    expect(await newcomer.quota()).toEqual({ octets: 0, messages: 0, octetsMax: 2500 });
  });
}
