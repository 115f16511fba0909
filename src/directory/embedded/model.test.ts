import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { Attribute, Change, Client, ResultCodeError } from 'ldapts';
import { expect, test } from 'vitest';
import { startTestDirectory, type TestDirectory } from '../testing.ts';

const seed = Number(process.env['FUZZ_SEED'] ?? 1);
const runs = Number(process.env['FUZZ_RUNS'] ?? 25);

type Step = (client: Client) => Promise<unknown>;

/** Few names, so that steps meet each other; some of them hostile. */
const name = fc.constantFrom(
  'alice@example.test',
  'x@example.test',
  'y',
  '\\,z',
  ' 😀+',
  '#1',
  'a\\00b',
);
const dn = name.map(
  (value) => `cn=${value.replace(/[+#]|^ /g, String.raw`\$&`)},ou=users,dc=mailfarm`,
);
const attribute = fc.constantFrom(
  'mailAlias',
  'uid',
  'cn',
  'mwVolume',
  'extra',
  'constructor',
  'changetype',
  'dn',
  'userPassword',
  'member',
  'entryUUID',
);
const value = fc.oneof(
  fc.constantFrom('x@example.test', '1', '2', '{SSHA512}x', ' ', 'é'),
  fc.string({ unit: 'binary', maxLength: 12 }),
);
const values = fc.array(value, { maxLength: 3 });

const step: fc.Arbitrary<Step> = fc.oneof(
  fc.tuple(dn, name, fc.nat(5), values).map(
    ([at, cn, uid, mailAlias]): Step =>
      (client) =>
        client.add(at, {
          objectClass: ['mwUser'],
          cn,
          uid: String(uid),
          userPassword: 'p',
          mailAlias,
        }),
  ),
  fc
    .tuple(
      dn,
      fc.constantFrom('add' as const, 'delete' as const, 'replace' as const),
      attribute,
      values,
    )
    .map(
      ([at, operation, type, all]): Step =>
        (client) =>
          client.modify(
            at,
            new Change({ operation, modification: new Attribute({ type, values: all }) }),
          ),
    ),
  fc.tuple(dn, name).map(
    ([at, to]): Step =>
      (client) =>
        client.modifyDN(at, `cn=${to}`),
  ),
  dn.map(
    (at): Step =>
      (client) =>
        client.del(at),
  ),
  fc.tuple(attribute, value).map(
    ([type, asked]): Step =>
      (client) =>
        client.compare('cn=farm,dc=mailfarm', type, asked),
  ),
);

async function open(
  data: string,
  journal: number,
): Promise<{ server: TestDirectory; client: Client }> {
  const options = { data, options: { 'directory.embedded.journal.max': journal } };
  const server = await startTestDirectory({ options });
  const client = new Client({ url: server.server.url, timeout: 30_000 });
  await client.bind('cn=admin,dc=mailfarm', 'admin-secret');
  return { server, client };
}

async function everything(client: Client): Promise<unknown[]> {
  const { searchEntries } = await client.search('dc=mailfarm', { attributes: ['*', '+'] });
  return searchEntries.toSorted((a, b) => (a.dn < b.dn ? -1 : 1));
}

test(`after any changes a restart shows the same tree (FUZZ_SEED=${seed})`, async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
      const data = await mkdtemp(join(tmpdir(), 'mailfarm-model-'));
      const first = await open(data, 4_096); // Small: the journal is folded in meanwhile.
      for (const run of steps) {
        await run(first.client).catch((error: unknown) => {
          if (!(error instanceof ResultCodeError) || error.code === 80) throw error;
        });
      }
      const before = await everything(first.client);
      await first.client.unbind();
      await first.server.close();
      const second = await open(data, 4_096);
      expect(await everything(second.client)).toEqual(before);
      await second.client.unbind();
      await second.server.close();
      await rm(data, { recursive: true });
    }),
    { seed, numRuns: runs },
  );
});
