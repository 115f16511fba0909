import { ImapFlow } from 'imapflow';
import { type TestContext, expect } from 'vitest';
import { append, named, plainLetters } from './letters.ts';
import {
  type ImapLogin,
  type ImapServer,
  chatTo,
  expectFilesAgree,
  filled,
  viewOf,
} from './servers.ts';

async function open(ctx: TestContext, login: ImapLogin): Promise<ImapFlow> {
  const flow = new ImapFlow({
    host: login.host,
    port: login.port,
    secure: false,
    doSTARTTLS: false,
    auth: { user: login.user, pass: login.password },
    logger: false,
  });
  flow.on('error', () => undefined); // What matters rejects a promise.
  ctx.onTestFinished(() => flow.close());
  await flow.connect();
  return flow;
}

async function downloaded(flow: ImapFlow, uid: number): Promise<Buffer> {
  const { content } = await flow.download(String(uid), undefined, { uid: true });
  if (content === undefined) throw new Error(`${uid} cannot be downloaded`);
  const chunks: Buffer[] = [];
  for await (const chunk of content) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

async function messages(flow: ImapFlow, wires: readonly Buffer[]): Promise<void> {
  const lock = await flow.getMailboxLock('INBOX');
  try {
    const uids = await flow.search({ all: true }, { uid: true });
    if (uids === false || uids === undefined) throw new Error('no search');
    expect(uids).toHaveLength(1 + wires.length);
    for (const [at, wire] of wires.entries()) {
      expect((await downloaded(flow, uids[at + 1] ?? 0)).equals(wire), `letter ${at}`).toBe(true);
    }
    expect(await flow.messageFlagsAdd('2:3', ['\\Flagged', '$Flow'])).toBe(true);
    expect(await flow.messageFlagsRemove('3', ['\\Flagged'])).toBe(true);
    expect(await flow.messageFlagsSet('4', ['\\Answered'])).toBe(true);
    expect(await flow.search({ flagged: true })).toEqual([2]);
    expect(await flow.search({ keyword: '$Flow' })).toEqual([2, 3]);
    expect(await flow.search({ answered: true })).toEqual([4]);
    const one = await flow.fetchOne('1', { envelope: true, bodyStructure: true, flags: true });
    if (one === false) throw new Error('nothing was fetched');
    expect(one.envelope?.subject).toBe('first');
    expect(one.bodyStructure?.type).toBe('text/plain');
    const copied = await flow.messageCopy('2', 'Flow');
    if (copied === false) throw new Error('nothing was copied');
    expect(copied.uidMap === undefined || copied.uidMap.size === 1).toBe(true);
    await flow.messageMove('3', 'Flow');
    await flow.messageDelete('4');
    expect(await flow.search({ all: true }, { uid: true })).toHaveLength(wires.length - 1);
  } finally {
    lock.release();
  }
}

/** IDLE tells of a letter that came, and of flags that another client set. */
async function idles(flow: ImapFlow, server: ImapServer, login: ImapLogin): Promise<void> {
  await flow.mailboxOpen('INBOX');
  const counts: number[] = [];
  const flags: string[] = [];
  flow.on('exists', ({ count }: { count: number }) => void counts.push(count));
  flow.on('flags', (change: { flags: Set<string> }) => void flags.push(...change.flags));
  const before = flow.mailbox === false ? 0 : flow.mailbox.exists;
  const idling = flow.idle();
  await server.deliver(login.user, named('while idle'));
  await expect.poll(() => counts, { timeout: 90_000 }).toContain(before + 1);
  const other = await chatTo(login);
  await other.ok('SELECT INBOX');
  await other.ok(`STORE ${before + 1} +FLAGS (\\Flagged)`);
  await expect.poll(() => flags, { timeout: 90_000 }).toContain('\\Flagged');
  await other.logout();
  await flow.noop(); // Ends IDLE.
  await idling;
}

export async function imapflowDoes(ctx: TestContext, server: ImapServer): Promise<void> {
  const login = await server.user('imapflow');
  const chat = await chatTo(login);
  const wires = plainLetters(5);
  await chat.ok('SELECT INBOX'); // The letter that came by LMTP has its number from here on.
  await append(chat, 'INBOX', wires.slice(0, 4));
  await chat.logout();
  const flow = await open(ctx, login);
  const last = wires[4];
  if (last === undefined) throw new Error('too few letters');
  const appended = await flow.append('INBOX', last, ['\\Seen'], new Date(1_795_000_000_000));
  expect(appended === false ? undefined : appended.destination).toBe('INBOX');
  await flow.mailboxCreate('Flow');
  await flow.mailboxCreate(['Flow', 'Zoë & Co']);
  expect((await flow.list()).map(({ path }) => path)).toContain('Flow/Zoë & Co');
  await flow.mailboxRename('Flow/Zoë & Co', 'Flow/Łódź');
  await messages(flow, wires);
  const status = await flow.status('Flow', { messages: true, unseen: true });
  expect(status === false ? undefined : status.messages).toBe(2);
  await idles(flow, server, login);
  await flow.mailboxDelete('Flow/Łódź');
  await flow.logout();
  const view = filled(await viewOf(login));
  expect(view['INBOX']).toHaveLength(1 + 5 - 2 + 1);
  expect(view['Flow']?.map(({ keywords }) => keywords)).toEqual([['$Flow'], ['$Flow']]);
  await expectFilesAgree(ctx, login);
}
