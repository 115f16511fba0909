import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { afterEach, expect, test } from 'vitest';
import type { Delivery } from '../delivery/types.ts';
import type { StrictClient } from '../smtp/testing/client.ts';
import { client, openSubmission, send, type TestOptions, type TestSubmission } from './testing.ts';

let farm: TestSubmission;
let chat: StrictClient;

async function open(given: TestOptions = {}): Promise<void> {
  farm = await openSubmission(given);
  chat = await client(farm, 'alice@farm.test');
}

afterEach(async () => {
  chat.close();
  await farm.close();
});

const FROM = 'From: alice@farm.test\n';
const sent = async (message: string, given: object = {}): Promise<string> =>
  (await send(chat, { message, ...given })).at(-1) ?? '';
const letter = () => farm.letters.at(-1);
const header = (): string => letter()?.header ?? '';

test('RFC 6409 §8: Date and Message-ID are added where missing, and left where they are', async () => {
  await open();
  expect(await sent(`${FROM}Subject: x\n\nhello\n`)).toBe('250 2.6.0');
  const [from, subject, date, id, ...rest] = header().split('\n');
  expect([from, subject, ...rest]).toEqual(['From: alice@farm.test', 'Subject: x', '']);
  expect(date).toMatch(/^Date: \w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d \+0000$/);
  expect(id).toMatch(/^Message-ID: <[0-9a-f]{16}\.[A-Za-z0-9-]+@mail\.farm\.test>$/);
  const own = `${FROM}date: Mon, 1 Jan 2024 00:00:00 +0100\nMESSAGE-ID: <a@b>\n`;
  expect(await sent(`${own}\nhello\n`)).toBe('250 2.6.0');
  expect(header()).toBe(own);
});

test('Bcc, Resent-Bcc and Return-Path go, whole, with their folded lines; all else stays', async () => {
  await open();
  const kept = ['Received: from a by b; Mon, 1 Jan 2024 00:00:00 +0100\n', FROM, 'X-Bcc: y\n'];
  const message = [
    kept[0],
    'Bcc: carol@farm.test,\n  secret@else.test\n\tmore\n',
    kept[1],
    'BCC : x@y\n',
    'Resent-Bcc: z@y\n',
    'Return-Path: <boss@bank.test>\n',
    kept[2],
    'Date: d\nMessage-ID: <a@b>\n',
  ].join('');
  expect(await sent(`${message}\nBcc: is text here\n`)).toBe('250 2.6.0');
  expect(header()).toBe(`${kept.join('')}Date: d\nMessage-ID: <a@b>\n`);
  expect(letter()?.body.toString()).toBe('Bcc: is text here\n');
});

test('From is added from the envelope, of the null sender from the login; or asked for', async () => {
  await open();
  expect(await sent('Subject: x\n\nhello\n', { from: '<al+y@farm.test>' })).toBe('250 2.6.0');
  expect(header()).toContain('From: <al+y@farm.test>\n');
  expect(await sent('\nhello\n', { from: '<>' })).toBe('250 2.6.0');
  expect(header()).toContain('From: <alice@farm.test>\n');
  expect(letter()?.body.toString()).toBe('hello\n');
  const strict = await openSubmission({ options: { 'submission.from.missing': 'refuse' } });
  const other = await client(strict, 'alice@farm.test');
  expect((await send(other, { message: 'Subject: x\n\n' })).at(-1)).toBe('550 5.6.0');
  other.close();
  await strict.close();
});

test('a message without any header, without a body, without anything', async () => {
  await open();
  expect(await sent('just text\nand more\n')).toBe('250 2.6.0');
  expect(letter()?.body.toString()).toBe('just text\nand more\n');
  expect(header()).toMatch(/^From: <alice@farm.test>\nDate: .*\nMessage-ID: .*\n$/);
  expect(await sent(FROM)).toBe('250 2.6.0');
  expect(letter()?.body).toHaveLength(0);
  expect(await sent('')).toBe('250 2.6.0');
  expect(letter()?.content.toString()).toMatch(/\n\n$/);
});

test("a mailbox file's From line is left out", async () => {
  await open();
  expect(await sent(`From alice Mon Jan 1 00:00:00 2024\n${FROM}\nx\n`)).toBe('250 2.6.0');
  expect(header()).toMatch(/^From: alice@farm\.test\nDate/);
});

test('Received: ESMTPSA, no login, no recipient where there are several', async () => {
  await open();
  await sent(`${FROM}\nx\n`);
  const only = String(letter()?.options.header([]));
  expect(only).toMatch(/^Return-Path: <alice@farm.test>\nDelivered-To: bob@farm.test\nReceived: /);
  expect(only).toContain('from client.example ([127.0.0.1])');
  expect(only).toMatch(/by mail\.farm\.test with ESMTPSA id \S+-1\n\t\(TLSv1/);
  expect(only.replace(/Return-Path.*\n/, '')).not.toContain('alice');
  await sent(`${FROM}\nx\n`, { to: ['<bob@farm.test>', '<secret@else.test>'] });
  const several = String(letter()?.options.header(letter()?.options.recipients ?? []));
  expect(several).not.toMatch(/bob|secret/);
  const outside = String(letter()?.options.leavingHeader?.(letter()?.leaving ?? []));
  expect(outside).toMatch(/^Received: from client\.example/);
  expect(outside).not.toMatch(/bob|secret|alice|Return-Path|Delivered-To/);
});

test('Received by options: with the login, without the client', async () => {
  await open({
    options: { 'submission.received.login': 'told', 'submission.received.address': 'hidden' },
  });
  await sent(`${FROM}\nx\n`);
  const text = String(letter()?.options.leavingHeader?.([]));
  expect(text).toContain('(login alice@farm.test)');
  expect(text).not.toMatch(/127\.0\.0\.1|client\.example/);
});

test('[N-19] the body goes on octet by octet, whatever it is', async () => {
  await open();
  const piece = fc.oneof(
    fc.constantFrom('\n', '.', '..', '\r', 'From: boss@bank.test\n', '\n\n', '\0', 'é', '\xff'),
    fc.string({ unit: 'binary', maxLength: 50 }),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(piece, { maxLength: 30 }), async (pieces) => {
      // A CR before an LF would be a line end on the wire.
      const body = Buffer.from(`${pieces.join('').replaceAll('\r\n', '\n')}\n`).toString('latin1');
      const stored = body.replaceAll('\r\n', '\n');
      const commands = ['MAIL FROM:<alice@farm.test>', 'RCPT TO:<bob@farm.test>', 'DATA'];
      const wire = `${FROM}\n${stored}`.replaceAll('\n', '\r\n').replaceAll('\r\n.', '\r\n..');
      await chat.send(Buffer.from(`${commands.join('\r\n')}\r\n${wire}.\r\n`, 'latin1'));
      for (const code of [250, 250, 354, 250]) expect((await chat.reply()).code).toBe(code);
      expect(letter()?.body.toString('latin1')).toBe(stored);
    }),
    { numRuns: 200 },
  );
});

