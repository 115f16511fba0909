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

test('[S2-08] [N-21] a host powered off while it holds messages open: others rename and delete them within 10 s', async () => {
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
function deliverEverywhere(farm: MachinesFarm): { readonly stop: () => Promise<Told> } {
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
    stop: async () => {
      state.stop = true;
      await Promise.all(work);
      return told;
    },
  };
}

/** The longest time in which nobody of a volume got a letter, in seconds. */
function longestSilence(sent: readonly Sent[], volume: string): number {
  const times = sent.filter(({ user }) => volumeOf(user) === volume).map(({ atMs }) => atMs);
  const gaps = times.toSorted((a, b) => a - b).map((at, i, all) => at - (all[i - 1] ?? at));
  return Math.round(Math.max(0, ...gaps) / 100) / 10;
}

/** Each acknowledged letter is there for a front end, once, with its bytes; none is there twice. */
async function expectAll(farm: MachinesFarm, host: Frontend, sent: readonly Sent[]): Promise<void> {
  for (const user of farm.users) {
    const found = [...(await farm.mailbox(host, user)).values()];
    const subjects = found.map((letter) => /^Subject: (\w+)/m.exec(letter.toString())?.[1]);
    expect(new Set(subjects).size, `${user}: a letter is there twice`).toBe(found.length);
    const own = sent.filter((letter) => letter.user === user);
    const lost = own.filter(({ wire }) => {
      return !found.some((letter) => letter.subarray(-wire.length).equals(wire));
    });
    expect(lost.map(({ wire }) => wire.toString('latin1').slice(0, 60))).toEqual([]);
  }
}

test('[S2-02] [S2-08] [N-21] the NFS server is power-cut amid deliveries and booted again: no acknowledged letter is lost', async () => {
  const farm = await startFarm({ users: 6 });
  try {
    for (const user of farm.users) {
      for (const host of FRONTENDS) {
        expect(await farm.send(host, user, Buffer.from(`Subject: ${host}\r\n\r\nx\r\n`))).toBe(250);
      }
    }
    const work = deliverEverywhere(farm);
    await sleep(4000);
    await power.off('filer1');
    const cutAt = performance.now();
    await sleep(4000);
    await power.on('filer1');
    await sleep(25_000);
    const { acknowledged, codes } = await work.stop();
    const silence = (volume: string): number => longestSilence(acknowledged, volume);
    const counts = [...codes].map(([code, count]) => `${code ?? 'broken'} ${count}`).join(', ');
    say(`filer1 power-cut and booted: ${acknowledged.length} acknowledged (${counts})`);
    say(`longest silence: mail1 ${silence('mail1')} s, mail2 ${silence('mail2')} s`);
    const after = acknowledged.filter(({ atMs }) => atMs > cutAt);
    const ofMail1 = (letters: readonly Sent[]): number =>
      letters.filter(({ user }) => volumeOf(user) === 'mail1').length;
    expect(ofMail1(acknowledged) - ofMail1(after), 'before the cut').toBeGreaterThan(10);
    expect(ofMail1(after), 'after it came back').toBeGreaterThan(10);
    expect(silence('mail1'), 'nobody noticed').toBeGreaterThan(4);
    expect([...codes.keys()].filter((code) => (code ?? 0) >= 500)).toEqual([]);
    await Promise.all(FRONTENDS.map((host) => expectAll(farm, host, acknowledged)));
  } finally {
    await farm.close();
  }
});
