import { expect, test } from 'vitest';
import { systemRandom } from '../base/random.ts';
import { defaults } from '../config/options.ts';
import { memoryAccount, memoryDirectory } from '../directory/memory.ts';
import { collectingLogger, type LogLine } from '../log/testing.ts';
import { StoreError } from '../volumes/error.ts';
import { newAppPassword } from './app-password.ts';
import { createAuthenticator } from './authenticator.ts';
import { AUTH_OPTIONS } from './options.ts';
import { MemoryCounts, MemorySignInBook } from './testing.ts';
import { newRecoveryCode, plainCode, secretHash, stepAt, totpCode } from './totp.ts';
import { createWebAuthenticator } from './web-authenticator.ts';
import type { SignIn, WebAuthenticator, WebRequest, WebVerdict } from './web-types.ts';

const LOGIN = 'alice@example.test';
const SECRET = 'GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ';
const DAY = 86_400_000;
const BROWSER = { secFetchSite: 'same-origin', host: 'mail.example.test' } as const;

/** A farm of nodes: they share directory, list of sign-ins and time, and nothing else. */
function farm() {
  let now = Date.UTC(2026, 10, 22, 9);
  const clock = { now: () => now, sleep: async (ms: number) => void (now += ms) };
  const alice = memoryAccount({ login: LOGIN });
  const directory = memoryDirectory({ accounts: [alice], passwords: { [LOGIN]: 'demo' } });
  directory.putSecret('web', 'current', 'k'.repeat(43));
  const book = new MemorySignInBook();
  const counts = new MemoryCounts(clock);
  const lines: LogLine[] = [];
  const common = { directory, clock, logger: collectingLogger(lines) };
  const node = (given: Partial<typeof common> = {}): WebAuthenticator =>
    createWebAuthenticator({
      ...common,
      ...given,
      auth: createAuthenticator({ ...common, ...given }),
      book,
      counts,
      useRecoveryCode: async (account, password, hash) => {
        const factor = await directory.secondFactor(account);
        const left = factor?.recoveryCodes.filter((one) => one !== hash) ?? [];
        const right = (await directory.verifyPassword(account, password)) === 'accepted';
        const taken = right && left.length < (factor?.recoveryCodes.length ?? 0);
        if (factor && taken)
          directory.putSecondFactor(account.id, { ...factor, recoveryCodes: left });
        return taken;
      },
      options: defaults(AUTH_OPTIONS),
      random: systemRandom,
    });
  return {
    alice,
    directory,
    book,
    counts,
    lines,
    node,
    forward: (ms: number) => void (now += ms),
    code: (aside = 0) => totpCode(SECRET, stepAt(now) + aside) ?? '',
    changePassword: (password: string) => directory.putAccount(alice, password),
  };
}

const attempt = (more: Partial<SignIn> = {}): SignIn => ({
  login: LOGIN,
  password: 'demo',
  address: '192.0.2.1',
  agent: 'a browser',
  secure: true,
  ...more,
});

const withCookie = (cookie: string, more: Partial<WebRequest> = {}): WebRequest => ({
  method: 'POST',
  cookie: `other=1; ${cookie.split(';')[0] ?? ''}`,
  ...BROWSER,
  address: '192.0.2.1',
  secure: true,
  ...more,
});

async function signedIn(node: WebAuthenticator, more: Partial<SignIn> = {}): Promise<string> {
  const verdict = await node.signIn(attempt(more));
  if (verdict.kind !== 'signed-in') throw new Error(`not signed in: ${verdict.kind}`);
  return verdict.setCookie;
}

const kindOf = async (verdict: Promise<WebVerdict>): Promise<string> => (await verdict).kind;

test('a cookie made by one node is known to all, and gives nothing away', async () => {
  const { node } = farm();
  const cookie = await signedIn(node());
  expect(cookie).toMatch(/^__Host-mailfarm=[\w.-]+; Path=\/; HttpOnly; SameSite=Strict; .*Secure$/);
  expect(cookie).not.toContain(Buffer.from('demo').toString('base64url'));
  const verdict = await node().authenticate(withCookie(cookie));
  expect(verdict).toMatchObject({ kind: 'known', user: { login: LOGIN, password: 'demo' } });
  expect(verdict).not.toHaveProperty('setCookie');
});

