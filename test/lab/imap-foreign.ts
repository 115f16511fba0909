/**
 * Other programs at work in a Maildir that three front ends watch: mutt, and Dovecot's own imap
 * process, each on a host of its own, over its own mount.
 */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import type { ImapChat } from '../harness/imap-chat.ts';
import type { ImapFarm } from './imap-farm.ts';
import { flagsOf, Idler, serialsOf, simpleLetter } from './imap-idler.ts';
import { asRoot, type Client, CLIENTS, mountOf, startOn, withForeign } from './inside.ts';

/** The root of the peers, mounted by init.sh. */
const PEERS = '/mnt/peers';
/** Absence is proved by two listings so far apart. */
const PROOF_MS = 10_000;
const LEARN = { timeout: 90_000, interval: 500 };

/** What a program does: flags `flagged`, marks `read` as seen, removes `gone`. */
type Program = (farm: ImapFarm, user: string, client: Client) => Promise<void>;

/** Types into mutt on a terminal, as a process of the host. Messages are in order of arrival. */
const mutt: Program = async (farm, user, client) => {
  const home = `/tmp/mutt-${user}`;
  mkdirSync(home, { recursive: true });
  const maildir = farm.asSeenBy(user);
  const keys = '<first-entry><flag-message><next-entry><delete-message><next-entry><toggle-new>';
  const settings = [
    'set mbox_type=Maildir record="" header_cache="" sleep_time=0 sort=subject',
    `set folder=${maildir} spoolfile=${maildir} tmpdir=${home}`,
    'set wait_key=no quit=yes delete=yes move=no resolve=no maildir_trash=no',
    'unset mark_old',
    `macro index X "${keys}<quit>"`,
    'push X',
  ];
  writeFileSync(`${home}/muttrc`, `${settings.join('\n')}\n`);
  const program = `/usr/bin/mutt -n -F ${home}/muttrc -f ${maildir}; echo ended`;
  const env = ['env', `HOME=${home}`, 'TERM=xterm', 'LC_ALL=C.UTF-8'];
  const argv = [...env, 'script', '-qec', program, '/dev/null'];
  const running = await startOn(client, `mutt-${user}`, argv);
  await expect.poll(() => running.output(), LEARN).toMatch(/ended/);
};

/** Dovecot's imap in the peers' root, over the host's mount, told by commands. */
const dovecot: Program = async (farm, user, client) => {
  const home = '/tmp/dovecot';
  mkdirSync(home, { recursive: true });
  const settings = `
protocols = imap
mail_location = maildir:${farm.asSeenBy(user)}
mail_fsync = always
mmap_disable = yes
ssl = no
log_path = /dev/stderr
first_valid_uid = 8
namespace inbox {
  inbox = yes
}
`;
  writeFileSync(`${home}/dovecot.conf`, settings);
  const commands = [
    'a SELECT INBOX',
    'b STORE 1 +FLAGS (\\Flagged)',
    'c STORE 3 +FLAGS (\\Seen)',
    'd STORE 2 +FLAGS (\\Deleted)',
    'e EXPUNGE',
    'f LOGOUT',
  ];
  writeFileSync(`${home}/commands`, commands.map((line) => `${line}\r\n`).join(''));
  const script = `
    set -e
    mount --make-rprivate /
    mount -t tmpfs tmpfs ${PEERS}/mnt
    mkdir ${PEERS}/mnt/mail1
    mount --bind ${mountOf(client)} ${PEERS}/mnt/mail1
    mount --bind /tmp ${PEERS}/tmp
    mount -t tmpfs tmpfs ${PEERS}/run
    mount --rbind /dev ${PEERS}/dev
    mount -t proc proc ${PEERS}/proc
    cat ${home}/commands | chroot --userspec=mail:mail ${PEERS} env USER=mail HOME=${home} \
      /usr/lib/dovecot/imap -c ${home}/dovecot.conf`;
  const enter = ['nsenter', `--net=/run/netns/${client}`, 'unshare', '--mount'];
  const said = await asRoot(...enter, 'bash', '-c', script);
  for (const tag of 'abcde') expect(said).toMatch(new RegExp(`^${tag} OK`, 'm'));
};

async function watchers(farm: ImapFarm, user: string): Promise<readonly ImapChat[]> {
  const chats: ImapChat[] = [];
  for (const client of CLIENTS) {
    const chat = await farm.session(client, user);
    // EXAMINE: what is in new/ stays there for the program.
    await chat.ok('EXAMINE INBOX');
    chats.push(chat);
  }
  return chats;
}

