import { expect, test } from 'vitest';

import { wrapComments } from './wrap.ts';

const words = (count: number): string => Array.from({ length: count }, () => 'word').join(' ');
const wrap = (text: string): string => wrapComments('a.ts', text);

test('what overflows goes to the start of the next line of its paragraph', () => {
  const text = `/**\n * ${words(20)}\n * next line.\n *\n * Another.\n */\n`;
  const wrapped = `/**\n * ${words(19)}\n * word next line.\n *\n * Another.\n */\n`;
  expect(wrap(text)).toBe(wrapped);
  expect(wrap(wrapped)).toBe(wrapped);
});

test('at the end of a paragraph or a list item it gets a line of its own', () => {
  expect(wrap(`// ${words(20)}\nconst a = 1;\n`)).toBe(`// ${words(19)}\n// word\nconst a = 1;\n`);
  const list = `/**\n * - ${words(20)}\n * - two\n */\n`;
  expect(wrap(list)).toBe(`/**\n * - ${words(19)}\n *   word\n * - two\n */\n`);
  const tag = `/**\n * @returns ${words(20)}\n */\n`;
  expect(wrap(tag)).toBe(`/**\n * @returns ${words(17)}\n *   ${words(3)}\n */\n`);
});

test('a block in one line is opened', () => {
  expect(wrap(`  /** ${words(20)} */\n`)).toBe(`  /**\n   * ${words(19)}\n   * word\n   */\n`);
});

test('code, strings, drawings, and comments that are narrow stay as they are', () => {
  const text = `const a = '// ${words(30)}';\n/** ${words(15)} */\nf(${words(30).replaceAll(' ', ', ')});\n`;
  expect(wrap(text)).toBe(text);
  const drawing = `/**\n *   a      ${words(20)}\n *   b      c\n */\n`;
  expect(wrap(drawing)).toBe(drawing);
});