test('wrong password, unknown user, no key, directory away: each says what it is', async () => {
  const { node, directory, lines } = farm();
  const one = node();
  expect((await one.signIn(attempt({ password: 'no' }))).kind).toBe('refused');
  expect((await one.signIn(attempt({ login: 'nobody@example.test' }))).kind).toBe('refused');
  directory.putSecret('web', 'current', 'too short');
  expect((await one.signIn(attempt())).kind).toBe('unavailable');
  expect(lines.map(({ message }) => message).join()).toContain('MF-AUTH-003');
  directory.down = true;
  expect((await one.signIn(attempt())).kind).toBe('unavailable');
});

test('a password changed by any tool ends every session within a minute, on every node', async () => {
  const { node, changePassword, forward } = farm();
  const [one, two] = [node(), node()];
  const cookie = await signedIn(one);
  expect(await kindOf(two.authenticate(withCookie(cookie)))).toBe('known');
  changePassword('changed elsewhere');
  forward(60_000);
  for (const each of [one, two, node()]) {
    const verdict = await each.authenticate(withCookie(cookie));
    expect(verdict.kind).toBe('unknown');
    expect(verdict).toMatchObject({ setCookie: expect.stringContaining('Max-Age=0') });
  }
});

test('between two looks nothing is asked', async () => {
  const { node, directory } = farm();
  const one = node();
  const cookie = await signedIn(one);
  const before = directory.questions;
  for (let times = 0; times < 10; times += 1) await one.authenticate(withCookie(cookie));
  expect(directory.questions - before).toBe(0);
});

test('who changes the password here stays, also where a replica has not heard of it', async () => {
  const { node, changePassword, directory, forward } = farm();
  const [one, two] = [node(), node()];
  const [mine, other] = [await signedIn(one), await signedIn(one)];
  const verdict = await one.authenticate(withCookie(mine));
  if (verdict.kind !== 'known') throw new Error(verdict.kind);
  const fresh = await one.passwordChanged(verdict.user, 'new one', true);
  expect(await kindOf(two.authenticate(withCookie(fresh)))).toBe('unavailable');
  changePassword('new one');
  expect(await two.authenticate(withCookie(fresh))).toMatchObject({
    kind: 'known',
    user: { password: 'new one', session: verdict.user.session },
  });
  forward(60_000);
  expect(await kindOf(one.authenticate(withCookie(other)))).toBe('unknown');
  expect(await kindOf(one.authenticate(withCookie(fresh)))).toBe('known');
  expect(directory.down).toBe(false);
});

test('the directory away: sessions that were just looked at go on, no session ends', async () => {
  const { node, directory, forward } = farm();
  const [one, two] = [node(), node()];
  const cookie = await signedIn(one);
  directory.down = true;
  expect(await kindOf(one.authenticate(withCookie(cookie)))).toBe('known');
  expect(await kindOf(two.authenticate(withCookie(cookie)))).toBe('unavailable');
  forward(60_000);
  expect(await kindOf(one.authenticate(withCookie(cookie)))).toBe('unavailable');
  directory.down = false;
  expect(await kindOf(one.authenticate(withCookie(cookie)))).toBe('known');
});

test('cookies that are cut, changed, too long, of another farm or not over TLS open nothing', async () => {
  const { node, forward } = farm();
  const other = farm();
  other.directory.putSecret('web', 'current', 'x'.repeat(43));
  const one = node();
  const cookie = (await signedIn(one)).split(';')[0] ?? '';
  const foreign = (await signedIn(other.node())).split(';')[0] ?? '';
  const value = cookie.slice(cookie.indexOf('=') + 1);
  const flipped = `${value.slice(0, -3)}${value.at(-3) === 'A' ? 'B' : 'A'}${value.slice(-2)}`;
  const hostile = [
    '__Host-mailfarm=',
    '__Host-mailfarm=x',
    `__Host-mailfarm=${value.slice(0, -9)}`,
    `__Host-mailfarm=${flipped}`,
    `__Host-mailfarm=${value}${'A'.repeat(8_000)}`,
    `mailfarm=${value}`,
    `__Host-mailfarm=${value.split('.').reverse().join('.')}`,
    foreign,
  ];
  for (const text of hostile) {
    forward(1_000);
    expect(await kindOf(one.authenticate(withCookie('', { cookie: text }))), text).toBe('unknown');
  }
  const plain = withCookie('', { cookie, secure: false });
  expect(await kindOf(one.authenticate(plain))).toBe('unknown');
  expect(await kindOf(one.authenticate(withCookie('', { cookie })))).toBe('known');
});

