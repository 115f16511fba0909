import { rm } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { Attribute, Change, Client, EqualityFilter, NotFilter, ResultCodeError } from 'ldapts';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startTestDirectory, userEntry, type TestDirectory } from '../testing.ts';
import { hashPassword } from './password.ts';
import { RESULT, type ResultName } from './result.ts';

const USERS = 'ou=users,dc=mailfarm';
let directory: TestDirectory;
let admin: Client;

beforeAll(async () => {
  directory = await startTestDirectory({
    entries: [
      userEntry('carol@example.test', 2100, { extraField: 'kept', mailAlias: 'c@example.test' }),
    ],
    options: { options: { 'directory.embedded.connections': 50 } },
  });
  admin = await bound('cn=admin,dc=mailfarm', 'admin-secret');
});
afterAll(async () => {
  await admin.unbind();
  await directory.close();
});

async function bound(dn: string, password: string): Promise<Client> {
  const client = new Client({ url: directory.server.url, timeout: 30_000 });
  await client.bind(dn, password);
  return client;
}

/** The name of the result that an operation ends with. */
async function result(operation: Promise<unknown>): Promise<ResultName | number> {
  try {
    await operation;
    return 'success';
  } catch (error) {
    if (!(error instanceof ResultCodeError)) throw error;
    const found = Object.entries(RESULT).find(([, code]) => code === error.code)?.[0];
    return (found as ResultName | undefined) ?? error.code;
  }
}

const user = (name: string, uid: number, more: Record<string, string | string[]> = {}) => ({
  objectClass: ['top', 'mwUser'],
  cn: name,
  uid: String(uid),
  userPassword: 'secret',
  ...more,
});
const dn = (name: string): string => `cn=${name},${USERS}`;
const change = (operation: 'add' | 'delete' | 'replace', type: string, values: string[]): Change =>
  new Change({ operation, modification: new Attribute({ type, values }) });

const UNFIT: readonly [ResultName, string, Record<string, string | string[]>, RegExp][] = [
  [
    'objectClassViolation',
    'a@example.test',
    { objectClass: 'mwUser', cn: 'a@example.test', uid: '1' },
    /requires userPassword/,
  ],
  [
    'objectClassViolation',
    'a@example.test',
    { objectClass: 'mwUser', cn: 'a@example.test', userPassword: 'x' },
    /requires uid/,
  ],
  ['objectClassViolation', 'a@example.test', { cn: 'a@example.test' }, /no objectClass/],
  ['namingViolation', 'a@example.test', user('b@example.test', 1), /named by cn/],
  [
    'constraintViolation',
    'a@example.test',
    user('a@example.test', 2001),
    /uid 2001 already belongs to cn=alice/,
  ],
  [
    'constraintViolation',
    'a@example.test',
    user('a@example.test', 1, { mailAlias: 'ALICE@example.test' }),
    /already belongs to cn=alice/,
  ],
  [
    'constraintViolation',
    'c@example.test',
    user('c@example.test', 1),
    /already belongs to cn=carol/,
  ],
  [
    'constraintViolation',
    'a@example.test',
    user('a@example.test', 1, { uid: 'x' }),
    /whole number/,
  ],
  [
    'constraintViolation',
    'a@example.test',
    user('a@example.test', 1, { mwQuota: '-1' }),
    /whole number/,
  ],
  [
    'constraintViolation',
    'a@example.test',
    user('a@example.test', 1, { mwPath: '/a/../b' }),
    /absolute path/,
  ],
  [
    'constraintViolation',
    'a@example.test',
    user('a@example.test', 1, { mwSuspended: 'all' }),
    /one of mail/,
  ],
  [
    'constraintViolation',
    'a@example.test',
    user('a@example.test', 1, { mwVolume: ['a', 'b'] }),
    /one value/,
  ],
  [
    'constraintViolation',
    'a@example.test',
    user('a@example.test', 1, { userPassword: '{MD5}x' }),
    /\{MD5\} is not supported/,
  ],
  [
    'constraintViolation',
    'a@example.test',
    user('a@example.test', 1, { entryUUID: 'mine' }),
    /kept by the server/,
  ],
  ['entryAlreadyExists', 'Alice@Example.test', user('Alice@Example.test', 1), /exists/],
];

