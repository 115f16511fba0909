import { Socket } from 'node:net';
import { expect, test } from 'vitest';
import { workarounds } from '../smtp/metrics.ts';
import { StrictClient } from '../smtp/testing/client.ts';
import { testTls } from '../smtp/testing/certificate.ts';
import { openFarm, type TestFarm } from './testing.ts';

const EHLO = 'EHLO c.example';
const MAIL = 'MAIL FROM:<a@c.example>';
const RCPT = 'RCPT TO:<alice@farm.test>';

async function withFarm(
  given: Parameters<typeof openFarm>[0],
  run: (farm: TestFarm, client: StrictClient) => Promise<void>,
): Promise<void> {
  const farm = await openFarm(given);
  const client = await StrictClient.open(farm.port);
  try {
    await run(farm, client);
  } finally {
    client.close();
    await farm.close();
  }
}

/** Sends line by line; `code` or `code enhanced` of each reply. */
async function chat(client: StrictClient, lines: readonly string[]): Promise<string[]> {
  const codes = [];
  for (const line of lines) {
    const { code, enhanced } = await client.command(line);
    codes.push(enhanced === '' || enhanced === '2.0.0' ? `${code}` : `${code} ${enhanced}`);
  }
  return codes;
}

const LONG = 'x'.repeat(10_000);
const CASES: readonly [name: string, send: readonly string[], expect: readonly string[]][] = [
  ['MAIL before EHLO (RFC 5321 §4.1.4)', [MAIL], ['503 5.5.1']],
  ['RCPT before MAIL (RFC 5321 §4.1.4)', [EHLO, RCPT], ['250', '503 5.5.1']],
  ['DATA before RCPT (RFC 5321 §3.3)', [EHLO, MAIL, 'DATA'], ['250', '250 2.1.0', '503 5.5.1']],
  [
    'DATA after refused recipients only',
    [EHLO, MAIL, 'RCPT TO:<no@farm.test>', 'DATA'],
    ['250', '250 2.1.0', '550 5.1.1', '503 5.5.1'],
  ],
  ['nested MAIL (RFC 5321 §4.1.4)', [EHLO, MAIL, MAIL], ['250', '250 2.1.0', '503 5.5.1']],
  [
    'RSET ends the transaction (RFC 5321 §4.1.1.5)',
    [EHLO, MAIL, RCPT, 'RSET', 'DATA'],
    ['250', '250 2.1.0', '250 2.1.5', '250', '503 5.5.1'],
  ],
  [
    'EHLO again ends it too (RFC 5321 §4.1.4)',
    [EHLO, MAIL, EHLO, RCPT],
    ['250', '250 2.1.0', '250', '503 5.5.1'],
  ],
  [
    'a bad EHLO ends nothing',
    [EHLO, MAIL, 'EHLO', RCPT],
    ['250', '250 2.1.0', '501 5.5.4', '250 2.1.5'],
  ],
  [
    'commands in any case',
    ['ehlo c.example', 'mail from:<a@c.example>', 'rcpt to:<ALICE@FARM.test>'],
    ['250', '250 2.1.0', '250 2.1.5'],
  ],
  [
    'the null sender (RFC 5321 §4.5.5)',
    [EHLO, 'MAIL FROM:<>', RCPT],
    ['250', '250 2.1.0', '250 2.1.5'],
  ],
  [
    '[P-01] postmaster without a domain, in any case (RFC 5321 §4.1.1.3)',
    [EHLO, MAIL, 'RCPT TO:<postmaster>', 'RCPT TO:<PostMaster>', 'RCPT TO:<POSTMASTER@farm.TEST>'],
    ['250', '250 2.1.0', '250 2.1.5', '250 2.1.5', '250 2.1.5'],
  ],
  [
    '[S0-36] every alias and detail of a user',
    [
      EHLO,
      MAIL,
      'RCPT TO:<al@farm.test>',
      'RCPT TO:<alice+list@farm.test>',
      'RCPT TO:<"alice"@farm.test>',
    ],
    ['250', '250 2.1.0', '250 2.1.5', '250 2.1.5', '250 2.1.5'],
  ],
  ['unknown user', [EHLO, MAIL, 'RCPT TO:<nobody@farm.test>'], ['250', '250 2.1.0', '550 5.1.1']],
  ['suspended user', [EHLO, MAIL, 'RCPT TO:<sam@farm.test>'], ['250', '250 2.1.0', '550 5.2.1']],
  ['HELO is enough', ['HELO c.example', MAIL, RCPT], ['250', '250 2.1.0', '250 2.1.5']],
  ['LHLO is not SMTP (RFC 2033 §4.1)', ['LHLO c.example'], ['500 5.5.1']],
  [
    'EHLO without, with two and with a huge name',
    ['EHLO', 'EHLO a b', `EHLO ${'a'.repeat(256)}`, `EHLO ${'a'.repeat(255)}`],
    ['501 5.5.4', '501 5.5.4', '501 5.5.4', '250'],
  ],
  [
    'small commands',
    ['NOOP', 'NOOP x', 'HELP', 'HELP MAIL', 'VRFY alice', 'VRFY', 'RSET', 'RSET x'],
    ['250', '250', '214', '214', '252 2.1.5', '501 5.5.4', '250', '501 5.5.4'],
  ],
  [
    'commands of others, and nonsense',
    [
      'WIZ',
      'SHELL',
      'KILL',
      'XCLIENT ADDR=1.2.3.4',
      'AUTH PLAIN',
      'XFORWARD ADDR=1.2.3.4',
      'EXPN x',
      'BDAT 3 LAST',
      'ETRN x',
      '__proto__',
      'constructor',
      '',
    ],
    Array.from({ length: 12 }, () => '500 5.5.1'),
  ],
  ['STARTTLS without certificates', [EHLO, 'STARTTLS'], ['250', '500 5.5.1']],
  [
    'parameters (RFC 5321 §4.1.1.11)',
    [
      EHLO,
      `${MAIL} SIZE=1000 BODY=8BITMIME SMTPUTF8`,
      'RSET',
      `${MAIL} body=7bit`,
      'RSET',
      `${MAIL} SIZE=1 SIZE=2`,
      `${MAIL} SIZE=`,
      `${MAIL} SIZE=-1`,
      `${MAIL} BODY=BINARYMIME`,
      `${MAIL} RET=SOME`,
      `${MAIL} AUTH=<>`,
      `${MAIL} SMTPUTF8=1`,
      `${MAIL}SIZE=1`,
    ],
    [
      '250',
      '250 2.1.0',
      '250',
      '250 2.1.0',
      '250',
      '501 5.5.4',
      '501 5.5.4',
      '501 5.5.4',
      '501 5.5.4',
      '501 5.5.4',
      '555 5.5.4',
      '501 5.5.4',
      '501 5.1.7',
    ],
  ],
  [
    'DSN (RFC 3461 §4)',
    [
      EHLO,
      `${MAIL} RET=HDRS ENVID=a+2Bb`,
      `${RCPT} NOTIFY=SUCCESS,DELAY ORCPT=rfc822;al+2Bx@farm.test`,
      `${RCPT} NOTIFY=NEVER,SUCCESS`,
      `${RCPT} ORCPT=alice`,
      `${RCPT} AUTH=<>`,
    ],
    ['250', '250 2.1.0', '250 2.1.5', '501 5.5.4', '501 5.5.4', '555 5.5.4'],
  ],
  [
    'SIZE above the limit (RFC 1870 §6.1)',
    [EHLO, `${MAIL} SIZE=52428801`, `${MAIL} SIZE=52428800`],
    ['250', '552 5.3.4', '250 2.1.0'],
  ],
  [
    'SMTPUTF8 (RFC 6531 §3.3)',
    [
      EHLO,
      `MAIL FROM:<jürgen@bücher.test> SMTPUTF8`,
      'RCPT TO:<älice@farm.test>',
      'RCPT TO:<bob@bücher.test>',
      'RCPT TO:<ünknown@farm.test>',
    ],
    ['250', '250 2.1.0', '250 2.1.5', '250 2.1.5', '550 5.1.1'],
  ],
  [
    'non-ASCII without SMTPUTF8 (RFC 6531 §3.5)',
    [
      EHLO,
      'MAIL FROM:<jürgen@c.example>',
      MAIL,
      'RCPT TO:<älice@farm.test>',
      'RCPT TO:<bob@xn--bcher-kva.test>',
    ],
    ['250', '553 5.6.7', '250 2.1.0', '553 5.6.7', '250 2.1.5'],
  ],
  [
    'a space after the colon, for old clients',
    [EHLO, 'MAIL FROM: <a@c.example>', 'RCPT TO: <alice@farm.test>'],
    ['250', '250 2.1.0', '250 2.1.5'],
  ],
  [
    'bad addresses',
    [
      EHLO,
      'MAIL FROM:a@c.example',
      'MAIL FROM:<a@c.example',
      'MAIL FROM:<a>',
      'MAIL FROM:<@>',
      'MAIL FROM:<a@>',
      'MAIL FROM:<a b@c>',
      'MAIL',
      'MAIL FROM',
      'MAIL TO:<a@b>',
      'MAIL FROM:<postmaster>',
      MAIL,
      'RCPT TO:<>',
      'RCPT TO:<alice>',
      'RCPT TO:<a@b@c>',
      'RCPT TO:',
    ],
    [
      '250',
      ...Array.from({ length: 10 }, () => '501 5.1.7'),
      '250 2.1.0',
      ...Array.from({ length: 4 }, () => '501 5.1.3'),
    ],
  ],
  [
    'a line of 10,000 octets, and the session goes on (RFC 5321 §4.5.3.1.4)',
    [LONG, EHLO, MAIL, `RCPT TO:<${LONG}@farm.test>`, RCPT],
    ['500 5.5.2', '250', '250 2.1.0', '500 5.5.2', '250 2.1.5'],
  ],
  [
    'a path over 256 octets (RFC 5321 §4.5.3.1.3)',
    [
      EHLO,
      MAIL,
      `RCPT TO:<${'x'.repeat(245)}@farm.test>`,
      `RCPT TO:<${'x'.repeat(244)}@farm.test>`,
    ],
    ['250', '250 2.1.0', '501 5.1.3', '550 5.1.1'],
  ],
  ['QUIT', [EHLO, 'QUIT'], ['250', '221']],
];

