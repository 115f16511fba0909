import { readdirSync, readFileSync, rmSync, statfsSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, expect, test } from 'vitest';
import { isErrno, nameKey } from '#maildir';
import { asRoot, type Client, CLIENTS, mountOf, serverThreads } from './inside.ts';
import { deliver, engineOf, SharedMaildir } from './mailboxes.ts';
import { withReaderCutOff } from './reader-cut-off.ts';

const EXPORT = ['-o', 'rw,sync,no_subtree_check,root_squash,fsid=1', '10.99.0.0/24:/mnt/srv/mail1'];

afterEach(async () => {
  await asRoot('exportfs', ...EXPORT);
  await serverThreads(4);
});

interface Acknowledged {
  readonly texts: Map<string, string>;
  readonly refused: Error[];
  longestMs: number;
}

/** Delivers without a pause from some hosts at once until told to stop. */
function deliverEverywhere(box: SharedMaildir): {
  /** So far. */
  readonly told: Acknowledged;
  readonly stop: () => Promise<Acknowledged>;
} {
  const told: Acknowledged = { texts: new Map(), refused: [], longestMs: 0 };
  const state = { stop: false };
  const host = async (client: Client): Promise<void> => {
    const engine = engineOf(client);
    for (let i = 0; !state.stop; i++) {
      const text = `From: ${client}\n\nletter ${i} ${'x'.repeat(i % 3000)}\n`;
      const began = performance.now();
      try {
        told.texts.set(await deliver(engine, box.on(client), text), text);
      } catch (error) {
        told.refused.push(error as Error);
        await sleep(50);
      }
      told.longestMs = Math.max(told.longestMs, performance.now() - began);
    }
  };
  const hosts = CLIENTS.map(host);
  return {
    told,
    stop: async () => {
      state.stop = true;
      await Promise.all(hosts);
      return told;
    },
  };
}

/** Every acknowledged letter is there, once, byte for byte, for every host and on the disk. */
async function expectAll(box: SharedMaildir, texts: ReadonlyMap<string, string>): Promise<void> {
  for (const client of CLIENTS) {
    const listed = (await engineOf(client).list(box.on(client))).map(({ name }) => nameKey(name));
    expect(new Set(listed).size).toBe(listed.length);
    expect([...texts.keys()].filter((key) => !listed.includes(key))).toEqual([]);
  }
  for (const name of readdirSync(join(box.atServer, 'new'))) {
    const text = texts.get(nameKey(name));
    const stored = readFileSync(join(box.atServer, 'new', name), 'latin1');
    if (text !== undefined) expect(stored).toBe(text);
  }
}

test('[S2-02] [N-01] the server stops and comes back during deliveries: no letter is lost', async () => {
  const box = new SharedMaildir();
  await box.create('c1');
  const work = deliverEverywhere(box);
  for (let round = 0; round < 2; round++) {
    await sleep(500);
    await serverThreads(0);
    await sleep(1500);
    await serverThreads(4);
    await sleep(1000);
  }
  await expect.poll(() => work.told.texts.size).toBeGreaterThan(10);
  const { texts, refused, longestMs } = await work.stop();
  const report = `${texts.size} letters, ${refused.length} refused, longest ${Math.round(longestMs)} ms`;
  process.stdout.write(`   server restarted twice: ${report}\n`);
  expect(texts.size).toBeGreaterThan(10);
  expect(longestMs, 'nobody noticed that the server was away').toBeGreaterThan(1000);
  expect(refused).toEqual([]);
  await expectAll(box, texts);
});

