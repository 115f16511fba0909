import { describe, expect, test } from 'vitest';

import { add, plant, track } from './planted.ts';
import { show } from './tree.ts';
import { checkTidy } from './tidy.ts';

const RIGHT = {
  'README.md': '# Title\n',
  'package.json': '{ "scripts": { "a": "node src/base/entry.ts" } }\n',
  'src/README.md': '# Title\n\n```sh\n# a comment in a shell is no title\n```\n',
  'src/base/README.md': '# Base\n',
  'src/base/entry.ts': "import './clock.ts';\n",
  'src/base/clock.ts': 'export const now = (): number => Date.now();\n',
};

const check = (files: Readonly<Record<string, string>>): string[] =>
  checkTidy(plant({ ...RIGHT, ...files })).map(show);

/** A file of the product that is used, with this text. */
const used = (text: string): Readonly<Record<string, string>> => ({
  'src/base/entry.ts': "import './clock.ts';\nimport './x.ts';\n",
  'src/base/x.ts': text,
});

test('a tree that is right passes', () => {
  expect(check({})).toEqual([]);
});

describe('banned patterns', () => {
  const rows: readonly [name: string, line: string, instead: string][] = [
    ['time', 'export const a = Date.now();', 'use an injected Clock'],
    ['a date of now', 'export const a = new Date();', 'use an injected Clock'],
    ['chance', 'export const a = Math.random();', 'use an injected Random'],
    ['console', "console.log('a');", 'use the session logger'],
    ['dns.lookup', "dns.lookup('a', f);", 'use dns.resolve*'],
    ['a path from a URL', 'f(new URL(a, import.meta.url).pathname);', 'use import.meta.dirname'],
    ['an open end', `// TO${'DO'}: later`, 'use an issue, or the fix'],
    ['a folder that readers lack', `// see ../${'shared'}/x`, 'use our own words'],
    ['a trailing blank', 'export const a = 1; ', 'use no trailing blanks'],
  ];
  for (const [name, line, instead] of rows) {
    test(`${name} is found, with what to use instead`, () => {
      const found = check(used(`export {};\n${line}\n`));
      expect(found).toHaveLength(1);
      expect(found[0]).toContain(`src/base/x.ts:2: ${instead}`);
    });
  }

  test('they are right in comments and strings, in tests and at home', () => {
    const text = "// Date.now() lies\nexport const a = 'Math.random()';\n";
    expect(check(used(text))).toEqual([]);
    expect(check({ 'src/base/x.test.ts': 'export const a = Date.now();\n' })).toEqual([]);
  });

  for (const name of ['only', 'skip', 'todo']) {
    test(`a test that is marked ${name} is found`, () => {
      const found = check({ 'src/base/x.test.ts': `test.${name}('a', () => {});\n` });
      expect(found[0]).toContain('src/base/x.test.ts:1: use a test that runs');
    });
  }

  test('a lock file that names a host is found', () => {
    const text = '{\n  "resolved": "https://registry.example/a.tgz"\n}\n';
    expect(check({ 'package-lock.json': text })[0]).toContain(
      'package-lock.json:2: use a lock file',
    );
  });

  test('a path of this machine is found', () => {
    const root = plant(RIGHT);
    add(root, { 'README.md': `# Title\n\nSee ${root}/src.\n` });
    expect(checkTidy(root).map(show)).toEqual(['README.md:3: use a path relative to the tree']);
  });
});