test('[N-19] a big body too, by its hash', async () => {
  await open();
  const line = `${'0123456789'.repeat(9)}\n`;
  const body = Array.from({ length: 40_000 }, (_, at) => `${at}${line}`).join('');
  expect(await sent(`${FROM}\n${body}`)).toBe('250 2.6.0');
  const hash = (data: string | Buffer | undefined): string =>
    createHash('sha256')
      .update(data ?? '')
      .digest('hex');
  expect(hash(letter()?.body)).toBe(hash(body));
});

test('a header that is too long is refused with the limit; one octet less is not', async () => {
  await open({ options: { 'submission.header.max': 16_384 } });
  const filled = (octets: number): string => {
    const start = `${FROM}Date: d\nMessage-ID: <a@b>\nX: `;
    return `${start}${'x'.repeat(octets - start.length - 1)}\n\nbody\n`;
  };
  expect(await sent(filled(16_384))).toBe('250 2.6.0');
  await chat.command('MAIL FROM:<alice@farm.test>');
  await chat.command('RCPT TO:<bob@farm.test>');
  await chat.command('DATA');
  await chat.send(`${filled(16_385).replaceAll('\n', '\r\n')}.\r\n`);
  const reply = await chat.reply();
  expect(reply).toMatchObject({ code: 552, enhanced: '5.3.4' });
  expect(reply.lines[0]).toContain('The header is too long: more than 16384 octets');
  expect(farm.delivery.open).toBe(0);
});

test('too many Received lines: 554', async () => {
  await open({ options: { 'smtp.hops.max': 10 } });
  const hops = 'Received: from a by b\n';
  expect(await sent(`${hops.repeat(10)}${FROM}\nx\n`)).toBe('250 2.6.0');
  expect(await sent(`${hops.repeat(11)}${FROM}\nx\n`)).toBe('554 5.4.6');
  expect(farm.delivery.open).toBe(0);
});

test('storage that fails while it comes, at the commit, for some: 4xx, never 250', async () => {
  await open();
  farm.delivery.writeFails = { after: 0, kind: 'volume-full' };
  expect(await sent(`${FROM}\nx\n`)).toBe('452 4.3.1');
  expect(await sent(FROM)).toBe('452 4.3.1'); // Found out at the end of data only.
  farm.delivery.writeFails = undefined;
  farm.delivery.commitFails.set('bob@farm.test', 'volume-down');
  expect(await sent(`${FROM}\nx\n`)).toBe('451 4.3.0');
  expect(await sent(`${FROM}\nx\n`, { to: ['<bob@farm.test>', '<x@else.test>'] })).toBe(
    '451 4.3.0',
  );
  expect(farm.logged.map(({ fields }) => fields)).toContainEqual(
    expect.objectContaining({ code: 'MF-SUB-001', result: 'partial' }),
  );
  expect(farm.delivery.open).toBe(0);
});

test('the log says who sent what to whom, and nothing of the message', async () => {
  await open();
  await sent(`${FROM}Subject: secret words\n\nhello\n`, {
    to: ['<bob@farm.test>', '<x@else.test>'],
  });
  const line = farm.logged.find(({ message }) => message === 'submitted');
  expect(line?.fields).toMatchObject({
    login: 'alice@farm.test',
    from: 'alice@farm.test',
    to: ['bob@farm.test', 'x@else.test'],
    recipients: 2,
    local: 1,
    leaving: 1,
    result: 'accepted',
  });
  expect(JSON.stringify(farm.logged)).not.toContain('secret words');
});

test('a letter that has been through the list: refused alone, not sent again beside others', async () => {
  const through: Delivery = {
    check: async () => {},
    begin: ({ recipients }) => ({
      left: [],
      write: async () => {},
      abort: async () => {},
      commit: async () =>
        recipients.map((recipient) => {
          const nowhere = { name: undefined, volume: undefined, parkedOn: undefined };
          const dropped = recipient.list === undefined ? undefined : ('loop' as const);
          return { recipient, error: undefined, ...nowhere, dropped };
        }),
    }),
  };
  await open({ through });
  const to = ['<team@farm.test>'];
  expect((await send(chat, { to })).at(-1)).toBe('554 5.4.6');
  expect((await send(chat, { to: [...to, '<alice@farm.test>'] })).at(-1)).toBe('250 2.6.0');
  expect(farm.logged.at(-1)).toMatchObject({ fields: { loops: ['team@farm.test'] } });
});
