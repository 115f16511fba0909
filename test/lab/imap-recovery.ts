/**
 * What happens to a folder between two visits of a client: weeks and compactions, a restored
 * backup, a full volume, a front end that dies.
 */
import { closeSync, openSync, readdirSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { nodeFs, openMaildirs, systemClock, systemRandom } from '#maildir';
import { openWithout } from '../../maildir/src/journal/journal.ts';
import type { ImapChat } from '../harness/imap-chat.ts';
import type { ImapFarm } from './imap-farm.ts';
import { codeOf, flagsOf, serialsOf, simpleLetter } from './imap-idler.ts';
import { asRoot, CLIENTS } from './inside.ts';

const DAY_MS = 24 * 3_600_000;
const COMPACTIONS = 5;

/** A session that is told of what vanished. */
async function qresync(farm: ImapFarm, client: (typeof CLIENTS)[number], user: string) {
  const chat = await farm.session(client, user);
  await chat.ok('ENABLE QRESYNC');
  return chat;
}

/** One more host, whose clock is some days ahead, works until it has compacted so often. */
async function daysGoBy(farm: ImapFarm, user: string, logNames: () => readonly string[]) {
  let days = 0;
  const clock = { ...systemClock, now: () => systemClock.now() + days * DAY_MS };
  const common = { fs: nodeFs, clock, random: systemRandom, node: 'later', pid: process.pid };
  const options = { ...common, directorySync: 'never' } as const;
  const maildirs = openMaildirs(options);
  const journals = openWithout({ ...options, maildirs }, { snapshotEvery: 4, namesMax: 4 });
  const ref = { maildir: farm.on('c2', user), folder: '' };
  await journals.sync(ref);
  const snapshots = new Set<string>();
  const changed: number[] = [];
  const expunged: number[] = [];
  for (let uid = 1; snapshots.size < COMPACTIONS; uid += 2) {
    expect(uid).toBeLessThan(100);
    days = 4 * snapshots.size;
    await journals.store(ref, { uids: [uid], how: 'add', letters: 'F', keywords: [`day${days}`] });
    changed.push(uid);
    await journals.expunge(ref, [uid + 1]);
    expunged.push(uid + 1);
    for (const name of logNames()) if (name.endsWith('.snapshot')) snapshots.add(name);
  }
  return { changed, expunged };
}

const uidsOf = (set: string): number[] =>
  set.split(',').flatMap((part) => {
    const [from = 0, to = from] = part.split(':').map(Number);
    return Array.from({ length: to - from + 1 }, (_, i) => from + i);
  });

async function weeksLater(farm: ImapFarm): Promise<void> {
  const user = 'asleep';
  const first = await qresync(farm, 'c1', user);
  for (let n = 0; n < 60; n++) await first.ok('APPEND INBOX', simpleLetter(`asleep-${n}`));
  const told = await first.ok('SELECT INBOX');
  const validity = codeOf(told, 'UIDVALIDITY');
  const modseq = codeOf(told, 'HIGHESTMODSEQ');
  await first.logout();
  const logNames = (): string[] => readdirSync(join(farm.atServer(user), 'mailfarm/log'));
  const then = logNames();
  const { changed, expunged } = await daysGoBy(farm, user, logNames);
  // What the client's numbers were made of is gone; only snapshots say what changed since.
  expect(logNames().filter((name) => then.includes(name))).toEqual([]);
  for (const client of CLIENTS) {
    const chat = await qresync(farm, client, user);
    const said = await chat.ok(`SELECT INBOX (QRESYNC (${validity} ${modseq}))`);
    const lines = said.map(({ text }) => text);
    expect(codeOf(said, 'UIDVALIDITY')).toBe(validity);
    expect(codeOf(said, 'HIGHESTMODSEQ')).toBeGreaterThan(modseq);
    const vanished = lines.flatMap(
      (line) => /^\* VANISHED \(EARLIER\) (\S+)$/.exec(line)?.[1] ?? [],
    );
    expect(vanished.flatMap(uidsOf)).toEqual(expunged);
    const rows = lines.flatMap((line) => /^\* \d+ FETCH \(.*UID (\d+)/.exec(line)?.[1] ?? []);
    expect(rows.map(Number).toSorted((a, b) => a - b)).toEqual(changed);
    expect((await serialsOf(chat)).size).toBe(60 - expunged.length);
    await chat.logout();
  }
}

/** `how` puts last night's copy where the mailbox was, as root on the server. */
async function afterRestore(farm: ImapFarm, user: string, how: string): Promise<void> {
  const one = await farm.session('c1', user);
  const chats = [one, await farm.session('c2', user)];
  for (let n = 0; n < 5; n++) await one.ok('APPEND INBOX', simpleLetter(`night-${n}`));
  const before = codeOf(await one.ok('SELECT INBOX'), 'UIDVALIDITY');
  await one.ok('UID STORE 2 +FLAGS (\\Flagged Word)');
  const at = farm.atServer(user);
  await asRoot('cp', '-a', at, `${at}.copy`);
  for (const chat of chats) await chat.ok('SELECT INBOX');
  await one.ok('UID STORE 1 +FLAGS (\\Deleted)');
  await one.ok('EXPUNGE');
  for (let n = 0; n < 3; n++) await one.ok('APPEND INBOX', simpleLetter(`lost-${n}`));
  await asRoot('sh', '-ec', how, 'sh', at);
  const shown: string[] = [];
  // First comes a host that was never there: it has nothing to compare with but the copy itself.
  for (const client of ['c3', 'c1', 'c2'] as const) {
    const chat = await farm.session(client, user);
    const validity = codeOf(await chat.ok('SELECT INBOX'), 'UIDVALIDITY');
    expect(validity).toBeGreaterThan(before);
    const serials = [...(await serialsOf(chat)).values()];
    expect(serials).toEqual(['night-0', 'night-1', 'night-2', 'night-3', 'night-4']);
    const flags = [...(await flagsOf(chat)).values()];
    expect(flags[1]).toContain('\\Flagged');
    for (const { octets } of await chat.messages()) expect(octets.toString()).toContain('X-Serial');
    shown.push(`${validity} ${flags.join('/')}`);
    await chat.logout();
  }
  expect(new Set(shown).size).toBe(1);
  // Who was in it is sent away: nothing that he knows is true any more.
  for (const chat of chats) {
    const said = (): Promise<string> =>
      chat.command('NOOP').then(
        ({ status }) => status,
        () => 'ended',
      );
    await expect.poll(said).toBe('ended');
  }
}

/** Everything that is left of the volume, to the last octet. */
function fill(path: string): void {
  const file = openSync(path, 'a');
  try {
    for (const size of [1 << 20, 1 << 16, 1 << 12, 1]) {
      const octets = Buffer.alloc(size);
      try {
        for (;;) writeSync(file, octets);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
      }
    }
  } finally {
    closeSync(file);
  }
}

async function fullVolume(farm: ImapFarm): Promise<void> {
  const user = 'full';
  const filler = '/mnt/srv/mail2/imap-filler';
  const here = await farm.session('c1', user);
  for (let n = 0; n < 4; n++) {
    await here.ok('APPEND INBOX', simpleLetter(`full-${n}`, n === 0 ? 2_000_000 : 0));
  }
  await here.ok('SELECT INBOX');
  try {
    expect(await farm.deliver('c2', user, simpleLetter('waits'))).toBe(250);
    fill(filler);
    // A host that has not seen the folder reads it all; the letter that came has no number yet.
    const there = await farm.session('c2', user);
    const said = await there.ok('SELECT INBOX');
    expect(said.map(({ text }) => text)).toContain('* 4 EXISTS');
    expect((await there.messages()).map(({ octets }) => octets.length > 0)).toEqual(
      Array.from({ length: 4 }, () => true),
    );
    const refused = await there.command('APPEND INBOX', simpleLetter('refused', 100_000));
    expect(refused.status).toBe('NO');
    expect(refused.text).toMatch(/UNAVAILABLE|OVERQUOTA/);
    await there.ok('UID STORE 1 +FLAGS (\\Deleted)');
    const gone = await there.ok('EXPUNGE');
    expect(gone.map(({ text }) => text)).toContain('* 1 EXPUNGE');
    // There is room again, and what waited gets its number, for all.
    const serials = (chat: ImapChat) => async (): Promise<string[]> => {
      await chat.ok('NOOP');
      return [...(await serialsOf(chat)).values()];
    };
    const all = ['full-1', 'full-2', 'full-3', 'waits'];
    const limit = { timeout: 90_000, interval: 1_000 };
    for (const chat of [there, here]) await expect.poll(serials(chat), limit).toEqual(all);
    expect(await serialsOf(there)).toEqual(await serialsOf(here));
    await there.ok('APPEND INBOX', simpleLetter('after'));
    await expect.poll(serials(here), limit).toEqual([...all, 'after']);
    for (const chat of [there, here]) await chat.logout();
  } finally {
    rmSync(filler, { force: true });
  }
}

/** Minutes: clients look below the old directory until what they know of its name is old. */
export function longRecoveryTests(farm: () => ImapFarm): void {
  test('[N-11] a mailbox replaced by last night’s copy: new UIDVALIDITY, nothing lost', () =>
    afterRestore(farm(), 'replaced', 'mv "$1" "$1.gone"; mv "$1.copy" "$1"'));
}

export function recoveryTests(farm: () => ImapFarm): void {
  test('[P-03] [N-11] 20 days and five compactions later QRESYNC tells changes alone', () =>
    weeksLater(farm()));

  test('[N-11] a copy of last night written over a mailbox: a new UIDVALIDITY, nothing lost', () =>
    afterRestore(
      farm(),
      'copied-over',
      'find "$1" ! -type d -delete; cp -a "$1.copy/." "$1/"; rm -r "$1.copy"',
    ));

  test('[N-11] [N-14] a full volume is read and emptied; what waited then gets its number', () =>
    fullVolume(farm()));
}
