import { expect, test } from 'vitest';
import fc from 'fast-check';
import { csvCell, csvRow, readCsv } from './csv.ts';
import { ldifRecord, readLdif } from './ldif.ts';
import type { Read } from './record.ts';

const ldif = (text: string | Buffer): Read[] => [...readLdif(Buffer.from(text))];
const csv = (text: string | Buffer): Read[] => [...readCsv(Buffer.from(text))];
const record = (read: Read | undefined): unknown =>
  read?.kind === 'record'
    ? { line: read.record.line, ...Object.fromEntries(read.record.values) }
    : read;
const problems = (reads: readonly Read[]): unknown =>
  reads.flatMap((read) => (read.kind === 'problem' ? [read.problem] : []));

test('LDIF: version, comments that are folded, folded values, base64, CRLF and the last line', () => {
  const text = `version: 1
# A comment that is
 folded
dn: cn=a@x.test,ou=users,dc=x\r
objectClass: top\r
objectClass: mwUser
cn: a@x
 .test
# within
mailAlias: one@x.test
MAILALIAS: two@x.test
description:: ${Buffer.from('größer\n').toString('base64')}


dn: ou=users,dc=x
objectClass: organizationalUnit
ou: users

dn: cn=b
objectclass: MWUSER
cn:b@x.test`;
  const [a, other, b, ...more] = ldif(text);
  expect(record(a)).toEqual({
    line: 4,
    objectClass: ['top', 'mwUser'],
    cn: ['a@x.test'],
    mailAlias: ['one@x.test', 'two@x.test'],
    description: ['größer\n'],
  });
  expect(other).toEqual({ kind: 'other', line: 15 });
  expect(record(b)).toMatchObject({ line: 19, cn: ['b@x.test'] });
  expect(more).toEqual([]);
});

const USER = 'dn: cn=a\nobjectClass: mwUser\n';
test.each([
  [`${USER}cn: a\nuserPassword:< file:///etc/shadow\n`, 4, /URL/],
  [`${USER}changetype: delete\n`, 3, /ldapmodify/],
  [`${USER}changetype: modify\n`, 3, /ldapmodify/],
  [`\n\n${USER}description:: a*b\n`, 5, /base64/],
  [`${USER}no colon\n`, 3, /attribute: value/],
  [`${USER}a b: c\n`, 3, /attribute: value/],
  ['cn: a\nobjectClass: mwUser\n', 1, /begins with its dn/],
  ['version: 2\n', 1, /version 1/],
  [Buffer.concat([Buffer.from(`${USER}cn: `), Buffer.from([0xff, 0xfe])]), 3, /UTF-8/],
  [Buffer.from(`${USER}description:: ${Buffer.from([0xc3]).toString('base64')}`), 3, /UTF-8/],
  [`${USER}description: ${'x'.repeat(300_000)}`, 3, /too long/],
])('LDIF: what is wrong is said with its line: %#', (text, line, message) => {
  expect(problems(ldif(text))).toEqual([{ line, message: expect.stringMatching(message) }]);
});

test('LDIF that is written is read again, whatever the values are', () => {
  const value = fc.oneof(
    fc.string({ minLength: 1 }),
    fc.string({ unit: 'grapheme', minLength: 1 }),
  );
  fc.assert(
    fc.property(fc.array(value, { minLength: 1, maxLength: 4 }), (values) => {
      const text = ldifRecord('cn=a', [
        ['objectClass', ['mwUser']],
        ['description', values],
      ]);
      for (const line of text.split('\n')) expect(line.length).toBeLessThanOrEqual(76);
      expect(record(ldif(text)[0])).toMatchObject({ description: values });
    }),
  );
});

test('CSV: names for people, several values, quotes, semicolons, a byte order mark', () => {
  const text =
    '\ufefflogin;alias;note;password\r\n' +
    'a@x.test;one@x.test two@x.test;"say ""hi""\nand more"; p w \r\n\r\nb@x.test;;;\r\n';
  const [a, b] = csv(text);
  expect(record(a)).toEqual({
    line: 2,
    cn: ['a@x.test'],
    mailAlias: ['one@x.test', 'two@x.test'],
    note: ['say "hi"', 'and more'],
    password: [' p w '],
  });
  expect(record(b)).toMatchObject({ cn: ['b@x.test'], mailAlias: [] });
});

test.each([
  ['', 1, /header/],
  ['mailAlias\nx@x.test\n', 1, /names no login/],
  ['login,qouta\n', 1, /"qouta"; did you mean "quota"/],
  ['login,a b\n', 1, /not the name of a field/],
  ['login,cn\n', 1, /twice/],
  ['login,quota\na@x.test\n', 2, /1 cells/],
  ['login,quota\na@x.test,1\n"b@x.test,1\n', 3, /never closed/],
  [Buffer.from('login\na@x.test\nb\xff@x.test\n', 'latin1'), 3, /UTF-8/],
])('CSV: what is wrong is said with its line: %#', (text, line, message) => {
  expect(problems(csv(text))).toContainEqual({ line, message: expect.stringMatching(message) });
});

test('CSV that is written is read again (RFC 4180)', () => {
  const value = fc.string({ minLength: 1, unit: 'grapheme' }).filter((s) => !/[\r\n]/.test(s));
  fc.assert(
    fc.property(fc.array(value, { minLength: 1, maxLength: 3 }), (values) => {
      const text = csvRow(['login', 'note']) + csvRow(['a', csvCell('note', values)]);
      expect(record(csv(text)[0])).toEqual({ line: 2, cn: ['a'], note: values });
    }),
  );
});

test('no octets of a stranger make a reader throw', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
      for (const read of [readCsv, readLdif]) expect([...read(Buffer.from(bytes))]).toBeDefined();
    }),
  );
});

test('a CSV file of many megabytes: rows are whole, lines are right, one bad row is one', () => {
  const rows: string[] = ['login,description'];
  const expected: [line: number, login: string][] = [];
  let line = 2;
  for (let n = 0; n < 40_000; n += 1) {
    const login = `u${n}@x.test`;
    if (n % 7_000 === 6_999) {
      rows.push(`${login},stray "quote" here`);
    } else {
      rows.push(`${login},"one ""${'x'.repeat(60)}"",\nu@x.test,two"`);
      expected.push([line, login]);
      line += 1;
    }
    line += 1;
  }
  const reads = csv(`${rows.join('\r\n')}\r\n`);
  const found = reads.flatMap((read) =>
    read.kind === 'record' ? [[read.record.line, read.record.values.get('cn')?.[0]]] : [],
  );
  const wrong = expected.findIndex((one, i) => one.join() !== found[i]?.join());
  expect([wrong, found.length]).toEqual([-1, expected.length]);
  expect(reads.length - found.length).toBe(5);
});
