import { expect, test } from 'vitest';

import { checkMutants, runMutants } from './mutations.ts';
import { plant } from './planted.ts';
import { show } from './tree.ts';

const TREE = {
  'package.json': '{ "type": "module" }\n',
  'vitest.config.ts': 'export default {};\n',
  'maildir/a.txt': '',
  'scripts/a.txt': '',
  'test/a.txt': '',
  'src/a.ts': 'export function a(b: number): number {\n  if (b > 9) return 9;\n  return b;\n}\n',
  'src/a.test.ts': `import { expect, test } from 'vitest';
import { a } from './a.ts';
test('the limit (9) holds', () => expect(a(10)).toBe(9));
test('a small number stays', () => expect(a(1)).toBe(1));
test('this one fails', () => expect(a(1)).toBe(2));
`,
};

const LIMIT = {
  statement: 'P-01',
  why: 'no limit',
  file: 'src/a.ts',
  find: '  if (b > 9) return 9;\n',
  replace: '',
  test: 'src/a.test.ts',
  title: 'the limit (9) holds',
};

test('a mutation that its test notices is killed', () => {
  const said: string[] = [];
  expect(runMutants(plant(TREE), [LIMIT], (line) => said.push(line))).toEqual([]);
  expect(said).toEqual(['killed   P-01 src/a.ts: no limit']);
});

test('what proves nothing is told', { timeout: 60_000 }, () => {
  const rows = [
    { ...LIMIT, title: 'a small number stays' },
    { ...LIMIT, title: 'no such test' },
    { ...LIMIT, title: 'this one fails' },
    { ...LIMIT, find: 'not in the file' },
    { ...LIMIT, replace: '  if (b > 9) return (;\n' },
  ];
  const wrong = runMutants(plant(TREE), rows, () => {});
  expect(wrong.map((text) => text.split('\n')[0])).toEqual([
    'P-01 src/a.ts: no limit: the test passes without the code',
    "P-01 src/a.ts: no limit: no test of src/a.test.ts is called 'no such test'",
    'P-01 src/a.ts: no limit: the test fails in the tree as it is',
    'P-01 src/a.ts: no limit: the text to replace stands 0 times in src/a.ts',
    'P-01 src/a.ts: no limit: no test ran: the mutation breaks more than the promise',
  ]);
});

test('a row that the code left behind is found without a run', () => {
  const root = plant(TREE);
  expect(checkMutants(root, [LIMIT])).toEqual([]);
  const rows = [
    { ...LIMIT, find: 'return' },
    { ...LIMIT, test: 'src/gone.test.ts' },
  ];
  expect(checkMutants(root, rows).map(show)).toEqual([
    "src/a.ts:1: 'return', which scripts/mutants.ts switches off, stands here 2 times",
    'src/gone.test.ts:1: scripts/mutants.ts names it and it does not exist',
  ]);
});
