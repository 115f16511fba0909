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
const USING = ['core', 'mail'].map((name) => `urn:ietf:params:jmap:${name}`);

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

async function call(...methodCalls: readonly (readonly [string, object])[]): Promise<Answer[]> {
  const calls = methodCalls.map(([name, args], at) => [name, { accountId, ...args }, `c${at}`]);
  const reply = await ask('/jmap/api', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
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
