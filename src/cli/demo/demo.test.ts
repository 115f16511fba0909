import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { DEMO_PORTS } from './layout.ts';

const MAIN = join(import.meta.dirname, '../main.ts');
/** Far below the farm's own limits for ending, far above what a start takes. */
const WAIT_MS = 120_000;

const clean: (() => void)[] = [];
afterEach(() => {
  for (const step of clean.splice(0).toReversed()) step();
});

/** A demo farm of which one port is taken by somebody else. */
async function demoWithTaken(service: keyof typeof DEMO_PORTS): Promise<ChildProcess> {
  let taken: Server | undefined;
  let base = 0;
  for (let tries = 0; taken === undefined && tries < 50; tries++) {
    base = 36_000 + 1_100 * (tries % 20) + tries;
    const server = createServer();
    const ok = once(server, 'listening').then(
      () => true,
      () => false,
    );
    server.listen(base + DEMO_PORTS[service], '127.0.0.1');
    if (await ok) taken = server;
  }
  const dir = mkdtempSync(join(tmpdir(), 'mailfarm-demo-'));
  const words = ['demo', '--data', dir, '--port-base', String(base)];
  const child = spawn(process.execPath, [MAIN, ...words], { stdio: ['ignore', 'ignore', 'pipe'] });
  clean.push(
    () => rmSync(dir, { recursive: true, force: true }),
    () => void taken?.close(),
    () => void child.kill('SIGKILL'),
  );
  return child;
}

const ended = async (child: ChildProcess): Promise<unknown> => {
  const gone = once(child, 'exit').then(([code, signal]: unknown[]) => signal ?? code);
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise((resolve) => {
    timer = setTimeout(() => resolve('still runs'), WAIT_MS);
  });
  return Promise.race([gone, late]).finally(() => clearTimeout(timer));
};

test(
  'a demo whose health port is taken ends and says so, though its other ports were free',
  async () => {
    const child = await demoWithTaken('health');
    let said = '';
    child.stderr?.on('data', (chunk: Buffer) => (said += chunk.toString()));
    expect(await ended(child)).not.toBe('still runs');
    expect(child.exitCode).toBeGreaterThan(0);
    expect(said).toMatch(/serve.*ended/);
  },
  2 * WAIT_MS,
);

test('a demo takes no setting that no node would start with', async () => {
  for (const [words, why] of [
    ['smtp.no-such-thing=1', /no-such-thing/],
    ['auth.web.idle', /OPTION=VALUE/],
  ] as const) {
    const child = spawn(process.execPath, [MAIN, 'demo', '--set', words], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    clean.push(() => void child.kill('SIGKILL'));
    let said = '';
    child.stderr.on('data', (chunk: Buffer) => (said += chunk.toString()));
    expect(await ended(child)).toBeGreaterThan(0);
    expect(said).toMatch(why);
  }
});
