/**
 * JMAP on a farm of two nodes, in clear and over TLS: consecutive requests go to the one and the
 * other in turn, as a balancer sends them, and one of them is killed in the middle.
 */
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, realpathSync, rmSync } from 'node:fs';
import { request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { DEMO_PASSWORD, startFarm, type Farm } from '../harness/farm.ts';
import { addNode, childrenOf, type SendingNode } from './leaving-farm.ts';
import { send } from './letters.ts';

const ALICE = 'alice@example.test';
const BASIC = `Basic ${Buffer.from(`${ALICE}:${DEMO_PASSWORD}`).toString('base64')}`;
const USING = ['core', 'mail', 'submission'].map((name) => `urn:ietf:params:jmap:${name}`);

let farm: Farm;
let second: SendingNode;
let directory: string;
/** Where the next request goes; each one goes to another node than the last. */
let nodes: string[] = [];
let turn = 0;
let accountId = '';

beforeAll(async () => {
  directory = realpathSync(mkdtempSync(join(tmpdir(), 'mailfarm-web-')));
  farm = await startFarm({ dir: join(directory, 'farm') });
  second = await addNode(farm, 'front2', ['http', 'https'], { nid: 2, workers: 1 });
  nodes = [`127.0.0.1:${farm.ports.http}`, `127.0.0.1:${second.ports[0]}`];
  const session = (await (await ask('/.well-known/jmap')).json()) as Session;
  accountId = session.primaryAccounts['urn:ietf:params:jmap:mail'] ?? '';
});

afterAll(async () => {
  await second?.stop();
  await farm?.stop();
  rmSync(directory, { recursive: true, force: true });
});

interface Session {
  readonly primaryAccounts: Readonly<Record<string, string>>;
  readonly state: string;
}

/** To the next node; one that is not there any more is left out, as a balancer leaves it out. */
async function ask(path: string, more: RequestInit = {}): Promise<Response> {
  for (let tries = 0; ; tries += 1) {
    turn += 1;
    const node = nodes[turn % nodes.length] ?? '';
    const headers = { authorization: BASIC, ...(more.headers as Record<string, string>) };
    try {
      return await fetch(`http://${node}${path}`, { ...more, headers });
    } catch (error) {
      if (tries === 1) throw error;
    }
  }
}

type Answer = readonly [name: string, args: Record<string, unknown>];

const call = (...methodCalls: readonly (readonly [string, object])[]): Promise<Answer[]> =>
  callAs({}, methodCalls);

async function callAs(
  headers: Readonly<Record<string, string>>,
  methodCalls: readonly (readonly [string, object])[],
): Promise<Answer[]> {
  const calls = methodCalls.map(([name, args], at) => [name, { accountId, ...args }, `c${at}`]);
  const reply = await ask('/jmap/api', {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify({ using: USING, methodCalls: calls }),
  });
  const { methodResponses } = (await reply.json()) as { methodResponses: Answer[] };
  return methodResponses;
}

const idsOf = ([, args]: Answer): readonly string[] => args['ids'] as readonly string[];

/** All ids of the mailbox, by a query to whatever node is next. */
async function query(): Promise<readonly string[]> {
  const [answer] = await call(['Email/query', { sort: [{ property: 'receivedAt' }] }]);
  return answer === undefined ? [] : idsOf(answer);
}

/** A letter to alice, taken by MX. */
async function deliver(subject: string): Promise<void> {
  const text = `Subject: ${subject}\r\n\r\nx\r\n`;
  expect((await send(farm.ports.smtp, [ALICE], text)).code).toBe(250);
}

test('[N-17] the session is the same on both nodes', async () => {
  const sessions = await Promise.all(
    [0, 1].map(async () => (await (await ask('/.well-known/jmap')).json()) as Session),
  );
  expect(sessions[0]?.state).toBe(sessions[1]?.state);
});

test('[N-17] changes since a state of one node are told by the other', async () => {
  const [got] = await call(['Email/get', { ids: [] }]);
  let state = String(got?.[1]['state']);
  const known = new Set(await query());
  for (let round = 0; round < 4; round += 1) {
    await deliver(`round ${round}`);
    const [changes] = await call(['Email/changes', { sinceState: state }]);
    expect(changes?.[0]).toBe('Email/changes');
    const created = changes?.[1]['created'] as readonly string[] | undefined;
    expect(created).toHaveLength(1);
    for (const id of created ?? []) known.add(id);
    state = String(changes?.[1]['newState']);
    expect(new Set(await query())).toEqual(known);
  }
});

test('[N-17] a file that one node took is in the hands of the other at once', async () => {
  const octets = Buffer.alloc(2_500_000, 'an attachment\n');
  for (let round = 0; round < 2; round += 1) {
    const reply = await ask(`/jmap/upload/${accountId}/`, { method: 'POST', body: octets });
    const { blobId } = (await reply.json()) as { blobId: string };
    const back = await ask(`/jmap/download/${accountId}/${blobId}/a.bin`);
    const digest = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
    expect(digest(Buffer.from(await back.arrayBuffer()))).toBe(digest(octets));
  }
});

/** A stream of events: what waits until mail was delivered after it began. */
async function deliveries(node: string, authorization: string): Promise<() => Promise<void>> {
  const path = '/jmap/events?types=EmailDelivery&closeafter=no&ping=0';
  const reply = await fetch(`http://${node}${path}`, { headers: { authorization } });
  const reader = (reply.body as ReadableStream<Uint8Array>).getReader();
  const decoder = new TextDecoder();
  let text = '';
  const states = async (count: number): Promise<void> => {
    const seen = (): number => new Set(text.match(/"EmailDelivery":"[^"]+"/g)).size;
    while (seen() < count) {
      const { value, done } = await reader.read();
      if (done) throw new Error(`The stream ended with ${text}`);
      text += decoder.decode(value, { stream: true });
    }
  };
  await states(1); // That of the moment in which it begins.
  return async () => {
    await states(2);
    await reader.cancel();
  };
}

const LETTER = {
  keywords: { $draft: true, $seen: true },
  from: [{ email: ALICE }],
  to: [{ email: 'bob@example.test' }],
  subject: 'From one node to the other',
  bodyStructure: { type: 'text/plain', partId: 't' },
  bodyValues: { t: { value: 'Здравствуй, Bob' } },
};

test('[N-17] what alice sends at one node bob is told of at the other, and reads', async () => {
  const authorization = `Basic ${Buffer.from(`bob@example.test:${DEMO_PASSWORD}`).toString('base64')}`;
  const session = (await (
    await ask('/.well-known/jmap', { headers: { authorization } })
  ).json()) as Session;
  const bobs = session.primaryAccounts['urn:ietf:params:jmap:mail'] ?? '';
  const asBob = (...calls: readonly (readonly [string, object])[]): Promise<Answer[]> =>
    callAs(
      { authorization },
      calls.map(([name, args]) => [name, { accountId: bobs, ...args }]),
    );
  const delivered = await deliveries(nodes[1] ?? '', authorization);
  await call(['Mailbox/set', { create: { d: { name: 'Drafts', role: 'drafts' } } }]);
  await call(['Mailbox/set', { create: { s: { name: 'Sent', role: 'sent' } } }]);
  const [boxes, own] = await call(['Mailbox/get', {}], ['Identity/get', {}]);
  const list = boxes?.[1]['list'] as { role: string; id: string }[];
  const idOf = (role: string): string => list.find((one) => one.role === role)?.id ?? '';
  const identities = own?.[1]['list'] as { id: string; email: string }[];
  const identityId = identities.find(({ email }) => email === ALICE)?.id;
  turn = 1; // The next request goes to the first node.
  const answers = await call(
    [
      'Email/set',
      {
        create: { letter: { ...LETTER, mailboxIds: { [idOf('drafts')]: true } } },
      },
    ],
    [
      'EmailSubmission/set',
      {
        create: { send: { identityId, emailId: '#letter' } },
        onSuccessUpdateEmail: {
          '#send': {
            [`mailboxIds/${idOf('drafts')}`]: null,
            [`mailboxIds/${idOf('sent')}`]: true,
            'keywords/$draft': null,
          },
        },
      },
    ],
  );
  expect(answers.map(([name]) => name)).toEqual(['Email/set', 'EmailSubmission/set', 'Email/set']);
  const [made, sent, filed] = answers.map(([, args]) => args);
  expect([made?.['notCreated'], sent?.['notCreated'], filed?.['notUpdated']]).toEqual([
    null,
    null,
    null,
  ]);
  await delivered();
  const filter = { subject: 'From one node' };
  const look = async (): Promise<readonly string[]> => {
    const [answer] = await asBob(['Email/query', { filter }]);
    return answer === undefined ? [] : idsOf(answer);
  };
  await expect.poll(look).toHaveLength(1);
  const properties = ['from', 'preview', 'keywords', 'bodyValues'];
  for (let node = 0; node < 2; node += 1) {
    const [read] = await asBob([
      'Email/get',
      { ids: await look(), properties, fetchTextBodyValues: true },
    ]);
    expect(read?.[1]['list']).toMatchObject([
      { from: [{ email: ALICE }], preview: 'Здравствуй, Bob', keywords: {} },
    ]);
  }
});

test('over TLS it is the same, and a browser is told to stay with it', async () => {
  const ca = readFileSync(farm.authority);
  for (const port of [farm.ports.https, second.ports[1]]) {
    const headers = await new Promise<Record<string, unknown>>((resolve, reject) => {
      const path = '/.well-known/jmap';
      const asked = request({
        host: 'localhost',
        port,
        path,
        ca,
        headers: { authorization: BASIC },
      });
      asked.on('response', (reply) => resolve({ status: reply.statusCode, ...reply.headers }));
      asked.on('error', reject).end();
    });
    expect(headers).toMatchObject({
      status: 200,
      'strict-transport-security': expect.stringMatching(/^max-age=/),
    });
  }
});

test('[N-17] a wrong password is refused by both', async () => {
  const authorization = `Basic ${Buffer.from(`${ALICE}:wrong`).toString('base64')}`;
  for (let round = 0; round < 2; round += 1) {
    const reply = await ask('/.well-known/jmap', { headers: { authorization } });
    expect(reply.status).toBe(401);
  }
});

test('[N-17] a node is killed in the middle: the next request is answered by the other', async () => {
  const before = await query();
  const [got] = await call(['Email/get', { ids: [] }]);
  const { pid } = second.process;
  for (const one of [...childrenOf(pid), pid]) process.kill(one, 'SIGKILL');
  await second.process.exited;
  const [changes] = await call(['Email/changes', { sinceState: String(got?.[1]['state']) }]);
  expect(changes).toMatchObject(['Email/changes', { created: [], destroyed: [] }, 'c0']);
  for (let round = 0; round < 3; round += 1) expect(await query()).toEqual(before);
});
