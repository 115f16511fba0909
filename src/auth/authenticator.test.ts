import { expect, test } from 'vitest';
import type { Clock } from '../base/clock.ts';
import { systemRandom } from '../base/random.ts';
import { defaults } from '../config/options.ts';
import { memoryAccount, memoryDirectory, type MemoryDirectory } from '../directory/memory.ts';
import { newAppPassword } from './app-password.ts';
import { createAuthenticator, type Authentication } from './authenticator.ts';
import { AUTH_OPTIONS } from './options.ts';
import { networkOf, Throttle, type Advice, type ThrottleOptions } from './throttle.ts';
import type { Attempt, Verdict } from './types.ts';

interface HandClock extends Clock {
  forward(ms: number): void;
  slept: number;
}

/** Time that only a test moves; sleeping moves it too. */
function handClock(): HandClock {
  let now = 1_000_000;
  const clock: HandClock = {
    slept: 0,
    now: () => now,
    sleep: async (ms) => {
      clock.slept += ms;
      now += ms;
    },
    forward: (ms) => {
      now += ms;
    },
  };
  return clock;
}

const accounts = [
  memoryAccount({ login: 'alice@example.test' }),
  memoryAccount({ login: 'bob@example.test', suspended: ['pop3'] }),
];
const passwords = { 'alice@example.test': 'demo', 'bob@example.test': 'demo' };

function setUp(options: Partial<ThrottleOptions> = {}): {
  auth: Authentication;
  directory: MemoryDirectory;
  clock: HandClock;
  attempt: (given: Partial<Attempt>) => Promise<Verdict>;
} {
  const clock = handClock();
  const directory = memoryDirectory({ accounts, passwords });
  const auth = createAuthenticator({ directory, clock, options });
  const base = {
    login: 'alice@example.test',
    password: 'demo',
    address: '192.0.2.1',
    service: 'pop3',
  } as const;
  return { auth, directory, clock, attempt: (given) => auth.verify({ ...base, ...given }) };
}

test('[S0-22] every verdict: accepted, refused, suspended, unavailable', async () => {
  const { attempt, directory } = setUp();
  expect(await attempt({})).toMatchObject({
    kind: 'accepted',
    account: { login: 'alice@example.test' },
  });
  expect((await attempt({ login: 'ALICE@Example.test' })).kind).toBe('accepted');
  expect(await attempt({ password: 'no' })).toEqual({ kind: 'refused' });
  expect(await attempt({ password: '' })).toEqual({ kind: 'refused' });
  expect(await attempt({ login: 'nobody@example.test' })).toEqual({ kind: 'refused' });
  expect(await attempt({ login: 'bob@example.test' })).toEqual({ kind: 'suspended' });
  expect(await attempt({ login: 'bob@example.test', password: 'no' })).toEqual({ kind: 'refused' });
  expect((await attempt({ login: 'bob@example.test', service: 'imap' })).kind).toBe('accepted');
  directory.down = true;
  expect(await attempt({})).toEqual({ kind: 'unavailable' });
});

test('a login without a domain gets the default one', async () => {
  expect((await setUp().attempt({ login: 'alice' })).kind).toBe('refused');
  const { attempt } = setUp({ 'auth.domain.default': 'example.test' });
  expect((await attempt({ login: 'Alice' })).kind).toBe('accepted');
});

test('hostile logins and passwords are refused like any other', async () => {
  const hostile = [
    '',
    '\0',
    '*',
    ')(uid=*',
    'alice@example.test\0',
    '../../etc',
    'x'.repeat(100_000),
    '\ud800',
    'cn=alice',
    '\r\n',
    '"',
    '@',
    '%s',
  ];
  for (const [n, login] of hostile.entries()) {
    const { attempt } = setUp();
    expect(await attempt({ login, address: `192.0.2.${n}` })).toEqual({ kind: 'refused' });
    expect(await attempt({ password: login })).toEqual({ kind: 'refused' });
  }
});

test('an unknown user is refused after as long a time as a known one', async () => {
  const { directory, clock, attempt } = setUp();
  const verify = directory.verifyPassword.bind(directory);
  directory.verifyPassword = async (account, password) => {
    if (account.login !== '') await clock.sleep(20); // A directory that tells by its haste.
    return await verify(account, password);
  };
  await attempt({ password: 'no' });
  const started = clock.now();
  expect((await attempt({ login: 'nobody@example.test' })).kind).toBe('refused');
  expect(clock.now() - started).toBe(20);
});

