/**
 * A rolling upgrade in its middle: a node of an older release and one of this tree serve the same
 * users on the same volumes and directory. What each writes the other continues: files, UIDs,
 * keywords, states of JMAP, sign-ins. Decision 27 says what is promised.
 */
import { createHash } from 'node:crypto';
import { mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { DEMO_PASSWORD, startFarm, type Farm } from '../harness/farm.ts';
import { ImapChat } from '../harness/imap-chat.ts';
import { maildirOf } from '../harness/maildir-of.ts';
import { hasOlder, NO_OLDER, olderRelease } from '../harness/older-release.ts';
import { Pop3Chat } from '../harness/pop3-chat.ts';
import { judge, randomSessions, violationText } from '../witness/imap/run.ts';
import { addNode, type SendingNode } from './leaving-farm.ts';
import { send } from './letters.ts';

const ALICE = 'alice@example.test';
const BOB = 'bob@example.test';
const ROOT = join(import.meta.dirname, '../..');
const USING = ['core', 'mail'].map((name) => `urn:ietf:params:jmap:${name}`);
const SERVICES = ['mx', 'pop3', 'imap', 'http'] as const;
const LETTERS = 6;

const isHere = await hasOlder();
// Without the history nothing of P-13 is shown: no title names it, and the run's end says so.
const onBoth: (title: string, run: () => Promise<void>) => void = isHere ? test : () => {};

let directory: string;
let farm: Farm | undefined;
let other: SendingNode | undefined;
let older: string;

/** A node, by the ports of its services. */
interface Node {
  readonly name: string;
  readonly mx: number;
  readonly pop3: number;
  readonly imap: number;
  readonly http: number;
}
/** This tree's node, then the older one's, which a later test replaces. */
let nodes: readonly [Node, Node];

beforeAll(async () => {
  if (!isHere) return;
  directory = realpathSync(mkdtempSync(join(tmpdir(), 'mailfarm-mixed-')));
  older = await olderRelease(join(directory, 'older'));
  farm = await startFarm({ dir: join(directory, 'farm') });
  other = await addNode(farm, 'older', SERVICES, { nid: 2, tree: older });
  const [mx = 0, pop3 = 0, imap = 0, http = 0] = other.ports;
  const { ports } = farm;
  nodes = [
    { name: 'newer', mx: ports.smtp, pop3: ports.pop3, imap: ports.imap, http: ports.http },
    { name: 'older', mx, pop3, imap, http },
  ];
});
afterAll(async () => {
  await other?.stop();
  await farm?.stop();
  if (directory !== undefined) rmSync(directory, { recursive: true, force: true });
});

const both = (): readonly (readonly [Node, Node])[] => [
  [nodes[0], nodes[1]],
  [nodes[1], nodes[0]],
];

/** UIDL to the SHA-256 of the letter. */
async function mailbox({ pop3 }: Node, user: string): Promise<ReadonlyMap<string, string>> {
  const chat = await Pop3Chat.login({ port: pop3 }, user, DEMO_PASSWORD);
  const found = new Map<string, string>();
  for (const [number, uidl] of await chat.listing('UIDL')) {
    found.set(
      uidl,
      createHash('sha256')
        .update(await chat.retrieve(number))
        .digest('hex'),
    );
  }
  await chat.quit();
  return found;
}

/** What IMAP says of INBOX: its UIDVALIDITY, then UID, flags and keywords of each message. */
async function inbox({ imap }: Node, user: string): Promise<readonly string[]> {
  const chat = await ImapChat.login({ port: imap }, user, DEMO_PASSWORD);
  const selected = (await chat.ok('EXAMINE INBOX')).map(({ text }) => text);
  const fetched = (await chat.ok('UID FETCH 1:* (UID FLAGS)')).map(({ text }) => text);
  await chat.logout();
  const validity = selected.filter((text) => text.includes('UIDVALIDITY'));
  return [...validity, ...fetched.map((text) => text.replace(/ ?\\Recent/, ''))];
}

async function store({ imap }: Node, user: string, command: string): Promise<void> {
  const chat = await ImapChat.login({ port: imap }, user, DEMO_PASSWORD);
  await chat.ok('SELECT INBOX');
  await chat.ok(command);
  await chat.logout();
}

async function traffic(user: string, names: string): Promise<void> {
  for (const [one, two] of both()) {
    for (let n = 0; n < LETTERS; n++) {
      const text = `Subject: ${names} by ${one.name} ${n}\r\n\r\nx\r\n`;
      expect((await send(one.mx, [user], text)).code).toBe(250);
    }
    expect(await mailbox(two, user)).toEqual(await mailbox(one, user));
    await store(one, user, `UID STORE 1:* +FLAGS (\\Flagged ${names}-${one.name})`);
    const told = await inbox(one, user);
    expect(told.filter((text) => text.includes(`${names}-${one.name}`)).length).toBeGreaterThan(0);
    expect(await inbox(two, user)).toEqual(told);
  }
}

type Answer = readonly [name: string, args: Record<string, unknown>];
const BASIC = Buffer.from(`${ALICE}:${DEMO_PASSWORD}`).toString('base64');

async function web({ http }: Node, path: string, more: RequestInit = {}): Promise<Response> {
  const reply = await fetch(`http://127.0.0.1:${http}${path}`, more);
  if (!reply.ok) throw new Error(`${path}: ${reply.status} ${await reply.text()}`);
  return reply;
}

/** One method call of alice, by her password or a sign-in's cookie. */
async function call(
  node: Node,
  [name, args]: Answer,
  headers: Record<string, string> = { authorization: `Basic ${BASIC}` },
): Promise<Answer> {
  const session = await web(node, '/.well-known/jmap', { headers });
  const { primaryAccounts } = (await session.json()) as {
    primaryAccounts: Record<string, string>;
  };
  const accountId = primaryAccounts['urn:ietf:params:jmap:mail'];
  const methodCalls = [[name, { accountId, ...args }, 'c']];
  const reply = await web(node, '/jmap/api', {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify({ using: USING, methodCalls }),
  });
  const { methodResponses } = (await reply.json()) as { methodResponses: Answer[] };
  return methodResponses[0] ?? ['nothing', {}];
}

const stateOf = async (node: Node, method: string): Promise<unknown> =>
  (await call(node, [method, { ids: [] }]))[1]['state'];

test(isHere ? 'the older release is there' : `nothing is shown: ${NO_OLDER}`, async () => {
  expect(await hasOlder()).toBe(isHere);
});

onBoth('[P-13] letters, UIDLs, UIDs, flags and keywords are the same on both', async () => {
  await traffic(BOB, 'mixed');
});

onBoth('[P-13] [N-01] IMAP clients at random on both: nothing is contradicted', async () => {
  if (farm === undefined) throw new Error('no farm');
  const [one] = nodes;
  expect((await send(one.mx, [ALICE])).code).toBe(250);
  const chat = await ImapChat.login({ port: one.imap }, ALICE, DEMO_PASSWORD);
  for (const folder of ['Work', 'Aside']) await chat.ok(`CREATE ${folder}`);
  await chat.logout();
  const sessions = await randomSessions({
    to: nodes.map(({ imap }) => ({ port: imap })),
    user: ALICE,
    password: DEMO_PASSWORD,
    folder: 'Work',
    aside: 'Aside',
    maildir: join(await maildirOf(farm, ALICE), '.Work'),
    clients: 4,
    steps: 30,
    seed: Number(process.env['MAILFARM_SEED'] ?? 1),
    settleMs: 90_000,
  });
  expect(violationText(judge(sessions, { fresh: false }))).toBe('');
  expect(new Set(sessions.exchanges.map(({ op }) => op.kind)).size).toBeGreaterThan(6);
});

onBoth('[P-13] JMAP: ids are the same, a state of the one is continued by the other', async () => {
  const [, { list }] = await call(nodes[0], ['Mailbox/get', { ids: null }]);
  const all = list as readonly { readonly id: string; readonly role: string | null }[];
  const inboxes = all.filter(({ role }) => role === 'inbox').map(({ id }) => id);
  expect(inboxes).toHaveLength(1);
  for (const [one, two] of both()) {
    const emails = await stateOf(one, 'Email/get');
    const mailboxes = await stateOf(one, 'Mailbox/get');
    expect((await send(one.mx, [ALICE])).code).toBe(250);
    const [, changed] = await call(two, ['Email/changes', { sinceState: emails }]);
    expect(changed['created']).toHaveLength(1);
    const ids = changed['created'];
    const wanted = { ids, properties: ['id', 'threadId', 'mailboxIds', 'receivedAt', 'size'] };
    const got = await call(two, ['Email/get', wanted]);
    expect((await call(one, ['Email/get', wanted]))[1]['list']).toEqual(got[1]['list']);
    const [name, folders] = await call(two, ['Mailbox/changes', { sinceState: mailboxes }]);
    // Of others it may tell too: what is shown of a mailbox is not the same in each release.
    expect([name, folders['updated']]).toEqual([
      'Mailbox/changes',
      expect.arrayContaining(inboxes),
    ]);
  }
});

onBoth(
  '[P-13] a state of changes in part, which is newer, is begun anew by the older',
  async () => {
    const [newer, old] = nodes;
    const sinceState = await stateOf(newer, 'Email/get');
    for (let n = 0; n < 3; n++) expect((await send(newer.mx, [ALICE])).code).toBe(250);
    const [, part] = await call(newer, ['Email/changes', { sinceState, maxChanges: 1 }]);
    expect([part['hasMoreChanges'], part['created']]).toEqual([true, [expect.any(String)]]);
    const more = { sinceState: part['newState'] };
    const [name, said] = await call(old, ['Email/changes', more]);
    expect([name, said['type']]).toEqual(['error', 'cannotCalculateChanges']);
    const [, rest] = await call(newer, ['Email/changes', more]);
    expect([rest['hasMoreChanges'], rest['created']]).toEqual([
      false,
      [expect.any(String), expect.any(String)],
    ]);
  },
);

/** @returns the headers of who has signed in at this node */
async function signIn(node: Node): Promise<Record<string, string>> {
  const page = { 'sec-fetch-site': 'same-origin' };
  const reply = await web(node, '/auth/sign-in', {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...page },
    body: JSON.stringify({ login: ALICE, password: DEMO_PASSWORD }),
  });
  return { ...page, cookie: (reply.headers.get('set-cookie') ?? '').split(';')[0] ?? '' };
}

onBoth('[P-13] [N-17] who signed in at the one is signed in at the other', async () => {
  for (const [one, two] of both()) {
    const cookie = await signIn(one);
    const [name] = await call(two, ['Mailbox/get', { ids: null }], cookie);
    expect(name).toBe('Mailbox/get');
  }
});

onBoth('[P-13] the older node is upgraded, and taken back to the older release', async () => {
  if (other === undefined) throw new Error('no node');
  for (const [tree, names] of [
    [ROOT, 'after'],
    [older, 'back'],
  ] as const) {
    const before = await inbox(nodes[0], BOB);
    const letters = await mailbox(nodes[0], BOB);
    await other.stop();
    await other.startAgain(tree);
    expect(await inbox(nodes[1], BOB)).toEqual(before);
    expect(await mailbox(nodes[1], BOB)).toEqual(letters);
    await traffic(BOB, names);
  }
});
