import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { nameKey } from '#maildir';
import { judge, randomSessions, violationText } from '../witness/imap/run.ts';
import { ImapFarm } from './imap-farm.ts';
import { budgetTests } from './imap-budget.ts';
import { foreignTests } from './imap-foreign.ts';
import { killedTests } from './imap-killed.ts';
import { longRecoveryTests, recoveryTests } from './imap-recovery.ts';
import { letterOf, mxAtWork, newLedger, pop3AtWork } from './imap-random.ts';
import { CLIENTS } from './inside.ts';

// One mailbox, three front ends with IMAP, two MX, one POP3, each on a host of its own over NFS.

const LONG = process.env['MAILFARM_LAB_LONG'] !== undefined;
const SECONDS = LONG ? 600 : 8;
const SETTLE_MS = 90_000;

let farm: ImapFarm;
beforeAll(async () => {
  const users = ['random', 'mutt', 'dovecot', 'renamed', 'budget', 'asleep', 'killed'];
  const restored = ['replaced', 'copied-over'];
  const onMail1 = [...users, ...restored].map((user) => [user, 'mail1'] as const);
  farm = await ImapFarm.open({ ...Object.fromEntries(onMail1), full: 'mail2' });
}, 240_000);
afterEach(() => farm?.endSessions());
afterAll(() => farm?.close());

/** Octets of each message of INBOX by serial, as one front end gives them. */
async function octetsBy(client: (typeof CLIENTS)[number]): Promise<ReadonlyMap<string, string>> {
  const chat = await farm.session(client, 'random');
  await chat.ok('EXAMINE INBOX');
  const found = new Map<string, string>();
  for (const { text, literals } of await chat.ok('UID FETCH 1:* (UID BODY.PEEK[])')) {
    const uid = /UID (\d+)/.exec(text)?.[1];
    if (uid !== undefined) found.set(uid, literals[0]?.toString('latin1') ?? '');
  }
  await chat.logout();
  return found;
}

test(
  '[N-01] [N-19] three front ends, two MX and POP3 on one mailbox: one order of changes',
  { timeout: SECONDS * 1_000 + 240_000 },
  async () => {
    const first = await farm.session('c1', 'random');
    await first.ok('CREATE Aside');
    await first.logout();
    const ledger = newLedger();
    const sessions = await randomSessions({
      to: CLIENTS.map((client) => farm.imap(client)),
      user: farm.login('random'),
      password: farm.password,
      folder: 'INBOX',
      aside: 'Aside',
      clients: LONG ? 6 : 3,
      steps: 0,
      ms: SECONDS * 1_000,
      seed: Number(process.env['MAILFARM_SEED'] ?? 1),
      maildir: farm.atServer('random'),
      settleMs: SETTLE_MS,
      others: async (stopped) => {
        const how = { ledger, stopped };
        const all = [mxAtWork(farm, 'c1', 'random', how), mxAtWork(farm, 'c2', 'random', how)];
        await Promise.all([...all, pop3AtWork(farm, 'random', how)]);
        return ledger.others;
      },
    });
    const kinds = Map.groupBy(sessions.exchanges, ({ op }) => op.kind);
    const counts = [...kinds].map(([kind, { length }]) => `${kind} ${length}`).join(', ');
    process.stdout.write(`   ${sessions.exchanges.length} commands: ${counts}\n`);
    const { delivered, removed, wrong } = ledger;
    process.stdout.write(`   ${delivered.length} delivered, ${removed.length} removed by POP3\n`);
    expect(violationText(judge(sessions, { fresh: false }))).toBe('');
    expect(wrong).toEqual([]);
    expect(Math.min(delivered.length, removed.length)).toBeGreaterThan(0);
    const keys = new Set(farm.names('random').map(nameKey));
    expect(removed.filter((uidl) => keys.has(uidl))).toEqual([]);
    const [one, two, three] = await Promise.all(CLIENTS.map(octetsBy));
    expect(two).toEqual(one);
    expect(three).toEqual(one);
    for (const text of one?.values() ?? []) {
      const serial = /^X-Serial: (\S+)/m.exec(text)?.[1] ?? '?';
      if (!serial.startsWith('mx-')) continue;
      expect(text.endsWith(letterOf(serial).toString('latin1')), serial).toBe(true);
    }
  },
);

foreignTests(() => farm);

budgetTests(() => farm);

recoveryTests(() => farm);
if (LONG) longRecoveryTests(() => farm);

killedTests(() => farm);
