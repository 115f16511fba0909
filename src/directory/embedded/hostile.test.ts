/**
 * What a user, or a peer who has not bound, could hold up everybody with: one process serves all,
 * so one request that takes seconds is an outage of seconds.
 */
import { Attribute, Change, Client, EqualityFilter, OrFilter, PresenceFilter } from 'ldapts';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { comparable } from '../schema.ts';
import { startTestDirectory, userEntry, type TestDirectory } from '../testing.ts';

const USERS = 3_000;
/** An honest request takes milliseconds; what is tested here took minutes, or all memory. */
const SOON_MS = 30_000;
const HASH = `{SSHA512}${'A'.repeat(96)}`;
const tevie = 'cn=tevie@example.test,ou=users,dc=mailfarm';
let directory: TestDirectory;

beforeAll(async () => {
  const crowd = Array.from({ length: USERS }, (_, index) =>
    userEntry(`u${index}@example.test`, 10_000 + index, { userPassword: HASH }),
  );
  directory = await startTestDirectory({
    entries: [userEntry('tevie@example.test', 3_001), ...crowd],
  });
}, 60_000);
afterAll(async () => {
  await directory.close();
});

async function as(dn: string, password: string): Promise<Client> {
  const client = new Client({ url: directory.server.url, timeout: 60_000 });
  if (dn !== '') await client.bind(dn, password);
  return client;
}
const asTevie = (): Promise<Client> => as(tevie, 'secret of tevie@example.test');

async function took(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return performance.now() - start;
}

/** Marks in the wrong order, each pair of which composition has to exchange. */
const marks = (count: number): string =>
  `a${'\u0301'.repeat(count / 2)}${'\u0327'.repeat(count / 2)}`;

test('a run of marks without end is not put in order, a letter with its marks is', () => {
  expect(comparable('cn', 'Ame\u0301lie')).toBe('am\u00e9lie');
  expect(comparable('cn', marks(28))).toBe(comparable('cn', marks(28).normalize('NFC')));
  const start = performance.now();
  expect(comparable('cn', marks(100_000))).toBe(marks(100_000));
  expect(performance.now() - start).toBeLessThan(SOON_MS);
});

test('whoever has not bound cannot hold up the server with a value to be composed', async () => {
  const stranger = await as('', '');
  const filter = new EqualityFilter({ attribute: 'cn', value: marks(30_000) });
  const ms = await took(async () => {
    for (let turn = 0; turn < 8; turn += 1) {
      await stranger.search('dc=mailfarm', { filter }).catch(() => {});
    }
  });
  expect(ms).toBeLessThan(SOON_MS);
  await stranger.unbind();
});

test('a user who asks for all of an index a thousand times gets the own entry, at once', async () => {
  const client = await asTevie();
  const again = new EqualityFilter({ attribute: 'objectClass', value: 'mwUser' });
  const filter = new OrFilter({ filters: Array.from({ length: 10_000 }, () => again) });
  const ms = await took(async () => {
    const { searchEntries } = await client.search(tevie, { scope: 'sub', filter });
    expect(searchEntries.map(({ dn }) => dn)).toEqual([tevie]);
  });
  expect(ms).toBeLessThan(SOON_MS);
  await client.unbind();
});

test('who may read all of it cannot make the server copy an index without end either', async () => {
  const client = await as(directory.frontend.bindDn, directory.frontend.bindPassword);
  const again = new EqualityFilter({ attribute: 'objectClass', value: 'mwUser' });
  const some = new PresenceFilter({ attribute: 'mwLevel' });
  const filters = [some, ...Array.from({ length: 10_000 }, () => again)];
  const ms = await took(async () => {
    const options = { filter: new OrFilter({ filters }), attributes: ['1.1'] };
    const { searchEntries } = await client.search('ou=users,dc=mailfarm', options);
    expect(searchEntries.length).toBeGreaterThan(USERS);
  });
  expect(ms).toBeLessThan(SOON_MS);
  await client.unbind();
});

test('[S0-35] forwards by the ten thousand are added and taken away in the time of one reading', async () => {
  const client = await asTevie();
  const change = async (operation: 'add' | 'delete', from: number): Promise<void> => {
    const values = Array.from({ length: 20_000 }, (_, index) => `f${from + index}@far.test`);
    const modification = new Attribute({ type: 'mailForward', values });
    await client.modify(tevie, new Change({ operation, modification }));
  };
  const ms = await took(async () => {
    await change('add', 0);
    await change('add', 50_000);
    await change('delete', 0);
  });
  expect(ms).toBeLessThan(SOON_MS);
  await expect(change('add', 50_000)).rejects.toMatchObject({ code: 20 });
  await expect(change('delete', 0)).rejects.toMatchObject({ code: 16 });
  await client.unbind();
});
