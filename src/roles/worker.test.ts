import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { systemClock as clock } from '../base/clock.ts';
import { systemRandom as random } from '../base/random.ts';
import { selfSigned } from '../net/x509/self-signed.ts';
import type { Plan } from './plan.ts';

const MODULE = join(import.meta.dirname, 'worker.ts');
/** Loading a worker's code takes a second of CPU: many seconds where ten others want it too. */
const NOBODY_MS = 60_000;
/** Much longer: who waits for the end of it is there still. */
const DRAIN = '10m';

/**
 * A plan whose directory nobody serves; TLS files are read before the worker can be told anything.
 */
function planIn(data: string): Plan {
  const { cert, key } = selfSigned({ names: ['localhost'], days: 1, clock, random });
  const files = { cert: join(data, 'cert.pem'), key: join(data, 'key.pem') };
  writeFileSync(files.cert, cert);
  writeFileSync(files.key, key);
  return {
    file: {
      name: 'test',
      data,
      workers: 1,
      directory: {
        urls: ['ldap://127.0.0.1:1'],
        base: 'dc=mailfarm',
        bind: undefined,
        startTls: false,
        ca: undefined,
      },
      tls: { default: files, domains: [] },
      sending: { helo: undefined, v4: undefined, v6: undefined },
      log: { level: 'error', time: 'iso' },
    },
    listen: [{ service: 'pop3', host: '127.0.0.1', port: 110 }],
    settings: [['net.drain.time', DRAIN]],
    ticketKeys: '00'.repeat(48),
  };
}

// Introduced with the worker; seen in a chaos run of 300 s: workers of killed supervisors stayed.
test.each([0, 400, 1500])(
  'a worker whose supervisor goes %i ms after the plan ends, whatever it was doing',
  async (ms) => {
    const data = mkdtempSync(join(tmpdir(), 'mailfarm-worker-'));
    onTestFinished(() => rmSync(data, { recursive: true, force: true }));
    const worker = fork(MODULE, [], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
    onTestFinished(() => void worker.kill('SIGKILL'));
    const exited = once(worker, 'exit');
    worker.send({ kind: 'plan', plan: planIn(data) });
    await new Promise((resolve) => setTimeout(resolve, ms));
    worker.disconnect();
    const timer = new Promise((resolve) => setTimeout(resolve, NOBODY_MS, 'still there'));
    expect(await Promise.race([exited, timer])).not.toBe('still there');
  },
  NOBODY_MS + 10_000,
);
