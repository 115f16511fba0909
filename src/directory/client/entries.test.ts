import { expect, test } from 'vitest';
import { MAPS } from '../map.ts';
import { DirectoryUnavailable } from '../types.ts';
import { toAccount } from './entries.ts';

const entry = (more: Record<string, string>) => ({
  dn: 'uid=tevie,dc=site',
  entryUUID: '11111111-1111-4111-8111-111111111111',
  mail: 'tevie@site.test',
  ...more,
});

const below = { ...MAPS.posix, paths: [{ attribute: 'homeDirectory', below: '/mail1' }] };

test.each(['', '/', '//', '../x', 'a/../b', '/mail1/./a', 'a\nb', 'caf\ufffd', 'x'.repeat(2_000)])(
  'a path of a site that is none of a mailbox (%j) is a temporary failure',
  (homeDirectory) => {
    expect(() => toAccount(entry({ homeDirectory }), below)).toThrow(DirectoryUnavailable);
  },
);

test('a path of a site is the same path however many slashes it has', () => {
  const pathOf = (homeDirectory: string) => toAccount(entry({ homeDirectory }), below).path;
  expect(pathOf('tevie')).toBe('/mail1/tevie');
  expect(pathOf('//mail1//tevie/')).toBe('/mail1/tevie');
});

test.each(['a\r\nTo: b@site.test', 'a\0@site.test', '\ufffd@site.test'])(
  'a login that would change a header (%j) is a temporary failure',
  (mail) => {
    expect(() => toAccount(entry({ mail }), MAPS.posix)).toThrow(DirectoryUnavailable);
  },
);