test('wrong passwords cost more and more, and a right one forgives', async () => {
  const { attempt, clock } = setUp();
  for (let n = 0; n < 5; n += 1)
    expect((await attempt({ password: `no${n}` })).kind).toBe('refused');
  expect((await attempt({ password: 'no6' })).kind).toBe('refused');
  let wait = 0;
  for (let n = 0; n < 9; n += 1) {
    // The right password is not checked either: else guessing would go on during the wait.
    const verdict = await attempt({});
    if (verdict.kind !== 'throttled') throw new Error(`${verdict.kind} at ${n}`);
    expect(verdict.retryAfterMs).toBe(wait === 0 ? 1_000 : wait * 2);
    wait = verdict.retryAfterMs;
    clock.forward(wait - 1);
    expect((await attempt({})).kind).toBe('throttled');
    clock.forward(1);
    expect((await attempt({ password: `again${n}` })).kind).toBe('refused');
  }
  expect(wait).toBeGreaterThan(100_000);
  wait = 300_000;
  clock.forward(wait);
  expect((await attempt({})).kind).toBe('accepted');
  expect((await attempt({ password: 'no' })).kind).toBe('refused');
  expect((await attempt({})).kind).toBe('accepted');
});

test('[S0-22] an account has one count however its name is spelled', async () => {
  const { attempt } = setUp({ 'auth.throttle.pair.free': 5, 'auth.throttle.address.free': 1000 });
  const spellings = [
    'alice@example.test',
    'ALICE@EXAMPLE.TEST',
    'alice@example.test.',
    '"alice"@example.test',
    '"\\a\\lice"@example.test',
    'alice@\uff45xample.test',
    'alice@example\u3002test',
  ];
  for (const login of spellings.slice(0, 6)) {
    expect(await attempt({ login, password: `guess ${login}` })).toEqual({ kind: 'refused' });
  }
  for (const login of spellings) expect((await attempt({ login })).kind).toBe('throttled');
  // What cannot be seen makes another name of it, which is nobody's.
  expect((await attempt({ login: 'alice@exam\u00adple.test' })).kind).toBe('refused');
});

test('guesses from one address at many accounts hold up the address, not the accounts', async () => {
  const { attempt } = setUp();
  for (let n = 0; n < 31; n += 1) {
    await attempt({ login: `u${n}@example.test`, password: `p${n}`, address: '2001:db8:1:2::1' });
  }
  const sameNetwork = await attempt({ address: '2001:db8:1:2:ffff::9' });
  expect(sameNetwork.kind).toBe('throttled');
  expect((await attempt({ address: '2001:db8:1:3::1' })).kind).toBe('accepted');
});

test('nobody can lock a user out: who knew the password is not held up by others', async () => {
  const { attempt } = setUp();
  expect((await attempt({ address: '198.51.100.7' })).kind).toBe('accepted');
  for (let n = 0; n < 100; n += 1) await attempt({ password: `p${n}`, address: `192.0.2.${n}` });
  expect((await attempt({ address: '203.0.113.1' })).kind).toBe('throttled');
  expect((await attempt({ address: '198.51.100.7' })).kind).toBe('accepted');
});

test('a telephone with an old password does not take its whole office with it', async () => {
  const { attempt, clock } = setUp();
  for (let n = 0; n < 200; n += 1) {
    await attempt({ password: 'last-year', address: '192.0.2.1' });
    clock.forward(60_000);
  }
  expect((await attempt({ login: 'bob@example.test', service: 'imap' })).kind).toBe('accepted');
});

test('guesses in parallel are not checked before their failures count', async () => {
  const { attempt, directory } = setUp();
  const guesses = Array.from({ length: 200 }, (_, n) => attempt({ password: `guess${n}` }));
  const verdicts = (await Promise.all(guesses)).map(({ kind }) => kind);
  expect(verdicts.filter((kind) => kind === 'refused').length).toBeLessThanOrEqual(10);
  expect(directory.questions).toBeLessThanOrEqual(20);
});

test('failures are forgotten with time, and memory is bounded', async () => {
  const clock = handClock();
  const options = { ...defaults(AUTH_OPTIONS), 'auth.throttle.entries': 1_000 };
  const throttle = new Throttle({ options, clock });
  for (let n = 0; n < 6; n += 1) throttle.failed('a', '192.0.2.1', `p${n}`);
  expect(throttle.waitMs('a', '192.0.2.1')).toBe(1_000);
  clock.forward(3_600_000);
  expect(throttle.waitMs('a', '192.0.2.1')).toBe(0);
  throttle.failed('a', '192.0.2.1', 'p');
  expect(throttle.waitMs('a', '192.0.2.1')).toBe(0);
  for (let n = 0; n < 10_000; n += 1) {
    throttle.failed(`u${n}`, `10.0.${n >> 8}.${n & 255}`, 'p');
    throttle.succeeded(`v${n}`, '192.0.2.2');
  }
  expect(throttle.size).toBeLessThanOrEqual(1_000);
});

