import type { Entry } from 'ldapts';
import { toAccount } from '../client/entries.ts';
import { MAPS } from '../map.ts';
import { passwordsOf } from './passwords.ts';
import type { Reading } from './records.ts';

/** A reading for tests that need no server; what is not given is empty. */
export const readingOf = (given: Partial<Reading>): Reading => ({
  source: 'a test',
  contextCsn: ['20261122000000.000000Z#000000#001#000000'],
  suffix: 'dc=mailfarm',
  createdAt: 0,
  map: MAPS.mailfarm,
  users: [],
  aliases: [],
  toUser: (entry) => toAccount(entry),
  passwordsOf,
  domains: [
    { dn: 'cn=example.test,ou=domains,dc=mailfarm', cn: 'example.test', objectClass: ['mwDomain'] },
  ],
  sites: [],
  lists: [],
  rules: [],
  volumes: [],
  nodes: [],
  farm: undefined,
  administrators: undefined,
  selected: new Map(),
  ...given,
});

/** An entry of a user as a server gives it. */
export const userOf = (number: number, more: Record<string, string | string[]> = {}): Entry => ({
  dn: `cn=user${number}@example.test,ou=users,dc=mailfarm`,
  cn: `user${number}@example.test`,
  uid: String(number),
  entryUUID: `00000000-0000-0000-0000-${String(number).padStart(12, '0')}`,
  ...more,
});