for (const [name, send, codes] of CASES) {
  test(name, () =>
    withFarm({}, async (_farm, client) => {
      expect((await client.reply()).code).toBe(220);
      expect(await chat(client, send)).toEqual(codes);
    }),
  );
}

test('[P-01] what is announced is what is there', () =>
  withFarm({ tls: testTls() }, async (_farm, client) => {
    expect((await client.reply()).lines[0]).toBe('mx.farm.test ESMTP Mailfarm');
    const { lines } = await client.command(EHLO);
    expect(lines).toEqual([
      'mx.farm.test',
      'PIPELINING',
      '8BITMIME',
      'SMTPUTF8',
      'ENHANCEDSTATUSCODES',
      'DSN',
      'STARTTLS',
      'SIZE 52428800',
    ]);
  }));

test('[S0-20] [N-19] an 8-bit message arrives octet for octet, behind its trace lines (RFC 6152 §3)', () =>
  withFarm({}, async (farm, client) => {
    await client.reply();
    await chat(client, ['EHLO [127.0.0.1]', `${MAIL} BODY=8BITMIME`, RCPT]);
    expect((await client.command('DATA')).code).toBe(354);
    await client.send('Subject: x\r\n\r\n..dot\r\n...\r\n\0\xff\r\r\nno end\r\n.\r\n');
    const reply = await client.reply();
    expect([reply.code, reply.enhanced]).toEqual([250, '2.6.0']);
    const [stored] = farm.delivery.stored;
    expect(stored?.body.toString('utf8')).toBe('Subject: x\n\n.dot\n..\n\0\xff\r\nno end\n');
    expect(stored?.header).toMatch(
      new RegExp(
        '^Return-Path: <a@c\\.example>\nDelivered-To: alice@farm\\.test\n' +
          'Received: from \\[127\\.0\\.0\\.1\\] \\(\\[127\\.0\\.0\\.1\\]\\)\n' +
          '\tby mx\\.farm\\.test with ESMTP id [0-9a-z]{12}-1\n\tfor <alice@farm\\.test>;\n' +
          '\t\\w{3}, \\d\\d \\w{3} \\d{4} \\d\\d:\\d\\d:\\d\\d \\+0000\n$',
      ),
    );
    const id = /id (\S+)/.exec(stored?.header ?? '')?.[1];
    expect(reply.lines[0]).toContain(`(${id})`);
    const line = farm.logged.find((one) => one.message === 'delivered');
    expect(line?.fields).toMatchObject({ trace: id, from: 'a@c.example', to: 'alice@farm.test' });
    expect(farm.delivery.open).toBe(0);
  }));