test('what an entry must be is said plainly', async () => {
  for (const [wanted, name, attributes, text] of UNFIT) {
    const add = admin.add(dn(name), attributes);
    expect(await result(add), JSON.stringify(attributes)).toBe(wanted);
    await expect(add).rejects.toThrow(text);
  }
  expect(
    await result(admin.add('cn=x,ou=nowhere,dc=mailfarm', { objectClass: 'device', cn: 'x' })),
  ).toBe('noSuchObject');
  expect(await result(admin.add('cn=x,dc=elsewhere', { objectClass: 'device', cn: 'x' }))).toBe(
    'noSuchObject',
  );
  expect(await result(admin.add('nonsense', { objectClass: 'device', cn: 'x' }))).toBe(
    'invalidDnSyntax',
  );
});

test('[S0-35] modify adds, deletes and replaces with the results of RFC 4511 §4.6', async () => {
  const name = dn('carol@example.test');
  const modify = (...changes: Change[]): Promise<ResultName | number> =>
    result(admin.modify(name, changes));
  expect(await modify(change('add', 'mailAlias', ['C@example.test']))).toBe(
    'attributeOrValueExists',
  );
  expect(await modify(change('delete', 'mailAlias', ['no@example.test']))).toBe('noSuchAttribute');
  expect(await modify(change('delete', 'mwSite', []))).toBe('noSuchAttribute');
  expect(await modify(change('add', 'mailAlias', ['c2@example.test', 'c3@example.test']))).toBe(
    'success',
  );
  expect(await modify(change('delete', 'mailAlias', ['C2@example.test']))).toBe('success');
  expect(await modify(change('replace', 'mwQuota', ['5']), change('replace', 'nothing', []))).toBe(
    'success',
  );
  expect(await modify(change('replace', 'cn', ['other@example.test']))).toBe('notAllowedOnRdn');
  expect(await modify(change('delete', 'uid', []))).toBe('objectClassViolation');
  // All or nothing: the second change fails, so the first did not happen.
  expect(await modify(change('replace', 'mwQuota', ['6']), change('add', 'uid', ['9']))).toBe(
    'constraintViolation',
  );
  const { searchEntries } = await admin.search(name, {
    scope: 'base',
    attributes: ['mailAlias', 'mwQuota', 'extraField'],
  });
  expect(searchEntries[0]).toMatchObject({
    mailAlias: ['c@example.test', 'c3@example.test'],
    mwQuota: '5',
    extraField: 'kept',
  });
});

test('[S2-23] a rename keeps entryUUID (RFC 4530 §2) and everything else, and groups follow', async () => {
  const read = async (name: string) =>
    (await admin.search(dn(name), { scope: 'base', attributes: ['*', 'entryUUID'] }))
      .searchEntries[0];
  await admin.add(dn('old@example.test'), user('old@example.test', 2200, { mwVolume: 'mail1' }));
  await admin.modify(
    'cn=administrators,ou=rights,dc=mailfarm',
    change('add', 'member', [dn('old@example.test')]),
  );
  const before = await read('old@example.test');
  await admin.modifyDN(dn('old@example.test'), 'cn=new@example.test');
  const after = await read('new@example.test');
  expect(after).toMatchObject({
    cn: 'new@example.test',
    uid: '2200',
    mwVolume: 'mail1',
    entryUUID: before?.['entryUUID'],
  });
  expect(await result(read('old@example.test'))).toBe('noSuchObject');
  const group = await admin.search('cn=administrators,ou=rights,dc=mailfarm', { scope: 'base' });
  expect(group.searchEntries[0]?.['member']).toContain(dn('new@example.test'));
  expect(await result(admin.modifyDN(dn('new@example.test'), 'cn=alice@example.test'))).toBe(
    'entryAlreadyExists',
  );
  const stolen = admin.modifyDN(dn('new@example.test'), 'entryUUID=mine');
  expect(await result(stolen)).toBe('constraintViolation');
  await admin.del(dn('new@example.test'));
  const rest = await admin.search('cn=administrators,ou=rights,dc=mailfarm', { scope: 'base' });
  expect(JSON.stringify(rest.searchEntries)).not.toContain('new@example.test');
});

