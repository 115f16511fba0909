import { describe, expect, it } from 'vitest';

import { settle, TestClock } from '../testing/clock.ts';
import { Batch } from './batch.ts';
import { Connection, Refused, Unsure, type Send } from './connection.ts';

type Reply = Response | 'broken';

const SESSION = { apiUrl: '/api', primaryAccounts: {} };
const WELL = { methodResponses: [['Email/get', { list: [] }, 'c0']] };
const UNAVAILABLE = {
  methodResponses: [['error', { type: 'serverUnavailable', description: 'A volume hangs' }, 'c0']],
};

/** A connection that gets these answers, the last of them for ever. */
async function connected(...replies: (() => Reply)[]) {
  const clock = new TestClock();
  let asked = 0;
  const fetch = async (url: string): Promise<Response> => {
    await Promise.resolve();
    if (url !== '/api') return Response.json(SESSION);
    const reply = replies[Math.min(asked, replies.length - 1)]?.() ?? 'broken';
    asked += 1;
    if (reply === 'broken') throw new TypeError('network error');
    return reply;
  };
  const connection = new Connection({ fetch, clock });
  await connection.open();
  const send = (options?: Send): Promise<string> => {
    const batch = new Batch('a');
    const call = batch.add('Email/get', { ids: [] });
    return connection.send(batch, options).then(
      (answers) => String(answers.maybe(call)?.list.length ?? 'refused'),
      (error: unknown) => (error instanceof Error ? error.name : 'thrown'),
    );
  };
  return { connection, clock, send, asked: () => asked };
}

const well = (): Reply => Response.json(WELL);
const broken = (): Reply => 'broken';
const status = (code: number, headers?: Record<string, string>) => (): Reply =>
  Response.json({ detail: 'A volume hangs' }, { status: code, headers: headers ?? {} });

describe('a request', () => {
  it('goes to another node at once where one has died', async () => {
    const { send, connection, clock } = await connected(broken, well);
    const sent = send();
    await clock.pass(0);
    expect(await sent).toBe('0');
    expect(connection.link.kind).toBe('well');
  });

  it('is repeated until a node answers, with the user told', async () => {
    const { send, connection, clock, asked } = await connected(
      ...Array.from({ length: 6 }, () => broken),
      well,
    );
    const sent = send();
    await clock.pass(3000);
    expect(connection.link.kind).toBe('away');
    await clock.pass(60_000);
    expect(await sent).toBe('0');
    expect(asked()).toBe(7);
    expect(connection.link.kind).toBe('well');
  });

  it('that no server of ours answered is told as one that reached none, not by a number', async () => {
    const bare = (): Reply => new Response('', { status: 503 });
    const { send, connection, clock } = await connected(...Array(6).fill(bare), well);
    const sent = send();
    await clock.pass(3000);
    expect(connection.link.kind).toBe('away');
    await clock.pass(60_000);
    expect(await sent).toBe('0');
  });

  it.each([
    ['no answer', broken],
    ['502 of a gateway', status(502)],
    ['504 of a gateway', status(504)],
  ])('that must not be done twice is unsure after %s', async (_, reply) => {
    const { send, asked } = await connected(reply, well);
    expect(await send({ repeat: 'once' })).toBe(new Unsure().name);
    expect(asked()).toBe(1);
  });

  it('that must not be done twice is repeated where no node began it', async () => {
    const { send, clock } = await connected(status(503), status(429), well);
    const sent = send({ repeat: 'once' });
    await clock.pass(60_000);
    expect(await sent).toBe('0');
  });

  it('is made sooner when the user wants it', async () => {
    const { send, connection, clock } = await connected(
      status(503, { 'Retry-After': '50' }),
      status(503, { 'Retry-After': '50' }),
      well,
    );
    const sent = send();
    await clock.pass(51_000);
    expect(connection.link).toMatchObject({ kind: 'trouble', text: 'A volume hangs' });
    connection.wake();
    await settle();
    expect(await sent).toBe('0');
  });

  it('that the server will never do is refused, not repeated', async () => {
    const { send, asked } = await connected(status(400), well);
    expect(await send()).toBe(new Refused(400, '').name);
    expect(asked()).toBe(1);
  });

  it('whose method says serverUnavailable is repeated, with its sentence shown', async () => {
    const { send, connection, clock } = await connected(() => Response.json(UNAVAILABLE), well);
    const sent = send();
    await clock.pass(500);
    expect(connection.link).toMatchObject({ kind: 'trouble', text: 'A volume hangs' });
    await clock.pass(60_000);
    expect(await sent).toBe('0');
  });

  it('waits for a sign-in after 401, and goes on', async () => {
    const { send, connection, clock } = await connected(status(401), well);
    const sent = send({ repeat: 'once' });
    await clock.pass(600_000);
    expect(connection.link.kind).toBe('signed-out');
    connection.wake();
    expect(await sent).toBe('0');
  });

  it('has no half of a character in it, for which a server would refuse the whole', async () => {
    const bodies: string[] = [];
    const fetch = async (url: string, { body }: RequestInit): Promise<Response> => {
      if (typeof body === 'string') bodies.push(body);
      return await Promise.resolve(Response.json(url === '/api' ? WELL : SESSION));
    };
    const connection = new Connection({ fetch, clock: new TestClock() });
    await connection.open();
    const batch = new Batch('a');
    batch.add('Email/set', { create: { draft: { subject: 'half \ud83d, whole \u{1f600}' } } });
    await connection.send(batch);
    expect(bodies).toEqual([expect.stringContaining('half \ufffd, whole \u{1f600}')]);
  });

  it('ends where nobody wants the answer any more', async () => {
    const { send, clock } = await connected(broken);
    const abort = new AbortController();
    const sent = send({ signal: abort.signal });
    await clock.pass(1000);
    abort.abort();
    expect(await sent).toBe('AbortError');
  });
});
