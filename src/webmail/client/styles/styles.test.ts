import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';

const files = readdirSync(import.meta.dirname).filter((name) => name.endsWith('.css'));
const read = (name: string): string => readFileSync(path.join(import.meta.dirname, name), 'utf8');

/** Sides of the screen: in a language that is written from the right they are wrong. */
const PHYSICAL = new RegExp(
  [
    '(?<![-\\w])(?:margin|padding|border|inset)-(?:left|right|top|bottom)',
    '(?<![-\\w])(?:left|right|top|bottom|width|height|(?:min|max)-(?:width|height))\\s*:',
    '(?:text-align|float|clear)\\s*:\\s*(?:left|right)',
  ].join('|'),
);

it.each(files)('[P-04] %s: sizes and places are logical, so that pages turn round', (name) => {
  const lines = read(name)
    .split('\n')
    .filter((line) => !line.includes('@media'));
  expect(lines.filter((line) => PHYSICAL.test(line))).toEqual([]);
});

it.each(files)('%s: nothing is fetched from elsewhere', (name) => {
  expect(read(name)).not.toMatch(/url\(|https?:/);
});

describe('[P-04] colours', () => {
  const COLOUR = /--([\w-]+): light-dark\((#[0-9a-f]{6}), (#[0-9a-f]{6})\);/g;
  const rows = [...read('tokens.css').matchAll(COLOUR)];
  const theme = (at: 2 | 3): Map<string, string> =>
    new Map(rows.map((row) => [row[1] ?? '', row[at] ?? '']));
  const THEMES = [
    ['light', theme(2)],
    ['dark', theme(3)],
  ] as const;
  /** Text on its ground, and how much they differ at least (WCAG 2.2, 1.4.3 and 1.4.11). */
  const PAIRS = [
    ['text', 'ground', 4.5],
    ['text', 'surface', 4.5],
    ['text', 'chosen', 4.5],
    ['muted', 'ground', 4.5],
    ['muted', 'surface', 4.5],
    ['muted', 'hover', 4.5],
    ['muted', 'chosen', 4.5],
    ['accent-text', 'surface', 4.5],
    ['accent-text', 'ground', 4.5],
    ['accent-text', 'chosen', 4.5],
    ['on-accent', 'accent', 4.5],
    ['grave', 'raised', 4.5],
    ['grave', 'surface', 4.5],
    ['on-grave', 'grave', 4.5],
    ['on-notice', 'notice', 4.5],
    ['notice-link', 'notice', 4.5],
    ['on-banner', 'banner', 4.5],
    ['edge', 'surface', 3],
    ['accent', 'surface', 3],
    ['accent', 'ground', 3],
    ['star', 'surface', 3],
  ] as const;

  it.each(THEMES)('%s: text is told from its ground', (_, colours) => {
    const weak = PAIRS.filter(([a, b, least]) => contrast(colours, a, b) < least);
    expect(weak).toEqual([]);
  });

  function contrast(colours: Map<string, string>, a: string, b: string): number {
    const [x, y] = [luminance(colours.get(a)), luminance(colours.get(b))];
    return (Math.max(x, y) + 0.05) / (Math.min(x, y) + 0.05);
  }

  function luminance(colour: string | undefined): number {
    expect(colour).toBeDefined();
    const [red = 0, green = 0, blue = 0] = [1, 3, 5].map((at) => {
      const value = Number.parseInt(colour?.slice(at, at + 2) ?? '', 16) / 255;
      return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  }
});