test('scopes, filters (RFC 4515 §3) and the selection of attributes', async () => {
  const names = async (base: string, options: Parameters<Client['search']>[1]): Promise<string[]> =>
    (await admin.search(base, options)).searchEntries.map((entry) => entry.dn).toSorted();
  expect(await names('dc=mailfarm', { scope: 'base' })).toEqual(['dc=mailfarm']);
  expect(await names(USERS, { scope: 'one', filter: '(cn=a*)' })).toEqual([
    dn('admin@example.test'),
    dn('alice@example.test'),
  ]);
  expect(await names('dc=mailfarm', { scope: 'one', filter: '(cn=alice@example.test)' })).toEqual(
    [],
  );
  expect(
    await names('dc=mailfarm', { filter: '(&(objectClass=mwUser)(uid>=2003)(!(mailAlias=c*)))' }),
  ).toEqual([dn('admin@example.test')]);
  expect(await names('DC=MailFarm', { filter: '(|(uid=2001)(uid=02002))' })).toEqual([
    dn('alice@example.test'),
    dn('bob@example.test'),
  ]);
  expect(await names(USERS, { filter: '(cn=*l*c*@*.test)' })).toEqual([dn('alice@example.test')]);
  expect(await names(USERS, { filter: '(cn~=BOB@example.test)' })).toEqual([
    dn('bob@example.test'),
  ]);
  expect(await result(admin.search(USERS, { filter: '(cn:caseExactMatch:=alice)' }))).toBe(
    'inappropriateMatching',
  );
  expect(await result(admin.search('ou=none,dc=mailfarm'))).toBe('noSuchObject');
  expect(await names(USERS, { sizeLimit: 2 })).toHaveLength(2);
  const keys = async (attributes: string[]): Promise<string[]> =>
    Object.entries(
      (await admin.search(dn('bob@example.test'), { scope: 'base', attributes }))
        .searchEntries[0] ?? {},
    )
      .filter(([, value]) => value.length > 0)
      .map(([key]) => key)
      .toSorted();
  expect(await keys(['1.1'])).toEqual(['dn']);
  expect(await keys(['CN'])).toEqual(['cn', 'dn']);
  expect(await keys([])).toEqual(['cn', 'dn', 'objectClass', 'uid', 'userPassword']);
  expect(await keys(['+'])).toEqual([
    'createTimestamp',
    'dn',
    'entryCSN',
    'entryUUID',
    'modifyTimestamp',
  ]);
  expect(await admin.compare(dn('bob@example.test'), 'uid', '2002')).toBe(true);
  expect(await admin.compare(dn('bob@example.test'), 'uid', '2003')).toBe(false);
  expect(await result(admin.compare(dn('bob@example.test'), 'mwSite', 'x'))).toBe(
    'noSuchAttribute',
  );
});

test('a filter finds exactly the octets that were stored, whatever they are', async () => {
  const values = [
    '*',
    '(x)',
    'a\\b',
    '\\2a',
    '\0',
    '😀',
    ' a',
    'ﬀ',
    '&',
    '|',
    '!',
    '=',
    '\r\n',
    '\u{10ffff}',
  ];
  await admin.add(dn('chars@example.test'), user('chars@example.test', 2300, { customerID: 'x' }));
  for (const value of values) {
    await admin.modify(dn('chars@example.test'), change('replace', 'customerID', [value]));
    for (const asked of values) {
      const filter = new EqualityFilter({ attribute: 'customerID', value: asked });
      const { searchEntries } = await admin.search(USERS, { filter });
      expect(searchEntries.length, JSON.stringify([value, asked])).toBe(value === asked ? 1 : 0);
    }
  }
  await admin.del(dn('chars@example.test'));
});

test('a user cannot make the checking of own passwords dear for everybody', async () => {
  await admin.add(dn('mallory@example.test'), user('mallory@example.test', 2450));
  const mallory = await bound(dn('mallory@example.test'), 'secret');
  const tag = Buffer.alloc(32).toString('base64').replaceAll('=', '');
  const give = async (...changes: Change[]): Promise<unknown> =>
    await result(mallory.modify(dn('mallory@example.test'), changes));
  const words = Array.from({ length: 100 }, (_, n) => `word ${n}`);
  for (const changes of [
    [change('replace', 'userPassword', words)],
    [change('add', 'userPassword', ['second'])],
    words.map((word) => change('add', 'userPassword', [word])),
    [
      change('replace', 'userPassword', [
        `{ARGON2}$argon2id$v=19$m=1048576,t=64,p=1$${tag}$${tag}`,
      ]),
    ],
    [change('replace', 'userPassword', ['x'.repeat(1_025)])],
    [change('delete', 'userPassword', [])],
  ]) {
    expect(await give(...changes)).toBe('constraintViolation');
  }
  expect(await give(change('replace', 'userPassword', ['x'.repeat(1_024)]))).toBe('success');
  await mallory.unbind();
  await admin.del(dn('mallory@example.test'));
});

