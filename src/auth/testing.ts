import type { Clock } from '../base/clock.ts';
import type { Account } from '../directory/types.ts';
import type { FarmCounts } from './second-factors.ts';
import type { SignInBook, SignInRecord } from './sign-in-book.ts';
import type { Attempt, Authenticator, Verdict } from './types.ts';

export const TEST_ACCOUNT: Account = {
  id: '0f9c1e52-0000-4000-8000-000000000001',
  dn: 'cn=tevie@t1.example,ou=users,o=farm',
  login: 'tevie@t1.example',
  uid: 2001,
  addresses: ['tevie@t1.example'],
  suspended: [],
  quotaBytes: 0,
  volume: 'mail1',
  path: undefined,
  forwards: [],
  keepsForwarded: false,
  site: undefined,
  vacation: undefined,
};

/** Accepts one password, of `tevie`; remembers every attempt. */
export class TestAuthenticator implements Authenticator {
  readonly attempts: Attempt[] = [];
  /** What everybody is told from now on. */
  verdict: Verdict | undefined;
  /** To hold an attempt. */
  before: (() => Promise<void>) | undefined;
  account = TEST_ACCOUNT;

  async verify(attempt: Attempt): Promise<Verdict> {
    this.attempts.push(attempt);
    await this.before?.();
    if (this.verdict !== undefined) return this.verdict;
    return attempt.login === 'tevie' && attempt.password === 'secret word'
      ? { kind: 'accepted', account: this.account }
      : { kind: 'refused' };
  }
}

/** The list of sign-ins in memory; several authenticators share it as nodes share a volume. */
export class MemorySignInBook implements SignInBook {
  /** While set every question throws it. */
  trouble: Error | undefined;
  readonly #records = new Map<string, SignInRecord>();
  readonly #steps = new Set<string>();

  async begin(account: Account, record: SignInRecord): Promise<void> {
    this.#ask();
    this.#records.set(`${account.id} ${record.id}`, record);
  }

  async state(account: Account, id: string): Promise<'open' | 'ended'> {
    this.#ask();
    return this.#records.has(`${account.id} ${id}`) ? 'open' : 'ended';
  }

  async list(account: Account): Promise<readonly SignInRecord[]> {
    this.#ask();
    const own = [...this.#records].filter(([key]) => key.startsWith(`${account.id} `));
    return own.map(([, record]) => record).toSorted((a, b) => b.at - a.at);
  }

  async end(account: Account, id: string): Promise<void> {
    this.#ask();
    this.#records.delete(`${account.id} ${id}`);
  }

  async firstUse(account: Account, step: number): Promise<boolean> {
    this.#ask();
    const key = `${account.id} ${step}`;
    const first = !this.#steps.has(key);
    this.#steps.add(key);
    return first;
  }

  #ask(): void {
    if (this.trouble !== undefined) throw this.trouble;
  }
}

/** Marks of the farm, which all nodes of a test share. */
export class MemoryCounts implements FarmCounts {
  /** What everything throws while it is set. */
  trouble: Error | undefined;
  readonly #clock: Clock;
  readonly #marks: { readonly name: string; readonly at: number }[] = [];

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  async add({ kind, key }: { readonly kind: string; readonly key: string }): Promise<void> {
    if (this.trouble) throw this.trouble;
    this.#marks.push({ name: `${kind} ${key}`, at: this.#clock.now() });
  }

  async sum(
    { kind, key }: { readonly kind: string; readonly key: string },
    withinMs: number,
  ): Promise<number> {
    if (this.trouble) throw this.trouble;
    const since = this.#clock.now() - withinMs;
    return this.#marks.filter(({ name, at }) => name === `${kind} ${key}` && at >= since).length;
  }
}
