/** Commands for mail that leaves: customers' domains, keys, secrets, absence, nodes that send. */
import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
} from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Client } from 'ldapts';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { EXIT } from '../../config/exit.ts';
import { ldapDirectory } from '../../directory/client/directory.ts';
import { TEST_SERVERS, userEntry } from '../../directory/testing.ts';
import { startTestCli, type Around, type Said, type TestCli } from '../testing/cli.ts';

const DATA = EXIT.data.code;
const USAGE = EXIT.usage.code;
const NONE = EXIT['no-user'].code;
const MAY_NOT = EXIT.permission.code;

/** Says that it has 4097 bits: to make a real one takes seconds. */
function longKey(): KeyObject {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 512 });
  const n = Buffer.alloc(513, 1).toString('base64url');
  return createPrivateKey({ key: { ...privateKey.export({ format: 'jwk' }), n }, format: 'jwk' });
}

describe.each(TEST_SERVERS)('mail that leaves, on %s', (server) => {
  let cli: TestCli;
  beforeAll(async () => {
    const entries = [
      userEntry('tevie@example.test', 3001),
      userEntry('otto@example.test', 3030, { mwLevel: '30' }),
    ];
    cli = await startTestCli({ server, entries });
    await ok('administrator', 'grant', 'otto@example.test', 'operator');
  }, 60_000);
  afterAll(async () => await cli?.close());

  async function ok(...words: string[]): Promise<string[]> {
    const said = await cli.run(words, { columns: 400 });
    expect(said, words.join(' ')).toMatchObject({ code: 0, err: '' });
    // oxlint-disable-next-line no-control-regex -- the bold header
    return said.out
      .replaceAll(/\u001b\[\d+m/g, '')
      .trimEnd()
      .split('\n');
  }
  const refused = async (code: number, words: string[], around?: Around): Promise<string> => {
    const said = await cli.run(words, around);
    expect(said, words.join(' ')).toMatchObject({ code });
    return said.err;
  };
  const asked = (login: string): Around => ({
    env: { MAILFARM_ADMIN: login, MAILFARM_ADMIN_PASSWORD: `secret of ${login}` },
  });

  test('a customer’s domain is passed on and has no users, whichever comes first', async () => {
    expect(
      await ok(
        'domain',
        'add',
        'customer.test',
        '--transport',
        'MX',
        '--etrn-from',
        '192.0.2.0/24',
      ),
    ).toEqual(['customer.test is passed on: mx']);
    const who = ['--etrn-from', '2001:DB8::1', '--etrn-from', 'Tevie@example.test'];
    await ok('domain', 'set', 'customer.test', '--transport', 'lmtp:[2001:db8::7]:24', ...who);
    const shown = await ok('domain', 'show', 'customer.test');
    expect(shown).toContain('passed on  lmtp:[2001:db8::7]:24');
    expect(shown).toContain('ETRN from  2001:db8::1, tevie@example.test');
    expect(await cli.json(['domain', 'show', 'customer.test'])).toMatchObject({
      transport: { kind: 'host', host: '2001:db8::7', port: 24, protocol: 'lmtp' },
    });
    const add = ['user', 'add', 'x@customer.test', '--password-stdin'];
    expect(await refused(DATA, add, { input: 'pw' })).toMatch(
      /customer.test is passed on.*no users/,
    );
    expect(await refused(DATA, ['list', 'add', 'l@customer.test'])).toMatch(/is passed on/);
    expect(await refused(DATA, ['alias', 'add', 'a@customer.test', 'tevie@example.test'])).toMatch(
      /is passed on/,
    );
    for (const [flag, value] of [
      ['--catch-all', 'tevie@example.test'],
      ['--all', 'anyone'],
      ['--alias-of', 'example.test'],
    ] as const) {
      const said = await refused(DATA, ['domain', 'set', 'customer.test', flag, value]);
      expect(said).toMatch(/cannot be passed on/);
    }
    expect(await refused(DATA, ['domain', 'set', 'example.test', '--transport', 'mx'])).toMatch(
      /example.test has addresses here/,
    );
    expect(await refused(DATA, ['domain', 'set', 'example.test', '--etrn-from', '::1'])).toMatch(
      /ETRN is for a domain with a transport/,
    );
    for (const bad of [
      'smtp',
      'host',
      'a:0',
      'a:65536',
      'lmtp:mx',
      '[1.2.3.4]:25',
      'a b:25',
      '::1:25',
    ]) {
      const words = ['domain', 'add', 'bad.test', '--transport', bad];
      expect(await refused(DATA, words), bad).toMatch(/is not mx, HOST:PORT or lmtp:HOST:PORT/);
    }
    for (const bad of ['host.test', '192.0.2.0/33', '192.0.2.0/', '1.2.3', '*', '::/129']) {
      const words = ['domain', 'set', 'customer.test', '--etrn-from', bad];
      expect(await refused(DATA, words), bad).toMatch(/is not an address, a network or the login/);
    }
    expect(
      await refused(NONE, ['domain', 'set', 'customer.test', '--etrn-from', 'nobody@example.test']),
    ).toMatch(/there is no such user/);
    await ok('domain', 'set', 'customer.test', '--transport', '', '--etrn-from', '');
    await ok('domain', 'remove', 'customer.test');
  });

  test('[S4-14] a transport that is a node of this farm is refused: mail would go around', async () => {
    await ok('node', 'add', 'mx1', '--listen', 'mx 192.0.2.5:25', '--server', 'mx1.example.test');
    for (const way of ['192.0.2.5:25', 'MX1.example.test:25', '[::ffff:192.0.2.5]:25']) {
      const words = ['domain', 'add', 'round.test', '--transport', way];
      expect(await refused(DATA, words)).toMatch(
        /is the node mx1 of this farm: mail would go around/,
      );
    }
    await ok('domain', 'add', 'round.test', '--transport', '192.0.2.5:2525');
    await ok('domain', 'remove', 'round.test');
  });

  test('keys that sign: made, shown as records, two at once, removed; never the key itself', async () => {
    expect(await ok('domain', 'dkim', 'example.test')).toEqual([
      'example.test has no key; mailfarm domain dkim example.test --new makes one',
    ]);
    const made = await ok('domain', 'dkim', 'example.test', '--new');
    expect(made[0]).toBe('signs: mf1._domainkey.example.test');
    expect(made[1]).toMatch(/^ {2}mf1\._domainkey\.example\.test\. IN TXT \( "v=DKIM1; k=rsa; p=/);
    await ok('domain', 'dkim', 'example.test', '--new', '--algorithm', 'ed25519');
    expect(await ok('domain', 'show', 'example.test')).toContain('signed with  mf1, mf2');
    const all = await cli.json<{ selector: string; signs: boolean; record: string }[]>([
      'domain',
      'dkim',
      'example.test', // prettier-ignore
    ]);
    expect(all.map(({ selector, signs }) => [selector, signs])).toEqual([
      ['mf1', true],
      ['mf2', true],
    ]);
    const der = Buffer.from(/p=(.*)$/.exec(all[0]?.record ?? '')?.[1] ?? '', 'base64');
    const key = createPublicKey({ key: der, format: 'der', type: 'spki' });
    expect(key.asymmetricKeyDetails?.modulusLength).toBe(2_048);
    await ok('domain', 'set', 'example.test', '--dkim', 'mf2');
    expect((await ok('domain', 'dkim', 'example.test'))[0]).toMatch(/^does not sign: mf1\./);
    expect(await ok('domain', 'dkim', 'example.test', '--remove', 'mf1')).toHaveLength(2);
    expect(await refused(NONE, ['domain', 'set', 'example.test', '--dkim', 'mf1'])).toMatch(
      /no key mf1 of example.test; make one: mailfarm domain dkim example.test --selector mf1/,
    );
    const twice = ['domain', 'dkim', 'example.test', '--new', '--selector', 'MF2'];
    expect(await refused(DATA, twice)).toMatch(/already/);
    expect(
      await refused(DATA, ['domain', 'dkim', 'example.test', '--new', '--selector', 'a_b']),
    ).toMatch(/is not a selector/);
    expect(await refused(USAGE, ['domain', 'dkim', 'example.test', '--selector', 'x'])).toMatch(
      /--new/,
    );
  });

  test('secrets: written in every way, listed by name, and no command prints one', async () => {
    const said: Said[] = [];
    const run = async (words: string[], around?: Around): Promise<Said> => {
      const one = await cli.run(words, around);
      said.push(one);
      return one;
    };
    const relay = ['secret', 'add', 'smarthost', 'Relay.example.net'];
    expect(await run([...relay, '--password-stdin'], { input: 'hunter2-first' })).toMatchObject({
      code: 0,
      out: 'the secret smarthost relay.example.net is stored\n',
    });
    expect(await run([...relay, '--password-stdin'], { input: 'hunter2-again' })).toMatchObject({
      code: DATA,
      err: expect.stringContaining('--replace replaces it'),
    });
    expect(await run([...relay, '--replace'], { secret: 'hunter2-typed' })).toMatchObject({
      code: 0,
    });
    const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2_048 });
    const pem = privateKey.export({ type: 'pkcs1', format: 'pem' }) as string;
    const file = cli.file('own.pem', pem);
    const dkim = ['secret', 'add', 'dkim', 'own._domainkey.example.test', '--file'];
    expect(await run([...dkim, file])).toMatchObject({ code: 0 });
    const list = await run(['secret', 'list', '--json']);
    expect(JSON.parse(list.out)).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ kind: 'dkim', name: 'own._domainkey.example.test' }),
        expect.objectContaining({ kind: 'smarthost', name: 'relay.example.net' }),
      ]),
    );
    await run(['secret', 'list']);
    await run(['domain', 'dkim', 'example.test', '--json']);
    for (const bad of ['hunter2 is no key', '-----BEGIN PRIVATE KEY-----\nhunter2\n']) {
      const one = await run([...dkim, cli.file('bad.pem', bad), '--replace']);
      expect(one).toMatchObject({ code: DATA, err: expect.stringContaining('private key as PEM') });
    }
    for (const [key, text] of [
      [generateKeyPairSync('rsa', { modulusLength: 512 }).privateKey, 'it has 512 bits'],
      [longKey(), 'it has 4097 bits'],
      [generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey, 'it is of the type ec'],
    ] as const) {
      const unusable = key.export({ type: 'pkcs8', format: 'pem' }) as string;
      const one = await run([...dkim, cli.file('unusable.pem', unusable), '--replace']);
      expect(one).toMatchObject({ code: DATA, err: expect.stringContaining(text) });
    }
    for (const [words, around, text] of [
      [['secret', 'add', 'nonsense', 'x'], { secret: 'hunter2' }, 'is of a kind dkim, smarthost'],
      [['secret', 'add', 'srs', '../x'], { secret: 'hunter2' }, 'is not a name for a secret'],
      [['secret', 'add', 'srs', 'x'], { secret: 'hunter2\nhunter2' }, 'is one line'],
      [['secret', 'add', 'srs', 'x'], { secret: '' }, 'is empty'],
      [['secret', 'remove', 'srs', 'x'], {}, 'There is no secret srs x'],
    ] as const) {
      const one = await run([...words], around);
      expect(one.code, text).not.toBe(0);
      expect(one.err).toContain(text);
    }
    expect(await run(['secret', 'remove', 'smarthost', 'relay.example.net'])).toMatchObject({
      code: 0,
    });
    const body = pem.split('\n')[3] ?? 'none';
    for (const { out, err } of said) {
      expect(`${out}${err}`).not.toContain('hunter2');
      expect(`${out}${err}`).not.toContain(body);
    }
  });

  test('an operator neither writes nor lists secrets, and puts no node among those that send', async () => {
    const who = asked('otto@example.test');
    const add = ['secret', 'add', 'srs', 'mine', '--password-stdin'];
    expect(await refused(MAY_NOT, add, { ...who, input: 'x' })).toMatch(/administrator may/);
    expect(await cli.json(['secret', 'list'], who)).toEqual([]);
    await refused(MAY_NOT, ['node', 'set', 'node1', '--sends', 'yes'], who);
    await refused(MAY_NOT, ['domain', 'dkim', 'example.test', '--new'], who);
  });

  test('a node sends once it has a key and somebody said so; a new key ends it', async () => {
    expect(await refused(DATA, ['node', 'set', 'node1', '--sends', 'yes'])).toMatch(
      /node1 has given itself no key yet/,
    );
    const admin = new Client({ url: cli.directory.server.url });
    await admin.bind(cli.directory.admin.bindDn, cli.directory.admin.bindPassword);
    const nodes = 'ou=nodes,dc=mailfarm';
    await admin.add(`cn=keyed,${nodes}`, {
      objectClass: ['top', 'mwNode'],
      cn: 'keyed',
      nid: '77',
      server: 'keyed',
      status: 'S',
      userPassword: 'key',
    });
    await admin.unbind();
    const sends = async (): Promise<unknown> =>
      (await cli.json<{ name: string; sends: boolean }[]>(['node', 'list'])).find(
        ({ name }) => name === 'keyed',
      )?.sends;
    expect(await sends()).toBe(false);
    await ok('node', 'set', 'keyed', '--sends', 'yes');
    await ok('node', 'set', 'keyed', '--sends', 'yes');
    expect(await sends()).toBe(true);
    expect((await ok('node', 'list')).find((line) => line.startsWith('keyed'))).toMatch(/ yes\b/);
    await ok('node', 'set', 'keyed', '--new-key');
    expect(await sends()).toBe(false);
    expect(await refused(USAGE, ['node', 'set', 'keyed', '--new-key', '--sends', 'yes'])).toMatch(
      /exclude/,
    );
    await ok('node', 'remove', 'keyed');
  });

  test('absence: set, changed in part, by the user, shown, cleared; what front ends see', async () => {
    const user = 'tevie@example.test';
    const text = cli.file('away.txt', 'I am away.\r\nMazel tov!\n');
    const words = ['vacation', 'set', user, '--text-file', text, '--subject', 'Away: שלום'];
    await ok(...words, '--from', '2026-12-01T00:00:00Z', '--until', '2026-12-31T23:00:00+01:00');
    const away = {
      text: 'I am away.\nMazel tov!\n',
      subject: 'Away: שלום',
      from: Date.UTC(2026, 11, 1),
      until: Date.UTC(2026, 11, 31, 22),
    };
    expect(await cli.json(['vacation', 'show', user])).toEqual({ login: user, vacation: away });
    expect((await ok('vacation', 'show', user)).slice(-2)).toEqual([
      '  I am away.',
      '  Mazel tov!',
    ]);
    const directory = ldapDirectory(cli.directory.frontend);
    expect((await directory.account(user))?.vacation).toEqual(away);
    await directory.close();

    const self = asked(user);
    await cli.json(['vacation', 'set', user, '--until', '', '--subject', ''], self);
    expect(await cli.json(['vacation', 'show', user], self)).toMatchObject({
      vacation: { text: away.text, from: away.from },
    });
    expect(
      (await cli.run(['vacation', 'set', 'alice@example.test', '--text', 'x'], self)).code,
    ).not.toBe(0);
    const day = await cli.json<{ vacation: { from: number; until: number } }>([
      'vacation',
      'set',
      user,
      '--from',
      '2026-12-24',
      '--until',
      '2026-12-24', // prettier-ignore
    ]);
    expect(day.vacation.until - day.vacation.from).toBe(86_400_000);
    for (const [given, why, code] of [
      [['--from', '2026-13-01'], 'is not a day', USAGE],
      [['--from', 'tomorrow'], 'is not a day', USAGE],
      [['--from', '2026-02-30'], 'is not a day', USAGE],
      [['--from', '2027-01-01', '--until', '2026-01-01'], 'before it begins', DATA],
      [['--text', ' '], '1 to 8192 octets', DATA],
      [['--text', 'x'.repeat(9_000)], '1 to 8192 octets', DATA],
      [['--subject', 'a\nBcc: b@far.test'], 'is one line', DATA],
      [['--text-file', '/nowhere/at/all'], 'cannot be read (ENOENT)', USAGE],
    ] as const) {
      expect(await refused(code, ['vacation', 'set', user, ...given]), why).toContain(why);
    }
    expect(await ok('vacation', 'clear', user)).toEqual([`${user} sends no answers any more`]);
    expect(await cli.json(['vacation', 'show', user])).toEqual({ login: user, vacation: null });
    expect(await refused(USAGE, ['vacation', 'set', user, '--subject', 'x'])).toMatch(
      /needs a text/,
    );
  });

  test('[N-12] a farm has a cookie, which stays as it is', async () => {
    await ok('config', 'cookie');
    const cookie = (await cli.json<Record<string, string>>(['config', 'list']))['farm.cookie'];
    expect(cookie).toMatch(/^[\w-]{32}$/);
    expect(await ok('config', 'cookie')).toEqual(['farm.cookie is there, and stays']);
    expect(await cli.json(['config', 'list'])).toMatchObject({ 'farm.cookie': cookie });
  });

  test('a snapshot has no secret, nor says that there is none', async () => {
    const given = ['secret', 'add', 'smarthost', 'snap.example.net', '--password-stdin'];
    await cli.run(given, { input: 'hunter2-snapshot' });
    await ok('domain', 'add', 'held.test', '--transport', 'mx', '--etrn-from', '192.0.2.1');
    const path = join(cli.dir, 'snap');
    await cli.run(['directory', 'export', '--output', path, '--with-passwords']);
    expect(readFileSync(path).includes('hunter2-snapshot')).toBe(false);
    const { openSnapshot } = await import('../../directory/snapshot/open.ts');
    const snapshot = openSnapshot(path);
    await expect(snapshot.secret('smarthost', 'snap.example.net')).rejects.toThrow(/no secrets/);
    expect(await snapshot.domain('HELD.test')).toMatchObject({
      transport: { kind: 'mx' },
      etrnFrom: ['192.0.2.1'],
    });
    expect((await snapshot.etrnDomains('@test')).map(({ name }) => name)).toEqual(['held.test']);
    expect((await snapshot.nodes()).map(({ name }) => name)).toContain('node1');
    expect(await snapshot.resolve('Some.One@held.test')).toMatchObject({
      destinations: [{ kind: 'remote', address: 'Some.One@held.test' }],
    });
    await snapshot.close();
  });
});
