/** Web nodes for tests of the webmail: a real directory, a memory store that all of them share. */
import { createAuthenticator } from '../../auth/authenticator.ts';
import { AUTH_OPTIONS } from '../../auth/options.ts';
import { MemoryCounts } from '../../auth/testing.ts';
import { TestClock } from '../../base/testing.ts';
import { systemRandom } from '../../base/random.ts';
import { defaults } from '../../config/options.ts';
import { openAdmin } from '../../directory/admin/admin.ts';
import { ldapDirectory } from '../../directory/client/directory.ts';
import { startTestDirectory, type TestServerKind } from '../../directory/testing.ts';
import { startWeb, type TestWeb } from '../../http/testing/web.ts';
import { problemOf } from '../../jmap/trouble.ts';
import { MemoryStore } from '../../mailbox/memory.ts';
import { silentLogger } from '../../log/types.ts';
import { openWebmail } from '../webmail.ts';

export const SET_UP = {
  name: 'Example & Sons',
  imap: { host: 'mail.example.test', port: 993, tls: 'implicit' },
  pop3: { host: 'mail.example.test', port: 995, tls: 'implicit' },
  submission: { host: 'mail.example.test', port: 587, tls: 'starttls' },
  mtaSts: 'version: STSv1\r\nmode: testing\r\nmx: *.example.test\r\nmax_age: 604800\r\n',
} as const;

export type TestFarm = Awaited<ReturnType<typeof startFarm>>;

/** A directory with the demo's users and nodes that share nothing but it and the mailboxes. */
export async function startFarm(server: TestServerKind, nodeCount = 2) {
  const directory = await startTestDirectory({ server });
  const clock = new TestClock();
  const store = new MemoryStore(clock);
  const counts = new MemoryCounts(clock);
  const admin = await openAdmin({ ...directory.admin, clock });
  await admin.secrets.rotateWeb(systemRandom);
  const { suffix, urls } = directory.frontend;
  const nodes = await Promise.all(
    Array.from({ length: nodeCount }, async () => {
      const front = ldapDirectory({
        ...directory.frontend,
        clock,
        options: { 'directory.cache.fresh': 0 },
      });
      const auth = createAuthenticator({ directory: front, clock });
      const webmail = openWebmail({
        directory: front,
        auth,
        store,
        counts,
        access: { suffix, urls },
        options: defaults(AUTH_OPTIONS),
        setUp: SET_UP,
        clock,
        random: systemRandom,
        logger: silentLogger,
      });
      const web = await startWeb([webmail.routes], { describe: problemOf, clock });
      return { web, front, auth, webmail };
    }),
  );
  return {
    directory,
    admin,
    clock,
    store,
    nodes,
    close: async () => {
      await Promise.all(nodes.map(({ web }) => web.close()));
      await Promise.all(nodes.map(({ front }) => front.close()));
      await admin.close();
      await directory.close();
    },
  };
}

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Readonly<Record<string, unknown>>;
}

/** A browser: it keeps its cookie, and asks another node each time. */
export class Browser {
  cookie = '';
  readonly #nodes: readonly { readonly web: TestWeb }[];
  #turn = 0;

  constructor(nodes: readonly { readonly web: TestWeb }[]) {
    this.#nodes = nodes;
  }

  /** The next node, as a balancer chooses it. */
  get base(): string {
    this.#turn += 1;
    return this.#nodes[this.#turn % this.#nodes.length]?.web.base ?? '';
  }

  async ask(method: string, path: string, body?: unknown): Promise<Answer> {
    const response = await fetch(`${this.base}${path}`, {
      method,
      headers: {
        'user-agent': 'Test browser',
        'sec-fetch-site': 'same-origin',
        ...(this.cookie !== '' && { cookie: this.cookie }),
        ...(body !== undefined && { 'content-type': 'application/json' }),
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    const set = response.headers.get('set-cookie');
    if (set !== null) this.cookie = set.includes('Max-Age=0') ? '' : (set.split(';')[0] ?? '');
    const { status, headers } = response;
    const text = await response.text();
    return { status, headers, body: text === '' ? {} : JSON.parse(text) };
  }

  async signIn(login: string, password: string, code?: string): Promise<Answer> {
    return await this.ask('POST', '/auth/sign-in', { login, password, code });
  }
}
