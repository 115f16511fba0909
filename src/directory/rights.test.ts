/**
 * Who may do what, asked of both servers over LDAP. The tables here are written from what the
 * farm promises, not from rights.ts, so that a wrong row there fails.
 */
import { Client } from 'ldapts';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { SeedEntry } from './frame.ts';
import { startTestDirectory, TEST_SERVERS, userEntry, type TestDirectory } from './testing.ts';
import { adds, binds, creates, deletes, finds, moves, outcome } from './testing/deeds.ts';
import {
  LEVELLED,
  reads,
  removes,
  replaces,
  SUFFIX,
  type Deed,
  type Outcome,
} from './testing/deeds.ts';

const user = (name: string): string => `cn=${name}@example.test,ou=users,${SUFFIX}`;
const node = (name: string): string => `cn=${name},ou=nodes,${SUFFIX}`;
const GONE = `cn=11111111-1111-4111-8111-111111111111,ou=removed,${SUFFIX}`;
const GONE_BOSS = `cn=22222222-2222-4222-8222-222222222222,ou=removed,${SUFFIX}`;
const LIST = `cn=all-hands@example.test,ou=lists,${SUFFIX}`;
const CLAIM = `cn=claim1,ou=claims,${SUFFIX}`;
const FARM = `cn=farm,${SUFFIX}`;
const VOLUME = `cn=mail1,ou=volumes,${SUFFIX}`;
const DOMAIN = `cn=example.test,ou=domains,${SUFFIX}`;
const group = (name: string): string => `cn=${name},ou=rights,${SUFFIX}`;

const removed = (dn: string, uid: number, more: Record<string, string> = {}): SeedEntry => ({
  dn,
  attributes: {
    objectClass: ['top', 'mwUser'],
    cn: dn.slice(3, 39),
    uid: String(uid),
    userPassword: 'secret of the removed',
    mwRemoved: '20261101000000Z',
    mwFormerLogin: 'gone@example.test',
    ...more,
  },
});

const nodeEntry = (name: string, nid: number, more: Record<string, string> = {}): SeedEntry => ({
  dn: node(name),
  attributes: {
    objectClass: ['top', 'mwNode'],
    cn: name,
    nid: String(nid),
    server: `${name}.example.test`,
    status: 'SP',
    ...more,
  },
});

const ENTRIES: readonly SeedEntry[] = [
  userEntry('tevie@example.test', 3001, { mailAlias: 't@example.test', mwVolume: 'mail1' }),
  userEntry('golde@example.test', 3002, { mailForward: 'golde@far.test' }),
  userEntry('chava@example.test', 3003),
  userEntry('audrey@example.test', 3010, { mwLevel: '10' }),
  userEntry('helga@example.test', 3020, { mwLevel: '20' }),
  userEntry('otto@example.test', 3030, { mwLevel: '30' }),
  userEntry('boss@example.test', 3040, { mwLevel: '40', mailForward: 'boss@far.test' }),
  nodeEntry('keyed', 21, { userPassword: 'key of keyed' }),
  nodeEntry('keyless', 22),
  removed(GONE, 3050),
  removed(GONE_BOSS, 3051, { mwLevel: '40' }),
  {
    dn: LIST,
    attributes: {
      objectClass: ['top', 'mwList'],
      cn: 'all-hands@example.test',
      mwMember: 'a@b.test',
    },
  },
  {
    dn: CLAIM,
    attributes: {
      objectClass: ['top', 'mwClaim'],
      cn: 'claim1',
      mwClaimOf: user('tevie'),
      mwClaimBy: 'otto@example.test',
      mwLevel: '30',
      mwClaimUntil: '20261123000000Z',
    },
  },
];

/** Each wrong password would cost as much as the right one, whoever asks. */
const DEAR = {
  memory: '{ARGON2}$argon2id$v=19$m=1048576,t=2,p=1$c2FsdHNhbHQ$iWh06vD8Fy27wf9npn6FXWiCX4K6pW6U',
  passes: '{argon2}$argon2id$v=19$m=65536,t=60,p=1$c2FsdHNhbHQ$iWh06vD8Fy27wf9npn6FXWiCX4K6pW6U',
  rounds: '{CRYPT}$6$rounds=999999999$saltsalt$abcdefghij',
};
/** What the farm's own tools store, and what a site brings. */
const MODERATE =
  '{ARGON2}$argon2id$v=19$m=65536,t=3,p=4$c2FsdHNhbHQ$iWh06vD8Fy27wf9npn6FXWiCX4K6pW6U';

