/** What is at work on one mailbox beside its IMAP clients: two MX and POP3, a session at a time. */
import { setTimeout as sleep } from 'node:timers/promises';
import { Pop3Chat } from '../harness/pop3-chat.ts';
import { chance, type Chance } from '../witness/chance.ts';
import type { Other } from '../witness/imap/records.ts';
import type { ImapFarm } from './imap-farm.ts';

/** More than so many and POP3 takes some away. */
const LETTERS_MAX = 30;
const REMOVED_AT_ONCE = 3;
const now = (): number => performance.timeOrigin + performance.now();

/** Octets of every kind that SMTP carries: dots, 8 bits, blanks at the end, empty lines. */
export function letterOf(serial: string): Buffer {
  const random = chance(serial);
  const lines = Array.from({ length: 1 + Math.floor(random() * 30) }, () => lineOf(random));
  const header = `From: a@world.example\r\nSubject: ${serial}\r\nX-Serial: ${serial}\r\n`;
  return Buffer.from(`${header}\r\n${lines.join('\r\n')}\r\n`, 'latin1');
}

function lineOf(random: Chance): string {
  const dots = '.'.repeat(Math.floor(random() * 3));
  const octets = Array.from({ length: Math.floor(random() * 120) }, () => {
    const octet = 1 + Math.floor(random() * 254);
    return octet === 10 || octet === 13 ? 32 : octet;
  });
  return dots + Buffer.from(octets).toString('latin1') + (random() < 0.3 ? ' \t' : '');
}

export interface Ledger {
  /** Serials of letters that an MX answered 250 for. */
  readonly delivered: string[];
  /** UIDLs that POP3 said it removed. */
  readonly removed: string[];
  readonly others: Other[];
  /** What RETR gave that was not what was delivered. */
  readonly wrong: string[];
}

export const newLedger = (): Ledger => ({ delivered: [], removed: [], others: [], wrong: [] });

/** One MX: letter after letter. */
export async function mxAtWork(
  farm: ImapFarm,
  host: 'c1' | 'c2',
  user: string,
  { ledger, stopped }: { readonly ledger: Ledger; readonly stopped: () => boolean },
): Promise<void> {
  for (let n = 1; !stopped(); n++) {
    const serial = `mx-${host}-${n}`;
    const sentAt = now();
    const code = await farm.deliver(host, user, letterOf(serial));
    const doneAt = code === 250 ? now() : undefined;
    if (code === 250) ledger.delivered.push(serial);
    if (code === 250 || code === 'broken') {
      ledger.others.push({ kind: 'delivery', who: host, serial, sentAt, doneAt });
    }
    await sleep(300);
  }
}

/** POP3: reads all that is there, and takes some of it away when it is much. */
export async function pop3AtWork(
  farm: ImapFarm,
  user: string,
  { ledger, stopped }: { readonly ledger: Ledger; readonly stopped: () => boolean },
): Promise<void> {
  while (!stopped()) {
    const chat = await farm.pop3(user);
    try {
      await removeSome(chat, ledger);
    } finally {
      chat.stream.destroy();
    }
    await sleep(500);
  }
}

async function removeSome(chat: Pop3Chat, ledger: Ledger): Promise<void> {
  const uidls = await chat.listing('UIDL');
  const removed: { serial: string; uidl: string }[] = [];
  const surplus = Math.max(1, uidls.size - LETTERS_MAX);
  for (const [number, uidl] of uidls) {
    if (removed.length >= Math.min(REMOVED_AT_ONCE, surplus)) break;
    if (!(await chat.command(`RETR ${number}`)).ok) continue; // Somebody was quicker.
    const lines = await chat.lines();
    const text = lines.map((line) => `${line.toString('latin1')}\r\n`).join('');
    const serial = /^X-Serial: (\S+)/m.exec(text)?.[1] ?? '?';
    if (serial.startsWith('mx-') && !text.endsWith(letterOf(serial).toString('latin1'))) {
      ledger.wrong.push(`${uidl} ${serial} by RETR: ${JSON.stringify(text.slice(-300))}`);
    }
    if ((await chat.command(`DELE ${number}`)).ok) removed.push({ serial, uidl });
  }
  const sentAt = now();
  const said = await chat.command('QUIT').catch(() => undefined);
  const doneAt = said?.ok === true ? now() : undefined;
  for (const { serial, uidl } of removed) {
    ledger.others.push({ kind: 'removal', who: 'pop3', serial, sentAt, doneAt });
    if (doneAt !== undefined) ledger.removed.push(uidl);
  }
}