test('[S0-22] who may do what: nobody, a front end, a user, an administrator', async () => {
  const anonymous = new Client({ url: directory.server.url });
  const frontend = await bound('cn=frontend,dc=mailfarm', 'frontend-secret');
  const alice = await bound(dn('alice@example.test'), 'demo');
  const chief = await bound(dn('admin@example.test'), 'demo');
  const add = { ...user('d@example.test', 2400) };
  for (const [nobody, refused] of [
    [anonymous, 'strongerAuthRequired'],
    [alice, 'insufficientAccessRights'],
  ] as const) {
    expect(await result(nobody.search(USERS))).toBe('noSuchObject');
    expect(await result(nobody.add(dn('d@example.test'), add))).toBe(refused);
    expect(await result(nobody.del(dn('bob@example.test')))).toBe(refused);
    expect(
      await result(nobody.modify(dn('bob@example.test'), change('replace', 'userPassword', ['x']))),
    ).toBe(refused);
    expect(
      await result(nobody.modify(dn('alice@example.test'), change('replace', 'mwQuota', ['0']))),
    ).toBe(refused);
  }
  expect(
    (await anonymous.search('', { scope: 'base', attributes: ['*', '+'] })).searchEntries[0],
  ).toMatchObject({ namingContexts: 'dc=mailfarm' });

  const seen = await frontend.search(USERS, {
    filter: '(cn=bob@example.test)',
    attributes: ['*', 'userPassword'],
  });
  expect(seen.searchEntries[0]).toMatchObject({ uid: '2002', userPassword: [] });
  expect((await frontend.search(USERS, { filter: '(userPassword=*)' })).searchEntries).toEqual([]);
  const not = new NotFilter({
    filter: new EqualityFilter({ attribute: 'userPassword', value: 'x' }),
  });
  expect((await frontend.search(USERS, { filter: not })).searchEntries).toEqual([]);
  expect(await result(frontend.compare(dn('bob@example.test'), 'userPassword', 'x'))).toBe(
    'insufficientAccessRights',
  );
  expect(
    await result(frontend.modify(dn('bob@example.test'), change('add', 'mwVolume', ['mail1']))),
  ).toBe('success');
  expect(
    await result(frontend.modify(dn('bob@example.test'), change('add', 'mwVolume', ['mail2']))),
  ).toBe('constraintViolation');
  expect(
    await result(frontend.modify(dn('bob@example.test'), change('replace', 'mwVolume', ['mail2']))),
  ).toBe('insufficientAccessRights');
  expect(
    await result(frontend.modify(dn('bob@example.test'), change('delete', 'mwVolume', []))),
  ).toBe('insufficientAccessRights');

  expect(
    await result(
      alice.modify(dn('alice@example.test'), change('replace', 'userPassword', ['demo2'])),
    ),
  ).toBe('success');
  await (await bound(dn('alice@example.test'), 'demo2')).unbind();
  expect(await result(chief.add(dn('d@example.test'), add))).toBe('success');
  expect(await result(chief.del(dn('d@example.test')))).toBe('success');
  await admin.modify(
    'cn=administrators,ou=rights,dc=mailfarm',
    change('delete', 'member', [dn('admin@example.test')]),
  );
  expect(await result(chief.search(USERS))).toBe('noSuchObject');
  expect(await result(admin.del('cn=farm,dc=mailfarm'))).toBe('unwillingToPerform');
  expect(await result(admin.del(USERS))).toBe('notAllowedOnNonLeaf');
  for (const client of [anonymous, frontend, alice, chief]) await client.unbind();
});

