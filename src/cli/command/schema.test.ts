import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { testDirectory } from '../../../test/harness/directory.ts';
import { PasswordVerifier } from '../../directory/embedded/password.ts';
import type { Call } from '../command.ts';
import { UsageError } from '../command.ts';
import { schema } from './schema.ts';

async function run(flags: Call['flags']): Promise<{ out: string; notes: string }> {
  const said = { out: '', notes: '' };
  await schema.run({
    args: [],
    flags,
    json: false,
    env: {},
    readInput: () => Promise.reject(new Error('reads nothing')),
    out: {
      line: () => undefined,
      styled: () => undefined,
      json: () => undefined,
      table: () => undefined,
      status: () => undefined,
      live: false,
      terminal: false,
      bytes: () => Promise.resolve(),
      raw: (text) => {
        said.out += text;
        return Promise.resolve();
      },
      note: (text) => {
        said.notes += `${text}\n`;
      },
    },
  });
  return said;
}

test('all parts in the form of cn=config, for the suffix that is given', async () => {
  const { out, notes } = await run({ suffix: 'dc=example,dc=test' });
  for (const text of [
    'dn: cn=mailfarm,cn=schema,cn=config',
    'olcModuleLoad: argon2',
    'olcDbIndex: nid eq',
    'ou=users,dc=example,dc=test',
    'dn: olcOverlay=unique,olcDatabase={1}mdb,cn=config',
    'ldapadd -Y EXTERNAL -H ldapi:///',
  ]) {
    expect(out).toContain(text);
  }
  expect(out).not.toContain('dc=mailfarm');
  expect(notes).toBe('');
});

test('one part in the form of slapd.conf; another database', async () => {
  const conf = await run({ part: 'access', form: 'slapd.conf' });
  expect(conf.out).toMatch(/^access to \* attrs=userPassword$/m);
  expect(conf.out).not.toContain('attributetype');
  const other = await run({ part: 'indexes', database: 'olcDatabase={2}mdb,cn=config' });
  expect(other.out).toMatch(/^dn: olcDatabase=\{2\}mdb,cn=config$/m);
});

test('each part into a file, as it would be printed; a wrong suffix writes none', async (ctx) => {
  const into = testDirectory(ctx);
  const wrong = { into, suffix: 'dc="x', form: 'slapd.conf' };
  await expect(run(wrong)).rejects.toThrow(/--suffix .* cannot stand/);
  expect(readdirSync(into)).toEqual([]);
  const suffix = 'dc=example,dc=test';
  await run({ into, suffix, form: 'slapd.conf' });
  const parts = ['access', 'database', 'indexes', 'modules', 'schema'];
  expect(readdirSync(into).toSorted()).toEqual(parts.map((part) => `${part}.conf`));
  for (const part of parts) {
    const { out } = await run({ part, suffix, form: 'slapd.conf' });
    expect(readFileSync(join(into, `${part}.conf`), 'utf8')).toBe(out);
  }
  await expect(run({ into, part: 'schema' })).rejects.toThrow(UsageError);
});

test('the frame has new passwords each time: hashes in it, the passwords beside it', async () => {
  const [one, two] = [await run({ part: 'frame' }), await run({ part: 'frame' })];
  const passwords = [...one.notes.matchAll(/^Password of \S+: (\S+)$/gm)].map((found) => found[1]);
  expect(passwords).toHaveLength(2);
  expect(new Set(passwords).size).toBe(2);
  for (const password of passwords) {
    expect(one.out).not.toContain(password);
    expect(two.notes).not.toContain(password);
  }
  expect(one.out.replaceAll('\n ', '').match(/^userPassword: \{ARGON2\}/gm)).toHaveLength(2);
  expect(one.out).toContain('dn: cn=farm,dc=mailfarm');
});

test('the frame has the passwords of files that are named, and says none', async (ctx) => {
  const directory = testDirectory(ctx);
  const [admin, empty] = [join(directory, 'admin'), join(directory, 'empty')];
  writeFileSync(admin, 'of the vault\n');
  writeFileSync(empty, '\n');
  const both = { 'admin-password-file': admin, 'frontend-password-file': admin };
  const { out, notes } = await run({ part: 'frame', ...both });
  expect(notes).toBe('');
  expect(out).not.toContain('of the vault');
  const hashes = [...out.replaceAll('\n ', '').matchAll(/^userPassword: (.*)$/gm)];
  expect(hashes).toHaveLength(2);
  const verifier = new PasswordVerifier('ARGON2');
  for (const [, hash = ''] of hashes) {
    expect(await verifier.verify([hash], Buffer.from('of the vault'))).toBe(true);
  }
  await expect(run({ part: 'frame', 'admin-password-file': empty })).rejects.toThrow(UsageError);
});

test('what is no part, form or suffix is a wrong use that names the choice', async () => {
  await expect(run({ part: 'everything' })).rejects.toThrow(
    new UsageError(
      '--part is one of all, schema, modules, indexes, access, database, frame, not "everything"',
    ),
  );
  await expect(run({ form: 'yaml' })).rejects.toThrow(UsageError);
  await expect(run({ suffix: 'dc="x' })).rejects.toThrow(/--suffix .* cannot stand/);
  await expect(run({ part: 'frame', suffix: '' })).rejects.toThrow(UsageError);
});
