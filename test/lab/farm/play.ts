import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { run, type RunResult, runOrThrow } from '../../harness/process.ts';
import { ANSIBLE } from './prepare.ts';

export interface Play {
  /** A folder of the test's own. */
  readonly folder: string;
  readonly inventory: string;
  /** What the play has beside `connection: local`. */
  readonly content: object;
}

function command({ folder, inventory, content }: Play, words: readonly string[]) {
  const path = join(folder, 'play.yml');
  writeFileSync(path, JSON.stringify([{ connection: 'local', gather_facts: false, ...content }]));
  const env = { ANSIBLE_NOCOLOR: '1', ANSIBLE_CONFIG: join(ANSIBLE, 'ansible.cfg') };
  const argv = ['ansible-playbook', '-i', inventory, path, ...words];
  return [argv, { cwd: ANSIBLE, env, ms: 300_000 }] as const;
}

/** Plays it here, with the modules of ansible/. @returns what ansible told */
export const play = async (what: Play, ...words: string[]): Promise<string> =>
  (await runOrThrow(...command(what, words))).toString('utf8');

/** The same for a play that may fail. */
export const tryPlay = async (what: Play, ...words: string[]): Promise<RunResult> =>
  await run(...command(what, words));