test('[S2-02] [S2-05] an export goes and comes back: no letter lost, the other volume serves', async () => {
  const box = new SharedMaildir();
  await box.create('c1');
  const other = new SharedMaildir('mail2');
  await other.create('c1');
  const work = deliverEverywhere(box);
  await sleep(500);
  await asRoot('exportfs', '-u', '10.99.0.0/24:/mnt/srv/mail1');
  await asRoot('exportfs', '-f');
  // The other volume is another matter.
  for (const client of CLIENTS) {
    await deliver(engineOf(client), other.on(client), 'hello\n');
  }
  await expect.poll(() => work.told.refused.length).toBeGreaterThan(0);
  await sleep(1000);
  await asRoot('exportfs', ...EXPORT);
  await expect.poll(() => work.told.texts.size).toBeGreaterThan(10);
  await sleep(1000);
  expect(await engineOf('c1').list(other.on('c1'))).toHaveLength(CLIENTS.length);
  const { texts, refused } = await work.stop();
  const why = [...new Set(refused.map(({ message }) => message.replace(/'.*/, '')))];
  const counts = `${texts.size} letters, ${refused.length} refused`;
  process.stdout.write(`   re-export: ${counts} (${why.join('; ')})\n`);
  expect(texts.size).toBeGreaterThan(10);
  expect(refused.length).toBeGreaterThan(0);
  await expectAll(box, texts);
});

test('[S2-02] a letter removed by another host while it is open here: gone, not damaged', async () => {
  const box = new SharedMaildir();
  await box.create('c1');
  const [one, two] = [engineOf('c1'), engineOf('c2')];
  await deliver(two, box.on('c2'), 'x'.repeat(300_000));
  const [entry] = await one.list(box.on('c1'));
  if (entry === undefined) throw new Error('not listed');
  const part = { maildir: box.on('c1'), entry, length: 1000 };
  expect((await one.read({ ...part, offset: 0 })).bytes).toHaveLength(1000);
  await two.remove({ maildir: box.on('c2'), entries: [entry] });
  const late = await one.read({ ...part, offset: 200_000 }).then(
    () => 'read',
    (error: unknown) => (isErrno(error, 'ENOENT') ? 'gone' : String(error)),
  );
  expect(late).toBe('gone');
});

test('[S2-02] [N-01] a host cut off while it holds a letter open: others flag and delete it at once', async () => {
  // Whoever waits for the dead host waits for the end of its lease, which is ten seconds.
  expect(await withReaderCutOff()).toBeLessThan(6000);
});

test('[S2-02] a full volume says so before anything is acknowledged, and leaves nothing in tmp', async () => {
  const box = new SharedMaildir('mail2');
  await box.create('c1');
  const engine = engineOf('c1');
  const small = await deliver(engine, box.on('c1'), 'before\n');
  const filler = join(box.atServer, '..', 'filler');
  // The last of the room goes while the client still believes that there is some.
  const { bavail, bsize } = statfsSync('/mnt/srv/mail2');
  writeFileSync(filler, Buffer.alloc((bavail - 8) * bsize));
  const refused = await deliver(engine, box.on('c1'), 'x'.repeat(2_000_000)).then(
    () => undefined,
    (error: unknown) => error,
  );
  expect(isErrno(refused, 'ENOSPC')).toBe(true);
  const staged = readdirSync(join(box.atServer, 'tmp'));
  for (const base of staged) await engine.discard({ maildir: box.on('c1'), base });
  // The client may keep a removed file as `.nfs…` until it has closed it.
  await expect.poll(() => readdirSync(join(box.atServer, 'tmp')), { timeout: 60_000 }).toEqual([]);
  const keys = async (): Promise<string[]> =>
    (await engineOf('c2').list(box.on('c2'))).map(({ name }) => nameKey(name));
  expect(await keys()).toEqual([small]);
  rmSync(filler);
  const later = await deliver(engine, box.on('c1'), 'x'.repeat(2_000_000));
  expect((await keys()).toSorted()).toEqual([small, later].toSorted());
});

test('[S2-26] exported with root_squash: the service user does all the work, root can do nothing', async () => {
  expect(await asRoot('exportfs', '-v')).not.toContain('no_root_squash');
  const box = new SharedMaildir();
  await box.create('c1');
  const key = await deliver(engineOf('c1'), box.on('c1'), 'mine\n');
  const [entry] = await engineOf('c2').list(box.on('c2'));
  expect(nameKey(entry?.name ?? '')).toBe(key);
  const { uid, mode } = statSync(join(box.atServer, 'new', entry?.name ?? ''));
  expect([uid, mode & 0o777]).toEqual([process.getuid?.(), 0o600]);
  expect(process.getuid?.()).not.toBe(0);
  await expect(asRoot('touch', join(mountOf('c1'), 'by-root'))).rejects.toThrow('denied');
  await expect(asRoot('chown', 'root', box.on('c1'))).rejects.toThrow('not permitted');
});
