import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, expect, test } from 'vitest';
import { type MachinesFarm, startFarm, volumeOf } from './farm.ts';
import {
  atFiler,
  type Frontend,
  FRONTENDS,
  mountOf,
  power,
  restore,
  run,
  startOn,
} from './inside.ts';

// Whole machines lose their power. First that the laboratory itself is honest: a cut takes what no
// disk has, and nothing else.

afterEach(restore);

const say = (line: string): void => void process.stdout.write(`   ${line}\n`);

test('[N-21] a power cut loses what was not fsynced and keeps what was', async () => {
  await atFiler('mail1', 'rm -rf cut; mkdir cut; sync');
  await atFiler('mail1', 'printf kept | dd of=cut/synced conv=fsync status=none');
  await atFiler('mail1', 'printf lost > cut/unsynced; cat cut/unsynced');
  await power.off('filer1');
  await expect(atFiler('mail1', 'true')).rejects.toThrow('filer1 is off');
  await power.on('filer1');
  expect(await atFiler('mail1', 'cat cut/synced')).toBe('kept');
  expect(await atFiler('mail1', 'cat cut/unsynced 2> /dev/null || true')).toBe('');
});

/** A letter as the engine brings it: fsynced, then renamed. @returns what a cut left on the disk */
async function cutAfterDelivery(name: string): Promise<string> {
  const at = `${mountOf('mail1')}/${name}`;
  const letter = `printf letter | dd of=${at}/tmp conv=fsync status=none`;
  await run('fe1', ['mkdir', at]);
  await atFiler('mail1', 'sync');
  await run('fe1', ['bash', '-ec', `mkdir ${at}/new; ${letter}; mv ${at}/tmp ${at}/new/letter`]);
  expect(await run('fe2', ['cat', `${at}/new/letter`])).toBe('letter');
  await power.off('filer1');
  await power.on('filer1');
  return atFiler('mail1', `cat ${name}/new/letter 2> /dev/null || true`);
}

test('[N-21] through NFS a delivered letter outlives a power cut of the server', async () => {
  expect(await cutAfterDelivery('sync')).toBe('letter');
});

test('[N-21] a server that lies about it (export async) is found out: the letter is gone', async () => {
  const all = ['-o', 'rw,async,no_subtree_check,root_squash,fsid=1', '10.99.0.0/24:/mnt/srv/mail1'];
  await run('filer1', ['exportfs', ...all], { as: 'root' });
  expect(await cutAfterDelivery('async')).toBe('');
});

test('[S2-08] [N-21] a host dies with messages open: others rename and delete them in 10 s', async () => {
  const maildir = `${mountOf('mail1')}/held`;
  const work = [process.execPath, 'test/lab/machines/maildir-work.ts'];
  await run('fe2', [...work, 'deliver', maildir, '10']);
  const holder = await startOn('fe1', 'holder', [...work, 'hold', maildir]);
  await holder.waitFor(/holds 10/, 60_000);
  await power.off('fe1');
  const said = await run('fe2', [...work, 'clear', maildir], { ms: 120_000 });
  say(`a host died with 10 messages open: ${said.trim()}`);
  const { cleared, left, slowest } = JSON.parse(said) as Record<string, number>;
  expect([cleared, left]).toEqual([10, 0]);
  expect(slowest).toBeLessThan(10_000);
});

interface Sent {
  readonly user: string;
  readonly wire: Buffer;
  readonly atMs: number;
}

interface Told {
  readonly acknowledged: Sent[];
  readonly codes: Map<number | undefined, number>;
}

/** Two senders to each front end, one to the users of each volume, until told to stop. */
function deliverEverywhere(farm: MachinesFarm): {
  readonly told: Told;
  readonly stop: () => Promise<void>;
} {
  const told: Told = { acknowledged: [], codes: new Map() };
  const state = { stop: false };
  const sender = async (host: Frontend, users: readonly string[]): Promise<void> => {
    for (let i = 0; !state.stop; i++) {
      const user = users[i % users.length] ?? '';
      const body = randomBytes(i % 10 === 0 ? 40_000 : 400).toString('hex');
      const id = randomBytes(12).toString('hex');
      const lines = body.match(/.{1,70}/g)?.join('\r\n') ?? '';
      const wire = Buffer.from(`Subject: ${id}\r\nX-From: ${host}\r\n\r\n${lines}\r\n`);
      const code = await farm.send(host, user, wire);
      told.codes.set(code, (told.codes.get(code) ?? 0) + 1);
      if (code === 250) told.acknowledged.push({ user, wire, atMs: performance.now() });
      else await sleep(100);
    }
  };
  const work = FRONTENDS.flatMap((host) =>
    (['mail1', 'mail2'] as const).map((volume) =>
      sender(
        host,
        farm.users.filter((user) => volumeOf(user) === volume),
      ),
    ),
  );
  return {
    told,
    stop: async () => {
      state.stop = true;
      await Promise.all(work);
    },
  };
}

