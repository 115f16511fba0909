import { expect, test } from 'vitest';

import { timeLines } from './test-times.ts';

test('where the minutes went: folders and files, longest first', () => {
  const files = [
    { group: 'unit src/base', file: 'src/base/a.test.ts', tests: 2, seconds: 1 },
    { group: 'farm test/lab', file: 'test/lab/nfs.test.ts', tests: 100, seconds: 480 },
    { group: 'unit src/base', file: 'src/base/b.test.ts', tests: 3, seconds: 2.25 },
  ];
  expect(timeLines(files)).toEqual([
    'seconds by folder (files beside each other are counted for each):',
    '   480.0 s  farm test/lab (1 files, 100 tests)',
    '     3.3 s  unit src/base (2 files, 5 tests)',
    'slowest files:',
    '   480.0 s  test/lab/nfs.test.ts',
    '     2.3 s  src/base/b.test.ts',
    '     1.0 s  src/base/a.test.ts',
  ]);
});
