import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { nameKey, nodeFs, openMaildirs, systemClock, systemRandom, type Maildirs } from '#maildir';
import { HangFarm } from './hang-farm.ts';
import { clientsBack, serverThreads } from './inside.ts';
import { deliver } from './mailboxes.ts';
import type { NfsOperation } from './nfs-rpc.ts';

// The server does what it was asked, and the connection breaks before its answer. The client asks
// again: of the same server, or of one that was restarted and remembers nothing of it.

const VOLUME = 'lossy';
const ROOT = `/mnt/hang/${VOLUME}`;
const SERVER = `/mnt/srv/mail1/hang/${VOLUME}`;

let farm: HangFarm;
let lies: string[];
let engine: Maildirs;

beforeAll(async () => {
  farm = await HangFarm.open({ volumes: [VOLUME], usersEach: 2 });
  engine = openMaildirs({
    fs: nodeFs,
    clock: systemClock,
    random: systemRandom,
    node: 'c3',
    pid: process.pid,
    directorySync: 'never',
    onLie: (lie) => lies.push(lie),
  });
}, 120_000);
afterAll(async () => {
  await serverThreads(4);
  await farm?.close();
});

const listed = async (maildir: string): Promise<string[]> =>
  (await engine.list(maildir)).map(({ name }) => nameKey(name));

/** The call is answered to nobody; then the server is reached again, restarted or not. */
async function losing<T>(
  operation: NfsOperation,
  restart: boolean,
  work: () => Promise<T>,
): Promise<T> {
  lies = [];
  const { promise: reachable, resolve } = Promise.withResolvers<void>();
  const lost = farm.proxy(VOLUME).loseReply(operation, reachable);
  const done = work();
  await lost;
  let others: Promise<unknown> | undefined;
  if (restart) {
    await serverThreads(0);
    await serverThreads(4);
    others = clientsBack();
  }
  resolve();
  const result = await done;
  await others;
  return result;
}

for (const restart of [false, true]) {
  const how = restart ? 'and the server restarts' : 'and the connection breaks';
  const box = (n: number): string => `${ROOT}/u${n}`;

  test(`[S2-03] [N-01] rename of a delivery worked, its reply is lost ${how}: there once`, async () => {
    const text = `From: x\n\nrename ${restart}\n`;
    const before = await listed(box(0));
    const key = await losing('RENAME', restart, () => deliver(engine, box(0), text));
    expect((await listed(box(0))).toSorted()).toEqual([...before, key].toSorted());
    const names = readdirSync(join(SERVER, 'u0/new')).filter((name) => nameKey(name) === key);
    expect(names).toHaveLength(1);
    expect(readFileSync(join(SERVER, 'u0/new', names[0] ?? ''), 'latin1')).toBe(text);
    process.stdout.write(`   rename ${how}: lies met: ${lies.join(' ') || 'none'}\n`);
  });

  test(`[S2-03] [N-01] link to a second mailbox worked, its reply is lost ${how}: there once`, async () => {
    const bytes = Buffer.from(`From: x\n\nlink ${restart}\n`);
    const base = engine.uniqueName();
    const maildir = box(0);
    await engine.stage({ maildir, base, offset: 0, bytes, last: true });
    const request = {
      maildir,
      base,
      octets: bytes.length,
      wireOctets: bytes.length + 3,
      targets: [box(1), box(0)],
    };
    const results = await losing('LINK', restart, () => engine.publish(request));
    expect(results.map(({ error }) => error)).toEqual([undefined, undefined]);
    for (const n of [0, 1]) {
      expect((await listed(box(n))).filter((key) => key === base)).toEqual([base]);
    }
    expect(readdirSync(join(SERVER, 'u0/tmp'))).toEqual([]);
    process.stdout.write(`   link ${how}: lies met: ${lies.join(' ') || 'none'}\n`);
  });

  test(`[S2-03] [N-01] unlink of a message worked, its reply is lost ${how}: gone, no error`, async () => {
    const key = await deliver(engine, box(1), 'From: x\n\nunlink\n');
    const entry = (await engine.list(box(1))).find(({ name }) => nameKey(name) === key);
    if (entry === undefined) throw new Error('not listed');
    const request = { maildir: box(1), entries: [entry] };
    expect(await losing('REMOVE', restart, () => engine.remove(request))).toEqual([undefined]);
    expect(await listed(box(1))).not.toContain(key);
    process.stdout.write(`   unlink ${how}: lies met: ${lies.join(' ') || 'none'}\n`);
  });

  test(`[S2-03] [N-01] mkdir of a mailbox worked, its reply is lost ${how}: made, and works`, async () => {
    const name = `made-${restart}`;
    const maildir = `${ROOT}/${name}`;
    await losing('CREATE', restart, () => engine.create(maildir, { root: ROOT }));
    const key = await deliver(engine, maildir, 'From: x\n\nmkdir\n');
    expect(await listed(maildir)).toEqual([key]);
    process.stdout.write(`   mkdir ${how}: lies met: ${lies.join(' ') || 'none'}\n`);
  });
}
