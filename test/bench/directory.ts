/**
 * The directory with many users: look-ups as at RCPT and logins, by our client, beside searches
 * and binds of the bare library on as many connections. Then the same client on the embedded
 * server. What a worker keeps in memory after it asked for everybody, twice, is bounded.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { LdapDirectoryOptions } from '../../src/directory/client/directory.ts';
import { hashPassword } from '../../src/directory/embedded/password.ts';
import { serveEmbeddedDirectory } from '../../src/directory/embedded/server.ts';
import type { SeedEntry } from '../../src/directory/frame.ts';
import { DEFAULT_SUFFIX, layout } from '../../src/directory/schema.ts';
import { writeSnapshot } from '../../src/directory/snapshot/write.ts';
import { has } from '../harness/needs.ts';
import { startSlapd } from '../harness/slapd.ts';
import type { BenchContext } from './context.ts';
import { userName, USER_PASSWORD } from './directory-asker.ts';
import type { FromAsker, Outcome, Subject, Task, ToAsker } from './directory-asker.ts';
import { measureImport } from './directory-import.ts';
import { compare, printRows, type Row } from './report.ts';

const USERS = 200_000;
const MAP_BYTES = 1_073_741_824;
const MB = 1_048_576;
const ASKER = join(import.meta.dirname, 'directory-asker.ts');

/** A directory with users in it, and how it was reached. */
interface Filled {
  readonly name: string;
  readonly seconds: number;
  readonly options: LdapDirectoryOptions;
  /** CPU seconds of the server so far; undefined where it is not a process of its own. */
  cpuSeconds?(): number;
  close(): Promise<void>;
}

async function entriesOf(users: number): Promise<readonly SeedEntry[]> {
  const names = layout(DEFAULT_SUFFIX);
  const userPassword = await hashPassword(USER_PASSWORD, 'SSHA512');
  const domain = { objectClass: ['top', 'mwDomain'], cn: 'example.test' };
  const user = (n: number): SeedEntry => ({
    dn: `cn=${userName(n)},${names.users}`,
    attributes: {
      objectClass: ['top', 'mwUser'],
      cn: userName(n),
      uid: String(10_000 + n),
      userPassword,
      mailAlias: `alias${n}@example.test`,
      mwVolume: `mail${(n % 4) + 1}`,
      mwQuota: '1000000000',
      customerID: `C-${n}`,
    },
  });
  const all = Array.from({ length: users }, (_, n) => user(n));
  return [{ dn: `cn=example.test,${names.domains}`, attributes: domain }, ...all];
}

async function fillSlapd(dir: string, entries: readonly SeedEntry[]): Promise<Filled> {
  const began = performance.now();
  const slapd = await startSlapd({ directory: dir, entries, mapBytes: MAP_BYTES });
  return {
    name: 'slapd',
    seconds: (performance.now() - began) / 1000,
    options: {
      urls: [slapd.url],
      suffix: slapd.suffix,
      bindDn: slapd.frontend.dn,
      bindPassword: slapd.frontend.password,
    },
    cpuSeconds: () => slapd.cpuSeconds(),
    close: () => slapd.stop(),
  };
}

async function fillEmbedded(dir: string, entries: readonly SeedEntry[]): Promise<Filled> {
  const began = performance.now();
  const password = 'frontend-secret';
  const server = await serveEmbeddedDirectory({
    data: dir,
    host: '127.0.0.1',
    port: 0,
    firstStart: { frontendPassword: password, entries },
  });
  const names = layout(DEFAULT_SUFFIX);
  return {
    name: 'embedded',
    seconds: (performance.now() - began) / 1000,
    options: {
      urls: [server.url],
      suffix: names.suffix,
      bindDn: names.frontend,
      bindPassword: password,
    },
    close: () => server.close(),
  };
}