test('a share of several recipients names none of them', () =>
  withFarm({}, async (farm, client) => {
    await client.reply();
    await chat(client, [EHLO, 'MAIL FROM:<>', RCPT, 'RCPT TO:<bob@farm.test>', 'DATA']);
    await client.send('x\r\n.\r\n');
    expect((await client.reply()).code).toBe(250);
    expect(farm.delivery.stored.map((one) => one.login)).toEqual([
      'alice@farm.test',
      'bob@farm.test',
    ]);
    for (const { header } of farm.delivery.stored) {
      expect(header).toMatch(/^Return-Path: <>\nReceived: /);
      expect(header).not.toMatch(/alice|bob/);
    }
  }));

test('the space before an address has a switch and a counter (RFC 5321 §3.3)', async () => {
  const before = workarounds.value('address-space');
  await withFarm({ options: { 'smtp.workarounds': [] } }, async (_farm, client) => {
    await client.reply();
    const lines = [EHLO, 'MAIL FROM: <a@c.example>', MAIL, 'RCPT TO: <alice@farm.test>'];
    expect(await chat(client, lines)).toEqual(['250', '501 5.1.7', '250 2.1.0', '501 5.1.3']);
  });
  expect(workarounds.value('address-space')).toBe(before);
  await withFarm({}, async (_farm, client) => {
    await client.reply();
    await chat(client, [EHLO, 'MAIL FROM: <a@c.example>']);
  });
  expect(workarounds.value('address-space')).toBe(before + 1);
});

