import { expect, test } from 'vitest';

import { runTool } from './check.ts';
import { linkPackages, plant } from './planted.ts';
import { read, ROOT } from './tree.ts';

/** A tree with our configuration and one file. */
function tree(text: string): string {
  const root = plant({
    'package.json': '{\n  "type": "module"\n}\n',
    'tsconfig.json': read(ROOT, 'tsconfig.json'),
    '.oxlintrc.json': read(ROOT, '.oxlintrc.json'),
    '.oxfmtrc.json': read(ROOT, '.oxfmtrc.json'),
    'src/base/a.ts': text,
  });
  linkPackages(root);
  return root;
}

const types = (root: string): Promise<string> =>
  runTool(root, 'tsc', '-p', '.', '--pretty', 'false');
const lint = (root: string): Promise<string> => runTool(root, 'oxlint', '--format=unix');
const format = (root: string): Promise<string> => runTool(root, 'oxfmt', '--check');

test('a file that is right passes types, lint and format', async () => {
  const root = tree('export const a = (b: number): number => b + 1;\n');
  expect([await types(root), await lint(root), await format(root)]).toEqual(['', '', '']);
});

test('a wrong type fails, and what cannot be stripped', async () => {
  expect(await types(tree("export const a: number = 'b';\n"))).toContain('error TS2322');
  expect(await types(tree('export enum A {\n  B,\n}\n'))).toContain('error TS1294');
  const unchecked = 'export const a = (b: string[]): string => b[0];\n';
  expect(await types(tree(unchecked))).toContain('error TS2322');
});

test('a promise that nobody waits for fails: the linter knows types', async () => {
  const root = tree(
    'const a = async (): Promise<void> => {};\nexport function b(): void {\n  a();\n}\n',
  );
  expect(await lint(root)).toContain('no-floating-promises');
});

test('a promise where a boolean is meant fails', async () => {
  const root = tree('export const a = (b: Promise<boolean>): number => (b ? 1 : 2);\n');
  expect(await lint(root)).toContain('no-misused-promises');
});

test('a state that a switch forgets fails', async () => {
  const root = tree(
    "export function a(b: 'x' | 'y'): number {\n" +
      "  switch (b) {\n    case 'x':\n      return 1;\n  }\n  return 2;\n}\n",
  );
  expect(await lint(root)).toContain('switch-exhaustiveness-check');
});

test('a file in another style fails', async () => {
  expect(await format(tree('export const a = "b"\n'))).toContain('src/base/a.ts');
});