/** A process that asks; see directory-asker.ts. */
class Asker {
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess) {
    this.#child = child;
  }

  static async open(
    subject: Subject,
    options: LdapDirectoryOptions,
    snapshot?: string,
  ): Promise<Asker> {
    const execArgv = ['--expose-gc'];
    const asker = new Asker(
      fork(ASKER, [], { execArgv, stdio: ['ignore', 'inherit', 'inherit', 'ipc'] }),
    );
    await asker.#ask({ kind: 'open', subject, options, snapshot });
    return asker;
  }

  /** @throws Error when an answer was wrong: a figure of wrong answers is worth nothing */
  async run(task: Task): Promise<Outcome> {
    const answer = await this.#ask({ kind: 'run', task });
    if (answer.kind !== 'done') throw new Error('no outcome');
    const { wrong } = answer.outcome;
    if (wrong > 0) throw new Error(`${wrong} of ${task.count} answers (${task.what}) were wrong`);
    return answer.outcome;
  }

  /** MB. */
  async memory(): Promise<{ readonly kept: number; readonly resident: number }> {
    const answer = await this.#ask({ kind: 'memory' });
    if (answer.kind !== 'memory') throw new Error('no memory');
    return { kept: answer.kept / MB, resident: answer.resident / MB };
  }

  /** Part of the questions since `before` that the cache answered. */
  async hits(): Promise<{ readonly cache: number; readonly all: number }> {
    const answer = await this.#ask({ kind: 'hits' });
    const answers = answer.kind === 'hits' ? answer.answers : {};
    const all = Object.values(answers).reduce((sum, count) => sum + count, 0);
    return { cache: answers['cache'] ?? 0, all };
  }

  async close(): Promise<void> {
    const ended = once(this.#child, 'exit');
    this.#child.disconnect();
    await ended;
  }

  async #ask(message: ToAsker): Promise<FromAsker> {
    const gone = new AbortController();
    this.#child.send(message);
    try {
      const answer = once(this.#child, 'message', { signal: gone.signal });
      const end = once(this.#child, 'exit', { signal: gone.signal }).then(() => {
        throw new Error('the process that asks has ended');
      });
      const [first] = (await Promise.race([answer, end])) as [FromAsker];
      answer.catch(() => {});
      end.catch(() => {});
      return first;
    } finally {
      gone.abort();
    }
  }
}

const perSecond = (task: Task, outcome: Outcome): number => task.count / outcome.seconds;
const cpuMicros = (task: Task, outcome: Outcome): number => (outcome.cpuSeconds / task.count) * 1e6;

/** What the server takes for it, where it is a process of its own. */
async function serverCpu(
  at: Filled,
  work: () => Promise<Outcome>,
): Promise<{ readonly outcome: Outcome; readonly cpu: number }> {
  const before = at.cpuSeconds?.() ?? 0;
  const outcome = await work();
  return { outcome, cpu: (at.cpuSeconds?.() ?? 0) - before };
}

/** One look-up each of everybody; the same few again; logins by bind; logins again. */
function tasks(users: number): Readonly<Record<'cold' | 'warm' | 'few' | 'login', Task>> {
  const lookUp = { what: 'look-up', choice: 'in-turn', lanes: 64 } as const;
  return {
    cold: { ...lookUp, count: users, users },
    warm: { ...lookUp, count: users, users: Math.min(users, 1_000) },
    few: { ...lookUp, choice: 'few-get-most', count: users, users, lanes: 16 },
    login: { ...lookUp, what: 'login', count: Math.ceil(users / 20), users, lanes: 16 },
  };
}

/** A figure that has no peer. */
const alone = (what: string, ours: number, unit: string): Row =>
  compare({ what, ours, peer: undefined, unit });

