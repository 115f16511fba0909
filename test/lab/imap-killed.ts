/** A front end that is killed in the midst of commands, and what the others show afterwards. */
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import type { ImapAnswer, ImapChat } from '../harness/imap-chat.ts';
import { chance, pick, type Chance } from '../witness/chance.ts';
import type { ImapFarm } from './imap-farm.ts';
import { flagsOf, serialsOf, simpleLetter } from './imap-idler.ts';

const USER = 'killed';
const WORKERS = 4;

/** What a client of the doomed host was told, and what it asked for without an answer. */
interface Ledger {
  /** Serial to UID, where the server said that it is there. */
  readonly appended: Map<string, number>;
  readonly tried: Set<string>;
  readonly flagged: Set<number>;
  /** UIDs whose end was asked for, and those of which it was told. */
  readonly doomed: Set<number>;
  readonly expunged: Set<number>;
  readonly moved: Set<number>;
}

/** Works alone with its own messages until its host dies. */
async function work(chat: ImapChat, name: string, ledger: Ledger): Promise<void> {
  const random = chance(name);
  const own: number[] = [];
  await chat.ok('SELECT INBOX');
  for (let n = 0; ; n++) {
    const dice = random();
    if (own.length < 3 || dice < 0.35) await append(chat, `${name}-${n}`, { own, ledger });
    else await change(chat, dice, { own, ledger, random });
  }
}

interface Own {
  readonly own: number[];
  readonly ledger: Ledger;
}

async function append(chat: ImapChat, serial: string, { own, ledger }: Own): Promise<void> {
  ledger.tried.add(serial);
  const answer = await answered(chat, 'APPEND INBOX', simpleLetter(serial));
  const uid = Number(/APPENDUID \d+ (\d+)/.exec(answer.text)?.[1]);
  ledger.appended.set(serial, uid);
  own.push(uid);
}

async function change(
  chat: ImapChat,
  dice: number,
  { own, ledger, random }: Own & { readonly random: Chance },
): Promise<void> {
  const uid = pick(random, own);
  if (dice < 0.6) {
    await answered(chat, `UID STORE ${uid} +FLAGS (\\Flagged)`);
    ledger.flagged.add(uid);
    return;
  }
  own.splice(own.indexOf(uid), 1);
  ledger.doomed.add(uid);
  if (dice < 0.8) {
    await answered(chat, `UID STORE ${uid} +FLAGS (\\Deleted)`);
    await answered(chat, `UID EXPUNGE ${uid}`);
    ledger.expunged.add(uid);
  } else {
    await answered(chat, `UID MOVE ${uid} Aside`);
    ledger.moved.add(uid);
  }
}

/** @throws Error when there is none, or not a good one */
async function answered(chat: ImapChat, text: string, literal?: Buffer): Promise<ImapAnswer> {
  const answer = await chat.command(text, literal);
  if (answer.status !== 'OK') throw new Error(`${text}: ${answer.status} ${answer.text}`);
  return answer;
}

/** As a host shows INBOX and Aside to somebody who comes now. */
async function shownBy(farm: ImapFarm, client: 'c1' | 'c2' | 'c3') {
  const chat = await farm.session(client, USER);
  await chat.ok('SELECT Aside');
  const aside = [...(await serialsOf(chat)).values()];
  await chat.ok('SELECT INBOX');
  const shown = { aside, inbox: await serialsOf(chat), flags: await flagsOf(chat) };
  await chat.logout();
  return shown;
}

const timesOf = (serial: string, among: Iterable<string>): number =>
  [...among].filter((one) => one === serial).length;

function expectKept(ledger: Ledger, shown: Awaited<ReturnType<typeof shownBy>>): void {
  const { inbox, aside, flags } = shown;
  const wrong: string[] = [];
  for (const serial of ledger.tried) {
    const uid = ledger.appended.get(serial);
    const [here, there] = [timesOf(serial, inbox.values()), timesOf(serial, aside)];
    const say = (what: string): void => void wrong.push(`${serial} UID ${uid}: ${what}`);
    if (uid === undefined) {
      if (here + there > 1) say(`no answer, ${here + there} times there`);
    } else if (ledger.expunged.has(uid)) {
      if (here + there > 0) say('expunged, and there');
    } else if (ledger.moved.has(uid)) {
      if (here !== 0 || there !== 1) say(`moved, ${here} here, ${there} in Aside`);
    } else if (ledger.doomed.has(uid)) {
      // Half of it may be done: a move may leave both, an expunge neither, which was asked for.
      if (here > 1 || there > 1) say(`no answer to its end, ${here} here, ${there} in Aside`);
    } else if (here !== 1 || inbox.get(uid) !== serial) say(`appended, ${here} times here`);
    else if (ledger.flagged.has(uid) && !flags.get(uid)?.includes('Flagged')) say('not flagged');
  }
  expect(wrong).toEqual([]);
}

async function killedInTheMidst(farm: ImapFarm): Promise<void> {
  const sets = (): Ledger => ({
    appended: new Map(),
    tried: new Set(),
    flagged: new Set(),
    doomed: new Set(),
    expunged: new Set(),
    moved: new Set(),
  });
  const ledger = sets();
  const first = await farm.session('c2', USER);
  await first.ok('CREATE Aside');
  const others = [first, await farm.session('c3', USER)];
  for (const chat of others) await chat.ok('SELECT INBOX');
  const works: Promise<unknown>[] = [];
  for (let n = 0; n < WORKERS; n++) {
    const chat = await farm.session('c1', USER);
    works.push(work(chat, `w${n}`, ledger).catch((error: unknown) => error));
  }
  const done = (): number => Math.min(ledger.expunged.size, ledger.moved.size);
  await expect.poll(done, { timeout: 120_000, interval: 20 }).toBeGreaterThanOrEqual(2);
  await farm.kill('c1');
  const ends = await Promise.all(works);
  for (const end of ends) expect(String(end)).toMatch(/closed|ended|cut|ECONN/);
  await sleep(500); // What its kernel had sent already is done.
  // The others go on at once: no lock, no state of the dead.
  for (const [n, chat] of others.entries()) {
    await chat.ok('NOOP');
    await chat.ok('APPEND INBOX', simpleLetter(`other-${n}`));
  }
  const two = await shownBy(farm, 'c2');
  expectKept(ledger, two);
  const three = await shownBy(farm, 'c3');
  expect(three).toEqual(two);
  expect([...two.inbox.values()]).toEqual(expect.arrayContaining(['other-0', 'other-1']));
  for (const chat of others) await chat.logout();
  await farm.start('c1');
  expect(await shownBy(farm, 'c1')).toEqual(two);
  expect(farm.names(USER)).toHaveLength(two.inbox.size);
  const { appended, tried, expunged, moved } = ledger;
  const counts = `${appended.size} of ${tried.size} appended, ${expunged.size} expunged`;
  process.stdout.write(`   killed: ${counts}, ${moved.size} moved\n`);
}

export function killedTests(farm: () => ImapFarm): void {
  test('[N-01] [N-21] a front end killed amid changes: what it answered is so', () =>
    killedInTheMidst(farm()));
}