test('rotated keys: what the previous one sealed is opened and sealed anew; older is over', async () => {
  const { node, directory, forward } = farm();
  const cookie = await signedIn(node());
  directory.putSecret('web', 'previous', 'k'.repeat(43));
  directory.putSecret('web', 'current', 'n'.repeat(43));
  const verdict = await node().authenticate(withCookie(cookie));
  expect(verdict).toMatchObject({ kind: 'known', setCookie: expect.any(String) });
  directory.putSecret('web', 'previous', 'n'.repeat(43));
  directory.putSecret('web', 'current', 'm'.repeat(43));
  const third = node();
  await third.signIn(attempt());
  forward(1_000);
  expect(await kindOf(third.authenticate(withCookie(cookie)))).toBe('unknown');
  const renewed = verdict.kind === 'known' ? (verdict.setCookie ?? '') : '';
  expect(await kindOf(node().authenticate(withCookie(renewed)))).toBe('known');
});

test('a node that has not heard of a new key asks for it, and ends no session meanwhile', async () => {
  const { node, directory, forward } = farm();
  const one = node();
  await signedIn(one);
  forward(10);
  directory.putSecret('web', 'previous', 'k'.repeat(43));
  directory.putSecret('web', 'current', 'n'.repeat(43));
  const cookie = await signedIn(node());
  expect(await kindOf(one.authenticate(withCookie(cookie)))).toBe('unavailable');
  forward(500);
  expect(await kindOf(one.authenticate(withCookie(cookie)))).toBe('known');
});

test('a session in use is renewed, one that is idle or too old ends', async () => {
  const { node, forward } = farm();
  const one = node();
  let cookie = await signedIn(one);
  const first = cookie;
  for (let days = 0; days < 89; days += 1) {
    forward(DAY);
    const verdict = await one.authenticate(withCookie(cookie));
    if (verdict.kind !== 'known' || verdict.setCookie === undefined) throw new Error(verdict.kind);
    cookie = verdict.setCookie;
  }
  expect(await kindOf(one.authenticate(withCookie(first)))).toBe('unknown');
  expect(Number(/Max-Age=(\d+)/.exec(cookie)?.[1])).toBe(DAY / 1_000);
  forward(DAY + 1);
  expect(await kindOf(one.authenticate(withCookie(cookie)))).toBe('unknown');
  const idle = await signedIn(one);
  forward(14 * DAY + 1);
  expect(await kindOf(one.authenticate(withCookie(idle)))).toBe('unknown');
});

test('signing out ends the session here at once, on other nodes at the next look', async () => {
  const { node, forward, book, alice } = farm();
  const [one, two] = [node(), node()];
  const [cookie, other] = [await signedIn(one), await signedIn(one)];
  expect(await kindOf(two.authenticate(withCookie(cookie)))).toBe('known');
  expect(await one.signOut(withCookie(cookie))).toEqual({
    setCookie: expect.stringMatching(/^__Host-mailfarm=; .*Max-Age=0/) as string,
    isEnded: true,
  });
  expect(await kindOf(one.authenticate(withCookie(cookie)))).toBe('unknown');
  forward(60_000);
  expect(await kindOf(two.authenticate(withCookie(cookie)))).toBe('unknown');
  expect(await kindOf(two.authenticate(withCookie(other)))).toBe('known');
  expect(await book.list(alice)).toMatchObject([{ address: '192.0.2.1', agent: 'a browser' }]);
  const nobody = await one.signOut(withCookie('', { cookie: 'x' }));
  expect(nobody).toMatchObject({ setCookie: expect.stringContaining('Max-Age=0') as string });
});

