/**
 * `npm run lab:farm`: the farm of the example inventory as real hosts, from bare Debian by the
 * playbooks of ansible/. Exit code 0 when every test passed.
 */
import { spawn } from 'node:child_process';
import { existsSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { run } from '../../harness/process.ts';
import { INTERRUPTED } from '../boot.ts';
import { obtainKernel } from '../kernel.ts';
import type { TestReport } from '../report.ts';
import { tell, type Request } from './control.ts';
import { forbiddenForFarm, missingForFarm } from './needs.ts';
import { bootFarm, type FarmOptions, runFarm } from './run.ts';

const USAGE = `Usage: npm run lab:farm -- [options] [-t TITLE] [FILE …]

  (none)           what CI runs: five hosts, one of each kind and a second front end;
                   from bare hosts, letters, facts, power cuts
  --long           the whole example inventory, ten hosts, and every scenario
  --up             bare hosts with an inventory and a release, left running until ^C
  --shell HOST     a shell at a host of a laboratory that runs
  --tell DEED      power-off HOST, power-on HOST, cut HOST public|private, mend HOST public|private
  --inventory DIR  another inventory
  --release FILE   an archive to begin with; without it one is made of the commit
  --keep           leave the folder with consoles, logs and results
  -t TITLE         only tests whose title has it
  FILE             only scenarios whose path has it, such as growth
`;
const MINUTES = { short: 60, long: 240 };

const say = (line: string): void => void process.stdout.write(`${line}\n`);

/** @returns whether all is well */
function printReport(report: TestReport): boolean {
  const of = (state: string): number => report.tests.filter((t) => t.state === state).length;
  say('');
  for (const { title, ms, state } of report.tests) {
    if (state !== 'skipped') say(`  ${(ms / 1000).toFixed(1).padStart(7)} s ${state} ${title}`);
  }
  for (const line of report.trouble) say(`  ${line}`);
  say(`lab: ${of('passed')} passed, ${of('failed')} failed, ${of('skipped')} skipped`);
  return of('failed') === 0 && report.trouble.length === 0 && of('passed') > 0;
}

/** Of this machine, the newest last; some may be dead. */
const laboratories = (): string[] =>
  readdirSync(tmpdir())
    .filter((name) => name.startsWith('mailfarm-farm-'))
    .map((name) => join(tmpdir(), name))
    .filter((path) => existsSync(join(path, 'control')));

/** @returns the folder of the laboratory that has the host. @throws Error where none has */
function laboratoryOf(host: string): string {
  const found = laboratories().findLast((path) => existsSync(join(path, 'host', host)));
  if (found !== undefined) return found;
  throw new Error(`no laboratory with a host ${host} runs: npm run lab:farm -- --up`);
}

async function shell(host: string): Promise<number> {
  const ssh = spawn(join(laboratoryOf(host), 'bin', 'ssh'), [host], { stdio: 'inherit' });
  return new Promise((resolvePromise) => ssh.once('exit', (code) => resolvePromise(code ?? 1)));
}

async function order(deed: string): Promise<number> {
  const [what = '', host = '', network = 'public'] = deed.split(/\s+/);
  const power = what === 'power-off' || what === 'power-on';
  if (!power && what !== 'cut' && what !== 'mend') throw new Error(`--tell ${deed}: see --help`);
  if (network !== 'public' && network !== 'private') throw new Error(`no network ${network}`);
  const request: Request = power ? { do: what, host } : { do: what, host, network };
  await tell(laboratoryOf(host), request);
  return 0;
}

async function install(): Promise<void> {
  if (missingForFarm().length === 0) return;
  const root = join(import.meta.dirname, '../../..');
  const argv = [process.execPath, 'test/harness/install.ts', 'lab'];
  const result = await run(argv, { cwd: root, ms: 900_000 });
  say(result.stdout.toString('utf8') + result.stderr);
}

async function up(options: FarmOptions): Promise<number> {
  const booted = await bootFarm(options);
  const { folder } = booted.laboratory;
  say(`
${folder}/bin/ssh HOST          a shell, or a command, at ${booted.laboratory.hostNames()}
${folder}/bin/test growth       a scenario on them; again as often as you like
${folder}/bin/play site.yml     a playbook, with the release ${folder}/release-first
${folder}/bin/enter COMMAND     a command in the farm's network
${folder}/inventory             to add hosts to, and more; playbooks are a copy: ${folder}/ansible
^C ends it.`);
  await new Promise<void>((done) => {
    if (options.signal?.aborted) done();
    options.signal?.addEventListener('abort', () => done());
  });
  await booted.close();
  return 0;
}

const parse = (args: string[]) =>
  parseArgs({
    args,
    allowPositionals: true,
    options: {
      long: { type: 'boolean', default: false },
      up: { type: 'boolean', default: false },
      keep: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
      shell: { type: 'string' },
      tell: { type: 'string' },
      inventory: { type: 'string' },
      release: { type: 'string' },
      title: { type: 'string', short: 't' },
    },
  });

async function main(argv: string[]): Promise<number> {
  const { values, positionals } = parse(argv);
  if (values.help) say(USAGE);
  if (values.help) return 0;
  if (values.shell !== undefined) return shell(values.shell);
  if (values.tell !== undefined) return order(values.tell);
  await install();
  const absent = missingForFarm();
  const forbidden = absent.length > 0 ? `apt-get install ${absent.join(' ')}` : forbiddenForFarm();
  if (forbidden !== '') say(`lab: it cannot run here: ${forbidden}`);
  if (forbidden !== '') return 69;
  const interrupt = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.once(name, () => interrupt.abort());
  }
  const options: FarmOptions = {
    kernel: await obtainKernel(say),
    args: [...positionals, ...(values.title === undefined ? [] : ['-t', values.title])],
    long: values.long,
    ms: MINUTES[values.long ? 'long' : 'short'] * 60_000,
    signal: interrupt.signal,
    onLine: say,
    ...(values.inventory === undefined ? {} : { inventory: resolve(values.inventory) }),
    ...(values.release === undefined ? {} : { release: resolve(values.release) }),
  };
  if (values.up) return up(options);
  const report = await runFarm(options);
  if (values.keep) writeFileSync(join(report.folder, 'keep'), '');
  if (values.keep) say(`lab: everything is in ${report.folder}`);
  else rmSync(report.folder, { recursive: true, force: true });
  return printReport(report) ? 0 : 1;
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  say(`lab: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = error instanceof Error && error.message === INTERRUPTED ? 130 : 70;
}