test('[S0-33] a node gives itself one key, then is that node and no other', async () => {
  const frontend = await bound('cn=frontend,dc=mailfarm', 'frontend-secret');
  const at = (name: string): string => `cn=${name},ou=nodes,dc=mailfarm`;
  const node = { objectClass: 'mwNode', server: 'x.example.test', status: 'sp' };
  for (const [nid, cn] of ['n1', 'n2'].entries()) {
    expect(await result(frontend.add(at(cn), { ...node, cn, nid: String(300 + nid) }))).toBe(
      'success',
    );
  }
  const set = async (client: Client, name: string, ...changes: Change[]): Promise<unknown> =>
    await result(client.modify(at(name), changes));
  const tag = Buffer.alloc(32).toString('base64').replaceAll('=', '');
  const dear = `{ARGON2}$argon2id$v=19$m=1048576,t=64,p=1$${tag}$${tag}`;
  const key = await hashPassword('key of n1', 'SSHA512');
  const give = (value: string): Change => change('add', 'userPassword', [value]);
  expect(await set(frontend, 'n1', give(dear))).toBe('constraintViolation');
  expect(await set(frontend, 'n1', give('a'), give('b'))).toBe('constraintViolation');
  expect(await set(frontend, 'n1', give(key))).toBe('success');
  expect(await set(frontend, 'n1', give('another'))).toBe('insufficientAccessRights');
  expect(await set(frontend, 'n1', change('replace', 'status', ['SP']))).toBe(
    'insufficientAccessRights',
  );
  const self = await bound(at('n1'), 'key of n1');
  expect(await set(self, 'n1', change('replace', 'status', ['SP']))).toBe('success');
  expect(await set(self, 'n2', change('replace', 'status', ['SP']))).toBe(
    'insufficientAccessRights',
  );
  expect(await set(self, 'n1', change('replace', 'nid', ['1']))).toBe('insufficientAccessRights');
  expect((await self.search(USERS, { filter: '(uid=2001)' })).searchEntries).toHaveLength(1);
  const next = await hashPassword('next', 'SSHA512');
  expect(await set(self, 'n1', change('replace', 'userPassword', [next]))).toBe('success');
  await (await bound(at('n1'), 'next')).unbind();
  for (const name of ['n1', 'n2']) await admin.del(at(name));
  // Whose entry is gone is nobody.
  expect(await result(self.search(USERS))).toBe('noSuchObject');
  for (const client of [frontend, self]) await client.unbind();
});

test('one address has no more than half of the connections, unless a front end is there', async () => {
  const { port } = directory.server;
  const open = async (count: number): Promise<{ sockets: Socket[]; closed: () => number }> => {
    let closed = 0;
    const sockets = Array.from({ length: count }, () =>
      connect({ port, host: '127.0.0.1', localAddress: '127.0.0.77' }),
    );
    for (const socket of sockets) socket.on('error', () => {}).on('close', () => (closed += 1));
    await Promise.all(sockets.map((socket) => new Promise((done) => socket.once('connect', done))));
    return { sockets, closed: () => closed };
  };
  const { sockets, closed } = await open(30);
  await expect.poll(closed).toBe(5);
  await (await bound(dn('alice@example.test'), 'demo2')).unbind(); // Others are served.
  for (const socket of sockets) socket.destroy();
});

test('a bind without a password is refused, and a failed bind leaves nobody bound', async () => {
  const client = await bound('cn=admin,dc=mailfarm', 'admin-secret');
  expect(await result(client.bind('cn=admin,dc=mailfarm', ''))).toBe('unwillingToPerform');
  expect(await result(client.search(USERS))).toBe('noSuchObject');
  await client.bind('cn=admin,dc=mailfarm', 'admin-secret');
  expect(await result(client.bind('cn=admin,dc=mailfarm', 'wrong'))).toBe('invalidCredentials');
  expect(await result(client.bind('cn=nobody,dc=mailfarm', 'wrong'))).toBe('invalidCredentials');
  expect(await result(client.search(USERS))).toBe('noSuchObject');
  expect(await result(client.bind('EXTERNAL'))).toBe('authMethodNotSupported');
  await client.unbind();
});

test('everything survives a restart, and a password is never stored in the clear', async () => {
  const first = await startTestDirectory({ options: { data: `${directory.data}-restart` } });
  const client = new Client({ url: first.server.url });
  await client.bind('cn=admin,dc=mailfarm', 'admin-secret');
  await client.add(
    dn('kept@example.test'),
    user('kept@example.test', 2500, { userPassword: 'clear-text-secret' }),
  );
  const before = (await client.search('dc=mailfarm', { attributes: ['*', '+'] })).searchEntries;
  await client.unbind();
  await first.close();
  const second = await startTestDirectory({ options: { data: `${directory.data}-restart` } });
  const again = new Client({ url: second.server.url });
  await again.bind('cn=admin,dc=mailfarm', 'admin-secret');
  const after = (await again.search('dc=mailfarm', { attributes: ['*', '+'] })).searchEntries;
  expect(after.toSorted(byDn)).toEqual(before.toSorted(byDn));
  expect(JSON.stringify(after)).not.toContain('clear-text-secret');
  await again.unbind();
  await second.close();
  await rm(`${directory.data}-restart`, { recursive: true });
});

const byDn = (a: { dn: string }, b: { dn: string }): number => (a.dn < b.dn ? -1 : 1);
