import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { memoryAccount } from '../../directory/memory.ts';
import { startWeb } from '../../http/testing/web.ts';
import { problemOf } from '../../jmap/trouble.ts';
import { MemoryStore } from '../../mailbox/memory.ts';
import type { Folder, Mail } from '../../mailbox/mail.ts';
import { StoreError } from '../../volumes/error.ts';
import { mbox } from './mbox.ts';
import { ExportPaths, exportRoutes, safePath } from './routes.ts';
import { zip } from './zip.ts';

const run = promisify(execFile);
const AT = Date.UTC(2026, 10, 2, 9, 5, 7);

async function* each<T>(items: readonly T[]): AsyncGenerator<T> {
  for (const item of items) yield item;
}

async function whole(pieces: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const all: Uint8Array[] = [];
  for await (const piece of pieces) all.push(Buffer.from(piece));
  return Buffer.concat(all);
}

/** Pieces of one buffer that is used again, as a store gives them. */
async function* reused(content: Buffer, size: number): AsyncGenerator<Uint8Array> {
  const buffer = Buffer.alloc(size);
  for (let at = 0; at < content.length; at += size) {
    const length = content.copy(buffer, 0, at, at + size);
    yield buffer.subarray(0, length);
  }
}

/** Of the archive that was unpacked last. */
let dates: readonly (readonly number[])[] = [];

/** What another program finds in an archive. */
async function unpacked(archive: Buffer): Promise<Record<string, string>> {
  const directory = await mkdtemp(join(tmpdir(), 'mailfarm-zip-'));
  const file = join(directory, 'mail.zip');
  await writeFile(file, archive);
  const script =
    'import zipfile,sys,json,base64\nz=zipfile.ZipFile(sys.argv[1])\nassert z.testzip() is None\n' +
    'print(json.dumps({i.filename:[base64.b64encode(z.read(i)).decode(),list(i.date_time)] for i in z.infolist()}))';
  const { stdout } = await run('python3', ['-c', script, file], { maxBuffer: 64 * 1024 * 1024 });
  await rm(directory, { recursive: true });
  const found = JSON.parse(stdout) as Record<string, [string, number[]]>;
  dates = Object.values(found).map(([, date]) => date);
  return Object.fromEntries(Object.entries(found).map(([name, [content]]) => [name, content]));
}

test('an archive is read by another program as it was written, whatever is in it', async () => {
  const entries: readonly (readonly [string, Buffer])[] = [
    ['INBOX/000001.eml', Buffer.from('From: a\r\n\r\nhello\r\n')],
    ['Entwürfe/до свидания/000002.eml', Buffer.alloc(0)],
    ['big.eml', Buffer.from(Array.from({ length: 700_000 }, (_, at) => (at * at) % 251))],
    ['same.eml', Buffer.alloc(300_000, 'x')],
  ];
  const given = entries.map(([name, content]) => ({
    name,
    at: AT,
    content: reused(content, 8_191),
  }));
  const archive = await whole(zip(each(given)));
  const found = await unpacked(archive);
  expect(dates[0]).toEqual([2026, 11, 2, 9, 5, 6]);
  expect(found).toEqual(
    Object.fromEntries(entries.map(([name, content]) => [name, content.toString('base64')])),
  );
  expect(await unpacked(await whole(zip(each([]))))).toEqual({});
});

// Some seconds of work; every archive is in the form for as many, so that this adds little.
const LONG = process.env['MAILFARM_LONG'] === undefined ? [] : [65_600];
test.each(LONG)(
  'an archive of %i entries, more than 16 bits count, is whole',
  async (count) => {
    const many = Array.from({ length: count }, (_, at) => at);
    async function* entries() {
      for (const at of many) yield { name: `${at}`, at: AT, content: each([Buffer.from(`${at}`)]) };
    }
    const found = await unpacked(await whole(zip(entries())));
    expect(Object.keys(found)).toHaveLength(many.length);
    expect(found['65599']).toBe(Buffer.from('65599').toString('base64'));
  },
  120_000,
);

