import { readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';

import { checkGenerated, writeGenerated } from './generate.ts';
import { add, plant } from './planted.ts';
import { show } from './tree.ts';

const row = (what: string): string => `{ what: '${what}', means: 'Nothing', mend: 'Nothing.' }`;

const RIGHT = {
  'package.json': '{ "type": "module" }\n',
  'src/pop3/README.md': '# POP3 server\n',
  'src/pop3/errors.ts': `export const A = { 'MF-POP-001': ${row('It broke')} };\n`,
  'src/pop3/options.ts':
    "export const B = { 'pop3.a': { kind: 'text', default: 'x', doc: 'What it is.' } };\n" +
    'export const LIMIT = 5;\n',
  'src/pop3/session.ts': "log.warn({ code: 'MF-POP-001' }, 'broken');\n",
};

async function check(files: Readonly<Record<string, string>>): Promise<string[]> {
  const root = plant({ ...RIGHT, ...files });
  await writeGenerated(root);
  return (await checkGenerated(root)).map(show);
}

test('pages are made from what the modules declare, under the titles of the modules', async () => {
  const root = plant(RIGHT);
  await writeGenerated(root);
  const page = (name: string): string => readFileSync(path.join(root, name), 'utf8');
  const entry =
    '## POP3 server\n\n### MF-POP-001\n\nIt broke.\n\n- For mail: Nothing.\n- To do: Nothing.\n';
  expect(page('src/errors.md')).toContain(entry);
  expect(page('src/configuration.md')).toMatch(
    /## POP3 server\n\n### pop3\.a\n\n.*`x`.*\n\nWhat it is\./,
  );
  expect(await checkGenerated(root)).toEqual([]);
});

test('a module with two tables has one section', async () => {
  const second = "export const C = { 'pop3.c': { kind: 'text', default: '', doc: 'C.' } };\n";
  const root = plant({ ...RIGHT, 'src/pop3/options.ts': RIGHT['src/pop3/options.ts'] + second });
  await writeGenerated(root);
  const page = readFileSync(path.join(root, 'src/configuration.md'), 'utf8');
  expect(page.match(/^##+ .*$/gm)).toEqual(['## POP3 server', '### pop3.a', '### pop3.c']);
});

test('a page that is missing or not current is found', async () => {
  const root = plant(RIGHT);
  const stale = 'is not what the code says: npm run generate';
  const both = [`src/errors.md:1: ${stale}`, `src/configuration.md:1: ${stale}`];
  expect((await checkGenerated(root)).map(show)).toEqual(both);
  await writeGenerated(root);
  add(root, { 'src/errors.md': '# Errors\n' });
  expect((await checkGenerated(root)).map(show)).toEqual([`src/errors.md:1: ${stale}`]);
});

test('a code that nobody reports, nobody declared or two declare is found', async () => {
  expect(await check({ 'src/pop3/session.ts': '' })).toEqual([
    'src/pop3/errors.ts:1: nothing reports MF-POP-001',
  ]);
  expect(await check({ 'src/mx/a.ts': "f('MF-MX-001');\n" })).toEqual([
    'src/mx/a.ts:1: MF-MX-001 is declared in no errors.ts',
  ]);
  const again = { 'src/mx/errors.ts': RIGHT['src/pop3/errors.ts'] };
  expect((await check(again))[0]).toContain('MF-POP-001 stands in');
});

test('an option that two modules declare is found', async () => {
  const found = await check({ 'src/mx/options.ts': RIGHT['src/pop3/options.ts'] });
  expect(found[0]).toContain('pop3.a stands in');
});
