import { TEST_ACCOUNT } from '../../auth/testing.ts';
import type { WebAuthenticator, WebVerdict } from '../../auth/web-types.ts';
import { systemClock } from '../../base/clock.ts';
import type { Clock } from '../../base/clock.ts';
import { defaults } from '../../config/options.ts';
import type { Account } from '../../directory/types.ts';
import { startWeb, type TestWeb, type TestWebOptions } from '../../http/testing/web.ts';
import { MemoryStore } from '../../mailbox/memory.ts';
import type { MailStore } from '../../mailbox/types.ts';
import { OpenMailViews } from '../../mailbox/views.ts';
import { JMAP_OPTIONS, type JmapOptionValues } from '../options.ts';
import { createJmapRoutes } from '../service.ts';
import { problemOf } from '../trouble.ts';
import { CAPABILITIES, type OwnAffairs, type Submitter } from '../types.ts';

export interface TestJmapOptions {
  readonly store?: MailStore;
  readonly account?: Account;
  readonly values?: Partial<JmapOptionValues>;
  readonly submitter?: Submitter;
  readonly affairs?: OwnAffairs;
  readonly clock?: Clock;
  readonly web?: TestWebOptions;
}

export interface TestJmap {
  readonly web: TestWeb;
  readonly base: string;
  readonly account: Account;
  /** Who everybody is from now on. */
  verdict: WebVerdict;
  /** How often it was asked who somebody is. */
  readonly asked: number;
  /** Status and JSON of a request to the API; `body` goes as it is where it is no object. */
  api(body: object | string | Uint8Array, type?: string): Promise<ApiAnswer>;
  /** The responses of calls: name, arguments. */
  calls(...calls: readonly (readonly [string, object])[]): Promise<readonly Answered[]>;
  close(): Promise<void>;
}

export interface ApiAnswer {
  readonly status: number;
  readonly body: Record<string, unknown>;
}
export type Answered = readonly [name: string, args: Record<string, unknown>, callId: string];

const USING = Object.values(CAPABILITIES);

/** JMAP on a web service of its own, over the memory store unless another is given. */
export async function startJmap(options: TestJmapOptions = {}): Promise<TestJmap> {
  const { account = TEST_ACCOUNT, clock = systemClock } = options;
  const views = new OpenMailViews({ store: options.store ?? new MemoryStore(), clock });
  const login = account.login;
  const state: { verdict: WebVerdict; asked: number } = {
    asked: 0,
    verdict: { kind: 'known', user: { account, login, session: undefined, password: undefined } },
  };
  const auth: Pick<WebAuthenticator, 'authenticate'> = {
    authenticate: () => {
      state.asked += 1;
      return Promise.resolve(state.verdict);
    },
  };
  const jmap = createJmapRoutes({
    auth,
    views,
    submitter: options.submitter ?? {
      submit: () => Promise.resolve({ kind: 'unavailable', text: 'no submitter' }),
    },
    affairsOf: () =>
      options.affairs ?? {
        vacation: () => Promise.resolve(undefined),
        setVacation: () => Promise.resolve({ kind: 'unavailable' }),
      },
    values: { ...defaults(JMAP_OPTIONS), ...options.values },
    messageMax: 52_428_800,
  });
  const web = await startWeb([jmap], { describe: problemOf, clock, ...options.web });
  const api: TestJmap['api'] = async (body, type = 'application/json') => {
    const raw = typeof body === 'string' || body instanceof Uint8Array;
    const reply = await fetch(`${web.base}/jmap/api`, {
      method: 'POST',
      headers: { 'content-type': type },
      body: raw ? (body as string) : JSON.stringify(body),
    });
    return { status: reply.status, body: (await reply.json()) as Record<string, unknown> };
  };
  return {
    web,
    base: web.base,
    account,
    get verdict() {
      return state.verdict;
    },
    set verdict(verdict) {
      state.verdict = verdict;
    },
    get asked() {
      return state.asked;
    },
    api,
    calls: async (...calls) => {
      const methodCalls = calls.map(([name, args], at) => [name, args, `c${at}`]);
      const { body } = await api({ using: USING, methodCalls });
      return body['methodResponses'] as readonly Answered[];
    },
    close: async () => {
      await web.close();
      views.close();
    },
  };
}
