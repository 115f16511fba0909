/** What the scenarios use: the hosts, playbooks, and the farm as its users and people see it. */
import { appendFileSync, existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { run, type RunResult, runOrThrow, saidBy } from '../../harness/process.ts';
import { type Request, tell } from './control.ts';
import type { HostPlan } from './host.ts';
import type { NetworkName } from './network.ts';

/** Of the directory; those of users are `PASSWORD`. */
export const PASSWORDS = { admin: 'lab-admin-password', frontend: 'lab-frontend-password' };
export const PASSWORD = 'correct horse battery';
const PLAYBOOK_MS = 1_800_000;

/** The laboratory's folder. */
export const folder: string = process.env['MAILFARM_LAB_FARM'] ?? '/nowhere';
export const LONG: boolean = process.env['MAILFARM_LAB_LONG'] !== undefined;
export const inventory: string = join(folder, 'inventory');

/** Playbooks and roles as they were when the laboratory began. */
const ANSIBLE = join(folder, 'ansible');

/** For a line of its own in the run's output. */
export const say = (line: string): void => void process.stdout.write(`   ${line}\n`);

const asked = (request: Request): Promise<void> => tell(folder, request);

export const power = {
  /** As if the cord were pulled. */
  off: (host: string): Promise<void> => asked({ do: 'power-off', host }),
  /** Resolves when ssh answers. */
  on: (host: string): Promise<void> => asked({ do: 'power-on', host }),
};
export const cable = {
  cut: (host: string, network: NetworkName): Promise<void> => asked({ do: 'cut', host, network }),
  mend: (host: string, network: NetworkName): Promise<void> => asked({ do: 'mend', host, network }),
};
/** A bare host more. */
export const addHost = (plan: HostPlan): Promise<void> => asked({ do: 'add', plan });

/** A shell command at a host, as root. */
export const at = (host: string, command: string, input?: string): Promise<RunResult> =>
  run(['ssh', '-F', join(folder, 'ssh_config'), host, command], {
    ms: PLAYBOOK_MS,
    ...(input === undefined ? {} : { input: Buffer.from(input) }),
  });

/** As `at`, its output. @throws Error with what it said on any other exit code than 0 */
export async function ask(host: string, command: string, input?: string): Promise<string> {
  const done = await at(host, command, input);
  if (done.code === 0) return done.stdout.toString('utf8');
  throw new Error(`${host}: ${command}: exit ${done.code}\n${saidBy(done)}`);
}

export const lines = (text: string): string[] => text.split('\n').filter((line) => line !== '');

/** Addresses of a host that are not of the private network. */
export const publicOf = async (host: string): Promise<string[]> =>
  lines(await ask(host, "ip -o address show scope global | awk '{print $4}' | cut -d/ -f1")).filter(
    (address) => !/^(?:10\.|fd)/.test(address),
  );

/** Variables that only this farm has; scenarios may change them. */
export const labVariables = (of = inventory): string => join(of, 'group_vars', 'all', 'lab.yml');

/** `mailfarm …` at a front end, as the service user with the rights of an administrator. */
export function mailfarm(host: string, words: string, input = ''): Promise<string> {
  const password = /^farm_secret_admin: (.*)$/m.exec(readFileSync(labVariables(), 'utf8'))?.[1];
  const who = `MAILFARM_ADMIN=cn=admin,dc=example,dc=test MAILFARM_ADMIN_PASSWORD=${password}`;
  return ask(host, `cd / && runuser -u mailfarm -- env ${who} mailfarm ${words}`, input);
}

/** One line of a playbook's recap. */
export interface Recap {
  readonly ok: number;
  readonly changed: number;
  readonly unreachable: number;
  readonly failed: number;
}

export interface Played {
  readonly code: number | null;
  readonly recap: ReadonlyMap<string, Recap>;
  readonly output: string;
  readonly seconds: number;
  /** The file with all of it. */
  readonly log: string;
}

let played = 0;

/** Runs a playbook as an administrator would; its words are in the folder's log. */
export const play = (playbook: string, ...words: readonly string[]): Promise<Played> =>
  playOn(inventory, playbook, ...words);

/** As `play`, on the hosts of another inventory. */
export async function playOn(
  hosts: string,
  playbook: string,
  ...words: readonly string[]
): Promise<Played> {
  const began = performance.now();
  mkdirSync(join(folder, 'log'), { recursive: true });
  const log = join(folder, 'log', `${String(++played).padStart(2, '0')}-${playbook}.log`);
  // Into a file at once, so that one who waits can see how far it is.
  const script = 'exec "$@" > "$0" 2>&1';
  const argv = ['sh', '-c', script, log, 'ansible-playbook', '-i', hosts, playbook, ...words];
  const env = {
    ANSIBLE_CONFIG: join(ANSIBLE, 'ansible.cfg'),
    ANSIBLE_SSH_COMMON_ARGS: `-F ${folder}/ssh_config`,
    ANSIBLE_SSH_CONTROL_PATH_DIR: join(folder, 'cm'),
    ANSIBLE_LOCAL_TEMP: join(folder, 'tmp'),
    ANSIBLE_NOCOLOR: '1',
    PYTHONDONTWRITEBYTECODE: '1',
  };
  const done = await run(argv, { cwd: ANSIBLE, env, ms: PLAYBOOK_MS });
  const output = readFileSync(log, 'utf8');
  const seconds = (performance.now() - began) / 1000;
  say(`${playbook} ${words.join(' ')}: ${seconds.toFixed(0)} s, exit ${done.code}`);
  return { code: done.code, recap: recapOf(output), output, seconds, log };
}

const RECAP = /^(\S+)\s+: ok=(\d+)\s+changed=(\d+)\s+unreachable=(\d+)\s+failed=(\d+)/gm;

/** The lines that ansible ends with. */
export function recapOf(output: string): ReadonlyMap<string, Recap> {
  const recap = new Map<string, Recap>();
  for (const [, host = '', ...counts] of output.matchAll(RECAP)) {
    const [ok = 0, changed = 0, unreachable = 0, failed = 0] = counts.map(Number);
    recap.set(host, { ok, changed, unreachable, failed });
  }
  return recap;
}

/** As `play`. @throws Error with the end of its words where it failed */
export const playWell = async (playbook: string, ...words: readonly string[]): Promise<Played> =>
  well(await play(playbook, ...words));

/** @throws Error with the end of its words where it failed */
export function well(done: Played): Played {
  if (done.code === 0) return done;
  throw new Error(`exit ${done.code}, ${done.log}\n${done.output.slice(-4000)}`);
}

/** Changes of each host by a playbook. */
export const changedOf = ({ recap }: Played): Record<string, number> =>
  Object.fromEntries([...recap].map(([host, { changed }]) => [host, changed]));

/** Words that name the archive that the farm begins with; the laboratory made it. */
export const release = (): readonly string[] => [
  '-e',
  `farm_release=${readFileSync(join(folder, 'release-first'), 'utf8').trim()}`,
];

/** Hosts of a group of the inventory, as it is now. */
export async function hostsOf(group: string): Promise<readonly string[]> {
  const words = ['ansible', group, '-i', inventory, '--list-hosts'];
  const text = (await runOrThrow(words, { cwd: ANSIBLE })).toString('utf8');
  return text
    .split('\n')
    .slice(1)
    .map((line) => line.trim())
    .filter((line) => line !== '');
}

const PROVISIONED = join(folder, 'provisioned');

let provisioning: Promise<Played | undefined> | undefined;

/** The farm from bare hosts, once for all scenarios. @returns what ansible said, if it was now */
export function provisioned(): Promise<Played | undefined> {
  provisioning ??= provision();
  return provisioning;
}

async function provision(): Promise<Played | undefined> {
  if (existsSync(PROVISIONED)) return undefined;
  const done = await playWell('site.yml', ...release());
  appendFileSync(PROVISIONED, '');
  return done;
}
