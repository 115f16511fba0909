/**
 * Runs on each machine as root: does what is asked for in its box. It touches no volume itself, so
 * that it answers whatever hangs. `node agent.ts HOST BOOT`.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { type Answer, type RunRequest, serveBox, upFile, writeWhole } from './box.ts';
import type { StartRequest } from './box.ts';

const FOLDER = '/mnt/host';
const AS_MAIL = ['setpriv', '--reuid', 'mail', '--regid', 'mail', '--clear-groups'];

function launch(request: RunRequest | StartRequest): ChildProcess {
  const full = request.as === 'mail' ? [...AS_MAIL, ...request.argv] : request.argv;
  const [command = '', ...args] = full;
  return spawn(command, args, {
    detached: true, // A group of its own.
    stdio: 'pipe',
    env: { ...process.env, ...request.env },
  });
}

const endOf = (child: ChildProcess): Promise<{ code: number; why: string }> =>
  new Promise((resolve) => {
    child.once('error', (error) => resolve({ code: 127, why: String(error) }));
    child.once('close', (code, signal) => resolve({ code: code ?? 128, why: signal ?? '' }));
  });

async function run(request: RunRequest): Promise<Answer> {
  const child = launch(request);
  const { stdin, stdout, stderr } = child;
  if (stdin === null || stdout === null || stderr === null) throw new Error('no pipes');
  stdin.on('error', () => undefined);
  stdin.end(request.input);
  const [out, err, { code, why }] = await Promise.all([text(stdout), text(stderr), endOf(child)]);
  return { code, output: out + err + why };
}

async function startAndLeave(request: StartRequest): Promise<Answer> {
  const log = join(FOLDER, 'log', request.name);
  const child = launch(request);
  child.stdin?.end();
  // Through this process and closed at once: what it said is on the disk when this kernel dies.
  const keep = (chunk: Buffer): void => appendFileSync(`${log}.log`, chunk);
  child.stdout?.on('data', keep);
  child.stderr?.on('data', keep);
  void endOf(child).then((end) => writeWhole(`${log}.end`, JSON.stringify(end)));
  return { code: 0, output: '', ...(child.pid === undefined ? {} : { pid: child.pid }) };
}

const [host = '', boot = ''] = process.argv.slice(2);
serveBox(FOLDER, host, async (request) => {
  if (request.do === 'run') return run(request);
  if (request.do === 'start') return startAndLeave(request);
  throw new Error('a machine cannot do that');
});
writeWhole(upFile(FOLDER, host), boot);
