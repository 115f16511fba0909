/** Sign-in and self care over HTTP, on two nodes that take requests in turn, on both servers. */
import { Attribute, Change, Client } from 'ldapts';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { stepAt, totpCode } from '../auth/totp.ts';
import { TEST_SERVERS } from '../directory/testing.ts';
import { Browser, startFarm, type TestFarm } from './testing/farm.ts';

const ALICE = 'alice@example.test';
const BOB = 'bob@example.test';

describe.each(TEST_SERVERS)('webmail on %s', (kind) => {
  let farm: TestFarm;
  beforeAll(async () => {
    farm = await startFarm(kind);
  });
  afterAll(async () => {
    await farm.close();
  });

  async function user(login: string, password = 'demo'): Promise<Browser> {
    const browser = new Browser(farm.nodes);
    const answer = await browser.signIn(login, password);
    expect(answer).toMatchObject({ status: 200, body: { kind: 'signed-in', login } });
    return browser;
  }

  const codeOf = (secret: string, aside = 0): string =>
    totpCode(secret, stepAt(farm.clock.now()) + aside) ?? '';

  test('[S0-27] [S0-32] [P-06] a user sees what concerns him, whichever node is asked', async () => {
    const browser = await user(ALICE);
    for (let times = 0; times < 4; times += 1) {
      const { status, body } = await browser.ask('GET', '/self');
      expect(status).toBe(200);
      expect(body).toMatchObject({
        login: ALICE,
        addresses: [ALICE],
        forwards: [],
        vacation: null,
        secondFactor: false,
        mayChange: true,
        filters: null,
        quota: { octets: 0, messages: 0 },
      });
    }
    const anybody = await new Browser(farm.nodes).ask('GET', '/self');
    expect(anybody).toMatchObject({ status: 401, body: { title: 'Sign in first' } });
  });

  test('[P-04] those who were written to are remembered, by whichever node', async () => {
    const browser = await user(BOB);
    const people = [{ name: 'Ada', email: 'Ada@x.test' }];
    await browser.ask('POST', '/self/contacts', { people });
    const again = [{ name: null, email: 'ada@x.test' }];
    expect((await browser.ask('POST', '/self/contacts', { people: again })).status).toBe(200);
    const { body } = await browser.ask('GET', '/self/contacts');
    expect(body).toMatchObject({ contacts: [{ name: 'Ada', email: 'ada@x.test', count: 2 }] });
    const others = await (await user(ALICE)).ask('GET', '/self/contacts');
    expect(others.body).toEqual({ contacts: [] });
    for (const wrong of [{}, { people: [{ email: 'x' }] }, { people: Array(101).fill(again[0]) }]) {
      expect((await browser.ask('POST', '/self/contacts', wrong)).status).toBe(400);
    }
    await browser.ask('DELETE', '/self/contacts/..%2F..%2Fcur');
    const { contacts } = body as unknown as { contacts: { id: string }[] };
    await browser.ask('DELETE', `/self/contacts/${contacts[0]?.id}`);
    expect((await browser.ask('GET', '/self/contacts')).body).toEqual({ contacts: [] });
  });

  test('[P-04] contacts are written down, changed, and kept as the user wrote them', async () => {
    const browser = await user(BOB);
    const put = (body: object) => browser.ask('PUT', '/self/contacts', body);
    const all = async () => {
      const { body } = await browser.ask('GET', '/self/contacts');
      return (body as unknown as { contacts: { id: string; email: string }[] }).contacts;
    };
    for (let turn = 0; turn < 2; turn += 1) {
      expect((await put({ name: 'Ada L.', email: 'ada@x.test' })).status).toBe(200);
    }
    // A letter to her counts, and leaves the name that he wrote.
    const people = [{ name: 'Countess', email: 'Ada@x.test' }];
    await browser.ask('POST', '/self/contacts', { people });
    const [ada] = await all();
    expect(await all()).toMatchObject([{ name: 'Ada L.', count: 1, isOwn: true }]);
    await put({ name: 'Ada', email: 'ada@y.test', former: ada?.id });
    expect(await all()).toMatchObject([{ name: 'Ada', email: 'ada@y.test', count: 1 }]);
    for (const wrong of [{}, { email: 'x' }, { name: 1, email: 'x@y' }]) {
      expect((await put(wrong)).status).toBe(400);
    }
    await put({ name: null, email: 'c@y.test', former: '../../cur' });
    expect((await all()).map(({ email }) => email).toSorted()).toEqual(['ada@y.test', 'c@y.test']);
    for (const { id } of await all()) await browser.ask('DELETE', `/self/contacts/${id}`);
  });

  test('refusals of a sign-in have a kind for the page and a text for people', async () => {
    const browser = new Browser(farm.nodes);
    const wrong = await browser.signIn(ALICE, 'no');
    expect(wrong).toMatchObject({ status: 401, body: { kind: 'refused' } });
    expect(wrong.headers.get('set-cookie')).toBeNull();
    const unknown = await browser.signIn('nobody@example.test', 'no');
    expect(unknown.body).toEqual(wrong.body);
    for (const body of [
      null,
      [],
      'x',
      {},
      { login: 1, password: 'x' },
      { login: '', password: 'x' },
    ]) {
      expect((await browser.ask('POST', '/auth/sign-in', body)).status, JSON.stringify(body)).toBe(
        400,
      );
    }
    const { base } = browser;
    const foreign = await fetch(`${base}/auth/sign-in`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', origin: 'https://evil.example' },
      body: JSON.stringify({ login: ALICE, password: 'demo' }),
    });
    expect(foreign.status).toBe(403);
    const form = await fetch(`${base}/auth/sign-in`, {
      method: 'POST',
      headers: {
        'sec-fetch-site': 'same-origin',
        'content-type': 'application/x-www-form-urlencoded',
      },
      body: `login=${ALICE}&password=demo`,
    });
    expect(form.status).toBe(415);
  });

  test('[P-06] the password is changed as the user; other sessions end within a minute', async () => {
    const [mine, other] = [await user(BOB), await user(BOB)];
    const change = { current: 'demo', password: 'a longer one' };
    expect((await mine.ask('PUT', '/self/password', { ...change, current: 'no' })).status).toBe(
      403,
    );
    expect((await mine.ask('PUT', '/self/password', change)).status).toBe(200);
    farm.clock.ahead += 60_000;
    for (const _ of farm.nodes) expect((await mine.ask('GET', '/self')).status).toBe(200);
    const cookie = other.cookie;
    for (const _ of farm.nodes) {
      other.cookie = cookie;
      expect((await other.ask('GET', '/self')).status).toBe(401);
    }
    expect((await new Browser(farm.nodes).signIn(BOB, 'demo')).status).toBe(401);
    await user(BOB, 'a longer one');
    const back = { current: 'a longer one', password: 'demo' };
    expect((await mine.ask('PUT', '/self/password', back)).status).toBe(200);
  });

  test('a password changed by another tool (a bind and a modify) ends all sessions too', async () => {
    const browser = await user(BOB);
    const client = new Client({ url: farm.directory.server.url });
    const dn = `cn=${BOB},ou=users,dc=mailfarm`;
    const set = async (from: string, to: string): Promise<void> => {
      await client.bind(dn, from);
      const modification = new Attribute({ type: 'userPassword', values: [to] });
      await client.modify(dn, new Change({ operation: 'replace', modification }));
      await client.unbind();
    };
    await set('demo', 'by ldappasswd');
    farm.clock.ahead += 60_000;
    const cookie = browser.cookie;
    for (const _ of farm.nodes) {
      browser.cookie = cookie;
      expect((await browser.ask('GET', '/self')).status).toBe(401);
    }
    await set('by ldappasswd', 'demo');
  });

  test('[P-06] forwards and absence are written as the user, and refused as the directory does', async () => {
    const browser = await user(ALICE);
    const forwards = { forwards: ['alice@far.example'], keep: true };
    expect(await browser.ask('PUT', '/self/forwards', forwards)).toMatchObject({
      status: 200,
      body: forwards,
    });
    const vacation = { text: 'Away.\nBack soon.', subject: 'Away', from: 1_800_000_000_000 };
    expect((await browser.ask('PUT', '/self/vacation', vacation)).status).toBe(200);
    expect((await browser.ask('GET', '/self')).body).toMatchObject({ ...forwards, vacation });
    for (const bad of [['no address'], [ALICE], ['a@b.example', 1]]) {
      const answer = await browser.ask('PUT', '/self/forwards', { forwards: bad });
      expect(answer.status, JSON.stringify(bad)).toBeGreaterThanOrEqual(400);
      expect(answer.status, JSON.stringify(bad)).toBeLessThan(500);
    }
    const late = { text: 'x', until: 1_000, from: 2_000 };
    expect((await browser.ask('PUT', '/self/vacation', late)).status).toBe(422);
    expect((await browser.ask('PUT', '/self/vacation', { text: null })).status).toBe(200);
    expect((await browser.ask('PUT', '/self/forwards', { forwards: [] })).status).toBe(200);
    expect((await browser.ask('GET', '/self')).body).toMatchObject({
      forwards: [],
      vacation: null,
    });
  });

  test('[P-06] app passwords: shown once, good for their services, gone when removed', async () => {
    const browser = await user(ALICE);
    const wanted = { label: 'My telephone', services: ['imap'], password: 'demo' };
    const refused = await browser.ask('POST', '/self/app-passwords', { ...wanted, password: 'no' });
    expect(refused).toMatchObject({ status: 403, body: { kind: 'password-refused' } });
    for (const bad of [
      { services: [] },
      { services: ['mail'] },
      { label: ' ' },
      { label: 'a\nb' },
    ]) {
      const answer = await browser.ask('POST', '/self/app-passwords', { ...wanted, ...bad });
      expect([400, 422], JSON.stringify(bad)).toContain(answer.status);
    }
    const made = await browser.ask('POST', '/self/app-passwords', wanted);
    expect(made.status).toBe(200);
    const password = String(made.body['password']);
    const login = async (service: 'imap' | 'pop3'): Promise<string[]> =>
      Promise.all(
        farm.nodes.map(async ({ auth }) => {
          const attempt = { login: ALICE, password, address: '192.0.2.7', service };
          return (await auth.verify(attempt)).kind;
        }),
      );
    expect(await login('imap')).toEqual(['accepted', 'accepted']);
    expect(await login('pop3')).toEqual(['refused', 'refused']);
    const listed = await browser.ask('GET', '/self/app-passwords');
    expect(listed.body['appPasswords']).toMatchObject([
      { label: 'My telephone', services: ['imap'] },
    ]);
    expect(JSON.stringify(listed.body)).not.toContain('hash');
    const gone = await browser.ask('DELETE', `/self/app-passwords/${String(made.body['id'])}`);
    expect(gone.status).toBe(200);
    expect(await login('imap')).toEqual(['refused', 'refused']);
    expect((await browser.ask('DELETE', '/self/app-passwords/none')).status).toBe(404);
  });

  test('[P-06] the second factor: turned on, asked for on every node, each code once, turned off', async () => {
    const [mine, other] = [await user(BOB), await user(BOB)];
    const begun = await mine.ask('POST', '/self/second-factor');
    const secret = String(begun.body['secret']);
    expect(begun.body['uri']).toContain(`secret=${secret}`);
    const confirm = { secret, code: '000000', password: 'demo' };
    expect((await mine.ask('PUT', '/self/second-factor', confirm)).status).toBe(403);
    const code = codeOf(secret, -1);
    const on = await mine.ask('PUT', '/self/second-factor', { ...confirm, code });
    expect(on.status).toBe(200);
    const recovery = on.body['recoveryCodes'] as string[];
    expect(recovery).toHaveLength(10);
    expect((await mine.ask('POST', '/self/second-factor')).status).toBe(409);
    farm.clock.ahead += 60_000;
    expect((await mine.ask('GET', '/self')).body).toMatchObject({ secondFactor: true });
    expect((await other.ask('GET', '/self')).status, 'a session of before').toBe(401);

    const next = new Browser(farm.nodes);
    expect((await next.signIn(BOB, 'demo')).body).toMatchObject({ kind: 'code-needed' });
    expect((await next.signIn(BOB, 'demo', code)).body).toMatchObject({ kind: 'code-refused' });
    expect((await next.signIn(BOB, 'demo', codeOf(secret))).status).toBe(200);
    const replay = await new Browser(farm.nodes).signIn(BOB, 'demo', codeOf(secret));
    expect(replay.body).toMatchObject({ kind: 'code-refused' });
    for (const { auth } of farm.nodes) {
      const attempt = {
        login: BOB,
        password: 'demo',
        address: '192.0.2.8',
        service: 'imap',
      } as const;
      expect((await auth.verify(attempt)).kind).toBe('refused');
    }
    expect((await new Browser(farm.nodes).signIn(BOB, 'demo', recovery[3])).status).toBe(200);
    const again = await new Browser(farm.nodes).signIn(BOB, 'demo', recovery[3]);
    expect(again.body).toMatchObject({ kind: 'code-refused' });

    const off = { password: 'demo', code: 'no code' };
    expect((await mine.ask('DELETE', '/self/second-factor', off)).status).toBe(403);
    const right = { ...off, code: recovery[5] };
    expect((await mine.ask('DELETE', '/self/second-factor', right)).status).toBe(200);
    await user(BOB);
  });

  test('[P-06] sign-ins are listed, and one that is ended is ended on every node', async () => {
    const [mine, lost] = [await user(ALICE), await user(ALICE)];
    const { body } = await mine.ask('GET', '/self/sign-ins');
    const all = body['signIns'] as {
      id: string;
      current: boolean;
      agent: string;
      address: string;
    }[];
    expect(all.filter(({ current }) => current)).toHaveLength(1);
    expect(all[0]).toMatchObject({ agent: 'Test browser', address: '127.0.0.1' });
    const theirs = (await lost.ask('GET', '/self')).body['session'];
    expect((await mine.ask('DELETE', `/self/sign-ins/${String(theirs)}`)).status).toBe(200);
    farm.clock.ahead += 60_000;
    const cookie = lost.cookie;
    for (const _ of farm.nodes) {
      lost.cookie = cookie;
      expect((await lost.ask('GET', '/self')).status).toBe(401);
      expect((await mine.ask('GET', '/self')).status).toBe(200);
    }
    expect((await mine.ask('POST', '/auth/sign-out', {})).status).toBe(200);
    expect(mine.cookie).toBe('');
  });

  test('with an app password nothing is changed', async () => {
    const browser = await user(ALICE);
    const wanted = { label: 'JMAP', services: ['webmail'], password: 'demo' };
    const made = await browser.ask('POST', '/self/app-passwords', wanted);
    const basic = Buffer.from(`${ALICE}:${String(made.body['password'])}`).toString('base64');
    const ask = async (method: string, path: string, body?: unknown) =>
      await fetch(`${browser.base}${path}`, {
        method,
        headers: {
          authorization: `Basic ${basic}`,
          ...(body !== undefined && { 'content-type': 'application/json' }),
        },
        ...(body !== undefined && { body: JSON.stringify(body) }),
      });
    expect(await (await ask('GET', '/self')).json()).toMatchObject({ mayChange: false });
    expect((await ask('PUT', '/self/forwards', { forwards: ['x@far.example'] })).status).toBe(403);
    expect((await ask('GET', '/self/app-passwords')).status).toBe(403);
    const id = String(made.body['id']);
    expect((await browser.ask('DELETE', `/self/app-passwords/${id}`)).status).toBe(200);
  });
});

test('the directory away: nobody is signed out, and what cannot be changed says so', async () => {
  const farm = await startFarm('embedded', 1);
  const browser = new Browser(farm.nodes);
  await browser.signIn(ALICE, 'demo');
  await farm.directory.server.close();
  expect((await browser.ask('GET', '/self/sign-ins')).status).toBe(200);
  const change = await browser.ask('PUT', '/self/forwards', { forwards: [] });
  expect(change.status).toBe(503);
  expect(change.headers.get('retry-after')).not.toBeNull();
  expect(change.body['detail']).toContain('Nothing was changed');
  expect(browser.cookie).not.toBe('');
  await Promise.all(farm.nodes.map(({ web }) => web.close()));
  await Promise.all(farm.nodes.map(({ front }) => front.close()));
});
