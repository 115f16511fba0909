import { fork, type ChildProcess } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Attribute, Change, Client } from 'ldapts';
import { afterEach, expect, test } from 'vitest';
import { Assertion, unchangedSince } from '../admin/assertion.ts';
import { startTestDirectory, type TestDirectory } from '../testing.ts';

const toRemove: string[] = [];
afterEach(async () => {
  for (const path of toRemove.splice(0)) await rm(path, { recursive: true, force: true });
});

async function dataDirectory(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'mailfarm-upgrade-'));
  toRemove.push(path);
  return path;
}

const start = (data: string, more: Record<string, number> = {}): Promise<TestDirectory> =>
  startTestDirectory({ options: { data, options: more } });

async function administrator(url: string): Promise<Client> {
  const client = new Client({ url, timeout: 30_000 });
  await client.bind('cn=admin,dc=mailfarm', 'admin-secret');
  return client;
}

const replace = (type: string, ...values: string[]): Change =>
  new Change({ operation: 'replace', modification: new Attribute({ type, values }) });

async function everything(client: Client): Promise<ReadonlyMap<string, Record<string, unknown>>> {
  const { searchEntries } = await client.search('dc=mailfarm', { attributes: ['*', '+'] });
  return new Map(searchEntries.map((entry) => [entry.dn, entry]));
}

const SSHA = '{SSHA}kH9dDjWKVnjSmjQI4vHbYJYSGPjJ5aJyVPC6gw=='; // Of nobody's password.
const marks = (n: number): string =>
  `entryUUID: 00000000-0000-4000-8000-00000000000${n}\n` +
  `createTimestamp: 20260101000000Z\nmodifyTimestamp: 2026010100000${n}Z\n`;

/** What the first release wrote: no ou=rights, no entryCSN, administrators at the top. */
const FIRST_RELEASE = `version: 1

dn: dc=mailfarm
objectClass: top
objectClass: domain
dc: mailfarm
${marks(0)}
dn: cn=farm,dc=mailfarm
objectClass: mwFarm
cn: farm
${marks(1)}
dn: cn=admin,dc=mailfarm
objectClass: organizationalRole
cn: admin
userPassword: {SSHA512}HASH
${marks(2)}
dn: cn=administrators,dc=mailfarm
objectClass: groupOfNames
cn: administrators
member: cn=admin,dc=mailfarm
member: cn=chief@example.test,ou=users,dc=mailfarm
member: cn=left@example.test,ou=users,dc=mailfarm
${marks(3)}
dn: ou=users,dc=mailfarm
objectClass: organizationalUnit
ou: users
${marks(4)}
dn: cn=chief@example.test,ou=users,dc=mailfarm
objectClass: mwUser
cn: chief@example.test
uid: 1
userPassword: ${SSHA}
mailForward: written before addresses were checked@
${marks(5)}
`;

async function firstRelease(): Promise<string> {
  const { hashPassword } = await import('./password.ts');
  const path = await dataDirectory();
  const text = FIRST_RELEASE.replace(
    '{SSHA512}HASH',
    await hashPassword('admin-secret', 'SSHA512'),
  );
  await writeFile(join(path, 'directory.ldif'), text);
  return path;
}

test('data of the first release get what they lack, once', async () => {
  const data = await firstRelease();
  const first = await start(data);
  const client = await administrator(first.server.url);
  const entries = await everything(client);
  expect([...entries.keys()].filter((dn) => dn.startsWith('ou='))).toHaveLength(11);
  expect(entries.has('cn=administrators,dc=mailfarm')).toBe(false);
  expect(entries.get('cn=administrators,ou=rights,dc=mailfarm')).toMatchObject({
    member: [
      'cn=admin,dc=mailfarm',
      'cn=chief@example.test,ou=users,dc=mailfarm',
      'cn=left@example.test,ou=users,dc=mailfarm',
    ],
    mwLevel: '40',
  });
  expect(entries.get('cn=senders,ou=rights,dc=mailfarm')).toMatchObject({
    member: 'cn=admin,dc=mailfarm',
  });
  expect(entries.get('cn=farm,dc=mailfarm')?.['mwSetting']).toMatch(/^farm\.cookie=[\w-]{32}$/);
  const chief = 'cn=chief@example.test,ou=users,dc=mailfarm';
  expect(entries.get(chief)).toMatchObject({ mwLevel: '40' });
  // An entry nobody touched has a number too, by which a change can be conditional.
  expect(entries.get('ou=users,dc=mailfarm')).toMatchObject({
    entryCSN: '20260101000004.000000Z#000000#000#000000',
  });
  const csn = String(entries.get(chief)?.['entryCSN']);
  // What was wrong before does not stop a change of something else.
  await client.modify(chief, replace('mwQuota', '5'), new Assertion(unchangedSince(csn)));
  await expect(client.modify(chief, replace('mailForward', 'still none@'))).rejects.toThrow(
    /mailForward is not an address/,
  );
  const before = await everything(client);
  await client.unbind();
  await first.close();
  const journal = await readFile(join(data, 'changes-0.ldif'), 'utf8');

  const second = await start(data);
  const again = await administrator(second.server.url);
  expect(await everything(again)).toEqual(before);
  expect(await readFile(join(data, 'changes-0.ldif'), 'utf8')).toBe(journal);
  await again.del('ou=claims,dc=mailfarm');
  await again.unbind();
  await second.close();

  const third = await start(data); // A branch alone comes back too.
  const last = await administrator(third.server.url);
  expect((await everything(last)).has('ou=claims,dc=mailfarm')).toBe(true);
  await last.unbind();
  await third.close();
});

