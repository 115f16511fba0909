import { Client, ResultCodeError } from 'ldapts';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startTestDirectory, userEntry, type TestDirectory } from '../testing.ts';

let directory: TestDirectory;
let admin: Client;

beforeAll(async () => {
  directory = await startTestDirectory({
    entries: [userEntry('carol@example.test', 2100, { mailAlias: 'c@xn--bcher-kva.test' })],
  });
  admin = new Client({ url: directory.server.url, timeout: 30_000 });
  await admin.bind('cn=admin,dc=mailfarm', 'admin-secret');
});
afterAll(async () => {
  await admin.unbind();
  await directory.close();
});

type Given = Record<string, string | string[]>;

async function add(dn: string, attributes: Given): Promise<string> {
  try {
    await admin.add(dn, { ...attributes });
    return '';
  } catch (error) {
    if (!(error instanceof ResultCodeError)) throw error;
    return `${error.code} ${error.message}`;
  }
}

const at = (branch: string, cn: string): string => `cn=${cn},ou=${branch},dc=mailfarm`;
const user = (cn: string, uid: number, more: Given = {}): Given => ({
  objectClass: 'mwUser',
  cn,
  uid: String(uid),
  userPassword: 'x',
  ...more,
});
const node = (more: Given): Given => ({
  objectClass: 'mwNode',
  cn: 'n',
  nid: '77',
  server: 'n.example.test',
  status: 'sp',
  ...more,
});

const SOUND: readonly [branch: string, cn: string, Given][] = [
  ['domains', 'a.test', { objectClass: 'mwDomain', mwAll: 'members', mwCatchAll: 'x@a.test' }],
  ['domains', 'b.test', { objectClass: 'mwDomain', mwAliasOf: 'a.test' }],
  ['lists', 'l@a.test', { objectClass: 'mwList', mwPosting: 'moderated', mwMember: ['x@a.test'] }],
  ['lists', 'm@a.test', { objectClass: 'mwList', mwMemberFilter: '(&(mwSite=n)(cn=*))' }],
  ['sites', 'n', { objectClass: 'mwSite', mwSiteLevel: '2', mwSiteDomain: ['n.a.test'] }],
  ['rules', 'r', { objectClass: 'mwRule', mwOrder: '1', mwPattern: 'a.*', mwTarget: 'volume:v1' }],
  [
    'rules',
    's',
    { objectClass: 'mwRule', mwOrder: '-1', mwPattern: 'b', mwTarget: 'host:[::1]:25' },
  ],
  ['nodes', 'n', node({ mwBeat: '20261122030232Z', userPassword: '{SSHA512}HASH' })],
  [
    'claims',
    'k',
    {
      objectClass: 'mwClaim',
      mwClaimOf: at('users', 'x'),
      mwClaimBy: 'me',
      mwLevel: '10',
      mwClaimUntil: '20261122030232.5Z',
    },
  ],
  [
    'users',
    'p',
    { objectClass: ['inetOrgPerson', 'mwMailUser'], cn: ['p', 'P. P.'], mailAlias: 'p@a.test' },
  ],
];

