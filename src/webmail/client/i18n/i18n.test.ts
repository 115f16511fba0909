import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { parseSync } from 'rolldown/utils';
import { describe, expect, it } from 'vitest';

import { EN } from './en/index.ts';
import { LANGUAGES, preferredLanguage, Text, type Key, type Language } from './text.ts';

const CLIENT = path.join(import.meta.dirname, '..');
const names = Object.keys(LANGUAGES) as Language[];

const formsOf = (message: unknown): string[] =>
  typeof message === 'string' ? [message] : Object.values(message as Record<string, string>);
const placeholders = (form: string): string[] =>
  [...new Set([...form.matchAll(/\{(\w+)\}/g)].map(([, name]) => name ?? ''))].toSorted();

describe.each(names)('[P-04] messages in %s', (language) => {
  it('are all there, with the same values in them', async () => {
    const catalogue: Record<string, unknown> = await LANGUAGES[language].load();
    expect(Object.keys(catalogue).toSorted()).toEqual(Object.keys(EN).toSorted());
    for (const [key, english] of Object.entries(EN)) {
      const wanted = placeholders(formsOf(english).at(-1) ?? '');
      for (const form of formsOf(catalogue[key])) {
        expect(form.trim(), key).not.toBe('');
        // One of a thing may be said without its number.
        const missing = wanted.filter((name) => !placeholders(form).includes(name));
        expect(
          missing.filter((name) => name !== 'count'),
          key,
        ).toEqual([]);
        expect(
          placeholders(form).filter((name) => !wanted.includes(name)),
          key,
        ).toEqual([]);
      }
    }
  });

  it('have a form for each plural of the language', async () => {
    const catalogue: Record<string, unknown> = await LANGUAGES[language].load();
    const categories = new Intl.PluralRules(language).resolvedOptions().pluralCategories;
    for (const [key, message] of Object.entries(catalogue)) {
      if (typeof message === 'string') continue;
      expect(Object.keys(message as object).toSorted(), key).toEqual(categories.toSorted());
    }
  });
});

it('counts as its language does', async () => {
  const russian = new Text('ru', await LANGUAGES.ru.load());
  const said = [1, 3, 5, 21, 1234].map((count) => russian.say('list.count', { count }));
  expect(said.map((one) => one.replace(/\s/g, ' '))).toEqual([
    '1 беседа',
    '3 беседы',
    '5 бесед',
    '21 беседа',
    '1 234 беседы',
  ]);
  const english = new Text('en', EN);
  expect(english.say('list.count', { count: 1 })).toBe('1 conversation');
  expect(english.say('done.move', { count: 2, folder: 'A{b}' })).toBe('2 moved to A{b}');
});

it('the browser’s first language that we have is taken', () => {
  expect(preferredLanguage(['de-AT', 'ru-RU', 'en'])).toBe('ru');
  expect(preferredLanguage(['constructor', 'xx'])).toBe('en');
});

describe('components', () => {
  const files = readdirSync(CLIENT, { recursive: true, encoding: 'utf8' }).filter((name) =>
    name.endsWith('.tsx'),
  );
  /** Attributes that people read or hear. */
  const READ = new Set(['title', 'alt', 'placeholder', 'label', 'aria-label', 'aria-description']);

  it.each(files)('%s: no text stands in it', (file) => {
    expect(textIn(file, readFileSync(path.join(CLIENT, file), 'utf8'))).toEqual([]);
  });

  it('text would be found', () => {
    const found = textIn('x.tsx', 'const x = <p title="Tip">Words {"more"}</p>;');
    expect(found).toEqual(['Tip', 'Words', 'more']);
  });

  function textIn(file: string, source: string): string[] {
    const found: string[] = [];
    const visit = (node: unknown, parent: Record<string, unknown>): void => {
      if (Array.isArray(node)) return node.forEach((one) => visit(one, parent));
      if (typeof node !== 'object' || node === null) return;
      const at = node as Record<string, unknown>;
      const value = at['value'];
      const text = typeof value === 'string' && /\p{L}{2}/u.test(value) ? value.trim() : '';
      const name = (parent['name'] as { name?: string } | undefined)?.name ?? '';
      const isRead = parent['type'] === 'JSXAttribute' && READ.has(name);
      const isChild = parent['type'] === 'JSXExpressionContainer' && at['type'] === 'Literal';
      if (text !== '' && (at['type'] === 'JSXText' || isRead || isChild)) found.push(text);
      const isAttribute = parent['type'] === 'JSXAttribute';
      for (const [key, child] of Object.entries(at)) {
        // What stands in braces in an attribute is code; what stands in an element is shown.
        if (isAttribute && at['type'] === 'JSXExpressionContainer') visit(child, { type: 'code' });
        else if (key !== 'name') visit(child, at);
      }
    };
    visit(parseSync(file, source).program, {});
    return found;
  }
});

it('every message is said somewhere', () => {
  const sources = readdirSync(CLIENT, { recursive: true, encoding: 'utf8' })
    .filter((name) => /\.tsx?$/.test(name) && !name.startsWith('i18n') && !name.includes('.test.'))
    .map((name) => readFileSync(path.join(CLIENT, name), 'utf8'))
    .join('\n');
  /** Put together from a name: `folder.${role}`. */
  const families = [...sources.matchAll(/`([\w.]+\.)\$\{/g)].map(([, start]) => start ?? '');
  const unsaid = (Object.keys(EN) as Key[]).filter(
    (key) => !sources.includes(`'${key}'`) && !families.some((start) => key.startsWith(start)),
  );
  expect(unsaid).toEqual([]);
});