/** The longest time in which nobody of a volume got a letter, in seconds. */
function longestSilence(sent: readonly Sent[], volume: string): number {
  const times = sent.filter(({ user }) => volumeOf(user) === volume).map(({ atMs }) => atMs);
  const gaps = times.toSorted((a, b) => a - b).map((at, i, all) => at - (all[i - 1] ?? at));
  return Math.round(Math.max(0, ...gaps) / 100) / 10;
}

const idOf = (letter: Buffer): string => /^Subject: (\w+)/m.exec(letter.toString())?.[1] ?? '';

/** Letters that a front end does not show, byte for byte. @throws when one is there twice */
async function missingAt(
  farm: MachinesFarm,
  host: Frontend,
  sent: readonly Sent[],
): Promise<readonly Sent[]> {
  const missing: Sent[] = [];
  for (const user of new Set(sent.map((letter) => letter.user))) {
    const found = [...(await farm.mailbox(host, user)).values()];
    expect(new Set(found.map(idOf)).size, `${user}: one is there twice`).toBe(found.length);
    const own = sent.filter((letter) => letter.user === user);
    const isThere = ({ wire }: Sent): boolean =>
      found.some((each) => each.subarray(-wire.length).equals(wire));
    missing.push(...own.filter((letter) => !isThere(letter)));
  }
  return missing;
}

const HOME_MS = 60_000;

/**
 * All are there for each front end, once. What was parked while the volume was away lands later.
 * @returns how many were late
 */
async function expectAll(
  farm: MachinesFarm,
  sent: readonly Sent[],
  cutAt: number,
): Promise<number> {
  const late = await missingAt(farm, 'fe1', sent);
  const until = performance.now() + HOME_MS;
  let missing = late;
  while (missing.length > 0 && performance.now() < until) {
    await sleep(1000);
    missing = await missingAt(farm, 'fe1', missing);
  }
  const atEach = await Promise.all(FRONTENDS.map((host) => missingAt(farm, host, sent)));
  const lost = atEach.flatMap((letters, i) =>
    letters.map(({ user, wire, atMs }) => {
      return `${FRONTENDS[i]}: ${user} ${idOf(wire)} ${Math.round(atMs - cutAt)} ms after the cut`;
    }),
  );
  expect(lost).toEqual([]);
  return late.length;
}

test('[S2-02] [S2-08] [N-21] the NFS server loses power amid deliveries: no letter is lost', async () => {
  const farm = await startFarm({ users: 6 });
  try {
    for (const user of farm.users) {
      for (const host of FRONTENDS) {
        expect(await farm.send(host, user, Buffer.from(`Subject: ${host}\r\n\r\nx\r\n`))).toBe(250);
      }
    }
    const { told, stop } = deliverEverywhere(farm);
    const { acknowledged, codes } = told;
    const ofMail1 = (since: number): number =>
      acknowledged.filter(({ user, atMs }) => volumeOf(user) === 'mail1' && atMs > since).length;
    await expect.poll(() => ofMail1(0), { timeout: 60_000 }).toBeGreaterThan(20);
    await power.off('filer1');
    const cutAt = performance.now();
    const before = ofMail1(0);
    await sleep(4000);
    await power.on('filer1');
    await expect.poll(() => ofMail1(cutAt + 1000), { timeout: 90_000 }).toBeGreaterThan(20);
    await stop();
    const silence = (volume: string): number => longestSilence(acknowledged, volume);
    const counts = [...codes].map(([code, count]) => `${code ?? 'broken'} ${count}`).join(', ');
    say(
      `filer1 power-cut and booted: ${before} acknowledged for mail1 before, ${acknowledged.length} in all (${counts})`,
    );
    say(`longest silence: mail1 ${silence('mail1')} s, mail2 ${silence('mail2')} s`);
    expect(silence('mail1'), 'nobody noticed').toBeGreaterThan(1);
    expect([...codes.keys()].filter((code) => (code ?? 0) >= 500)).toEqual([]);
    const parked = (await atFiler('spool1', 'find . -type f')).split('\n').length - 1;
    const late = await expectAll(farm, acknowledged, cutAt);
    say(`all are there for each front end, ${late} late; files on the spool then: ${parked}`);
  } finally {
    await farm.close();
  }
});
