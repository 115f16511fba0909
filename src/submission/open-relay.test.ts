/**
 * Nothing can be sent by who may not (P-01): each trick by which mail servers were made to relay,
 * at each of our doors. None of them is about to be believed, so a table and what must come of it.
 */
import { afterEach, describe, expect, test } from 'vitest';
import { openFarm, type TestFarm } from '../mx/testing.ts';
import { testTls } from '../smtp/testing/certificate.ts';
import { StrictClient } from '../smtp/testing/client.ts';
import { client, CONTENTS, openSubmission, plain, type TestSubmission } from './testing.ts';

const closing: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close();
});

/** Leads out by a percent, a bang, quotes, routes, literals; nobody of ours. */
const OUTSIDE = [
  '<victim@else.test>',
  '<victim@ELSE.TEST>',
  '<VICTIM@else.test>',
  '<victim%else.test@farm.test>',
  '<victim%else.test>',
  '<victim%else.test%farm.test@farm.test>',
  '<victim%else.test@[127.0.0.1]>',
  '<victim%else.test@mail.farm.test>',
  '<else.test!victim@farm.test>',
  '<farm.test!else.test!victim@farm.test>',
  '<else.test!victim@[127.0.0.1]>',
  '<else.test!victim>',
  '<"victim@else.test"@farm.test>',
  '<"victim%else.test"@farm.test>',
  '<"else.test!victim"@farm.test>',
  '<"victim@else.test">',
  '<victim@else.test@farm.test>',
  '<victim@else.test@[127.0.0.1]>',
  '<victim@farm.test@else.test>',
  '<@farm.test:victim@else.test>',
  '<@farm.test,@mail.farm.test:victim@else.test>',
  '<@[127.0.0.1]:victim@else.test>',
  '<@localhost:victim@else.test>',
  '<victim@else.test.farm.test>',
  '<victim@farm.test.else.test>',
  '<victim@[127.0.0.1]>',
  '<victim@[192.0.2.1]>',
  '<victim@[IPv6:::1]>',
  '<victim@[::1]>',
  '<alice@[127.0.0.1]>',
  '<victim@127.0.0.1>',
  '<victim@localhost>',
  '<victim@else.test.>',
  '<alice@farm.test.>',
  '<alice@farm.test..else.test>',
  '<victim@.farm.test>',
  '<victim@>',
  '<@farm.test>',
  '<victim@farm.test\u2024else.test>',
  '<victim@else\u3002test>',
  '<victim@fa\u00adrm.test>',
  '<victim@farm.test\u0000.else.test>',
  '<alice@farm.test\0@else.test>',
  '<alice@farm.test>,<victim@else.test>',
  '<alice@farm.test> <victim@else.test>',
  '<alice@farm.test><victim@else.test>',
  '<"alice@farm.test> "@else.test>',
  '<alice@farm.test ,victim@else.test>',
  '<alice@farm.test;victim@else.test>',
  '<alice(victim@else.test)@farm.test>',
  '<victim+alice@farm.test>',
  '<|/bin/sh@farm.test>',
  '</etc/passwd@farm.test>',
  '<../alice@farm.test>',
  '<*@farm.test>',
  '<alice)(cn=*@farm.test>',
  'victim@else.test',
  '<victim@else.test',
  '',
] as const;

/** The same tricks with a user of ours behind them: hers, or nobody's, and never anybody else's. */
const INSIDE = [
  '<@else.test:alice@farm.test>',
  '<"alice"@FARM.test>',
  '<alice@farm.test>',
] as const;

const SENDERS = ['<>', '<alice@farm.test>', '<postmaster@farm.test>', '<spam@else.test>'] as const;
const HELLOS = ['localhost', 'mail.farm.test', 'farm.test', '[127.0.0.1]', 'x'] as const;

/** Doors that let one client try all of it. */
const PATIENT = { 'smtp.errors.max': 5000 } as const;

/** What was stored or sent on by the door. */
interface Door {
  readonly port: number;
  readonly hello: 'EHLO' | 'LHLO';
  /** Recipients that left the farm. */
  leaving(): number;
  stored(): readonly string[];
}