describe('size', () => {
  test('a line of 101 columns is found, one of 100 is not', () => {
    const line = (columns: number): string => `// ${'é'.repeat(columns - 3)}\n`;
    expect(check(used(`export {};\n${line(100)}`))).toEqual([]);
    const found = check(used(`export {};\n${line(101)}`));
    expect(found).toEqual(['src/base/x.ts:2: 101 columns, at most 100']);
  });

  test('a line that a string makes wide may have 120', () => {
    const line = (columns: number): string => `f('${'x'.repeat(columns - 6)}');\n`;
    expect(check(used(`export {};\n${line(120)}`))).toEqual([]);
    expect(check(used(`export {};\n${line(121)}`))).toHaveLength(1);
  });

  test('a function of 71 lines is found, one of 70 is not', () => {
    const text = (lines: number): string =>
      `export function f(): void {${'\n'.repeat(lines - 1)}}\n`;
    expect(check(used(text(70)))).toEqual([]);
    expect(check(used(text(71)))).toEqual(['src/base/x.ts:1: f has 71 lines, at most 70']);
  });

  test('a list of tests may be longer', () => {
    const text = `describe('a', () => {${'\n'.repeat(80)}});\n`;
    expect(check({ 'src/base/x.test.ts': text })).toEqual([]);
  });

  test('a file of 501 lines is found, one of 500 is not', () => {
    expect(check(used(`export {};\n${'// a\n'.repeat(499)}`))).toEqual([]);
    const found = check(used(`export {};\n${'// a\n'.repeat(500)}`));
    expect(found).toEqual(['src/base/x.ts:1: 501 lines, at most 500']);
  });
});

describe('pages', () => {
  test('a page without a title or with two is found', () => {
    const one = "one '# Title' in the first line, not";
    expect(check({ 'src/base/README.md': 'Base\n' })).toEqual([`src/base/README.md:1: ${one} 0`]);
    expect(check({ 'README.md': '# A\n\n# B\n' })).toEqual([`README.md:1: ${one} 2`]);
  });

  test('one spelling for the names of files', () => {
    const found = check({ 'src/base/someName.ts': 'export const a = 1;\n' });
    expect(found).toContain('src/base/someName.ts:1: write the name in kebab-case');
  });

  test('a module without a README is found, and one whose README is too long', () => {
    const files = { 'src/pop3/options.ts': 'export {};\n' };
    expect(check(files)).toEqual(['src/pop3:1: has no README.md']);
    const found = check({ ...files, 'src/pop3/README.md': `# POP3\n${'\n'.repeat(60)}` });
    expect(found).toEqual(["src/pop3/README.md:1: 61 lines, a module's README has 60"]);
  });
});

describe('files', () => {
  test('a file that nothing uses is found; one that is started by name is not', () => {
    const lonely = { 'src/base/x.ts': 'export {};\n' };
    expect(check(lonely)).toEqual(['src/base/x.ts:1: nothing imports or starts it']);
    const starter = { 'src/base/entry.ts': "import './clock.ts';\nfork(join(here, 'x.ts'));\n" };
    expect(check({ ...lonely, ...starter })).toEqual([]);
  });

  test('places that the layout does not name, and names that say nothing, are found', () => {
    expect(check({ 'docs/a.md': '# A\n' })).toEqual([
      "docs/a.md:1: 'docs' is not one of the places at the top level",
    ]);
    const found = check({ 'src/base/utils.test.ts': '', 'src/base/utils/a.test.ts': '' });
    expect(found).toEqual(['src/base/utils/a.test.ts:1: name it after what it does']);
  });

  test('a lock file that lags behind a package.json is found', () => {
    const own = (version: string): string =>
      `{ "name": "a", "dependencies": { "b": "${version}" } }\n`;
    const lock = `{ "packages": { "": ${own('1')} } }\n`;
    const files = { 'src/base/entry.test.ts': "import './entry.ts';\n", 'package-lock.json': lock };
    expect(check({ ...files, 'package.json': own('1') })).toEqual([]);
    expect(check({ ...files, 'package.json': own('2') })).toEqual([
      'package-lock.json:1: lags behind package.json: run npm install',
    ]);
  });

  test('plain JavaScript is found', () => {
    expect(check({ 'src/base/a.mjs': '' })).toEqual(['src/base/a.mjs:1: write TypeScript']);
    expect(check({ 'scripts/bootstrap.mjs': '', 'scripts/README.md': '# S\n' })).toEqual([]);
  });

  test('a committed file that needs an uncommitted one is found, and build output', () => {
    const root = plant({ ...RIGHT, 'dist/a.txt': '' });
    track(root, 'src/base/entry.ts', 'dist/a.txt');
    expect(checkTidy(root).map(show)).toEqual([
      "dist/a.txt:1: 'dist' is not one of the places at the top level",
      'dist/a.txt:1: build output does not belong in the tree',
      'src/base/entry.ts:1: imports src/base/clock.ts: not in git',
    ]);
  });
});
