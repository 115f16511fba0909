import type { Account } from '../directory/types.ts';
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