test('advice makes another process hold up the same guesser, and forgive the same user', async () => {
  const [one, two] = [setUp(), setUp()];
  const relayed: Advice[] = [];
  one.auth.onAdvice((advice) => {
    relayed.push(advice);
    two.auth.note(JSON.parse(JSON.stringify(advice)) as Advice);
  });
  for (let n = 0; n < 6; n += 1) await one.attempt({ password: `no${n}` });
  expect((await two.attempt({})).kind).toBe('throttled');
  expect(JSON.stringify(relayed)).not.toMatch(/no\d/);
  one.clock.forward(2_000);
  await one.attempt({});
  expect((await two.attempt({})).kind).toBe('accepted');
  const before = relayed.length;
  for (let n = 0; n < 100; n += 1) await one.attempt({});
  expect(relayed.length).toBe(before); // A success that is no news is not told.
});

test('an exempt address is never held up', async () => {
  const { attempt } = setUp({ 'auth.throttle.exempt': ['192.0.2.0/24', '2001:db8::/32'] });
  for (const address of ['192.0.2.77', '2001:db8::1']) {
    for (let n = 0; n < 50; n += 1) await attempt({ password: `no${n}`, address });
    expect((await attempt({ address })).kind).toBe('accepted');
  }
});

test('an IPv6 address counts with its /64 (RFC 6177 §2)', () => {
  const same = [
    '2001:db8:0:1::1',
    '2001:0DB8::1:ffff:0:0:1',
    '2001:db8:0:1:2:3:4:5',
    '2001:db8:0:1::%eth0',
  ];
  expect(new Set(same.map(networkOf))).toEqual(new Set(['2001:db8:0:1::/64']));
  expect(networkOf('::1')).toBe('0:0:0:0::/64');
  expect(networkOf('192.0.2.1')).toBe('192.0.2.1');
});

test('an app password opens its services; with a second factor nothing else does', async () => {
  const { attempt, directory } = setUp();
  const [alice] = accounts;
  if (!alice) throw new Error('no alice');
  const made = newAppPassword(
    { label: 'telephone', services: ['imap', 'submission'] },
    { random: systemRandom, now: 0 },
  );
  directory.putAccount({ ...alice, appPasswords: [made.entry] });
  const { password } = made;
  expect(password).toMatch(/^[a-z2-7]{4}(-[a-z2-7]{2,4}){6}$/);
  expect(await attempt({ password, service: 'imap' })).toMatchObject({
    kind: 'accepted',
    appPassword: made.entry.id,
  });
  expect((await attempt({ password, service: 'submission' })).kind).toBe('accepted');
  expect((await attempt({ password, service: 'pop3' })).kind).toBe('refused');
  expect((await attempt({ password, service: 'imap', secondFactor: 'follows' })).kind).toBe(
    'refused',
  );
  expect((await attempt({ password: `${password}a`, service: 'imap' })).kind).toBe('refused');
  expect(await attempt({ password: 'demo', service: 'imap' })).not.toHaveProperty('appPassword');
  directory.putSecondFactor(alice.id, { totp: 'A'.repeat(32), recoveryCodes: [] });
  expect((await attempt({ password: 'demo', service: 'imap' })).kind).toBe('refused');
  expect((await attempt({ password, service: 'imap' })).kind).toBe('accepted');
  expect((await attempt({ secondFactor: 'follows', service: 'webmail' })).kind).toBe('accepted');
});

test('guessing app passwords is held up like guessing the password', async () => {
  const { attempt, directory } = setUp({ 'auth.throttle.pair.free': 3 });
  const [alice] = accounts;
  if (!alice) throw new Error('no alice');
  const { entry } = newAppPassword(
    { label: 'telephone', services: ['pop3'] },
    { random: systemRandom, now: 0 },
  );
  directory.putAccount({ ...alice, appPasswords: [entry] });
  for (let times = 0; times < 4; times += 1) {
    expect((await attempt({ password: `aaaa-bbbb-${times}` })).kind).toBe('refused');
  }
  expect((await attempt({ password: 'aaaa-bbbb-9' })).kind).toBe('throttled');
});
