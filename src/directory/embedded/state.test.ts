/** entryCSN, contextCSN, assertions and pages: asked of both servers where both have them. */
import { Attribute, Change, Client, Control, EqualityFilter, PresenceFilter } from 'ldapts';
import { ResultCodeError, type BerWriter } from 'ldapts';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Assertion, unchangedSince } from '../admin/assertion.ts';
import { startTestDirectory, TEST_SERVERS, userEntry, type TestDirectory } from '../testing.ts';

const USERS = 'ou=users,dc=mailfarm';
const dn = (name: string): string => `cn=${name}@example.test,${USERS}`;
const replace = (type: string, ...values: string[]): Change =>
  new Change({ operation: 'replace', modification: new Attribute({ type, values }) });
const CSN = /^\d{14}\.\d{6}Z#[0-9a-f]{6}#[0-9a-f]{3}#[0-9a-f]{6}$/;

async function code(operation: Promise<unknown>): Promise<number> {
  try {
    await operation;
    return 0;
  } catch (error) {
    if (!(error instanceof ResultCodeError)) throw error;
    return error.code;
  }
}

/** A control with octets of our choosing. */
class Octets extends Control {
  readonly #value: Buffer | undefined;
  constructor(type: string, value: Buffer | undefined, critical = true) {
    super(type, { critical });
    this.#value = value;
  }
  override writeControl(writer: BerWriter): void {
    if (this.#value) writer.writeBuffer(this.#value, 4);
  }
}

describe.each(TEST_SERVERS)('%s', (server) => {
  let directory: TestDirectory;
  let admin: Client;
  let frontend: Client;

  const bound = async (name: string, password: string): Promise<Client> => {
    const client = new Client({ url: directory.server.url, timeout: 30_000 });
    await client.bind(name, password);
    return client;
  };
  const read = async (name: string, attribute: string): Promise<string> => {
    const { searchEntries } = await admin.search(name, { scope: 'base', attributes: [attribute] });
    return String(searchEntries[0]?.[attribute]);
  };

  beforeAll(async () => {
    directory = await startTestDirectory({
      server,
      entries: Array.from({ length: 25 }, (_, n) => userEntry(`u${n}@example.test`, 4000 + n)),
    });
    admin = await bound('cn=admin,dc=mailfarm', 'admin-secret');
    frontend = await bound('cn=frontend,dc=mailfarm', 'frontend-secret');
  });
  afterAll(async () => {
    await admin.unbind();
    await frontend.unbind();
    await directory.close();
  });

  test('each change gives an entry a higher entryCSN, and the suffix the newest', async () => {
    const before = await read(dn('alice'), 'entryCSN');
    expect(before).toMatch(CSN);
    await admin.modify(dn('alice'), replace('mwQuota', '1'));
    const after = await read(dn('alice'), 'entryCSN');
    expect(after > before).toBe(true);
    expect(await read('dc=mailfarm', 'contextCSN')).toBe(after);
    const since = new Client({ url: directory.server.url });
    await since.bind('cn=frontend,dc=mailfarm', 'frontend-secret');
    const found = await since.search('dc=mailfarm', { filter: `(entryCSN>=${after})` });
    expect(found.searchEntries.map((entry) => entry.dn)).toEqual([dn('alice')]);
    await since.unbind();
    await admin.del(dn('u24'));
    const deleted = await read('dc=mailfarm', 'contextCSN');
    expect(deleted > after).toBe(true);
  });

  test('a change with an assertion happens only where it is true (RFC 4528 §3)', async () => {
    const csn = await read(dn('bob'), 'entryCSN');
    const current = new Assertion(unchangedSince(csn));
    expect(await code(admin.modify(dn('bob'), replace('mwQuota', '1'), current))).toBe(0);
    expect(await code(admin.modify(dn('bob'), replace('mwQuota', '2'), current))).toBe(122);
    expect(await code(admin.modifyDN(dn('bob'), 'cn=bobby@example.test', current))).toBe(122);
    expect(await code(admin.del(dn('bob'), current))).toBe(122);
    expect(await read(dn('bob'), 'mwQuota')).toBe('1');
    // What may not be read is undefined, and undefined is not true: for its negation too.
    const secret = new Assertion(new PresenceFilter({ attribute: 'userPassword' }));
    const volume = new Change({
      operation: 'add',
      modification: new Attribute({ type: 'mwVolume', values: ['mail1'] }),
    });
    expect(await code(frontend.modify(dn('bob'), volume, secret))).toBe(122);
    const none = new Assertion(new EqualityFilter({ attribute: 'mwQuota', value: '1' }));
    expect(await code(frontend.modify(dn('bob'), volume, none))).toBe(0);
    expect(await code(admin.modify(dn('nobody'), replace('mwQuota', '1'), none))).toBe(32);
  });

  test('of many who change what they read, one wins each round', async () => {
    for (let round = 0; round < 5; round += 1) {
      const current = new Assertion(unchangedSince(await read(dn('u1'), 'entryCSN')));
      const writers = await Promise.all(
        Array.from({ length: 8 }, () => bound('cn=admin,dc=mailfarm', 'admin-secret')),
      );
      const codes = await Promise.all(
        writers.map((client, n) =>
          code(client.modify(dn('u1'), replace('mwQuota', String(round * 10 + n)), current)),
        ),
      );
      expect(codes.filter((result) => result === 0)).toHaveLength(1);
      expect(codes.filter((result) => result === 122)).toHaveLength(7);
      await Promise.all(writers.map((client) => client.unbind()));
    }
  });

  test('a critical control that is unknown or broken ends the operation', async () => {
    const modify = (control: Control): Promise<number> =>
      code(admin.modify(dn('u2'), replace('mwQuota', '9'), control));
    expect(await modify(new Octets('1.2.3.4.5', undefined))).toBe(12);
    expect(await modify(new Octets('1.3.6.1.1.12', undefined))).toBe(2);
    // slapd ends the connection at a filter it cannot read; here it is a protocolError.
    const other = await bound('cn=admin,dc=mailfarm', 'admin-secret');
    const broken = new Octets('1.3.6.1.1.12', Buffer.from('nonsense'));
    await expect(other.modify(dn('u2'), replace('mwQuota', '9'), broken)).rejects.toThrow(
      /0x2$|closed/,
    );
    await other.unbind();
    expect(await read(dn('u2'), 'mwQuota')).not.toBe('9');
    expect(await modify(new Octets('1.2.3.4.5', undefined, false))).toBe(0);
  });

  test('pages bring each entry once (RFC 2696), and an old cookie is refused', async () => {
    const pages: string[][] = [];
    const options = { filter: '(objectClass=mwUser)', attributes: ['cn'], paged: { pageSize: 7 } };
    for await (const page of admin.searchPaginated(USERS, options)) {
      pages.push(page.searchEntries.map((entry) => entry.dn));
      // Changed between pages: neither twice nor lost.
      if (pages.length === 1) await admin.modify(dn('u20'), replace('mwQuota', '5'));
    }
    const { searchEntries } = await admin.search(USERS, { filter: '(objectClass=mwUser)' });
    expect(pages.flat().toSorted()).toEqual(searchEntries.map((entry) => entry.dn).toSorted());
    expect(pages.map((page) => page.length).slice(0, -1)).toEqual([7, 7, 7]);
    const root = await admin.search('', { scope: 'base', attributes: ['supportedControl'] });
    expect(root.searchEntries[0]?.['supportedControl']).toEqual(
      expect.arrayContaining(['1.3.6.1.1.12', '1.2.840.113556.1.4.319']),
    );
  });

  test('a removed user keeps entryUUID, and the address is free at once', async () => {
    const id = await read(dn('u3'), 'entryUUID');
    await admin.modify(dn('u3'), replace('mwFormerLogin', 'u3@example.test'));
    await admin.modifyDN(dn('u3'), `cn=${id},ou=removed,dc=mailfarm`);
    expect(await read(`cn=${id},ou=removed,dc=mailfarm`, 'entryUUID')).toBe(id);
    const user = { objectClass: 'mwUser', cn: 'u3@example.test', userPassword: 'new' };
    expect(await code(admin.add(dn('u3'), { ...user, uid: '4003' }))).toBe(19); // Never again.
    expect(await code(admin.add(dn('u3'), { ...user, uid: '4103' }))).toBe(0);
    const gone = new Client({ url: directory.server.url });
    expect(
      await code(gone.bind(`cn=${id},ou=removed,dc=mailfarm`, 'secret of u3@example.test')),
    ).toBe(49);
    await gone.unbind();
    await admin.del(dn('u3'));
    await admin.modifyDN(`cn=${id},ou=removed,dc=mailfarm`, dn('u3'));
    expect(await read(dn('u3'), 'entryUUID')).toBe(id);
    await (await bound(dn('u3'), 'secret of u3@example.test')).unbind();
  });
});
