/** A relay needs no mail volume: whatever is in their place, it serves and sends (S2-14). */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { systemClock as clock } from '../../src/base/clock.ts';
import { systemRandom as random } from '../../src/base/random.ts';
import { memoryDirectory } from '../../src/directory/memory.ts';
import { silentLogger as logger } from '../../src/log/types.ts';
import { parseListen } from '../../src/net/address.ts';
import { buildEngines } from '../../src/roles/engines.ts';
import { listen } from '../../src/smtp/testing/listener.ts';
import { initVolume } from '../../src/volumes/sentinel.ts';
import { volumeEntry } from '../../src/volumes/testing/volumes.ts';
import { nodeFs } from '#maildir';
import { freePort } from '../harness/process.ts';
import { startStrangePeer } from '../harness/strange-peer.ts';
import { give, until } from './leaving-farm.ts';

test('[S2-14] mail volumes missing, a FIFO, without sentinel: a relay serves, sends and is up', async (ctx) => {
  const root = mkdtempSync(join(tmpdir(), 'mailfarm-relay-'));
  ctx.onTestFinished(() => rmSync(root, { recursive: true, force: true }));
  const spool = volumeEntry(root, 'spool1');
  mkdirSync(spool.path);
  await initVolume(nodeFs, spool.path, spool);
  const mail = ['missing', 'fifo', 'plain'].map((name) => volumeEntry(root, name));
  // Whoever opens a FIFO that nobody writes waits for ever, like on a dead mount.
  execFileSync('mkfifo', [join(root, 'fifo')]);
  mkdirSync(join(root, 'plain'));
  const peer = await startStrangePeer({ port: await freePort(), name: 'mx.one.example' });
  ctx.onTestFinished(() => peer.stop());
  const addresses = ['relay 127.0.0.1:2525', 'health 127.0.0.1:2526'].map((text) => {
    const parsed = parseListen(text);
    if (typeof parsed === 'string') throw new Error(parsed);
    return parsed;
  });
  const engines = buildEngines({
    plan: {
      file: {
        name: 'relay1.example.test',
        data: root,
        workers: 1,
        directory: { urls: [], base: 'o=test', startTls: false },
        tls: { default: undefined, domains: {} },
        sending: {},
        log: { level: 'info', time: true },
      } as unknown as Parameters<typeof buildEngines>[0]['plan']['file'],
      listen: addresses,
      settings: [
        ['relay.routes', `one.example=[${peer.host}]:${peer.port}`],
        ['spool.look', '200ms'],
      ],
      ticketKeys: '00'.repeat(48),
    },
    directory: memoryDirectory({ volumes: [...mail, spool] }),
    tls: undefined,
    logger,
    clock,
    random,
  });
  ctx.onTestFinished(async () => {
    await engines.drain(1000);
    engines.close();
  });
  const relay = engines.services.get('relay');
  if (relay === undefined) throw new Error('no relay');
  const listener = await listen(relay, { peer: '127.0.0.1' });
  ctx.onTestFinished(() => listener.close());
  const { table } = engines.volumes;
  const { port } = listener;
  const send = async (): Promise<number> =>
    (await give({ port }, 'app@example.test', 'x@one.example')).code;
  await until('the relay takes a letter', async () => (await send()) === 250);
  await until('the letter', () => peer.letters.length > 0);
  // What readiness is made of: no volume that is down, and none but spools.
  expect(table.volumes.map(({ name, up }) => `${name} ${up}`)).toEqual(['spool1 true']);
  expect(table.busy).toBe(false);
}, 300_000);