async function mxDoor(mode: 'mx' | 'lmtp'): Promise<Door> {
  const farm: TestFarm = await openFarm({
    mode,
    contents: CONTENTS,
    tls: testTls(),
    options: PATIENT,
    peer: '203.0.113.9',
    outbound: { accept: async () => {} }, // There is a way out, for forwards.
  });
  closing.push(() => farm.close());
  return {
    port: farm.port,
    hello: mode === 'mx' ? 'EHLO' : 'LHLO',
    leaving: () => farm.delivery.leaving.length,
    stored: () => farm.delivery.stored.map(({ login }) => login),
  };
}

async function submissionDoor(): Promise<Door & { readonly farm: TestSubmission }> {
  const farm = await openSubmission({ options: PATIENT });
  closing.push(() => farm.close());
  return {
    farm,
    port: farm.port,
    hello: 'EHLO',
    leaving: () => farm.letters.reduce((sum, { leaving }) => sum + leaving.length, 0),
    stored: () => farm.letters.flatMap(({ mailboxes }) => mailboxes),
  };
}

async function connect(door: Door, name = 'client.example'): Promise<StrictClient> {
  const chat = await StrictClient.open(door.port);
  closing.push(() => chat.close());
  await chat.reply();
  await chat.command(`${door.hello} ${name}`);
  return chat;
}

/** Sends a message to one recipient as far as it is let. @returns whether RCPT was accepted */
async function attempt(chat: StrictClient, from: string, to: string): Promise<boolean> {
  const parameters = /[^\0-\x7f]/.test(to) ? ' SMTPUTF8' : '';
  await chat.command(`MAIL FROM:${from}${parameters}`);
  await chat.send(`RCPT TO:${to}\r\n`);
  const { code } = await chat.reply();
  if (code === 250) {
    await chat.command('DATA');
    await chat.send('From: alice@farm.test\r\n\r\nx\r\n.\r\n');
    await chat.reply();
  }
  await chat.command('RSET');
  return code === 250;
}

describe.each(['mx', 'lmtp'] as const)('%s', (mode) => {
  test('[P-01] no trick leads out, whoever it claims to be from', async () => {
    const door = await mxDoor(mode);
    const chat = await connect(door);
    for (const from of SENDERS) {
      for (const to of OUTSIDE) expect(await attempt(chat, from, to), `${from} ${to}`).toBe(false);
    }
    expect(door.stored()).toEqual([]);
    for (const to of INSIDE) expect(await attempt(chat, '<>', to), to).toBe(true);
    expect(new Set(door.stored())).toEqual(new Set(['alice@farm.test']));
    expect(door.leaving()).toBe(0);
  });

  test('[P-01] no name in the hello makes a client one of ours', async () => {
    const door = await mxDoor(mode);
    for (const name of HELLOS) {
      const chat = await connect(door, name);
      for (const from of SENDERS)
        expect(await attempt(chat, from, '<victim@else.test>')).toBe(false);
    }
    expect(door.leaving()).toBe(0);
  });

  test('[P-01] AUTH is no command, over TLS neither', async () => {
    const door = await mxDoor(mode);
    const chat = await connect(door);
    const offered = async (): Promise<string> =>
      (await chat.command(`${door.hello} x`)).lines.join(' ');
    expect(await offered()).not.toContain('AUTH');
    expect((await chat.command(`AUTH PLAIN ${plain('alice@farm.test')}`)).code).toBe(500);
    await chat.command('STARTTLS');
    await chat.startTls('mail.farm.test');
    expect(await offered()).not.toContain('AUTH');
    expect((await chat.command(`AUTH PLAIN ${plain('alice@farm.test')}`)).code).toBe(500);
    await chat.command(`AUTH LOGIN`);
    expect((await chat.command('MAIL FROM:<alice@farm.test> AUTH=<>')).code).toBe(555);
    expect(await attempt(chat, '<alice@farm.test>', '<victim@else.test>')).toBe(false);
  });

  test('XCLIENT and its like tell us nothing', async () => {
    const door = await mxDoor(mode);
    const chat = await connect(door);
    for (const line of [
      'XCLIENT ADDR=127.0.0.1 LOGIN=alice@farm.test',
      'XFORWARD ADDR=127.0.0.1',
    ]) {
      expect((await chat.command(line)).code).toBe(500);
    }
    expect(await attempt(chat, '<alice@farm.test>', '<victim@else.test>')).toBe(false);
  });
});