test('a client that is gone before its session begins leaves no session', async () => {
  const farm = await openFarm();
  const socket = new Socket();
  socket.destroy();
  farm.service.handle({
    socket,
    secure: false,
    servername: undefined,
    id: 'gone',
    remoteAddress: '127.0.0.1',
    remotePort: 1,
    localAddress: '127.0.0.1',
    localPort: 1,
  });
  expect(farm.service.connections).toBe(0);
  await farm.close();
});

test('two addresses of one account are one copy', () =>
  withFarm({}, async (farm, client) => {
    await client.reply();
    await chat(client, [EHLO, MAIL, RCPT, RCPT, 'RCPT TO:<al@farm.test>', 'DATA']);
    await client.send('x\r\n.\r\n');
    expect((await client.reply()).code).toBe(250);
    expect(farm.delivery.stored.length).toBe(1);
  }));

test('several messages in one session, each with its own id', () =>
  withFarm({}, async (farm, client) => {
    await client.reply();
    await client.command(EHLO);
    for (let i = 0; i < 3; i++) {
      await chat(client, [MAIL, RCPT, 'DATA']);
      await client.send(`${i}\r\n.\r\n`);
      expect((await client.reply()).code).toBe(250);
    }
    const ids = farm.delivery.stored.map((one) => /id \S+-(\d)/.exec(one.header)?.[1]);
    expect(ids).toEqual(['1', '2', '3']);
    client.close();
    await expect.poll(() => farm.logged.at(-1)?.message).toBe('smtp session');
    expect(farm.logged.at(-1)?.fields).toMatchObject({ messages: 3, end: 'closed' });
  }));

test('the 1001st recipient is told to come later (RFC 5321 §4.5.3.1.10)', () =>
  withFarm({ options: { 'smtp.recipients.max': 2 } }, async (_farm, client) => {
    await client.reply();
    expect(await chat(client, [EHLO, MAIL, RCPT, RCPT, RCPT])).toEqual([
      '250',
      '250 2.1.0',
      '250 2.1.5',
      '250 2.1.5',
      '452 4.5.3',
    ]);
  }));

const SESSION = Buffer.from(
  `${EHLO}\r\nMAIL FROM:<jürgen@c.example> SMTPUTF8\r\nRCPT TO:<no@farm.test>\r\n${RCPT}\r\n` +
    `DATA\r\nSubject: y\r\n\r\n..\r\n..\r\r\n.\r\n${MAIL}\r\n${RCPT}\r\nDATA\r\n.\r\n` +
    `NOOP\r\n${LONG}\r\nFOO\r\nQUIT\r\n`,
);
for (const size of [1, 3, 17, 1000, Infinity]) {
  test(`pipelined in pieces of ${size} octets, a session gets the same replies (RFC 2920 §3.1)`, () =>
    withFarm({}, async (farm, client) => {
      for (let at = 0; at < SESSION.length; at += size) {
        await client.send(SESSION.subarray(at, at + size));
        if (at < 600) await new Promise(setImmediate);
        if (size === Infinity) break;
      }
      const codes = (await client.rest()).map((reply) => reply.code);
      expect(codes).toEqual([
        220, 250, 250, 550, 250, 354, 250, 250, 250, 354, 250, 250, 500, 500, 221,
      ]);
      expect(farm.delivery.stored.map((one) => one.body.toString())).toEqual([
        'Subject: y\n\n.\n.\r\n',
        '',
      ]);
    }));
}