/** They wait; it works; each is told all of it, and nothing else. */
async function changesAreTold(farm: ImapFarm, user: string, program: Program): Promise<void> {
  const serials = ['1-flagged', '2-gone', '3-read', '4-left'];
  for (const serial of serials) {
    expect(await farm.deliver('c1', user, simpleLetter(serial))).toBe(250);
    await sleep(1_100); // All tools agree about the order of letters of different seconds.
  }
  await expect.poll(() => farm.names(user).length).toBe(serials.length);
  const chats = await watchers(farm, user);
  const before = await serialsOf(chats[0] as ImapChat);
  expect([...before.values()]).toEqual(serials);
  const idlers: Idler[] = [];
  for (const chat of chats) {
    expect(await serialsOf(chat)).toEqual(before);
    idlers.push(await Idler.begin(chat));
  }
  const begun = Date.now();
  await program(farm, user, 'c2');
  expect(farm.names(user).filter((name) => /:2,.*F/.test(name))).toHaveLength(1);
  expect(farm.names(user)).toHaveLength(serials.length - 1);
  const learns = idlers.map(async (idler) => {
    const isTold = (pattern: RegExp): Promise<void> =>
      expect.poll(() => idler.told.join('\n'), LEARN).toMatch(pattern);
    await isTold(/^\* 1 FETCH .*\\Flagged/m);
    await isTold(/^\* [23] FETCH .*\\Seen/m);
    await isTold(/ EXPUNGE$/m);
    return Date.now() - begun;
  });
  const times = await Promise.all(learns);
  process.stdout.write(`   told after ${times.map((ms) => (ms / 1000).toFixed(1)).join(', ')} s\n`);
  for (const [index, idler] of idlers.entries()) {
    // No proof can be older than the deed.
    expect(times[index]).toBeGreaterThanOrEqual(PROOF_MS);
    await idler.end();
    expect(idler.of(/ EXPUNGE$/)).toEqual(['* 2 EXPUNGE']);
    expect(idler.of(/ EXISTS$/).filter((line) => line !== '* 3 EXISTS')).toEqual([]);
  }
  const after = new Map([...before].filter(([, serial]) => serial !== '2-gone'));
  for (const chat of chats) {
    expect(await serialsOf(chat)).toEqual(after);
    expect([...(await flagsOf(chat)).values()]).toEqual(['\\Flagged', '\\Seen', '']);
    await chat.logout();
  }
}

/** A rename seen again and again, as a busy folder has them, is never taken for an end. */
async function renamesAreNoEnd(farm: ImapFarm, user: string): Promise<void> {
  expect(await farm.deliver('c1', user, simpleLetter('renamed'))).toBe(250);
  const chats = await watchers(farm, user);
  const idlers: Idler[] = [];
  for (const chat of chats) idlers.push(await Idler.begin(chat));
  const writer = await farm.session('c2', user);
  await writer.ok('SELECT INBOX');
  const until = Date.now() + PROOF_MS + 4_000;
  for (let n = 0; Date.now() < until; n++) {
    await writer.ok(`STORE 1 ${n % 2 === 0 ? '+' : '-'}FLAGS (\\Flagged)`);
    await sleep(50);
  }
  await writer.ok('STORE 1 FLAGS (\\Draft)');
  await writer.logout();
  for (const idler of idlers) {
    await expect.poll(() => idler.told.at(-1) ?? '', LEARN).toMatch(/FETCH .*\\Draft/);
    await idler.end();
    expect(idler.of(/EXPUNGE|EXISTS/)).toEqual([]);
  }
  for (const chat of chats) await chat.logout();
}

export function foreignTests(farm: () => ImapFarm): void {
  test('[P-14] what mutt flags, reads and deletes is told to three in IDLE, on proof', () =>
    withForeign(() => changesAreTold(farm(), 'mutt', mutt)));

  test('[P-14] what Dovecot flags, moves and expunges is told to three', async (ctx) => {
    if (!existsSync(PEERS)) ctx.skip('no root of peers here');
    await withForeign(() => changesAreTold(farm(), 'dovecot', dovecot));
  });

  test('[P-14] [N-11] a message that is renamed all the time is never told as expunged', () =>
    renamesAreNoEnd(farm(), 'renamed'));
}