test('the state of the tree survives the journal, the fold, and the delete of what was newest', async () => {
  const data = await dataDirectory();
  let newest = '';
  for (const fold of [false, true]) {
    const server = await start(data, { 'directory.embedded.journal.max': fold ? 4_096 : 1e9 });
    const client = await administrator(server.server.url);
    const state = async (): Promise<string> =>
      String((await everything(client)).get('dc=mailfarm')?.['contextCSN']);
    expect(newest === '' || newest === (await state())).toBe(true);
    const user = { objectClass: 'mwUser', cn: 'x@example.test', uid: '9', userPassword: 'x' };
    const dn = 'cn=x@example.test,ou=users,dc=mailfarm';
    for (let n = 0; n < 30; n += 1) {
      await client.add(dn, user);
      await client.del(dn);
    }
    newest = await state();
    const entries = [...(await everything(client)).values()];
    expect(entries.every((entry) => String(entry['entryCSN']) < newest)).toBe(true);
    await client.unbind();
    await server.close();
  }
  expect(await readFile(join(data, 'directory.ldif'), 'utf8')).toMatch(/generation [1-9]/);
  const last = await start(data);
  const client = await administrator(last.server.url);
  expect((await everything(client)).get('dc=mailfarm')).toMatchObject({ contextCSN: newest });
  await client.unbind();
  await last.close();
});

const SERVE = `
import { serveEmbeddedDirectory } from ${JSON.stringify(join(import.meta.dirname, 'server.ts'))};
const server = await serveEmbeddedDirectory({
  data: process.argv[2], host: '127.0.0.1', port: 0,
  options: {
    'directory.embedded.password.scheme': 'SSHA512',
    'directory.embedded.journal.max': 4096,
  },
  firstStart: { adminPassword: 'admin-secret' },
});
process.send(server.url);
`;

async function serveApart(data: string): Promise<{ child: ChildProcess; url: string }> {
  const script = join(data, 'serve.mjs');
  await writeFile(script, SERVE);
  const child = fork(script, [join(data, 'tree')], { execArgv: [], silent: true });
  const url = await new Promise<string>((resolve, reject) => {
    child.once('message', (message) => resolve(message as string));
    child.once('exit', (status) => reject(new Error(`ended with ${status}`)));
  });
  return { child, url };
}

test('killed between conditional changes: what was acknowledged stands, and numbers go on rising', async () => {
  const data = await dataDirectory();
  const farm = 'cn=farm,dc=mailfarm';
  let acknowledged = -1;
  let seen = '';
  for (let round = 0; round < 4; round += 1) {
    const { child, url } = await serveApart(data);
    const ended = new Promise((resolve) => child.once('exit', resolve));
    const client = await administrator(url);
    const read = async (): Promise<{ csn: string; count: number }> => {
      const options = { scope: 'base', attributes: ['entryCSN', 'description'] } as const;
      const entry = (await client.search(farm, { ...options, attributes: [...options.attributes] }))
        .searchEntries[0];
      return { csn: String(entry?.['entryCSN']), count: Number(entry?.['description'] ?? -1) };
    };
    let changes = 0;
    let kill: NodeJS.Timeout | undefined;
    try {
      const found = await read();
      expect(found.count).toBeGreaterThanOrEqual(acknowledged);
      expect(found.count).toBeLessThanOrEqual(acknowledged + 1);
      expect(found.csn >= seen).toBe(true);
      for (let { csn, count } = found; ; { csn, count } = await read()) {
        const assertion = new Assertion(unchangedSince(csn));
        await client.modify(farm, replace('description', String(count + 1)), assertion);
        acknowledged = count + 1;
        seen = csn;
        changes += 1;
        // Some time after it has made some changes, whatever it is doing then.
        if (changes === 5) kill = setTimeout(() => child.kill('SIGKILL'), 20 + round * 15);
      }
    } catch (error) {
      if (!child.killed) throw error;
    } finally {
      clearTimeout(kill);
      child.kill('SIGKILL');
      await ended;
      await client.unbind().catch(() => {});
    }
  }
  expect(acknowledged).toBeGreaterThan(10);
});

test('settings of the farm are followed live; what cannot be read is not', async () => {
  const data = await dataDirectory();
  const directory = await startTestDirectory({ options: { data } });
  const client = await administrator(directory.server.url);
  const large = (): Promise<void> =>
    client.modify('cn=farm,dc=mailfarm', replace('description', 'x'.repeat(70_000)));
  const set = (...settings: string[]): Promise<void> =>
    client.modify('cn=farm,dc=mailfarm', replace('mwSetting', ...settings));
  await large();
  await set('directory.embedded.message.max=nonsense', 'pop3.something=1');
  await large();
  await set('directory.embedded.message.max=64KiB');
  await expect(large()).rejects.toThrow(/more than 65536|closed/i);
  await client.unbind().catch(() => {});
  await directory.close();
});
