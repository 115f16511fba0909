/** Random sessions before Dovecot, which must pass, and with lies that the judge must find. */
import { chmodSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ImapChat } from '../../harness/imap-chat.ts';
import { has, needs } from '../../harness/needs.ts';
import { type DovecotServer, startDovecot } from '../../harness/peers.ts';
import { LIES, retold } from './plants.ts';
import type { Filed, Other, Sessions } from './records.ts';
import { judge, randomSessions, violationText } from './run.ts';
import { parse } from './wire.ts';

const STEPS = Number(process.env['MAILFARM_IMAP_STEPS'] ?? 60);
const SEED = Number(process.env['MAILFARM_SEED'] ?? 1);
const CLIENTS = 4;
const USER = 'alice';
/** Whoever comes first waits for the run. */
const LONG = { timeout: 60_000 + STEPS * 2_000 };
let directory: string;
let dovecot: DovecotServer | undefined;

beforeAll(async () => {
  if (!has('dovecot')) return;
  directory = mkdtempSync(join(tmpdir(), 'mailfarm-imap-witness-'));
  chmodSync(directory, 0o711);
  mkdirSync(join(directory, 'mail'));
  chmodSync(join(directory, 'mail'), 0o777);
  const users = { [USER]: 'demo' };
  dovecot = await startDovecot({ directory, maildir: join(directory, 'mail'), users });
});
afterAll(async () => {
  await dovecot?.stop();
  if (directory !== undefined) rmSync(directory, { recursive: true, force: true });
});

/** One run for all tests: what is proven of lies needs no server. */
async function work(): Promise<Sessions> {
  if (dovecot === undefined) throw new Error('no Dovecot');
  const chat = await ImapChat.login({ port: dovecot.imap }, USER, 'demo');
  for (const folder of ['Work', 'Aside']) await chat.ok(`CREATE ${folder}`);
  await chat.logout();
  return randomSessions({
    to: [{ port: dovecot.imap }],
    user: USER,
    password: 'demo',
    folder: 'Work',
    aside: 'Aside',
    clients: CLIENTS,
    steps: STEPS,
    seed: SEED,
    maildir: join(directory, 'mail', '.Work'),
  });
}
let worked: Promise<Sessions> | undefined;
const sessions = (): Promise<Sessions> => (worked ??= work());
const FRESH = { fresh: true };

test(`[N-01] nothing is wrong with Dovecot (${STEPS} steps, seed ${SEED})`, LONG, async (ctx) => {
  needs(ctx, 'dovecot');
  const all = await sessions();
  expect(violationText(judge(all, FRESH))).toBe('');
  expect(new Set(all.exchanges.map(({ op }) => op.kind)).size).toBe(9);
  const told = all.exchanges.flatMap(({ answer }) => answer.untagged.map(({ text }) => text));
  for (const what of [/ EXPUNGE$/, / FETCH .*\\Deleted/, / FETCH .*\$One/]) {
    expect(told.filter((line) => what.test(line)).length, String(what)).toBeGreaterThan(5);
  }
});

for (const [name, lie] of Object.entries(LIES)) {
  const called = lie.called.join(' or ');
  test(`[N-21] the judge finds ${name} and calls it ${called}`, LONG, async (ctx) => {
    needs(ctx, 'dovecot');
    const violations = judge(retold(await sessions(), 'c0', lie), FRESH);
    const found = violations.some(({ kind }) => lie.called.includes(kind));
    expect(found, violationText(violations) || 'nothing was found').toBe(true);
  });
}

test(
  '[N-21] the judge finds a file that is gone and a flag that no file has',
  LONG,
  async (ctx) => {
    needs(ctx, 'dovecot');
    const all = await sessions();
    const [first, ...rest] = all.files ?? [];
    if (first === undefined) throw new Error('the folder is empty in the end');
    const kinds = (files: readonly Filed[]): string[] =>
      judge({ ...all, files }, FRESH).map(({ kind }) => kind);
    expect(kinds(rest)).toEqual(['files-differ']);
    const flags = first.flags.includes('\\Flagged') ? [] : ['\\Flagged'];
    expect(kinds([...rest, { ...first, flags }])).toEqual(['files-differ']);
  },
);

test('[N-21] the judge finds clients that differ in the end', LONG, async (ctx) => {
  needs(ctx, 'dovecot');
  const all = await sessions();
  const last = all.exchanges.findLast(({ client }) => client === 'c1');
  const exchanges = all.exchanges.map((exchange) => {
    if (exchange !== last) return exchange;
    const untagged = exchange.answer.untagged.map((response) => {
      const text = response.text.replace(/FLAGS \([^)]*\)/, 'FLAGS (Other)');
      return { ...response, text, values: parse(text, response.literals) };
    });
    return { ...exchange, answer: { ...exchange.answer, untagged } };
  });
  const kinds = judge({ ...all, exchanges }, FRESH).map(({ kind }) => kind);
  expect(kinds).toContain('views-differ');
});

test('[N-21] the judge counts deliveries and removals of others', LONG, async (ctx) => {
  needs(ctx, 'dovecot');
  const all = await sessions();
  const kinds = (others: readonly Other[]): string[] => [
    ...new Set(judge({ ...all, others }, FRESH).map(({ kind }) => kind)),
  ];
  const times = { sentAt: 0, doneAt: 1 };
  const lost: Other = { kind: 'delivery', who: 'mx', serial: 'mx-1', ...times };
  expect(kinds([lost])).toEqual(['message-lost']);
  // Nobody knows what came of it, or somebody removed it before it was seen: nothing is wrong.
  expect(kinds([{ ...lost, doneAt: undefined }])).toEqual([]);
  const removal: Other = { kind: 'removal', who: 'pop3', serial: 'mx-1', ...times };
  expect(kinds([lost, removal])).toEqual([]);
  const serials = Map.groupBy(all.files ?? [], ({ serial }) => serial);
  const still = [...serials].filter(([, files]) => files.length === 1).map(([serial]) => serial);
  const found = still.flatMap((serial) => kinds([{ ...removal, serial }]));
  expect(found).toContain('came-back');
});
