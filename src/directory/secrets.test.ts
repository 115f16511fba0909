/**
 * Who reads keys and passwords for mail that leaves, asked of both servers over LDAP. Written from
 * what the farm promises: no role that does not need one can read one, by any question.
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
const group = (name: string): string => `cn=${name},ou=rights,${SUFFIX}`;
const secret = (name: string): string => `cn=${name},ou=secrets,${SUFFIX}`;
const SENDERS = group('senders');
const RELAY = secret('smarthost/relay.example.net');
const KEY = secret('dkim/s1._domainkey.example.test');
const SRS = secret('srs/forward');
const WEB = secret('web/current');
const PASSWORD = 'password of the relay';

const secretEntry = (dn: string, value: string): SeedEntry => ({
  dn,
  attributes: {
    objectClass: ['top', 'mwSecret'],
    cn: dn.slice(3, dn.indexOf(',')),
    mwSecretValue: value,
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
  userEntry('tevie@example.test', 3001),
  userEntry('audrey@example.test', 3010, { mwLevel: '10' }),
  userEntry('helga@example.test', 3020, { mwLevel: '20' }),
  userEntry('otto@example.test', 3030, { mwLevel: '30' }),
  userEntry('boss@example.test', 3040, { mwLevel: '40' }),
  nodeEntry('relay1', 21, { userPassword: 'key of relay1' }),
  nodeEntry('front1', 22, { userPassword: 'key of front1' }),
  secretEntry(RELAY, PASSWORD),
  secretEntry(SRS, 'what senders of forwards are signed with'),
  secretEntry(WEB, 'what sessions of browsers are sealed with'),
  secretEntry(KEY, '-----BEGIN PRIVATE KEY-----\nof example.test\n-----END PRIVATE KEY-----\n'),
];

/** Every question that could tell a secret, or that there is one. */
const QUESTIONS: readonly Deed[] = [
  reads(RELAY, 'mwSecretValue'),
  reads(KEY, 'mwSecretValue'),
  finds('(&(mwSecretValue=*)(!(cn=srs/forward))(!(cn=web/current)))'),
  finds(`(mwSecretValue=${PASSWORD})`),
  finds('(mwSecretValue=pass*)'),
  finds('(&(!(mwSecretValue=nothing))(!(cn=srs/forward))(!(cn=web/current)))'),
  compares(RELAY, PASSWORD),
];

/** LDAP's own way to ask for a value (RFC 4511 §4.10). */
function compares(dn: string, value: string): Deed {
  return {
    what: `compares ${value} with ${dn}`,
    run: async (client) => {
      if (!(await client.compare(dn, 'mwSecretValue', value))) {
        await client.bind('cn=nobody-there', 'refused');
      }
    },
  };
}