test('a look that was under way while the user signed out opens nothing again', async () => {
  const { node, forward, book } = farm();
  const one = node();
  const cookie = await signedIn(one);
  forward(60_000);
  const seen = Promise.withResolvers<void>();
  const goOn = Promise.withResolvers<void>();
  const state = book.state.bind(book);
  book.state = async (account, id) => {
    const found = await state(account, id);
    seen.resolve();
    await goOn.promise;
    return found;
  };
  const under = one.authenticate(withCookie(cookie));
  await seen.promise;
  expect((await one.signOut(withCookie(cookie))).isEnded).toBe(true);
  goOn.resolve();
  expect(await kindOf(under)).toBe('unknown');
  expect(await kindOf(one.authenticate(withCookie(cookie)))).toBe('unknown');
});

test('the volume away: sign-in and sessions go on; the list has the sign-in later', async () => {
  const { node, book, forward, alice } = farm();
  const one = node();
  book.trouble = new StoreError('volume-down', 'mail1 hangs');
  const left = await one.signOut(withCookie(await signedIn(one)));
  expect(left).toMatchObject({
    isEnded: false,
    setCookie: expect.stringContaining('Max-Age=0') as string,
  });
  const cookie = await signedIn(one);
  forward(120_000);
  expect(await kindOf(one.authenticate(withCookie(cookie)))).toBe('known');
  book.trouble = undefined;
  forward(60_000);
  expect(await kindOf(node().authenticate(withCookie(cookie)))).toBe('known');
  forward(600_000);
  const verdict = await one.authenticate(withCookie(cookie));
  const renewed = verdict.kind === 'known' ? (verdict.setCookie ?? '') : '';
  const [record] = await book.list(alice);
  await book.end(alice, record?.id ?? '');
  expect(await kindOf(node().authenticate(withCookie(renewed)))).toBe('unknown');
});

test('a request that another site may have made is refused, with cookie and with Basic', async () => {
  const { node } = farm();
  const one = node();
  const cookie = await signedIn(one);
  const none = { secFetchSite: undefined, origin: undefined };
  const cases: readonly (readonly [Partial<WebRequest>, string])[] = [
    [{ secFetchSite: 'cross-site' }, 'foreign'],
    [{ secFetchSite: 'same-site' }, 'foreign'],
    [{ secFetchSite: 'none' }, 'foreign'],
    [{ secFetchSite: 'cross-site', origin: 'https://mail.example.test' }, 'foreign'],
    [none, 'foreign'],
    [{ ...none, origin: 'null' }, 'foreign'],
    [{ ...none, origin: 'https://evil.example' }, 'foreign'],
    [{ ...none, origin: 'https://mail.example.test.evil.example' }, 'foreign'],
    [{ ...none, origin: 'https://mail.example.test:8443' }, 'foreign'],
    [{ ...none, origin: 'https://MAIL.example.test' }, 'known'],
    [{ ...none, method: 'GET' }, 'known'],
  ];
  for (const [more, wanted] of cases) {
    expect(await kindOf(one.authenticate(withCookie(cookie, more))), JSON.stringify(more)).toBe(
      wanted,
    );
  }
  const authorization = `Basic ${Buffer.from(`${LOGIN}:demo`).toString('base64')}`;
  const basic = { ...withCookie(cookie), ...none, authorization };
  expect(await kindOf(one.authenticate(basic))).toBe('known');
  expect(await kindOf(one.authenticate({ ...basic, origin: 'https://evil.example' }))).toBe(
    'foreign',
  );
  expect(await kindOf(one.authenticate({ ...basic, secFetchSite: 'cross-site' }))).toBe('foreign');
});