describe.each(TEST_SERVERS)('rights on %s', (kind) => {
  let directory: TestDirectory;
  beforeAll(async () => {
    directory = await startTestDirectory({ server: kind, entries: ENTRIES });
    const admin = await as({ dn: directory.admin.bindDn, password: directory.admin.bindPassword });
    for (const [name, level] of Object.entries(LEVELLED)) {
      await adds(group(level), 'member', user(name)).run(admin);
    }
    await admin.unbind();
  });
  afterAll(async () => {
    await directory.close();
  });

  async function as(who: { readonly dn: string; readonly password: string }): Promise<Client> {
    const client = new Client({ url: directory.server.url, timeout: 30_000 });
    if (who.dn !== '') await client.bind(who.dn, who.password);
    return client;
  }

  /** Tries all, one after the other; the whole list is compared, so that a failure shows all. */
  async function expectOf(
    who: { readonly dn: string; readonly password: string },
    table: readonly (readonly [Outcome, Deed])[],
  ): Promise<void> {
    const client = await as(who);
    const found: string[] = [];
    for (const [wanted, deed] of table) {
      const was = await outcome(client, deed);
      // Refused is refused: a rule of the schema may be asked before the rights are.
      found.push(`${wanted === 'may not' && was === 'is late' ? wanted : was}: ${deed.what}`);
    }
    await client.unbind();
    expect(found).toEqual(table.map(([wanted, deed]) => `${wanted}: ${deed.what}`));
  }

  const frontend = { dn: `cn=frontend,${SUFFIX}`, password: 'frontend-secret' };
  const person = (name: string): { dn: string; password: string } => ({
    dn: user(name),
    password: `secret of ${name}@example.test`,
  });

  test('nobody reads or changes anything before a bind', async () => {
    await expectOf({ dn: '', password: '' }, [
      ['may not', reads(FARM, 'cn')],
      ['may not', reads(user('tevie'), 'cn')],
      ['may not', reads(user('tevie'), 'userPassword')],
      ['may not', finds('(cn=tevie@example.test)')],
      ['may not', replaces(user('tevie'), 'mailForward', 'x@far.test')],
      ['may not', creates(userEntry('new@example.test', 3100))],
      ['may not', removes(user('tevie'))],
    ]);
  });

  test('[S0-40] a front end reads the farm, but no password and not the private subtree', async () => {
    await expectOf(frontend, [
      ['may', reads(FARM, 'cn')],
      ['may', reads(SUFFIX, 'contextCSN')],
      ['may', reads(user('tevie'), 'mailAlias')],
      ['may', reads(user('tevie'), 'entryUUID')],
      ['may', reads(user('boss'), 'cn')],
      ['may', finds('(mailAlias=t@example.test)')],
      ['may', reads(VOLUME, 'mwMountPath')],
      ['may', reads(DOMAIN, 'cn')],
      ['may', reads(LIST, 'mwMember')],
      ['may', reads(node('keyed'), 'nid')],
      ['may', reads(group('administrators'), 'member')],
      ['may not', reads(group('operators'), 'member')],
      ['may not', reads(`ou=rights,${SUFFIX}`, 'ou')],
      ['may not', reads(GONE, 'cn')],
      ['may not', reads(user('tevie'), 'userPassword')],
      ['may not', reads(node('keyed'), 'userPassword')],
      ['may not', reads(frontend.dn, 'userPassword')],
      ['may not', reads(`cn=admin,${SUFFIX}`, 'userPassword')],
      ['may not', finds('(userPassword=*)')],
      ['may not', finds('(mwRemoved=*)')],
    ]);
  });

  test('a front end places a mailbox once and changes nothing else of a user', async () => {
    await expectOf(frontend, [
      ['may', adds(user('golde'), 'mwVolume', 'mail1')],
      ['is late', adds(user('golde'), 'mwVolume', 'mail2')],
      ['may not', replaces(user('golde'), 'mwVolume', 'mail2')],
      ['may not', deletes(user('golde'), 'mwVolume')],
      ['may', adds(user('boss'), 'mwVolume', 'mail1')],
      ['may not', replaces(user('boss'), 'mwVolume', 'mail2')],
      ['may not', adds(user('golde'), 'mwPath', '/mail1/x')],
      ['may not', adds(user('golde'), 'mailAlias', 'g@example.test')],
      ['may not', adds(user('golde'), 'mailForward', 'thief@far.test')],
      ['may not', replaces(user('golde'), 'userPassword', 'stolen')],
      ['may not', adds(user('golde'), 'userPassword', 'stolen')],
      ['may not', adds(user('golde'), 'mwLevel', '40')],
      ['may not', moves(user('golde'), user('goldie'))],
      ['may not', removes(user('golde'))],
      ['may not', creates(userEntry('new@example.test', 3100))],
    ]);
  });

  test('[S0-40] a front end changes no table of the farm and gives itself no level', async () => {
    await expectOf(frontend, [
      ['may not', adds(FARM, 'mwSetting', 'postmaster=thief@example.test')],
      ['may not', replaces(VOLUME, 'mwState', 'offline')],
      ['may not', adds(DOMAIN, 'mwCatchAll', 'thief@example.test')],
      ['may not', adds(LIST, 'mwMember', 'thief@example.test')],
      ['may not', removes(DOMAIN)],
      ['may not', adds(group('administrators'), 'member', frontend.dn)],
      ['may not', adds(group('operators'), 'member', frontend.dn)],
      [
        'may not',
        creates({
          dn: `cn=new.test,ou=domains,${SUFFIX}`,
          attributes: { objectClass: 'mwDomain', cn: 'new.test' },
        }),
      ],
      ['may not', removes(CLAIM)],
      ['may not', replaces(CLAIM, 'mwClaimBy', 'x')],
      ['may not', removes(GONE)],
      ['may not', replaces(frontend.dn, 'description', 'x')],
      ['may not', replaces(frontend.dn, 'userPassword', 'locks out all others')],
      ['may not', deletes(frontend.dn, 'userPassword')],
    ]);
    await expectOf(frontend, [['may', reads(FARM, 'cn')]]);
  });

  test('[S0-33] a new node adds itself, takes a key where there is none, and is that node', async () => {
    await expectOf(frontend, [
      ['may', creates(nodeEntry('fresh', 23))],
      ['may', adds(node('fresh'), 'userPassword', 'key of fresh')],
      ['may not', adds(node('fresh'), 'userPassword', 'key of a thief')],
      ['may not', adds(node('keyed'), 'userPassword', 'key of a thief')],
      ['may not', replaces(node('keyless'), 'userPassword', 'key of a thief')],
      ['may not', replaces(node('keyed'), 'status', 'sp')],
      ['may not', removes(node('keyed'))],
      ['may not', moves(node('keyed'), node('other'))],
      ['may not', binds(node('fresh'), 'key of a thief')],
      ['may', binds(node('fresh'), 'key of fresh')],
    ]);
  });

  test('nothing but nodes stands among nodes, and no key costs much to verify', async () => {
    const stranger = `cn=stranger,ou=nodes,${SUFFIX}`;
    const role = { objectClass: ['organizationalRole', 'simpleSecurityObject'], cn: 'stranger' };
    const referral = { objectClass: ['referral', 'extensibleObject'], cn: 'stranger' };
    const levelled = nodeEntry('levelled', 24, { mwLevel: '40' });
    const classes = ['top', 'mwNode', 'mwLevelGroup'];
    await expectOf(frontend, [
      ['is late', creates({ dn: stranger, attributes: { ...role, userPassword: 'x' } })],
      ['is late', creates({ dn: stranger, attributes: { ...referral, ref: 'ldap://a.test/' } })],
      [
        'is late',
        creates({ ...levelled, attributes: { ...levelled.attributes, objectClass: classes } }),
      ],
      ['is late', creates(nodeEntry('dear', 25, { userPassword: DEAR.rounds }))],
      ['is late', creates(nodeEntry('huge', 25, { nid: '9'.repeat(40) }))],
    ]);
  });

  test('no password costs the server so much that the logins of others wait', async () => {
    const own = person('chava');
    await expectOf(own, [
      ['may not', replaces(user('chava'), 'userPassword', DEAR.memory)],
      ['may not', replaces(user('chava'), 'userPassword', DEAR.passes)],
      ['may not', replaces(user('chava'), 'userPassword', DEAR.rounds)],
    ]);
    await expectOf(person('helga'), [
      ['may not', replaces(user('chava'), 'userPassword', DEAR.memory)],
      ['may not', replaces(user('chava'), 'userPassword', DEAR.rounds)],
      ['may', replaces(user('chava'), 'userPassword', MODERATE)],
      ['may', replaces(user('chava'), 'userPassword', '{SSHA}AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA')],
      ['may', replaces(user('chava'), 'userPassword', '{CRYPT}$6$rounds=5000$saltsalt$abc')],
      ['may', replaces(user('chava'), 'userPassword', own.password)],
    ]);
    await expectOf(own, [['may', reads(user('chava'), 'cn')]]);
  });

  test('an operator chooses no mailbox by its path: it could be that of an administrator', async () => {
    const path = '/mail1/12/34/boss';
    const made = userEntry('thief@example.test', 3200);
    const withPath = userEntry('thief@example.test', 3200, { mwPath: path });
    await expectOf(person('otto'), [
      ['may not', replaces(user('golde'), 'mwPath', path)],
      ['may not', replaces(GONE, 'mwPath', path)],
      ['may not', creates(withPath)],
      ['may', creates(made)],
      ['may', replaces(made.dn, 'mwVolume', 'mail2')],
      ['may', removes(made.dn)],
    ]);
    await expectOf(person('boss'), [
      ['may', creates(withPath)],
      ['may', replaces(made.dn, 'mwPath', '/mail1/12/35/thief')],
      ['may', removes(made.dn)],
    ]);
    const admin = { dn: directory.admin.bindDn, password: directory.admin.bindPassword };
    await expectOf(admin, [
      ['may', creates(withPath)],
      ['may', removes(made.dn)],
    ]);
  });

  test('of many who give a node its key at the same time one does', async () => {
    const clients = await Promise.all(Array.from({ length: 12 }, () => as(frontend)));
    const deed = (index: number): Deed => adds(node('node1'), 'userPassword', `key ${index}`);
    const all = clients.map((client, index) => outcome(client, deed(index)));
    expect((await Promise.all(all)).filter((was) => was === 'may')).toHaveLength(1);
    for (const client of clients) await client.unbind();
  });

  test('[S0-33] a node tells how it is, of itself alone', async () => {
    await expectOf({ dn: node('keyed'), password: 'key of keyed' }, [
      ['may', reads(user('tevie'), 'cn')],
      ['may', replaces(node('keyed'), 'status', 'Sp')],
      ['may', replaces(node('keyed'), 'mwBeat', '20261122030000Z')],
      ['may', replaces(node('keyed'), 'mwVersion', '1.2.3')],
      ['may', replaces(node('keyed'), 'server', 'other.example.test')],
      ['may not', replaces(node('keyed'), 'nid', '99')],
      ['may not', replaces(node('keyed'), 'mwListen', 'mx 127.0.0.1:25')],
      ['may not', reads(node('keyed'), 'userPassword')],
      ['may not', replaces(node('node1'), 'status', 'sp')],
      ['may not', replaces(node('node1'), 'mwBeat', '20261122030000Z')],
      ['may not', removes(node('keyed'))],
      ['may', adds(user('chava'), 'mwVolume', 'mail2')],
      ['may not', replaces(user('chava'), 'mwVolume', 'mail1')],
      ['may', replaces(node('keyed'), 'userPassword', 'new key of keyed')],
    ]);
    await expectOf({ dn: node('keyed'), password: 'new key of keyed' }, [
      ['may', reads(FARM, 'cn')],
    ]);
  });

  test('[S0-35] [S0-40] a user changes password and forwards, reads the own entry, nothing else', async () => {
    await expectOf(person('tevie'), [
      ['may', reads(user('tevie'), 'cn')],
      ['may', reads(user('tevie'), 'mailAlias')],
      ['may', reads(user('tevie'), 'mwVolume')],
      ['may not', reads(user('tevie'), 'userPassword')],
      ['may', replaces(user('tevie'), 'mailForward', 'tevie@far.test')],
      ['may', replaces(user('tevie'), 'mwForwardKeep', 'TRUE')],
      ['may', deletes(user('tevie'), 'mailForward')],
      ['may not', adds(user('tevie'), 'mailAlias', 'free@example.test')],
      ['may not', replaces(user('tevie'), 'mwVolume', 'mail2')],
      ['may not', replaces(user('tevie'), 'mwPath', '/mail1/of/golde')],
      ['may not', replaces(user('tevie'), 'mwQuota', '0')],
      ['may not', replaces(user('tevie'), 'mwSuspended', 'imap')],
      ['may not', replaces(user('tevie'), 'mwLevel', '40')],
      ['may not', replaces(user('tevie'), 'uid', '1')],
      ['may not', moves(user('tevie'), user('tevje'))],
      ['may not', removes(user('tevie'))],
      ['may not', reads(user('golde'), 'cn')],
      ['may not', reads(user('golde'), 'userPassword')],
      ['may not', replaces(user('golde'), 'userPassword', 'stolen')],
      ['may not', replaces(user('golde'), 'mailForward', 'tevie@example.test')],
      ['may not', finds('(cn=golde@example.test)')],
      ['may not', reads(FARM, 'cn')],
      ['may not', reads(VOLUME, 'cn')],
      ['may not', reads(LIST, 'mwMember')],
      ['may not', adds(LIST, 'mwMember', 'tevie@example.test')],
      ['may not', reads(group('administrators'), 'member')],
      ['may not', reads(group('operators'), 'cn')],
      ['may not', reads(CLAIM, 'mwClaimBy')],
      ['may not', reads(GONE, 'cn')],
      ['may not', adds(group('administrators'), 'member', user('tevie'))],
      ['may not', creates(userEntry('new@example.test', 3100))],
      ['may', replaces(user('tevie'), 'userPassword', 'my new one')],
    ]);
    await expectOf({ dn: '', password: '' }, [
      ['may not', binds(user('tevie'), 'secret of tevie@example.test')],
      ['may', binds(user('tevie'), 'my new one')],
    ]);
  });

  test('[S0-40] an auditor reads all but passwords and changes nothing', async () => {
    await expectOf(person('audrey'), [
      ['may', reads(user('tevie'), 'mailAlias')],
      ['may', reads(user('boss'), 'mwLevel')],
      ['may', reads(group('operators'), 'member')],
      ['may', reads(GONE, 'mwFormerLogin')],
      ['may', reads(GONE_BOSS, 'mwLevel')],
      ['may', reads(CLAIM, 'mwClaimBy')],
      ['may', reads(FARM, 'cn')],
      ['may', finds('(mwRemoved=*)')],
      ['may not', reads(user('tevie'), 'userPassword')],
      ['may not', reads(GONE, 'userPassword')],
      ['may not', finds('(userPassword=*)')],
      ['may not', replaces(user('golde'), 'userPassword', 'stolen')],
      ['may not', replaces(user('golde'), 'mailForward', 'x@far.test')],
      ['may not', replaces(user('golde'), 'mwSuspended', 'pop3')],
      ['may not', adds(group('administrators'), 'member', user('audrey'))],
      ['may not', replaces(user('audrey'), 'mwLevel', '40')],
      ['may not', adds(FARM, 'mwSetting', 'postmaster=x@example.test')],
      ['may not', removes(CLAIM)],
      ['may not', removes(LIST)],
      ['may', replaces(user('audrey'), 'mailForward', 'audrey@far.test')],
    ]);
  });

  test('[S0-40] the helpdesk sets passwords, forwards and services of users, of no administrator', async () => {
    await expectOf(person('helga'), [
      ['may', replaces(user('golde'), 'userPassword', 'from the helpdesk')],
      ['may not', reads(user('golde'), 'userPassword')],
      ['may', replaces(user('golde'), 'mailForward', 'golde@far.test')],
      ['may', replaces(user('golde'), 'mwSuspended', 'pop3')],
      ['may', deletes(user('golde'), 'mwSuspended')],
      ['may not', adds(user('golde'), 'mailAlias', 'g@example.test')],
      ['may not', replaces(user('golde'), 'mwLevel', '20')],
      ['may not', replaces(user('golde'), 'mwVolume', 'mail2')],
      ['may not', moves(user('golde'), user('goldie'))],
      ['may not', removes(user('golde'))],
      ['may not', creates(userEntry('new@example.test', 3100))],
      ['may not', replaces(user('boss'), 'userPassword', 'stolen')],
      ['may not', adds(user('boss'), 'userPassword', 'stolen')],
      ['may not', replaces(user('boss'), 'mailForward', 'helga@example.test')],
      ['may not', replaces(user('boss'), 'mwSuspended', 'mail')],
      ['may not', deletes(user('boss'), 'mwLevel')],
      ['may not', replaces(user('otto'), 'userPassword', 'stolen')],
      ['may not', adds(group('operators'), 'member', user('helga'))],
      ['may not', adds(LIST, 'mwMember', 'x@example.test')],
      ['may not', replaces(GONE, 'mwRemoved', '20261102000000Z')],
      ['may', replaces(CLAIM, 'mwClaimUntil', '20261124000000Z')],
      ['may', replaces(user('helga'), 'userPassword', 'my own new one')],
    ]);
    await expectOf({ dn: '', password: '' }, [
      ['may', binds(user('golde'), 'from the helpdesk')],
      ['may', binds(user('boss'), 'secret of boss@example.test')],
      ['may not', binds(user('boss'), 'stolen')],
    ]);
  });

  test('[S0-40] an operator manages users and lists, and cannot become an administrator', async () => {
    const operator = person('otto');
    const made = userEntry('new@example.test', 3100);
    await expectOf(operator, [
      ['may', creates(made)],
      ['may', adds(made.dn, 'mailAlias', 'n@example.test')],
      ['may', replaces(made.dn, 'mwVolume', 'mail2')],
      ['may', replaces(made.dn, 'userPassword', 'set by otto')],
      ['may not', reads(made.dn, 'userPassword')],
      ['may', moves(made.dn, user('newer'))],
      ['may', moves(user('newer'), `cn=33333333-3333-4333-8333-333333333333,ou=removed,${SUFFIX}`)],
      [
        'may',
        replaces(
          `cn=33333333-3333-4333-8333-333333333333,ou=removed,${SUFFIX}`,
          'mwRemoved',
          '20261122000000Z',
        ),
      ],
      ['may', moves(`cn=33333333-3333-4333-8333-333333333333,ou=removed,${SUFFIX}`, made.dn)],
      ['may', removes(made.dn)],
      ['may', adds(LIST, 'mwMember', 'x@example.test')],
      ['may', removes(LIST)],
      ['may not', replaces(user('golde'), 'mwLevel', '40')],
      ['may not', deletes(user('boss'), 'mwLevel')],
      ['may not', replaces(user('boss'), 'userPassword', 'stolen')],
      ['may not', replaces(user('boss'), 'mailForward', 'otto@example.test')],
      ['may not', replaces(user('boss'), 'mwVolume', 'mail2')],
      ['may not', moves(user('boss'), user('poss'))],
      ['may not', removes(user('boss'))],
      ['may not', moves(user('otto'), user('boss2'))],
      ['may not', deletes(GONE_BOSS, 'mwLevel')],
      ['may not', moves(GONE_BOSS, user('boss3'))],
      ['may not', reads(GONE, 'userPassword')],
      ['may not', replaces(GONE, 'userPassword', 'stolen')],
      ['may not', adds(group('administrators'), 'member', operator.dn)],
      ['may not', replaces(group('operators'), 'mwLevel', '40')],
      ['may not', adds(FARM, 'mwSetting', 'postmaster=otto@example.test')],
      ['may not', replaces(VOLUME, 'mwState', 'closed')],
      ['may not', adds(DOMAIN, 'mwCatchAll', 'otto@example.test')],
      ['may not', replaces(node('keyless'), 'status', 'sp')],
      ['may not', adds(node('keyless'), 'userPassword', 'key of otto')],
      ['may', removes(CLAIM)],
    ]);
  });

  test('[S0-40] an administrator manages the farm and the levels', async () => {
    await expectOf(person('boss'), [
      ['may', adds(FARM, 'mwSetting', 'postmaster=golde@example.test')],
      ['may', replaces(VOLUME, 'mwState', 'closed')],
      ['may', replaces(node('keyless'), 'mwListen', 'mx 127.0.0.1:25')],
      ['may', adds(group('auditors'), 'member', user('golde'))],
      ['may', deletes(group('auditors'), 'member', user('golde'))],
      ['may', replaces(user('helga'), 'userPassword', 'set by the boss')],
      ['may', replaces(user('otto'), 'mailForward', 'otto@far.test')],
      ['may', replaces(GONE_BOSS, 'description', 'left in autumn')],
      ['may', removes(GONE_BOSS)],
      ['may', removes(node('keyless'))],
    ]);
  });

  test('who is removed cannot log in, and whoever gets the name gets no level with it', async () => {
    await expectOf({ dn: '', password: '' }, [['may not', binds(GONE, 'secret of the removed')]]);
    await expectOf(person('boss'), [['may', removes(user('audrey'))]]);
    await expectOf(person('otto'), [['may', creates(userEntry('audrey@example.test', 3011))]]);
    await expectOf(person('audrey'), [['may not', reads(group('operators'), 'member')]]);
  });
});