test('who goes away in the middle of a large message leaves nothing behind that reads on', async () => {
  let asked = 0;
  let ended = false;
  async function* endless(): AsyncGenerator<Uint8Array> {
    try {
      for (;;) {
        asked += 1;
        yield Buffer.from(Array.from({ length: 65_536 }, (_, at) => (at * asked) % 251));
      }
    } finally {
      ended = true;
    }
  }
  let octets = 0;
  for await (const piece of zip(each([{ name: 'a', at: AT, content: endless() }]))) {
    octets += piece.length;
    if (octets > 200_000) break;
  }
  await expect.poll(() => ended).toBe(true);
  const before = asked;
  await new Promise((resolve) => setImmediate(resolve));
  expect(asked).toBe(before);
});

test('what fails within an entry breaks the archive off', async () => {
  async function* broken(): AsyncGenerator<Uint8Array> {
    yield Buffer.alloc(100_000, 'x');
    throw new StoreError('volume-down', 'mail1 hangs');
  }
  const content = { name: 'a', at: AT, content: broken() };
  await expect(whole(zip(each([content])))).rejects.toThrow('mail1 hangs');
});

/** Takes an mbox apart as RFC 4155 and mboxrd say. */
function messagesIn(text: string): { head: string; body: string }[] {
  const parts = text.split(/^From MAILER-DAEMON .*\n/m).slice(1);
  return parts.map((part) => {
    const lines = part.split('\n').map((line) => line.replace(/^>(>*From )/, '$1'));
    return { head: lines.slice(0, 3).join('\n'), body: lines.slice(3, -2).join('\n') };
  });
}

test('lines that begin with From are quoted so that it can be undone, in pieces of any size', async () => {
  const line = fc.constantFrom(
    'From me',
    '>From me',
    '>>From ',
    'From',
    ' From ',
    'Fromm',
    '',
    '>',
    'text',
  );
  await fc.assert(
    fc.asyncProperty(
      fc.array(line, { maxLength: 12 }),
      fc.integer({ min: 1, max: 9 }),
      async (lines, size) => {
        const body = lines.join('\n');
        const wire = Buffer.from(lines.map((one) => `${one}\r\n`).join(''));
        const message = { folder: 'INBOX', at: AT, letters: 'RS' };
        const given = [1, 2].map(() => ({ ...message, content: reused(wire, size) }));
        const text = String(await whole(mbox(each(given))));
        const expected = { head: 'Status: RO\nX-Status: A\nX-Folder: INBOX', body };
        expect(messagesIn(text)).toEqual([expected, expected]);
      },
    ),
    { seed: 7, numRuns: 300 },
  );
});

test('a line without end, a bare CR, a message without a last line end', async () => {
  const long = 'x'.repeat(200_000);
  const given = [`From ${long}\r\nbare\rcr\r\nend`].map((text) => ({
    folder: 'Entwürfe/a b\nX-Evil: 1',
    at: AT,
    letters: 'FD',
    content: reused(Buffer.from(text), 65_536),
  }));
  const text = String(await whole(mbox(each(given))));
  expect(text).toBe(
    'From MAILER-DAEMON Mon Nov  2 09:05:07 2026\nStatus: O\nX-Status: FT\n' +
      `X-Folder: Entw%C3%BCrfe/a b%0AX-Evil%3A 1\n>From ${long}\nbare\rcr\nend\n\n`,
  );
});

test('names unpack below where they are unpacked, on any system', () => {
  expect(safePath('../../etc/passwd')).toBe('_/_/etc/passwd');
  expect(safePath('a/./b\\c:d*e')).toBe('a/_/b_c_d_e');
  expect(safePath('CON/aux.txt/com1')).toBe('_CON/_aux.txt/_com1');
  expect(safePath('Entwürfe/Ответы')).toBe('Entwürfe/Ответы');
  expect(safePath('//')).toBe('_/_/_');
});