const UNFIT: readonly [branch: string, cn: string, Given, wanted: RegExp][] = [
  ['domains', 'z.test', { objectClass: 'mwDomain', mwAll: 'some' }, /19 mwAll is one of off/],
  ['domains', 'z.test', { objectClass: 'mwDomain', mwAliasOf: 'a b' }, /19 mwAliasOf is not a dom/],
  ['lists', 'z@a.test', { objectClass: 'mwList', mwPosting: 'x' }, /19 mwPosting is one of anyone/],
  ['lists', 'z@a.test', { objectClass: 'mwList', mwMemberFilter: '(cn' }, /19 .*is a filter/],
  ['lists', 'z@a.test', { objectClass: 'mwList', mwMember: '@' }, /19 mwMember is not an address/],
  ['lists', 'alice@example.test', { objectClass: 'mwList' }, /19 .*belongs to cn=alice/],
  ['lists', 'c@bücher.test', { objectClass: 'mwList' }, /19 .*belongs to cn=carol/],
  ['lists', 'P@a.test', { objectClass: 'mwList' }, /19 .*belongs to cn=p,/],
  ['users', 'l@a.test', user('l@a.test', 5), /19 .*belongs to cn=l@a.test,ou=lists/],
  ['users', 'y', user('y', 5, { mailAlias: 'L@A.test' }), /19 .*belongs to cn=l@a.test,ou=lists/],
  ['users', 'y', user('y', 5, { mwForwardKeep: 'yes' }), /19 mwForwardKeep is one of true/],
  ['users', 'y', user('y', 5, { mailForward: 'x@' }), /19 mailForward is not an address/],
  ['users', 'y', user('y', 5, { mwRemoved: 'today' }), /19 mwRemoved is a time/],
  ['sites', 'z', { objectClass: 'mwSite', mwSiteLevel: '3' }, /19 mwSiteLevel is one of 0, 1, 2/],
  [
    'rules',
    'z',
    { objectClass: 'mwRule', mwOrder: '1', mwPattern: '(', mwTarget: 'volume:v' },
    /19 mwPattern is a regular/,
  ],
  [
    'rules',
    'z',
    { objectClass: 'mwRule', mwOrder: '1', mwPattern: 'x', mwTarget: 'mars' },
    /19 mwTarget is volume/,
  ],
  ['rules', 'z', { objectClass: 'mwRule', mwOrder: '1', mwPattern: 'x' }, /65 .*requires mwTarget/],
  ['nodes', 'z', node({ cn: 'z', nid: '1' }), /19 nid 1 already belongs to cn=node1/],
  ['nodes', 'z', node({ cn: 'z', nid: '78', mwBeat: 'now' }), /19 mwBeat is a time/],
  ['nodes', 'z', node({ cn: 'z', nid: '78', userPassword: ['a', 'b'] }), /19 userPassword of a/],
  ['sites', 'z', node({ cn: 'z', nid: '78' }), /64 Nodes stand below ou=nodes/],
  ['domains', 'z', user('z', 5), /64 Users stand below ou=users/],
  ['users', 'z', { objectClass: ['top', 'mwMailUser'] }, /65 .*no structural/],
  ['users', 'z', user('z', 5, { objectClass: ['mwUser', 'mwSite'] }), /65 An entry is one thing/],
  ['rights', 'z', { objectClass: 'groupOfNames' }, /65 groupOfNames requires member/],
  [
    'rights',
    'z',
    { objectClass: ['groupOfNames', 'mwLevelGroup'], member: 'cn=admin,dc=mailfarm' },
    /65 mwLevelGroup requires mwLevel/,
  ],
];

const HASH = Buffer.alloc(80, 1).toString('base64');

test('[S0-35] entries of every class are taken when they are sound, and refused with the reason', async () => {
  for (const [branch, cn, given] of SOUND) {
    const attributes: Given = { cn, ...given };
    const password = attributes['userPassword'];
    if (password === '{SSHA512}HASH') attributes['userPassword'] = `{SSHA512}${HASH}`;
    expect(await add(at(branch, cn), attributes), cn).toBe('');
  }
  for (const [branch, cn, given, wanted] of UNFIT) {
    const attributes = { cn, ...given };
    expect(await add(at(branch, cn), attributes), JSON.stringify(attributes)).toMatch(wanted);
  }
});

test('[S2-23] removed users hold no address, and come back only where it is free', async () => {
  const removed = at('removed', '11111111');
  const gone = user('11111111', 6, { mailAlias: 'alice@example.test' });
  expect(await add(removed, gone)).toBe('');
  expect(await add(at('users', '11111111'), user('11111111', 7))).toBe('');
  expect(await add(at('users', 'w'), user('w', 6))).toMatch(/19 uid 6 already belongs/);
  const back = admin.modifyDN(removed, at('users', 'somebody'));
  await expect(back).rejects.toThrow(/alice@example.test already belongs to cn=alice/);
});
