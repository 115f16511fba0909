/**
 * A process that asks a directory as one worker does, or as bare searches and binds do; forked by
 * directory.ts, so that its memory and its CPU are its own.
 */
import { AndFilter, Client, EqualityFilter, OrFilter } from 'ldapts';
import { passwordNow } from '../../src/directory/client/connection.ts';
import { ldapDirectory, type LdapDirectoryOptions } from '../../src/directory/client/directory.ts';
import { layout, USER_ATTRIBUTES } from '../../src/directory/schema.ts';
import { openSnapshot } from '../../src/directory/snapshot/open.ts';
import type { Directory } from '../../src/directory/types.ts';
import { exportMetrics } from '../../src/metrics/export.ts';

/** Who is asked for: `user0@example.test` and so on. */
export const userName = (n: number): string => `user${n}@example.test`;
export const USER_PASSWORD = 'demo';

/** Our client, searches of the bare library, our reader of a snapshot file. */
export type Subject = 'ours' | 'bare' | 'snapshot';

export interface Task {
  readonly what: 'look-up' | 'login';
  readonly count: number;
  /** All different, each of `users` in turn; or few users get most of it. */
  readonly choice: 'in-turn' | 'few-get-most';
  readonly users: number;
  /** Questions under way at one moment. */
  readonly lanes: number;
}

export interface Outcome {
  readonly seconds: number;
  /** Of this process. */
  readonly cpuSeconds: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Questions that did not find the user, or did not let in. */
  readonly wrong: number;
}

export type ToAsker =
  | {
      readonly kind: 'open';
      readonly subject: Subject;
      readonly options: LdapDirectoryOptions;
      readonly snapshot?: string | undefined;
    }
  | { readonly kind: 'run'; readonly task: Task }
  | { readonly kind: 'memory' }
  | { readonly kind: 'hits' };

export type FromAsker =
  | { readonly kind: 'opened' }
  | { readonly kind: 'done'; readonly outcome: Outcome }
  /** Octets: what V8 keeps after a collection, and what the system has given. */
  | { readonly kind: 'memory'; readonly kept: number; readonly resident: number }
  /** Answers of the client so far, by where they came from. */
  | { readonly kind: 'hits'; readonly answers: Readonly<Record<string, number>> };

interface Asked {
  lookUp(address: string): Promise<boolean>;
  login(address: string): Promise<boolean>;
}

const ours = (options: LdapDirectoryOptions): Asked => asking(ldapDirectory(options));

function asking(directory: Directory): Asked {
  return {
    lookUp: async (address) => (await directory.resolve(address)).kind === 'account',
    login: async (address) => {
      const account = await directory.account(address);
      if (!account) return false;
      return (await directory.verifyPassword(account, USER_PASSWORD)) === 'accepted';
    },
  };
}

/** What any program would do with the library: as many connections as our client has. */
async function bare(options: LdapDirectoryOptions): Promise<Asked> {
  const base = layout(options.suffix).users;
  const connect = async (): Promise<Client> => {
    const client = new Client({ url: options.urls[0] ?? '' });
    await client.bind(options.bindDn, passwordNow(options.bindPassword));
    return client;
  };
  const searching = [await connect(), await connect()];
  const binding = await Promise.all(Array.from({ length: 4 }, connect));
  const free = [...binding];
  const waiting: (() => void)[] = [];
  let turn = 0;
  const find = async (value: string): Promise<string | undefined> => {
    const either = ['cn', 'mailAlias'].map((attribute) => new EqualityFilter({ attribute, value }));
    const filter = new AndFilter({
      filters: [
        new EqualityFilter({ attribute: 'objectClass', value: 'mwUser' }),
        new OrFilter({ filters: either }),
      ],
    });
    const attributes = [...USER_ATTRIBUTES];
    const client = searching[turn++ % searching.length];
    const found = await client?.search(base, { scope: 'sub', filter, attributes, sizeLimit: 4 });
    return found?.searchEntries[0]?.dn;
  };
  return {
    lookUp: async (address) => (await find(address)) !== undefined,
    login: async (address) => {
      const dn = await find(address);
      while (free.length === 0) await new Promise<void>((resolve) => waiting.push(resolve));
      const client = free.pop();
      if (dn === undefined || !client) return false;
      await client.bind(dn, USER_PASSWORD);
      free.push(client);
      waiting.shift()?.();
      return true;
    },
  };
}

async function run(asked: Asked, task: Task): Promise<Outcome> {
  const ask = task.what === 'login' ? asked.login : asked.lookUp;
  const times = new Float64Array(task.count);
  let next = 0;
  let wrong = 0;
  const lane = async (): Promise<void> => {
    while (next < task.count) {
      const n = next++;
      const user = task.choice === 'in-turn' ? n % task.users : seldom(n, task.users);
      const began = performance.now();
      const isRight = await ask(userName(user)).catch(() => false);
      times[n] = performance.now() - began;
      if (!isRight) wrong++;
    }
  };
  const cpu = process.cpuUsage();
  const began = performance.now();
  await Promise.all(Array.from({ length: task.lanes }, lane));
  const seconds = (performance.now() - began) / 1000;
  const { user, system } = process.cpuUsage(cpu);
  times.sort();
  const at = (part: number): number => times[Math.floor((task.count - 1) * part)] ?? 0;
  return { seconds, cpuSeconds: (user + system) / 1e6, p50Ms: at(0.5), p99Ms: at(0.99), wrong };
}

/** Half of the mail is for a hundredth of the users. Without chance, so that runs are alike. */
function seldom(n: number, users: number): number {
  const even = ((n * 2_654_435_761) % 4_294_967_296) / 4_294_967_296;
  return Math.floor(even ** 6.64 * users); // 0.5 ** 6.64 is 0.01.
}

async function hits(): Promise<Readonly<Record<string, number>>> {
  const text = JSON.stringify(await exportMetrics());
  const metrics = JSON.parse(text) as {
    readonly name: string;
    readonly values: readonly { readonly value: number; readonly labels: { answer?: string } }[];
  }[];
  const found = metrics.find(({ name }) => name === 'mailfarm_directory_lookups_total');
  return Object.fromEntries((found?.values ?? []).map((v) => [v.labels.answer ?? '', v.value]));
}

async function open(message: Extract<ToAsker, { kind: 'open' }>): Promise<Asked> {
  if (message.subject === 'bare') return await bare(message.options);
  if (message.subject === 'ours') return ours(message.options);
  return asking(openSnapshot(message.snapshot ?? ''));
}

/** After two collections: what is kept, not what is left to collect. */
function memory(): FromAsker {
  globalThis.gc?.();
  globalThis.gc?.();
  const { heapUsed, external, rss } = process.memoryUsage();
  return { kind: 'memory', kept: heapUsed + external, resident: rss };
}

function serve(): void {
  let asked: Asked | undefined;
  const tell = (message: FromAsker): void => void process.send?.(message);
  const follow = async (message: ToAsker): Promise<void> => {
    if (message.kind === 'open') {
      asked = await open(message);
      tell({ kind: 'opened' });
    } else if (message.kind === 'run' && asked) {
      tell({ kind: 'done', outcome: await run(asked, message.task) });
    } else if (message.kind === 'memory') {
      tell(memory());
    } else {
      tell({ kind: 'hits', answers: await hits() });
    }
  };
  process.on('message', (message: ToAsker) => void follow(message));
  process.on('disconnect', () => process.exit(0));
}

if (process.send) serve();
