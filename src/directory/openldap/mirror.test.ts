/**
 * What front ends rely upon with two servers in mirror mode: contextCSN on the suffix says how
 * new a server is, is not there while a server fills up, and does not go back after a crash.
 */
import { Attribute, Change, Client, ResultCodeError } from 'ldapts';
import { expect, test } from 'vitest';
import { testDirectory } from '../../../test/harness/directory.ts';
import { needs } from '../../../test/harness/needs.ts';
import { type Slapd, startSlapd, startSlapdPair } from '../../../test/harness/slapd.ts';
import { userEntry } from '../testing.ts';

const USERS = 400;
const LAST = `cn=u${USERS - 1}@example.test,ou=users,dc=mailfarm`;
const users = Array.from({ length: USERS }, (_, index) =>
  userEntry(`u${index}@example.test`, 5_000 + index, { userPassword: '{SSHA512}AAAA' }),
);

async function ask<T>(
  server: Slapd,
  who: { readonly dn: string; readonly password: string },
  what: (client: Client) => Promise<T>,
): Promise<T | number> {
  const client = new Client({ url: server.url, timeout: 30_000 });
  try {
    await client.bind(who.dn, who.password);
    return await what(client);
  } catch (error) {
    if (error instanceof ResultCodeError) return error.code;
    throw error;
  } finally {
    await client.unbind();
  }
}

const describeFarm = (server: Slapd, text: string): Promise<unknown> =>
  ask(server, server.admin, async (client) => {
    const modification = new Attribute({ type: 'description', values: [text] });
    await client.modify('cn=farm,dc=mailfarm', new Change({ operation: 'replace', modification }));
  });

const description = (server: Slapd): Promise<unknown> =>
  ask(server, server.frontend, async (client) => {
    const { searchEntries } = await client.search('cn=farm,dc=mailfarm', { scope: 'base' });
    return searchEntries[0]?.['description'];
  });

/** As a front end reads it: sorted, one for each server that wrote. Empty: not there. */
const state = (server: Slapd): Promise<readonly string[] | number> =>
  ask(server, server.frontend, async (client) => {
    const { searchEntries } = await client.search('dc=mailfarm', {
      scope: 'base',
      attributes: ['contextCSN'],
    });
    return [searchEntries[0]?.['contextCSN'] ?? []].flat().map(String).toSorted();
  });

test('what is written to one is on the other, and contextCSN has a value of each writer', async (ctx) => {
  needs(ctx, 'slapd');
  const [a, b] = await startSlapdPair({ directory: testDirectory(ctx) });
  ctx.onTestFinished(async () => {
    await Promise.all([a.stop(), b.stop()]);
  });
  await describeFarm(a, 'from a');
  await expect.poll(() => description(b)).toBe('from a');
  await describeFarm(b, 'from b');
  await expect.poll(() => description(a)).toBe('from b');
  await expect.poll(async () => await state(a)).toEqual(await state(b));
  const csns = (await state(a)) as readonly string[];
  expect(new Set(csns.map((csn) => csn.split('#')[2]))).toEqual(new Set(['001', '002']));
});

test('one is killed: the other takes changes, and the first has them when it is back', async (ctx) => {
  needs(ctx, 'slapd');
  const [a, b] = await startSlapdPair({ directory: testDirectory(ctx) });
  ctx.onTestFinished(async () => {
    await Promise.all([a.stop(), b.stop()]);
  });
  await a.kill();
  await describeFarm(b, 'while a was away');
  await a.start();
  await expect.poll(() => description(a), { timeout: 60_000 }).toBe('while a was away');
  await expect
    .poll(async () => JSON.stringify(await state(a)), { timeout: 60_000 })
    .toBe(JSON.stringify(await state(b)));
});

test('after a crash contextCSN is that of the last change', async (ctx) => {
  needs(ctx, 'slapd');
  const slapd = await startSlapd({ directory: testDirectory(ctx) });
  ctx.onTestFinished(() => slapd.stop());
  for (const text of ['one', 'two', 'three']) await describeFarm(slapd, text);
  const before = await state(slapd);
  await slapd.kill();
  await slapd.start();
  expect(await description(slapd)).toBe('three');
  expect(await state(slapd)).toEqual(before);
});

test('an emptied server shows cn=farm long before its users, and contextCSN only when it has all', async (ctx) => {
  needs(ctx, 'slapd');
  const [a, b] = await startSlapdPair({ directory: testDirectory(ctx), entries: users });
  ctx.onTestFinished(async () => {
    await Promise.all([a.stop(), b.stop()]);
  });
  await b.stop();
  b.empty();
  await b.start();
  const seen = { farmBeforeUsers: 0, incompleteWithState: 0 };
  const complete = async (): Promise<boolean> => {
    // State first: what is read after it is at least as complete.
    const csns = await state(b);
    const [farm, last] = [await description(b), await ask(b, b.frontend, (c) => c.search(LAST))];
    const refused = typeof last === 'number';
    if (farm !== 32 && farm !== 49 && refused) seen.farmBeforeUsers += 1;
    const known = Array.isArray(csns) && csns.length > 0;
    if (known && refused) seen.incompleteWithState += 1;
    return known && !refused;
  };
  await expect.poll(complete, { timeout: 60_000, interval: 5 }).toBe(true);
  expect(seen.farmBeforeUsers).toBeGreaterThan(0);
  expect(seen.incompleteWithState).toBe(0);
  expect(await state(b)).toEqual(await state(a));
  // The full one did not take over the emptiness.
  expect(typeof (await ask(a, a.frontend, (c) => c.search(LAST)))).toBe('object');
});