test('[P-06] mail of two folders never has one name in an archive, on any system', async () => {
  const paths = new ExportPaths();
  const folders = [
    'a:b',
    'a?b',
    'A_B',
    'a_b_2',
    'a_b',
    'caf\u00e9',
    'cafe\u0301',
    'x',
    'x/000001.eml',
  ];
  const given = folders.map((folder) => paths.of(folder));
  expect(given).toEqual([
    'a_b',
    'a_b_2',
    'A_B_3',
    'a_b_2_2',
    'a_b_4',
    'caf\u00e9',
    'cafe\u0301_2',
    'x',
    'x/_000001.eml',
  ]);
  expect(folders.map((folder) => paths.of(folder))).toEqual(given);

  const account = memoryAccount({ login: 'alice@example.test' });
  const store = new MemoryStore();
  const mail = await store.openMail(account);
  for (const name of ['Plan: A', 'Plan? A']) {
    await mail.create(name);
    const draft = await mail.draft(name, { letters: '', keywords: [] });
    await draft.write(Buffer.from(`Subject: ${name}\n\n`));
    await mail.append(name, [draft]);
  }
  const user = { account, login: account.login, session: 'x', password: 'demo' };
  const web = { authenticate: async () => ({ kind: 'known', user }) as const };
  const node = await startWeb([(app) => exportRoutes(app, { web: web as never, store })], {
    describe: problemOf,
  });
  const response = await fetch(`${node.base}/self/export/mail.zip`);
  const found = await unpacked(Buffer.from(await response.arrayBuffer()));
  expect(Object.keys(found)).toEqual(['Plan_ A/000001.eml', 'Plan_ A_2/000001.eml']);
  await node.close();
});

test('[P-06] all mail is exported, without what is deleted meanwhile; a hung volume breaks it off', async () => {
  const account = memoryAccount({ login: 'alice@example.test' });
  const store = new MemoryStore();
  for (let at = 0; at < 5; at += 1)
    store.deliver(account, Buffer.from(`Subject: ${at}\n\nhello\n`));
  await (await store.openMail(account)).create('Ablage/2026');
  const user = { account, login: account.login, session: 'x', password: 'demo' };
  const web = { authenticate: async () => ({ kind: 'known', user }) as const };
  let trouble: StoreError | undefined;
  /** A mail whose third message cannot be read. */
  const troubled = (mail: Mail): Pick<Mail, 'folders' | 'open' | 'close'> => ({
    folders: () => mail.folders(),
    close: () => mail.close(),
    open: async (name) => {
      const folder = await mail.open(name);
      const read: Folder['read'] = (message, range) =>
        message.uid === 3 && trouble ? failing(trouble) : folder.read(message, range);
      return {
        name: folder.name,
        refresh: () => folder.refresh(),
        date: (message) => folder.date(message),
        close: () => folder.close(),
        read,
      } as Folder;
    },
  });
  const node = await startWeb(
    [
      (app) =>
        exportRoutes(app, {
          web: web as never,
          store: { openMail: async () => troubled(await store.openMail(account)) as Mail },
        }),
    ],
    { describe: problemOf },
  );
  const names = async (): Promise<string[]> => {
    const response = await fetch(`${node.base}/self/export/mail.zip`);
    expect(response.headers.get('content-disposition')).toContain('attachment');
    return Object.keys(await unpacked(Buffer.from(await response.arrayBuffer())));
  };
  const all = [1, 2, 3, 4, 5].map((uid) => `INBOX/00000${uid}.eml`);
  expect(await names()).toEqual(all);
  trouble = new StoreError('message-gone', 'deleted');
  expect(await names()).toEqual(all.filter((name) => !name.includes('3')));
  trouble = new StoreError('volume-down', 'mail1 hangs');
  const broken = async (): Promise<ArrayBuffer> =>
    (await fetch(`${node.base}/self/export/mail.mbox`)).arrayBuffer();
  await expect(broken()).rejects.toThrow('terminated');
  await node.close();
});

// oxlint-disable-next-line require-yield
async function* failing(error: Error): AsyncGenerator<Buffer> {
  throw error;
}
