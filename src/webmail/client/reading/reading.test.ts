import { describe, expect, it } from 'vitest';

import { linkOf, namesAnother } from './links.ts';
import { pictureType } from './pictures.ts';
import { blocksOf, piecesOf } from './plain.ts';

describe('a link', () => {
  it.each([
    ['https://example.test/a?b#c', 'https://example.test/a?b#c'],
    [' HTTP://EXAMPLE.test ', 'http://example.test/'],
    ['//example.test/x', 'https://example.test/x'],
    ['mailto:a@example.test', 'mailto:a@example.test'],
    ['tel:+123', 'tel:+123'],
    // The dotless and Cyrillic letters that look like others are shown as what they are.
    ['https://аpple.test/', 'https://xn--pple-43d.test/'],
    ['https://bank.test@evil.test/', 'https://evil.test/'],
    ['https://bank.test%2f@evil.test/', 'https://evil.test/'],
  ])('%s goes to %s', (href, goes) => {
    expect(linkOf(href)?.href).toBe(goes);
  });

  it.each([
    'javascript:x()',
    ' java\tscript:x()',
    'data:text/html,x',
    'vbscript:x',
    'file:///etc/passwd',
    'blob:https://x.test/1',
    'cid:x',
    '#part',
    '/self',
    'x.html',
    '',
    'intent://x#Intent;end',
    'ms-word:ofe|u|x',
  ])('%j is not followed', (href) => {
    expect(linkOf(href)).toBeUndefined();
  });

  it.each([
    ['https://bank.test/', 'https://evil.test/', true],
    ['bank.test', 'https://evil.test/', true],
    ['www.bank.test/login', 'https://bank.test.evil.test/', true],
    ['Go to https://bank.test now', 'https://evil.test/', true],
    ['www.bank.test', 'https://bank.test/a', false],
    ['BANK.test/a', 'https://bank.test/b', false],
    ['Click here.', 'https://evil.test/', false],
    ['', 'https://evil.test/', false],
    ['a@bank.test', 'mailto:a@bank.test', false],
    ['банк.рф', 'https://xn--80ab2al.xn--p1ai/', false],
  ])('text %j before %s names another host: %s', (text, href, is) => {
    const link = linkOf(href);
    expect(link && namesAnother(text, link)).toBe(is);
  });
});

describe('plain text', () => {
  it('is all there, with links that end where they end', () => {
    const text =
      'See https://a.test/x_(y). Or (http://b.test/z), <https://c.test/>!\nNot javascript:x() nor x.test';
    const pieces = piecesOf(text);
    expect(pieces.map((one) => (typeof one === 'string' ? one : one.text)).join('')).toBe(text);
    expect(pieces.flatMap((one) => (typeof one === 'string' ? [] : [one.href]))).toEqual([
      'https://a.test/x_(y)',
      'http://b.test/z',
      'https://c.test/',
    ]);
  });

  it('folds long quotes, and leaves short ones where they were', () => {
    const long = '> 1\n> 2\n>> 3\n> 4';
    expect(blocksOf(`Hello\n${long}\nBye\n> short\nEnd`)).toEqual([
      { kind: 'said', text: 'Hello' },
      { kind: 'quoted', text: long },
      { kind: 'said', text: 'Bye' },
      { kind: 'said', text: '> short' },
      { kind: 'said', text: 'End' },
    ]);
  });

  it('of a stranger takes no longer than it is long', () => {
    const evil = `${'https://'.repeat(20_000)}${')'.repeat(50_000)}`;
    expect(piecesOf(evil).length).toBeGreaterThan(0);
  });
});

it('a picture is what its first octets say', () => {
  const octets = (text: string): Uint8Array => Buffer.from(text, 'latin1');
  expect(pictureType(octets('\x89PNG\r\n\x1a\n'))).toBe('image/png');
  expect(pictureType(octets('RIFF1234WEBPVP8'))).toBe('image/webp');
  expect(pictureType(octets('<svg xmlns="http://www.w3.org/2000/svg">'))).toBeUndefined();
  expect(pictureType(octets('<html>'))).toBeUndefined();
});
