import { mkdirSync, mkdtempSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { parseKeywordList, parseSizeList } from './courier.ts';
import { parseCyrusFlags, parseCyrusIndex } from './cyrus-index.ts';
import { parseKeywords } from './dovecot.ts';
import { targetsOf } from './names.ts';
import { Problems } from './problems.ts';
import { readSource } from './read.ts';
import { parseNumbers } from './rows.ts';
import { SourceError, type Source } from './source.ts';
import { cyrusIndex, CYRUS_HEADER } from './testing.ts';
import { parseUidlFormat } from './uidl-format.ts';

const kinds = (problems: Problems): string[] =>
  problems.list().map(({ problem, count }) => `${problem} ${count}`);

const uids = (text: string): { rows: string[]; next: number | undefined; met: string[] } => {
  const problems = new Problems();
  const numbers = parseNumbers(text, 'list', problems);
  const rows = [...(numbers?.rows ?? [])].map(([key, { uid }]) => `${key}=${uid}`);
  return { rows, next: numbers?.uidNext, met: kinds(problems) };
};

describe('files of numbers', () => {
  test.each([
    ['3 V7 N9 Gab\n1 :a,S=1:2,S\n4 P W5 S4 :b c:2,\n', ['a=1', 'b c=4'], 9, []],
    ['1 7 9\n1 a,S=1\n', ['a=1'], 9, []],
    ['3 V7 N9\n1 :a\nrubbish\n2 b\n\u0000\n', ['a=1'], 9, ['line-broken 3']],
    ['3 V7 N9\n1 :a\n1 :b\n2 :c\n', ['c=2'], 9, ['uid-doubled 2']],
    ['3 V7 N9\n1 :a\n2 :a:2,S\n', ['a=2'], 9, []],
    ['3 V7 N3\n5 :a\n', ['a=5'], 6, ['uid-above-next 1']],
    ['3 V7 N3\n0 :a\n4294967295 :b\n', [], 3, ['uid-impossible 2']],
    ['3 V7 N3\n1 :../../etc/passwd\n', [], 3, ['line-broken 1']],
    ['3 V0 N3\n1 :a\n', [], undefined, ['numbers-broken 1']],
    ['3 V7 N4294967295\n1 :a\n', [], undefined, ['numbers-broken 1']],
    ['4 what\n', [], undefined, ['numbers-broken 1']],
    ['', [], undefined, ['numbers-broken 1']],
  ])('%j', (text, rows, next, met) => {
    expect(uids(text)).toEqual({ rows, next, met });
  });
});

test.each([
  ['%08Xu%08Xv', '0000000c5f5e1001'],
  ['%v-%u', '1600000001-12'],
  ['%v.%u', '1600000001.12'],
  ['%f', '1.a,S=4'],
  ['%Uf', '1.A,S=4'],
  ['x%%%u', 'x%12'],
  ['%{uid | hex(8)}%{uidvalidity | hex(8)}', '0000000c5f5e1001'],
  ['%Mf', ''],
  ['%z', undefined],
  ['plain', undefined],
  ['', undefined],
])('pop3_uidl_format %s', (format, uidl) => {
  const parts = { uid: 12, uidValidity: 1_600_000_001, base: '1.a,S=4', guid: 'g' };
  const made = parseUidlFormat(format)?.(parts);
  if (uidl === '') expect(made).toMatch(/^[0-9a-f]{32}$/);
  else expect(made).toBe(uidl);
});

test('Courier: UIDLs of all versions, and keywords', () => {
  const problems = new Problems();
  const of = (text: string) => Object.fromEntries(parseSizeList(text, 'list', problems));
  expect(of('/3 9 7\na,S=1 10 4:1600:0\nb c 10 5:0:1\n')).toEqual({
    a: 'UID4-1600',
    'b c': 'UID5',
  });
  expect(of('/2 9 7\na 10 4:1600\n')).toEqual({ a: 'UID4-1600' });
  expect(of('/1 9\na 10 4\n')).toEqual({ a: 'UID4' });
  expect(of("/3 9 7\na+b'c 10 0:0:0\n")).toEqual({ "a+b'c": 'a+2Bb+27c' });
  expect(kinds(problems)).toEqual([]);
  expect(of('/3 9 7\nrubbish\n')).toEqual({});
  expect(of('/9 9\na 1 1\n')).toEqual({});
  expect(kinds(problems)).toEqual(['line-broken 2']);
  const list = parseKeywordList('Work\n$Later\n\na,S=1:0 1\nb:7\n', 'list', problems);
  expect(Object.fromEntries(list)).toEqual({ a: ['Work', '$Later'], b: [] });
  expect(kinds(problems)).toContain('keyword-lost 1');
});

test('Dovecot: letters of keywords', () => {
  const problems = new Problems();
  const names = parseKeywords('0 Work\n25 Z\n26 no\nx\n', 'x', problems);
  expect([...names]).toEqual([
    ['a', 'Work'],
    ['z', 'Z'],
  ]);
  expect(kinds(problems)).toEqual(['line-broken 2']);
});

test.each([9, 10, 12, 13, 14, 16, 18, 19, 20])('Cyrus: index of version %i', (version) => {
  const bytes = cyrusIndex(version, [
    { uid: 3, flags: 0b11010, user: [0, 33], date: 1_500_000_000 },
    { uid: 8, flags: version < 12 ? 0 : 0x8000_0000, user: [], date: 1_500_000_001 },
  ]);
  const index = parseCyrusIndex(bytes);
  expect(index).toMatchObject({
    uidValidity: 1_400_000_000,
    lastUid: 9,
    newUidl: true,
    knowsSeen: version >= 12,
    missing: 0,
    records: [
      { uid: 3, internalDate: 1_500_000_000, letters: 'DFS', userFlags: [0, 33], expunged: false },
      { uid: 8, expunged: version >= 12 },
    ],
  });
  expect(parseCyrusIndex(bytes.subarray(0, -1))).toMatchObject({ missing: 1 });
});

test('Cyrus: what is no index is refused with words', () => {
  expect(parseCyrusIndex(Buffer.alloc(10))).toMatch(/too short/);
  expect(parseCyrusIndex(cyrusIndex(11, []))).toMatch(/version is 11/);
  expect(parseCyrusIndex(Buffer.alloc(200, 0xff))).toMatch(/version/);
  const bytes = cyrusIndex(13, []);
  bytes.writeUInt32BE(1, 16);
  expect(parseCyrusIndex(bytes)).toMatch(/records of 1 octets/);
  expect(parseCyrusFlags(CYRUS_HEADER)).toEqual(['Work', '$Later']);
  expect(parseCyrusFlags(Buffer.from('no header'))).toBeUndefined();
});

function place(): string {
  const directory = mkdtempSync(join(tmpdir(), 'mailfarm-source-'));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  for (const name of ['cur', 'new', 'tmp']) mkdirSync(join(directory, name));
  return directory;
}

const AT = 1_600_000_000;
function put(file: string | Buffer, at = AT): void {
  writeFileSync(file, 'Subject: x\n\nx\n');
  utimesSync(file, at, at);
}

const read = (from: string, problems: Problems, uidlFormat?: string): Promise<Source> =>
  readSource({ from, format: 'auto' }, { uidlFormat, problems });

test('[N-08] qmail: the UIDL is the name up to the colon, whatever stands in it', async () => {
  const from = place();
  put(join(from, 'cur', `${AT}.12.host,S=15,W=18:2,S`));
  put(join(from, 'new', `${AT}.13.host`));
  const problems = new Problems();
  const { format, folders } = await read(from, problems);
  expect(format).toBe('qmail');
  const targets = targetsOf(folders[0]!, { format, problems, inPlace: false });
  expect(targets.map(({ key, uidl }) => [key, uidl])).toEqual([
    [`${AT}.12.host`, `${AT}.12.host,S=15,W=18`],
    [`${AT}.13.host`, undefined], // Ours is the same.
  ]);
  expect(kinds(problems)).toEqual([]);
});

test('hostile names: each has a key and is counted; links are left out', async () => {
  const from = place();
  const cur = join(from, 'cur');
  const octets = (name: string): Buffer => Buffer.from(`${cur}/${name}`, 'latin1');
  put(octets(`${AT}.a\u0001\nb:2,S`));
  put(octets(`${AT}.\xff\xfe`));
  put(octets(`${AT}.${'x'.repeat(255 - 15)}:2,S`));
  put(octets(`${AT}.same:2,S`));
  put(octets(`${AT}.same:2,F`));
  put(octets(`${AT}.same,S=3:2,`));
  put(octets('nodate'));
  put(octets(`${AT + 500}.dated`));
  symlinkSync('/etc/passwd', join(cur, `${AT}.link`));
  mkdirSync(join(cur, `${AT}.directory`));
  writeFileSync(join(from, 'dovecot-uidlist'), `3 V7 N9\n1 :${AT}.a\u0001\n`);
  const problems = new Problems();
  const { format, folders } = await read(from, problems);
  const targets = targetsOf(folders[0]!, { format, problems, inPlace: false });
  const keys = targets.map(({ key }) => key);
  expect(new Set(keys).size).toBe(8);
  expect(keys.every((key) => /^[!-~]{1,120}$/.test(key) && !/[,:/]/.test(key))).toBe(true);
  expect(keys).toContain(`${AT}.nodate`);
  expect(keys).toContain(`${AT}.dated`); // Its file is older than its name: APPEND with a date.
  expect(keys).toContain(`${AT}.same`);
  expect(kinds(problems).toSorted()).toEqual([
    'file-doubled 2',
    'name-changed 3',
    'no-uid 6',
    'not-a-file 2',
  ]);
  const again = targetsOf((await read(from, problems)).folders[0]!, {
    format,
    problems,
    inPlace: false,
  });
  expect(again.map(({ key }) => key)).toEqual(keys);
});

test('what is no source is refused by name', async () => {
  const problems = new Problems();
  const empty = mkdtempSync(join(tmpdir(), 'mailfarm-source-'));
  onTestFinished(() => rmSync(empty, { recursive: true, force: true }));
  await expect(read(empty, problems)).rejects.toThrow(/neither a Maildir/);
  writeFileSync(join(empty, '12.'), 'x');
  writeFileSync(join(empty, 'cyrus.header'), CYRUS_HEADER);
  await expect(read(empty, problems)).rejects.toThrow(/no cyrus\.index/);
  writeFileSync(join(empty, 'cyrus.index'), cyrusIndex(11, []));
  await expect(read(empty, problems)).rejects.toThrow(/version is 11/);
  const both = place();
  writeFileSync(join(both, 'dovecot-uidlist'), '3 V1 N1\n');
  writeFileSync(join(both, 'courierimapuiddb'), '1 1 1\n');
  await expect(read(both, problems)).rejects.toThrow(/dovecot and courier|courier and dovecot/);
  await expect(read(both, problems, 'x')).rejects.toThrow(SourceError);
});

test('[N-08] Cyrus: folders, flags of the index; expunged messages are left out', async () => {
  const from = mkdtempSync(join(tmpdir(), 'mailfarm-source-'));
  onTestFinished(() => rmSync(from, { recursive: true, force: true }));
  const records = [
    { uid: 3, flags: 0b10010, user: [0], date: 1_500_000_000 },
    { uid: 8, flags: 0x8000_0000, user: [], date: 1_500_000_001 },
  ];
  for (const path of [from, join(from, 'Entw&APw-rfe', '20^26')]) {
    mkdirSync(path, { recursive: true });
    writeFileSync(join(path, 'cyrus.index'), cyrusIndex(13, records));
    writeFileSync(join(path, 'cyrus.header'), CYRUS_HEADER);
    for (const uid of [3, 8]) writeFileSync(join(path, `${uid}.`), 'Subject: x\r\n\r\nx\r\n');
  }
  const problems = new Problems();
  const { format, folders } = await read(from, problems);
  expect(folders.map(({ name }) => name)).toEqual(['INBOX', 'Entwürfe/20.26']);
  const [inbox] = folders;
  expect(inbox!.numbers).toEqual({ uidValidity: 1_400_000_000, uidNext: 10 });
  const targets = targetsOf(inbox!, { format, problems, inPlace: false });
  expect(targets).toMatchObject([
    {
      key: '1500000000.C3',
      uidl: '1400000000.3',
      uid: 3,
      source: { letters: 'FS', keywords: ['Work'] },
    },
  ]);
  expect(kinds(problems)).toEqual([]);
});
