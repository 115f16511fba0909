/**
 * A client of JMAP that we did not write (jmap-jam) against a farm:
 * every method that it has. It knows bearer tokens only, so the header is put in its place.
 */
import { mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { JamClient } from 'jmap-jam';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { DEMO_PASSWORD, startFarm, type Farm } from '../harness/farm.ts';

const SOON = { timeout: 60_000, interval: 500 };

let farm: Farm;
let directory: string;
let alice: JamClient;
let bob: JamClient;
let accountId: string;
let mailboxes: ReadonlyMap<string, string>;

beforeAll(async () => {
  directory = realpathSync(mkdtempSync(join(tmpdir(), 'mailfarm-jmap-client-')));
  farm = await startFarm({ dir: join(directory, 'farm') });
  // A busy machine may answer the first of all requests with 503: try again.
  await vi.waitFor(async () => {
    alice = clientOf('alice@example.test');
    expect(await alice.session).toHaveProperty('apiUrl');
  }, SOON);
  bob = clientOf('bob@example.test');
  accountId = await alice.getPrimaryAccount();
  // A new user has an inbox; a client makes what it misses.
  const [{ notCreated }] = await alice.api.Mailbox.set({
    accountId,
    create: { d: { name: 'Drafts', role: 'drafts' }, s: { name: 'Sent', role: 'sent' } },
  });
  expect(notCreated).toBeNull();
  mailboxes = await rolesOf(alice);
});

afterAll(async () => {
  await farm?.stop();
  rmSync(directory, { recursive: true, force: true });
});

function clientOf(login: string): JamClient {
  const sessionUrl = `http://127.0.0.1:${farm.ports.http}/.well-known/jmap`;
  const client = new JamClient({ bearerToken: 'none', sessionUrl });
  client.session.catch(() => {}); // Refused: it has begun before its header could be put in.
  client.authHeader = `Basic ${Buffer.from(`${login}:${DEMO_PASSWORD}`).toString('base64')}`;
  client.session = JamClient.loadSession(sessionUrl, client.authHeader);
  return client;
}

async function rolesOf(client: JamClient): Promise<ReadonlyMap<string, string>> {
  const [{ list }] = await client.api.Mailbox.get({
    accountId: await client.getPrimaryAccount(),
    ids: null,
  });
  return new Map(list.map(({ role, id }) => [String(role), id]));
}

const boxOf = (role: string): string => mailboxes.get(role) ?? '';

/** A message of one text, put into a mailbox. @returns its id */
async function draft(subject: string, role = 'drafts'): Promise<string> {
  const [{ created, notCreated }] = await alice.api.Email.set({
    accountId,
    create: {
      draft: {
        mailboxIds: { [boxOf(role)]: true },
        keywords: { $draft: true },
        from: [{ name: 'Alice', email: 'alice@example.test' }],
        to: [{ name: 'Bob', email: 'bob@example.test' }],
        subject,
        bodyStructure: { type: 'text/plain', partId: 'text' },
        bodyValues: { text: { value: `About ${subject}\n` } },
      },
    },
  });
  expect(notCreated ?? null).toBeNull();
  return created['draft']?.id ?? '';
}

test('the session has what the client looks for', async () => {
  const session = await alice.session;
  expect(session.username).toBe('alice@example.test');
  expect(Object.keys(session.accounts)).toEqual([accountId]);
  expect(session.capabilities).toHaveProperty('urn:ietf:params:jmap:core');
  const wrong = await JamClient.loadSession(
    `http://127.0.0.1:${farm.ports.http}/.well-known/jmap`,
    'Bearer x',
  );
  expect(JamClient.isProblemDetails(wrong)).toBe(true);
});

test('Mailbox: query, get, set, changes, queryChanges', async () => {
  const { api } = alice;
  const [{ ids, queryState, canCalculateChanges }] = await api.Mailbox.query({
    accountId,
    filter: { role: 'inbox' },
  });
  expect(ids).toEqual([boxOf('inbox')]);
  const [{ state }] = await api.Mailbox.get({ accountId, ids: [] });
  const [{ created }] = await api.Mailbox.set({
    accountId,
    create: { one: { name: 'Plans', parentId: null } },
  });
  const id = created['one']?.id ?? '';
  const [changes] = await api.Mailbox.changes({ accountId, sinceState: state });
  expect(changes).toMatchObject({ created: [id], destroyed: [], hasMoreChanges: false });
  const [{ updated }] = await api.Mailbox.set({ accountId, update: { [id]: { name: 'Ideas' } } });
  expect(Object.keys(updated ?? {})).toEqual([id]);
  if (canCalculateChanges) {
    const [told] = await api.Mailbox.queryChanges({ accountId, sinceQueryState: queryState });
    expect(told.added.map((one) => one.id)).toContain(id);
  }
  const [{ destroyed }] = await api.Mailbox.set({ accountId, destroy: [id] });
  expect(destroyed).toEqual([id]);
});

test('Email: set, query, get, changes, queryChanges, Thread, in one request by references', async () => {
  const { api } = alice;
  const [{ state }] = await api.Email.get({ accountId, ids: [], properties: ['id'] });
  const [{ queryState }] = await api.Email.query({ accountId, filter: {} });
  const id = await draft('harvest');
  const [{ created }] = await api.Email.changes({ accountId, sinceState: state });
  expect(created).toEqual([id]);
  const [{ added }] = await api.Email.queryChanges({
    accountId,
    filter: {},
    sinceQueryState: queryState,
  });
  expect(added.map((one) => one.id)).toEqual([id]);
  const [{ found, emails, threads }] = await alice.requestMany((all) => {
    const query = all.Email.query({ accountId, filter: { subject: 'harvest' } });
    const got = all.Email.get({
      accountId,
      ids: query.$ref('/ids'),
      properties: ['id', 'threadId', 'subject', 'bodyValues', 'textBody', 'keywords'],
      fetchTextBodyValues: true,
    });
    return {
      found: query,
      emails: got,
      threads: all.Thread.get({ accountId, ids: got.$ref('/list/*/threadId') }),
    };
  });
  expect(found.ids).toEqual([id]);
  expect(emails.list).toMatchObject([{ id, subject: 'harvest', keywords: { $draft: true } }]);
  expect(Object.values(emails.list[0]?.bodyValues ?? {})[0]?.value).toBe('About harvest\n');
  expect(threads.list).toMatchObject([{ emailIds: [id] }]);
  const [snippets] = await api.SearchSnippet.get({
    accountId,
    filter: { text: 'harvest' },
    emailIds: [id],
  });
  expect(snippets.list[0]).toMatchObject({ emailId: id, subject: '<mark>harvest</mark>' });
  const [threadChanges] = await api.Thread.changes({ accountId, sinceState: state });
  expect(threadChanges.created).toHaveLength(1);
  const [gone] = await api.Email.set({ accountId, destroy: [id] });
  expect(gone.destroyed).toEqual([id]);
});

test('blobs: up, parsed, imported, copied, down', async () => {
  const message = 'From: x@y.test\r\nSubject: kept\r\n\r\nbody\r\n';
  const { blobId, size } = await alice.uploadBlob(accountId, message, {
    headers: { Authorization: alice.authHeader, 'content-type': 'message/rfc822' },
  });
  expect(size).toBe(message.length);
  const [{ parsed }] = await alice.api.Email.parse({ accountId, blobIds: [blobId] });
  expect(parsed?.[blobId]).toMatchObject({ subject: 'kept' });
  const [{ created }] = await alice.api.Email.import({
    accountId,
    emails: { one: { blobId, mailboxIds: { [boxOf('inbox')]: true } } },
  });
  const stored = created['one'];
  const reply = await alice.downloadBlob({
    accountId,
    blobId: stored?.blobId ?? '',
    mimeType: 'message/rfc822',
    fileName: 'kept.eml',
  });
  expect(await reply.text()).toBe(message);
  const copy = { accountId, fromAccountId: accountId, create: {} };
  await expect(alice.api.Email.copy(copy)).rejects.toMatchObject({
    type: 'invalidArguments',
  });
  await alice.api.Email.set({ accountId, destroy: [stored?.id] });
});

test('Identity, EmailSubmission: bob reads what alice sent', async () => {
  const { api } = alice;
  const [{ list: identities, state }] = await api.Identity.get({ accountId, ids: null });
  const mine = identities.find(({ email }) => email === 'alice@example.test');
  const [named] = await api.Identity.set({
    accountId,
    update: { [mine?.id ?? '']: { textSignature: '-- \nAlice' } },
  });
  expect(named.notUpdated ?? null).toBeNull();
  const [changes] = await api.Identity.changes({ accountId, sinceState: state });
  expect(changes.updated).toEqual([mine?.id]);
  const emailId = await draft('by another client');
  const [sent] = await api.EmailSubmission.set({
    accountId,
    create: { send: { identityId: mine?.id, emailId } },
    onSuccessUpdateEmail: {
      '#send': {
        [`mailboxIds/${boxOf('drafts')}`]: null,
        [`mailboxIds/${boxOf('sent')}`]: true,
        'keywords/$draft': null,
      },
    },
  });
  const id = sent.created['send']?.id ?? '';
  const [{ list }] = await api.EmailSubmission.get({ accountId, ids: [id] });
  expect(list).toMatchObject([{ emailId, undoStatus: 'final' }]);
  const [query] = await api.EmailSubmission.query({ accountId, filter: { emailIds: [emailId] } });
  expect(query.ids).toEqual([id]);
  const [told] = await api.EmailSubmission.changes({ accountId, sinceState: sent.oldState ?? '' });
  expect(told.created).toEqual([id]);
  const [{ list: filed }] = await api.Email.get({ accountId, ids: [emailId] });
  expect(filed).toMatchObject([{ keywords: {}, mailboxIds: { [boxOf('sent')]: true } }]);
  const bobs = await bob.getPrimaryAccount();
  const look = async (): Promise<readonly string[]> => {
    const [{ ids }] = await bob.api.Email.query({
      accountId: bobs,
      filter: { subject: 'by another client' },
    });
    return ids;
  };
  await expect.poll(look).toHaveLength(1);
});

test('VacationResponse, and a method that is none', async () => {
  const [{ list }] = await alice.api.VacationResponse.get({ accountId, ids: null });
  expect(list).toMatchObject([{ id: 'singleton', isEnabled: false }]);
  const [set] = await alice.api.VacationResponse.set({
    accountId,
    update: { singleton: { isEnabled: false, textBody: 'Away until Monday' } },
  });
  expect(Object.keys(set.updated ?? {})).toEqual(['singleton']);
  const [echoed] = await alice.api.Core.echo({ hello: true });
  expect(echoed).toEqual({ hello: true });
  await expect(alice.request(['Email/none', { accountId }])).rejects.toMatchObject({
    type: 'unknownMethod',
  });
});
