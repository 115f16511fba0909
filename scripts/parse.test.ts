import { expect, test } from 'vitest';

import { parse } from './parse.ts';

test('every way to import is seen, with its line and its names', () => {
  const source = parse(
    'a.ts',
    `// é€😀 import x from 'comment';
import { rename as move } from 'node:fs';
import type { A } from './a.ts';
import * as all from './all.ts';
import './effect.ts';
export { b } from './b.ts';
export * from './c.ts';
const d = await import('./d.ts');
type E = import('./e.ts').E;
const computed = await import(d.name);
const text = "import f from './string.ts'";
`,
  );
  expect(source.imports.map((i) => [i.line, i.specifier, i.names.join(), i.typeOnly])).toEqual([
    [2, 'node:fs', 'rename', false],
    [3, './a.ts', 'A', true],
    [4, './all.ts', '*', false],
    [5, './effect.ts', '', false],
    [6, './b.ts', 'b', false],
    [7, './c.ts', '*', false],
    [8, './d.ts', '*', false],
    [9, './e.ts', '*', true],
    [10, undefined, '*', false],
  ]);
});

test('comments, strings, templates and regular expressions are told apart', () => {
  const text =
    "const a = 'x.y()'; // z\nconst b = `t ${f.g(1)} u`; const c = /'\\/\\*/; h('end');\n";
  const { code, strings, calls } = parse('a.ts', text);
  expect(code).toBe(
    "const a = '     ';     \nconst b =      f.g(1)    ; const c = /'\\/\\*/; h('   ');\n",
  );
  expect(code).toHaveLength(text.length);
  expect(strings.map((s) => s.value)).toEqual(['x.y()', 't ', ' u', 'end']);
  expect(calls.map((c) => `${c.line} ${c.name}`)).toEqual(['2 f.g', '2 h']);
});

test('functions have their names and their number of lines', () => {
  const { functions } = parse(
    'a.ts',
    'function f() {\n}\nconst g = () => 1;\nh(() => {\n\n});\ni.j(1)(() => 2);\n',
  );
  expect(functions).toEqual([
    { name: 'f', line: 1, lines: 2 },
    { name: 'g', line: 3, lines: 1 },
    { name: 'in h', line: 4, lines: 3 },
    { name: 'in i.j', line: 7, lines: 1 },
  ]);
});

test('what does not parse is an error with its place', () => {
  expect(() => parse('a.ts', 'const a = 1;\nconst b = ;\n')).toThrow(/^a\.ts:2: /);
});