describe('submission', () => {
  test('[P-01] without a login no trick leads anywhere', async () => {
    const door = await submissionDoor();
    for (const name of HELLOS) {
      const chat = await connect(door, name);
      for (const from of SENDERS) {
        expect((await chat.command(`MAIL FROM:${from}`)).code).toBe(530);
        expect((await chat.command('RCPT TO:<victim@else.test>')).code).toBe(503);
      }
    }
    const chat = await connect(door);
    for (const to of OUTSIDE) expect(await attempt(chat, '<alice@farm.test>', to), to).toBe(false);
    expect([door.leaving(), door.stored()]).toEqual([0, []]);
  });

  test('[P-01] with one, an address is what its domain says: no local part routes', async () => {
    const { farm } = await submissionDoor();
    const chat = await client(farm, 'alice@farm.test');
    closing.push(() => chat.close());
    for (const to of OUTSIDE) await attempt(chat, '<alice@farm.test>', to);
    const left = farm.letters.flatMap(({ leaving }) => leaving);
    for (const { route, recipient } of left) {
      expect(route).toEqual({
        kind: 'mx',
        domain: recipient.address.slice(recipient.address.lastIndexOf('@') + 1).toLowerCase(),
      });
      expect(recipient.address).toMatch(/^(?:[^\0-\x20\x7f]+|"[^\0-\x1f\x7f]+")@[a-z0-9.-]+$/i);
    }
    expect(new Set(left.map(({ recipient }) => recipient.address.toLowerCase()))).toEqual(
      new Set([
        'victim@else.test',
        'victim%else.test@mail.farm.test',
        'victim@else.test.farm.test',
        'victim@farm.test.else.test',
        'victim@127.0.0.1',
        'victim@localhost',
        '"alice@farm.test> "@else.test', // Quoted: a local part that else.test may have.
      ]),
    );
    expect(farm.letters.flatMap(({ mailboxes }) => mailboxes)).toEqual([]);
  });

  test('[P-01] nothing that SMTP brings is a line of a header', async () => {
    const door = await submissionDoor();
    const { farm } = door;
    for (const name of ['a;b<x@y>', 'x)(Bcc:z@y', 'a\\"b', '[1.2.3.4];for<x@y>', 'x'.repeat(255)]) {
      const chat = await client(farm, 'alice@farm.test');
      closing.push(() => chat.close());
      if ((await chat.command(`EHLO ${name}`)).code !== 250) continue;
      const from = '<"alice"+"@farm.test> ENVID=a+3Cb+3E';
      await chat.command(`MAIL FROM:${from}`);
      await chat.command('RSET');
      const to = '<"a\tb"@else.test> ORCPT=rfc822;x+3B+3C+22@y';
      expect(await attempt(chat, '<alice@farm.test>', to), name).toBe(false); // A tab.
      expect(await attempt(chat, '<alice@farm.test>', '<"a;b <c>"@else.test>'), name).toBe(true);
    }
    for (const { options, leaving } of farm.letters) {
      const lines = String(options.leavingHeader?.(leaving)).split(/\n(?!\t)/);
      expect(lines.map((line) => /^[A-Za-z-]+/.exec(line)?.[0])).toEqual(['Received', undefined]);
      expect(lines.every((line) => !/[\0-\x08\x0b-\x1f]/.test(line))).toBe(true);
      expect(lines[0]).not.toContain('Bcc');
    }
    expect(farm.letters.length).toBeGreaterThan(0);
  });
});