async function measure(at: Filled, users: number): Promise<void> {
  const { cold, warm, few, login } = tasks(users);
  const bare = await Asker.open('bare', at.options);
  const bareCpu = await serverCpu(at, () => bare.run(cold));
  const bareCold = bareCpu.outcome;
  const bareLogin = await bare.run(login);
  await bare.close();
  const ours = await Asker.open('ours', at.options);
  try {
    const before = await ours.memory();
    const oursCpu = await serverCpu(at, () => ours.run(cold));
    const oursCold = oursCpu.outcome;
    const once1 = await ours.memory();
    await ours.run(cold);
    const twice = await ours.memory();
    const oursWarm = await ours.run(warm);
    const oursLogin = await ours.run(login);
    const again = { ...login, users: Math.min(users, 200) };
    const oursAgain = await ours.run(again);
    const from = await ours.hits();
    await ours.run(few);
    const to = await ours.hits();
    const rate = (to.cache - from.cache) / (to.all - from.all);
    const rows: Row[] = [
      alone(`filled with ${users} users`, at.seconds, 's'),
      ...lookUpRows(cold, oursCold, bareCold),
      ...(at.cpuSeconds
        ? [
            compare({
              what: 'CPU of one, in the server',
              ours: (oursCpu.cpu / cold.count) * 1e6,
              peer: (bareCpu.cpu / cold.count) * 1e6,
              unit: 'us',
              aim: '< 1.3',
            }),
          ]
        : []),
      alone('look-ups of the same 1,000', perSecond(warm, oursWarm), '/s'),
      compare({
        what: 'logins by bind ({SSHA512})',
        ours: perSecond(login, oursLogin),
        peer: perSecond(login, bareLogin),
        unit: '/s',
      }),
      alone('logins again, within seconds', perSecond(again, oursAgain), '/s'),
      alone('hits of the cache, few get most', rate * 100, '%'),
      alone('memory kept before', before.kept, 'MB'),
      alone('memory kept, everybody asked once', once1.kept, 'MB'),
      compare({
        what: 'memory kept, asked twice, to once',
        ours: twice.kept,
        peer: once1.kept,
        unit: 'MB',
        aim: '< 1.15',
      }),
      alone('memory resident then', twice.resident, 'MB'),
    ];
    printRows(`directory, ${at.name}`, rows);
  } finally {
    await ours.close();
  }
}

const lookUpRows = (task: Task, ours: Outcome, bare: Outcome): readonly Row[] => [
  compare({
    what: 'look-ups, all different',
    ours: perSecond(task, ours),
    peer: perSecond(task, bare),
    unit: '/s',
    aim: '> 0.7',
  }),
  compare({
    what: 'CPU of one, in the process that asks',
    ours: cpuMicros(task, ours),
    peer: cpuMicros(task, bare),
    unit: 'us',
  }),
  compare({ what: 'p50 with 64 under way', ours: ours.p50Ms, peer: bare.p50Ms, unit: 'ms' }),
  compare({ what: 'p99 with 64 under way', ours: ours.p99Ms, peer: bare.p99Ms, unit: 'ms' }),
];

/** The whole directory as a file, which a node can run on by itself. */
async function measureSnapshot(at: Filled, users: number, output: string): Promise<void> {
  const { cold } = tasks(users);
  const began = performance.now();
  await writeSnapshot({ directory: at.options, output });
  const seconds = (performance.now() - began) / 1000;
  const asker = await Asker.open('snapshot', at.options, output);
  try {
    const before = await asker.memory();
    const outcome = await asker.run(cold);
    const after = await asker.memory();
    printRows(`directory, snapshot of ${at.name}`, [
      alone(`written, ${users} users`, seconds, 's'),
      alone('look-ups, all different', perSecond(cold, outcome), '/s'),
      alone('CPU of one', cpuMicros(cold, outcome), 'us'),
      alone('p99 with 64 under way', outcome.p99Ms, 'ms'),
      compare({
        what: 'memory kept, everybody asked, to before',
        ours: after.kept,
        peer: before.kept,
        unit: 'MB',
        aim: '< 1.5',
      }),
    ]);
  } finally {
    await asker.close();
  }
}

/** Directories of many users; `--quick` takes a fifth of them. */
export async function benchDirectory(context: BenchContext): Promise<void> {
  const users = Math.max(100, Math.round(USERS * context.scale));
  const fill = {
    slapd: fillSlapd,
    embedded: fillEmbedded,
  };
  for (const [name, filler] of Object.entries(fill)) {
    if (name === 'slapd' && !has('slapd')) {
      process.stdout.write('directory, slapd: not installed (node test/harness/install.ts)\n\n');
      continue;
    }
    const dir = join(context.dir, name);
    mkdirSync(dir);
    chmodSync(dir, 0o711);
    const filled = await filler(dir, await entriesOf(users));
    try {
      await measure(filled, users);
      if (name === 'slapd') await measureSnapshot(filled, users, join(context.dir, 'snapshot'));
    } finally {
      await filled.close();
    }
  }
  if (!has('slapd')) return;
  const dir = join(context.dir, 'import');
  mkdirSync(dir);
  chmodSync(dir, 0o711);
  // Each is synced to the disk by slapd: a tenth tells how many there are in a second.
  await measureImport(dir, Math.ceil(users / 10), MAP_BYTES);
}