describe.each(TEST_SERVERS)('secrets on %s', (kind) => {
  let directory: TestDirectory;
  beforeAll(async () => {
    directory = await startTestDirectory({ server: kind, entries: ENTRIES });
    const admin = await as(directory.admin.bindDn, directory.admin.bindPassword);
    for (const [name, level] of Object.entries(LEVELLED)) {
      await adds(group(level), 'member', user(name)).run(admin);
    }
    await adds(SENDERS, 'member', node('relay1')).run(admin);
    await admin.unbind();
  });
  afterAll(async () => {
    await directory.close();
  });

  async function as(dn: string, password: string): Promise<Client> {
    const client = new Client({ url: directory.server.url, timeout: 30_000 });
    if (dn !== '') await client.bind(dn, password);
    return client;
  }

  async function expectOf(
    [dn, password]: readonly [string, string],
    table: readonly (readonly [Outcome, Deed])[],
  ): Promise<void> {
    const found: string[] = [];
    for (const [wanted, deed] of table) {
      const client = await as(dn, password);
      const was = await outcome(client, deed);
      await client.unbind();
      // Refused is refused: a rule of the schema may be asked before the rights are.
      found.push(`${wanted === 'may not' && was === 'is late' ? wanted : was}: ${deed.what}`);
    }
    expect(found).toEqual(table.map(([wanted, deed]) => `${wanted}: ${deed.what}`));
  }

  const person = (name: string): readonly [string, string] => [
    user(name),
    `secret of ${name}@example.test`,
  ];
  const frontend = [`cn=frontend,${SUFFIX}`, 'frontend-secret'] as const;
  const all = (wanted: Outcome): readonly (readonly [Outcome, Deed])[] =>
    QUESTIONS.map((deed) => [wanted, deed] as const);

  test.each([
    ['nobody', ['', ''] as const],
    ['a user', person('tevie')],
    ['the identity of front ends', frontend],
    ['a node that does not send', [node('front1'), 'key of front1'] as const],
    ['an auditor', person('audrey')],
    ['the helpdesk', person('helga')],
    ['an operator', person('otto')],
  ])('[S4-15] %s cannot read, find, guess, write or move a secret', async (_, who) => {
    await expectOf(who, [
      ...all('may not'),
      ['may not', finds('(&(objectClass=mwSecret)(!(cn=srs/*))(!(cn=web/*)))')],
      ['may not', reads(RELAY, 'cn')],
      ['may not', replaces(SRS, 'mwSecretValue', 'mine')],
      ['may not', deletes(SRS, 'mwSecretValue')],
      ['may not', creates(secretEntry(secret('srs/mine'), 'x'))],
      ['may not', removes(SRS)],
      ['may not', moves(SRS, secret('smarthost/other'))],
      ['may not', moves(RELAY, secret('srs/other'))],
      ['may not', replaces(RELAY, 'mwSecretValue', 'stolen')],
      ['may not', deletes(RELAY, 'mwSecretValue')],
      ['may not', creates(secretEntry(secret('smarthost/mine'), 'x'))],
      ['may not', removes(RELAY)],
      ['may not', moves(RELAY, secret('smarthost/other'))],
      ['may not', moves(RELAY, node('other'))],
      ['may not', adds(SENDERS, 'member', who[0] || user('tevie'))],
      ['may not', replaces(SENDERS, 'member', who[0] || user('tevie'))],
      ['may not', removes(SENDERS)],
    ]);
  });

  test('a node of the group of senders reads secrets, and changes nothing about them', async () => {
    const sender = [node('relay1'), 'key of relay1'] as const;
    await expectOf(sender, [
      ['may', reads(RELAY, 'mwSecretValue')],
      ['may', reads(KEY, 'mwSecretValue')],
      ['may', finds('(&(objectClass=mwSecret)(cn=smarthost/relay.example.net))')],
      ['may not', replaces(RELAY, 'mwSecretValue', 'x')],
      ['may not', creates(secretEntry(secret('smarthost/mine'), 'x'))],
      ['may not', removes(RELAY)],
      ['may not', adds(SENDERS, 'member', node('front1'))],
    ]);
  });

  const SHARED_QUESTIONS: readonly Deed[] = [
    reads(SRS, 'mwSecretValue'),
    finds('(&(objectClass=mwSecret)(cn=srs/forward))'),
    reads(WEB, 'mwSecretValue'),
    finds('(&(objectClass=mwSecret)(cn=web/current))'),
  ];
  test.each([
    ['the identity of front ends', frontend],
    ['a node that does not send', [node('front1'), 'key of front1'] as const],
    ['a sender', [node('relay1'), 'key of relay1'] as const],
  ])('the secrets of forwards and of sessions: %s reads them', async (_, who) => {
    await expectOf(
      who,
      SHARED_QUESTIONS.map((deed) => ['may', deed] as const),
    );
  });

  test.each([
    ['nobody', ['', ''] as const],
    ['a user', person('tevie')],
    ['an auditor', person('audrey')],
    ['the helpdesk', person('helga')],
    ['an operator', person('otto')],
  ])('the secrets of forwards and of sessions: %s does not', async (_, who) => {
    await expectOf(
      who,
      SHARED_QUESTIONS.map((deed) => ['may not', deed] as const),
    );
  });

  test('an administrator writes secrets and reads none, wherever they stand', async () => {
    const moved = `cn=smarthost/relay.example.net,ou=domains,${SUFFIX}`;
    await expectOf(person('boss'), [
      ...all('may not'),
      ['may', reads(RELAY, 'cn')],
      ['may', finds('(objectClass=mwSecret)')],
      ['may', creates(secretEntry(secret('srs/farm'), 'made by boss'))],
      ['may', replaces(secret('srs/farm'), 'mwSecretValue', 'made again')],
      ['may not', reads(secret('srs/farm'), 'mwSecretValue')],
      ['may not', reads(SRS, 'mwSecretValue')],
      ['may not', reads(WEB, 'mwSecretValue')],
      ['may', moves(WEB, secret('web/previous'))],
      ['may', moves(secret('web/previous'), WEB)],
      ['may', removes(secret('srs/farm'))],
    ]);
    // Moved to where others read, it is as unreadable as before, or is not moved at all.
    const boss = await as(...person('boss'));
    const was = await outcome(boss, moves(RELAY, moved));
    const at = was === 'may' ? moved : RELAY;
    await expectOf(person('boss'), [['may not', reads(at, 'mwSecretValue')]]);
    await expectOf(frontend, [['may not', reads(at, 'mwSecretValue')]]);
    await expectOf(person('otto'), [['may not', reads(at, 'mwSecretValue')]]);
    if (was === 'may') await moves(moved, RELAY).run(boss);
    await boss.unbind();
  });

  test('who joins as a node, and who is put into the group and is none, reads no secret', async () => {
    await expectOf(frontend, [
      ['may', creates(nodeEntry('thief', 31))],
      ['may', adds(node('thief'), 'userPassword', 'key of thief')],
    ]);
    await expectOf([node('thief'), 'key of thief'], all('may not'));
    // Somebody with the right to it puts a person into the group: a mistake that opens nothing.
    await expectOf(person('boss'), [
      ['may', adds(SENDERS, 'member', user('tevie'))],
      ['may', adds(SENDERS, 'member', user('otto'))],
      ['may', adds(SENDERS, 'member', frontend[0])],
      ['may', adds(SENDERS, 'member', user('boss'))],
    ]);
    for (const who of [person('tevie'), person('otto'), person('boss'), frontend]) {
      await expectOf(who, all('may not'));
    }
  });

  test('a sender that is removed and joins again under its name reads no secret', async () => {
    await expectOf(person('boss'), [
      ['may', creates(nodeEntry('relay2', 41, { userPassword: 'key of relay2' }))],
      ['may', adds(SENDERS, 'member', node('relay2'))],
    ]);
    const first = [node('relay2'), 'key of relay2'] as const;
    await expectOf(first, [['may', reads(RELAY, 'mwSecretValue')]]);
    await expectOf(person('boss'), [['may', removes(node('relay2'))]]);
    await expectOf(frontend, [
      ['may', creates(nodeEntry('relay2', 42))],
      ['may', adds(node('relay2'), 'userPassword', 'key of a thief')],
    ]);
    await expectOf(frontend, [['may', binds(node('relay2'), 'key of a thief')]]);
    await expectOf([node('relay2'), 'key of a thief'], all('may not'));
  });

  test('[S0-40] users write what is answered in their absence, the helpdesk does, others do not', async () => {
    const parts = ['mwVacation', 'mwVacationSubject'] as const;
    const times = ['mwVacationFrom', 'mwVacationUntil'] as const;
    const writes = (of: string): readonly Deed[] => [
      ...parts.map((name) => replaces(user(of), name, `of ${of}\nand more`.slice(0, 8))),
      ...times.map((name) => replaces(user(of), name, '20261201000000Z')),
      ...[...parts, ...times].map((name) => deletes(user(of), name)),
    ];
    const table = (wanted: Outcome, of: string): readonly (readonly [Outcome, Deed])[] =>
      writes(of).map((deed) => [wanted, deed]);
    await expectOf(person('tevie'), [
      ...table('may', 'tevie'),
      ['may', replaces(user('tevie'), 'mwVacation', 'away')],
      ['may', reads(user('tevie'), 'mwVacation')],
      ['may not', replaces(user('audrey'), 'mwVacation', 'x')],
    ]);
    await expectOf(frontend, [
      ['may', reads(user('tevie'), 'mwVacation')],
      ['may not', replaces(user('tevie'), 'mwVacation', 'x')],
    ]);
    await expectOf(person('audrey'), [
      ['may', reads(user('tevie'), 'mwVacation')],
      ['may not', replaces(user('tevie'), 'mwVacation', 'x')],
      ['may', replaces(user('audrey'), 'mwVacation', 'my own')],
    ]);
    await expectOf(person('helga'), [
      ...table('may', 'tevie'),
      ['may not', replaces(user('boss'), 'mwVacation', 'x')],
    ]);
    await expectOf(person('otto'), [
      ...table('may', 'tevie'),
      ['may not', replaces(user('boss'), 'mwVacation', 'x')],
      ['may not', replaces(user('tevie'), 'mwVacation', 'x'.repeat(9_000))],
    ]);
  });

  test('[S4-15] what a domain passes on, and who may ask for it, is an administrator’s', async () => {
    const domain = `cn=example.test,ou=domains,${SUFFIX}`;
    const deeds = [
      replaces(domain, 'mwTransport', 'mx'),
      replaces(domain, 'mwEtrnFrom', '192.0.2.0/24'),
      replaces(domain, 'mwDkim', 's1'),
      replaces(`cn=farm,${SUFFIX}`, 'mwSetting', 'farm.cookie=x'),
    ];
    for (const who of [person('otto'), person('helga'), person('tevie'), frontend]) {
      await expectOf(
        who,
        deeds.map((deed) => ['may not', deed] as const),
      );
    }
    await expectOf(
      person('boss'),
      deeds.map((deed) => ['may', deed] as const),
    );
  });
});
