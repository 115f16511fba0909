/**
 * Whose address it is, asked of the directory by somebody who wants to send as another: every
 * spelling, detail, alias, site, alias domain, list, customer's domain; on both servers.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ldapDirectory } from '../directory/client/directory.ts';
import type { SeedEntry } from '../directory/frame.ts';
import { startTestDirectory, TEST_SERVERS, userEntry } from '../directory/testing.ts';
import type { TestDirectory } from '../directory/testing.ts';
import type { Account, Directory } from '../directory/types.ts';
import { Ownership } from './ownership.ts';

const SUFFIX = 'dc=mailfarm';
const entry = (
  branch: string,
  objectClass: string,
  cn: string,
  more: Record<string, string | string[]> = {},
): SeedEntry => ({
  dn: `cn=${cn},ou=${branch},${SUFFIX}`,
  attributes: { objectClass: ['top', objectClass], cn, ...more },
});

const ENTRIES: readonly SeedEntry[] = [
  userEntry('mallory@example.test', 5001, {
    mailAlias: ['m.allory@example.test', 'MM@second.test'],
  }),
  userEntry('victim@example.test', 5002, {
    mailAlias: ['boss@example.test', 'mallory@second.test'],
  }),
  userEntry('north@example.test', 5003, { mwSite: 'north' }),
  userEntry('straße@example.test', 5004),
  entry('domains', 'mwDomain', 'second.test', { mwCatchAll: 'mallory@example.test' }),
  entry('domains', 'mwDomain', 'alias.test', { mwAliasOf: 'example.test' }),
  entry('domains', 'mwDomain', 'customer.test', { mwTransport: 'mx' }),
  entry('domains', 'mwDomain', 'customer-too.test', { mwAliasOf: 'customer.test' }),
  entry('domains', 'mwDomain', 'bücher.test', { mwAliasOf: 'example.test' }),
  entry('sites', 'mwSite', 'north', { mwSiteDomain: 'north.example.test' }),
  entry('lists', 'mwList', 'crew@example.test', {
    mwMember: 'mallory@example.test',
    mwOwner: 'victim@example.test',
  }),
  entry('lists', 'mwList', 'mine@example.test', {
    mwMember: 'victim@example.test',
    mwOwner: 'MALLORY+list@alias.test',
  }),
  entry('lists', 'mwList', 'lead@example.test', { mwOwner: 'mine@example.test' }),
  userEntry('mallory@customer.test', 5005),
];

const OWN = [
  'mallory@example.test',
  'MALLORY@EXAMPLE.TEST',
  'mallory@example.test.',
  '"mallory"@example.test',
  '"mal\\lory"@example.test',
  'mallory+a+b@example.test',
  '"mallory+a b"@example.test',
  'm.allory+x@example.test',
  'mm@second.test',
  'mallory@alias.test',
  'M.Allory+x@ALIAS.test',
  'mallory@bücher.test',
  'mallory@BÜCHER.test',
  'mallory@xn--bcher-kva.test',
  'mine@example.test',
  'mine+request@alias.test',
];

const NOT_OWN = [
  'victim@example.test',
  'boss@example.test',
  'mallory@second.test',
  'anything@second.test', // Only the catch-all says so.
  'all@example.test',
  'postmaster@example.test',
  'crew@example.test',
  'lead@example.test', // Its owner is a list, which is nobody.
  'mallory@customer.test',
  'mallory@customer-too.test',
  'mallory@north.example.test',
  'mallory@far.test',
  'mallory@example.test.far.test',
  'mallory@xexample.test',
  'mallory',
  '@example.test',
  'mallory@',
  '',
  '*@example.test',
  'mallory@*',
  'mallory*@example.test',
  'mallory)(cn=*@example.test',
  '+mallory@example.test',
  'm.all.ory@example.test',
  'mallory @example.test',
  'mallory\u0000@example.test',
  'mallory\r\nX: y@example.test',
  'victim@example.test,mallory@example.test',
  'victim@example.test mallory@example.test',
  '<mallory@example.test>',
  'mallory@[127.0.0.1]',
  'mallory@example.test@far.test',
  'mállory@example.test',
  'mаllory@example.test', // A Cyrillic letter.
  'strasse@example.test',
];

/** Letters that another letter is compatible with (UAX #15): other addresses to everybody else. */
const COMPATIBLE = [
  'ｍallory@example.test',
  'ma\u2113\u2113ory@example.test',
  'mallorʸ@example.test',
  '" mallory"@example.test',
  '"mallory+a  b"@example.test ',
];

/** In a detail anything may stand; what turns the text around shows another address to people. */
const DECEIVING = [
  'mallory+\u202etset.elpmaxe@example.test',
  'mallory+\u2066x@example.test',
  'mallory+\u200bx@example.test',
];

describe.each(TEST_SERVERS)('sending as somebody else, on %s', (server) => {
  let farm: TestDirectory;
  let directory: Directory;
  let mallory: Account;
  beforeAll(async () => {
    farm = await startTestDirectory({ server, entries: ENTRIES });
    directory = ldapDirectory(farm.frontend);
    const found = await directory.account('mallory@example.test');
    if (!found) throw new Error('nobody is mallory');
    mallory = found;
  }, 60_000);
  afterAll(async () => {
    await directory.close();
    await farm.close();
  });

  const held = async (addresses: readonly string[]): Promise<readonly string[]> => {
    const own = new Ownership(directory, mallory);
    const yes: string[] = [];
    for (const address of addresses) if (await own.has(address)) yes.push(address);
    return yes;
  };

  test('every spelling of the own addresses is the own', async () => {
    expect(await held(OWN)).toEqual(OWN);
  });

  test('no other is', async () => {
    expect(await held(NOT_OWN)).toEqual([]);
  });

  test('letters that look alike make another address, on either server', async () => {
    expect(await held(COMPATIBLE)).toEqual([]);
  });

  test('no detail turns around what people read', async () => {
    expect(await held(DECEIVING)).toEqual([]);
  });

  test('a user of a site sends as the address of the site, nobody else does', async () => {
    const north = await directory.account('north@example.test');
    const own = new Ownership(directory, north ?? mallory);
    expect(await own.has('north@north.example.test')).toBe(true);
    expect(await own.has('North+x@NORTH.example.test')).toBe(true);
    expect(await own.has('mallory@north.example.test')).toBe(false);
  });
});
