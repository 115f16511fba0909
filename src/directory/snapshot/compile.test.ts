import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { CompileError, compileText } from './compile.ts';
import { openSnapshot } from './open.ts';
import { writeReading } from './write.ts';

const dir = mkdtempSync(join(tmpdir(), 'mailfarm-snapshot-'));
afterAll(() => rmSync(dir, { recursive: true }));
const clock = { now: () => 0, sleep: () => Promise.resolve() };

const compile = (text: string) => compileText(text, { source: 'a text', createdAt: 0 });

const faultsOf = (text: string): readonly string[] => {
  try {
    compile(text);
    return [];
  } catch (error) {
    if (!(error instanceof CompileError)) throw error;
    return error.faults.map(({ line, message }) => `${line}: ${message}`);
  }
};

const open = async (text: string, name: string) => {
  const output = join(dir, name);
  await writeReading(compile(text), { output });
  return openSnapshot(output, { clock });
};

const FARM = `version: 1

# As slapcat prints it.
dn: cn=farm,dc=x
objectClass: mwFarm
cn: farm

dn: cn=example.test,ou=domains,dc=x
objectClass: mwDomain
cn: example.test

`;
const user = (name: string, more = ''): string => `dn: cn=${name}@example.test,ou=users,dc=x
objectClass: mwUser
cn: ${name}@example.test
uid: 7
entryUUID: 0000-${name}
${more}
`;

test('[S1-08] LDIF: folded lines, base64, comments', async () => {
  const folded = `mailAlias: lo
 ng@example.test
mailAlias:: ${Buffer.from('jürgen@example.test').toString('base64')}
mwVolume: mail1
`;
  const directory = await open(FARM + user('a', folded), 'ldif');
  for (const address of ['a@example.test', 'long@example.test', 'jürgen@example.test']) {
    const answer = await directory.resolve(address);
    expect(answer).toMatchObject({ kind: 'account', account: { volume: 'mail1' } });
  }
  expect(await directory.resolve('b@example.test')).toEqual({ kind: 'unknown-user' });
  await directory.close();
});

test('[S1-08] every fault of a text is told, with its line', () => {
  const text = `${FARM}what is this

dn: cn=b@example.test,ou=users,dc=x
objectClass: mwUser
cn: b@example.test
uid: 8

dn: nonsense
cn: x

${user('c', 'mailAlias: same@example.test\n')}${user('d', 'mailAlias: Same@example.test\n')}
dn: cn=l@example.test,ou=lists,dc=x
objectClass: mwList
cn: l@example.test
mwMemberFilter: (uid=
jpegPhoto:< file:///etc/passwd
description:: ###
`;
  expect(faultsOf(text)).toEqual([
    '12: neither an attribute nor a comment (RFC 2849)',
    expect.stringMatching(/^14: .*no usable entryUUID.*slapcat/),
    expect.stringMatching(/^19: The DN/),
    expect.stringMatching(/^29: Same@example.test is also mailAlias at line 22/),
    expect.stringMatching(/^37: mwMemberFilter: /),
    '41: jpegPhoto is taken from a URL, which is not done',
    '42: description is no base64',
  ]);
  expect(faultsOf('dn: cn=a,dc=x\nchangetype: delete\n')).toEqual([
    '1: no entry cn=farm: name the suffix with --suffix',
    '2: changes are not entries',
  ]);
});

test('[S1-08] a popmap: addresses that other servers have', async () => {
  const directory = await open(
    `# user:server[:port]
anna@example.test: pop1.example.test
a+b.c@example.test:[2001:db8::1]:2525
otto@other.test:pop2.example.test:2525
`,
    'popmap',
  );
  const host = async (address: string) => await directory.resolve(address);
  expect(await host('anna@example.test')).toMatchObject({
    destinations: [{ kind: 'host', host: 'pop1.example.test', port: 25 }],
  });
  expect(await host('A+B.c@example.test')).toMatchObject({
    destinations: [{ kind: 'host', host: '2001:db8::1', port: 2525 }],
  });
  expect(await host('otto@other.test')).toMatchObject({
    destinations: [{ kind: 'host', host: 'pop2.example.test', port: 2525 }],
  });
  expect(await host('aab.c@example.test')).toEqual({ kind: 'unknown-user' });
  expect(await host('anna@third.test')).toEqual({ kind: 'unknown-domain' });
  await directory.close();
  expect(
    faultsOf('a@b.test:host\nnonsense\na@b.test:other\nx@y.test:h:99999\nbare:host\n'),
  ).toEqual([
    '2: this is not user@domain:server[:port]',
    '3: a@b.test stands at line 1 already',
    '4: this is not user@domain:server[:port]',
    '5: this is not user@domain:server[:port]',
  ]);
  expect(faultsOf('')).toEqual(['1: the text is empty']);
  const many = Array.from({ length: 10_001 }, (_, n) => `u${n}@b.test:h`).join('\n');
  expect(faultsOf(many)).toEqual(['10001: more than 10000 addresses: give LDIF']);
});