test('Basic: app password or password; with a second factor app passwords of this service only', async () => {
  const { node, directory, alice } = farm();
  const made = (services: ('webmail' | 'imap')[]) =>
    newAppPassword({ label: 'x', services }, { random: systemRandom, now: 0 });
  const [web, imap] = [made(['webmail']), made(['imap'])];
  directory.putAccount({ ...alice, appPasswords: [web.entry, imap.entry] });
  const one = node();
  const as = (password: string) =>
    one.authenticate({
      ...withCookie(''),
      authorization: `Basic ${Buffer.from(`${LOGIN}:${password}`).toString('base64')}`,
    });
  expect(await as('demo')).toMatchObject({ kind: 'known', user: { password: 'demo' } });
  expect(await as(web.password)).toMatchObject({ kind: 'known', user: { password: undefined } });
  expect(await kindOf(as(imap.password))).toBe('unknown');
  directory.putSecondFactor(alice.id, { totp: SECRET, recoveryCodes: [] });
  expect(await kindOf(as('demo'))).toBe('unknown');
  expect(await kindOf(as(web.password.toUpperCase().replaceAll('-', ' ')))).toBe('known');
  for (const authorization of ['', 'Basic', 'Basic !!', 'Bearer x', `Basic ${btoa(':x')}`]) {
    expect(await kindOf(one.authenticate({ ...withCookie(''), authorization }))).toBe('unknown');
  }
});

test('second factor: no session without a code, which works once on all nodes', async () => {
  const { node, directory, alice, code, forward } = farm();
  directory.putSecondFactor(alice.id, { totp: SECRET, recoveryCodes: [] });
  const [one, two] = [node(), node()];
  const kind = async (at: WebAuthenticator, more: Partial<SignIn>): Promise<string> =>
    (await at.signIn(attempt(more))).kind;
  expect(await kind(one, {})).toBe('code-needed');
  expect(await kind(one, { code: '000000' })).toBe('code-refused');
  expect(await kind(one, { password: 'no', code: code() })).toBe('refused');
  const same = code();
  expect(await kind(one, { code: same })).toBe('signed-in');
  expect(await kind(two, { code: same })).toBe('code-refused');
  expect(await kind(two, { code: code(1) })).toBe('signed-in');
  forward(60_000);
  expect(await kind(two, { code: same })).toBe('code-refused');
  expect(await kind(one, { code: code(-1) })).toBe('code-refused');
  expect(await kind(one, { code: code() })).toBe('signed-in');
});

test('whether a code was used cannot be told: nobody gets in by it', async () => {
  const { node, directory, alice, code, book } = farm();
  directory.putSecondFactor(alice.id, { totp: SECRET, recoveryCodes: [] });
  book.trouble = new StoreError('volume-down', 'mail1 hangs');
  expect((await node().signIn(attempt({ code: code() }))).kind).toBe('unavailable');
});

test('a recovery code works once, and without it the codes of the telephone go on', async () => {
  const { node, directory, alice, code } = farm();
  const recovery = newRecoveryCode(systemRandom);
  const recoveryCodes = [secretHash(plainCode(recovery)), 'B'.repeat(43)];
  directory.putSecondFactor(alice.id, { totp: SECRET, recoveryCodes });
  const [one, two] = [node(), node()];
  expect((await one.signIn(attempt({ code: recovery.toUpperCase() }))).kind).toBe('signed-in');
  expect((await two.signIn(attempt({ code: recovery }))).kind).toBe('code-refused');
  expect((await two.signIn(attempt({ code: code() }))).kind).toBe('signed-in');
});

test('guessing codes is held up, also many at once, and the user who knows is not', async () => {
  const { node, directory, alice, code, lines } = farm();
  directory.putSecondFactor(alice.id, { totp: SECRET, recoveryCodes: [] });
  const one = node();
  expect((await one.signIn(attempt({ code: code(), address: '198.51.100.7' }))).kind).toBe(
    'signed-in',
  );
  const guesses = Array.from({ length: 40 }, (_, at) => String(900_000 + at));
  const verdicts = await Promise.all(
    guesses.map((guess) => one.signIn(attempt({ code: guess, address: '203.0.113.9' }))),
  );
  const kinds = verdicts.map(({ kind }) => kind);
  expect(kinds.filter((kind) => kind === 'code-refused').length).toBeLessThanOrEqual(6);
  expect(kinds.filter((kind) => kind === 'throttled').length).toBeGreaterThanOrEqual(34);
  for (let more = 0; more < 12; more += 1) {
    await one.signIn(attempt({ code: '111111', address: `203.0.113.${20 + more}` }));
  }
  expect(lines.map(({ message }) => message).join()).toContain('MF-AUTH-004');
  const elsewhere = await one.signIn(attempt({ code: code(1), address: '198.51.100.7' }));
  expect(elsewhere.kind).toBe('signed-in');
});

test('codes refused anywhere count everywhere: guesses on many nodes are one account of them', async () => {
  const { node, directory, alice, code, counts, forward } = farm();
  directory.putSecondFactor(alice.id, { totp: SECRET, recoveryCodes: [] });
  const nodes = Array.from({ length: 8 }, () => node());
  const home = '198.51.100.7';
  expect((await nodes[7]?.signIn(attempt({ code: code(), address: home })))?.kind).toBe(
    'signed-in',
  );
  const kinds: (string | undefined)[] = [];
  for (let guess = 0; guess < 24; guess += 1) {
    // Another address each time, and three for each node: no worker's own throttle minds.
    const strange = { code: String(900_000 + guess), address: `203.0.113.${guess + 1}` };
    kinds.push((await nodes[guess % 8]?.signIn(attempt(strange)))?.kind);
  }
  expect(kinds.slice(0, 15)).toEqual(Array(15).fill('code-refused'));
  expect(kinds.slice(15)).toEqual(Array(9).fill('throttled'));

  const anew = node(); // A worker that has seen nothing of it.
  const right = { code: code(1), address: '203.0.113.99' };
  const held = await anew.signIn(attempt(right));
  expect(held).toMatchObject({ kind: 'throttled', retryAfterMs: 3_600_000 });
  expect((await anew.signIn(attempt({ ...right, address: home }))).kind).toBe('signed-in');

  counts.trouble = new StoreError('volume-down', 'no spool answers');
  expect((await node().signIn(attempt({ code: '111111', address: '203.0.113.50' }))).kind).toBe(
    'code-refused',
  );
  counts.trouble = undefined;
  forward(3_700_000);
  const later = { code: code(), address: '203.0.113.99' };
  expect((await node().signIn(attempt(later))).kind).toBe('signed-in');
});

test('who turns the second factor on stays; sessions of before end', async () => {
  const { node, directory, alice, forward } = farm();
  const one = node();
  const [mine, other] = [await signedIn(one), await signedIn(one)];
  const verdict = await one.authenticate(withCookie(mine));
  if (verdict.kind !== 'known') throw new Error(verdict.kind);
  directory.putSecondFactor(alice.id, { totp: SECRET, recoveryCodes: [] });
  const fresh = await one.secondFactorTurnedOn(verdict.user, true);
  forward(60_000);
  expect(await kindOf(one.authenticate(withCookie(other)))).toBe('unknown');
  expect(await kindOf(node().authenticate(withCookie(fresh)))).toBe('known');
  // A stream that began before is asked about with the cookie of then: it ends, and it alone.
  expect(await kindOf(one.authenticate(withCookie(mine)))).toBe('unknown');
  expect(await kindOf(one.authenticate(withCookie(fresh)))).toBe('known');
});

test('suspended users, renamed users, users of the same name after them', async () => {
  const { node, directory, alice, forward } = farm();
  const one = node();
  const cookie = await signedIn(one);
  directory.putAccount({ ...alice, suspended: ['webmail'] }, 'demo');
  forward(60_000);
  expect(await kindOf(one.authenticate(withCookie(cookie)))).toBe('suspended');
  directory.putAccount({ ...alice, login: 'alicia@example.test' }, 'demo');
  forward(60_000);
  expect(await one.authenticate(withCookie(cookie))).toMatchObject({
    kind: 'known',
    user: { login: 'alicia@example.test' },
  });
  directory.removeAccount(alice.id);
  directory.putAccount(memoryAccount({ login: LOGIN, id: 'somebody-else' }), 'demo');
  forward(60_000);
  expect(await kindOf(one.authenticate(withCookie(cookie)))).toBe('unknown');
});
