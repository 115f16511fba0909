import { expect, test } from 'vitest';
import { testTls } from '../smtp/testing/certificate.ts';
import { StrictClient } from '../smtp/testing/client.ts';
import { openFarm } from './testing.ts';

async function deliver(client: StrictClient): Promise<void> {
  await client.command('EHLO inside.example');
  await client.command('MAIL FROM:<a@c.example>');
  await client.command('RCPT TO:<alice@farm.test>');
  await client.command('DATA');
  await client.send('x\r\n.\r\n');
  expect((await client.reply()).code).toBe(250);
}

test('[P-01] STARTTLS: the context is asked for at the handshake, by name (RFC 3207)', async () => {
  const tls = testTls();
  const farm = await openFarm({ tls });
  const client = await StrictClient.open(farm.port);
  await client.reply();
  expect((await client.command('EHLO c.example')).lines).toContain('STARTTLS');
  expect((await client.command('STARTTLS now')).code).toBe(501);
  expect((await client.command('STARTTLS')).code).toBe(220);
  await client.startTls('mail.farm.test');
  expect(tls.asked).toContain('mail.farm.test');
  // Nothing said before counts any more (RFC 3207 §4.2).
  expect((await client.command('MAIL FROM:<>')).code).toBe(503);
  expect((await client.command('EHLO c.example')).lines).not.toContain('STARTTLS');
  expect((await client.command('STARTTLS')).code).toBe(503);
  await deliver(client);
  const header = farm.delivery.stored[0]?.header ?? '';
  expect(header).toMatch(/with ESMTPS id \S+\n\t\(TLSv1\.3 TLS_[A-Z0-9_]+\)\n/);
  expect(header).toContain('from inside.example');
  client.close();
  await farm.close();
});

for (const injected of ['NOOP\r\n', 'RSET\r\n'.repeat(300), 'MAIL FROM:<', 'x'.repeat(70_000)]) {
  test(`plain text behind STARTTLS is dropped: ${injected.length} octets (RFC 3207 §4.2)`, async () => {
    const farm = await openFarm({ tls: testTls() });
    const client = await StrictClient.open(farm.port);
    await client.reply();
    await client.command('EHLO c.example');
    await client.send(`STARTTLS\r\n${injected}`);
    expect((await client.reply()).code).toBe(220);
    await new Promise((resolve) => setTimeout(resolve, 20));
    await client.startTls('mx.farm.test').catch(() => {});
    // The handshake may have died of the garbage; a reply to it would be the hole.
    const after = client.ended ? [] : [await client.command('EHLO c.example')];
    expect(after.map((reply) => reply.lines[0])).toEqual(after.map(() => 'mx.farm.test'));
    expect(await client.quiet(20)).toBe(true);
    client.close();
    await farm.close();
  });
}

test('EHLO and STARTTLS in one packet, and commands pipelined inside TLS (RFC 2920 §3.1)', async () => {
  const farm = await openFarm({ tls: testTls() });
  const client = await StrictClient.open(farm.port);
  await client.reply();
  await client.send('NOOP\r\nEHLO c.example\r\nSTARTTLS\r\n');
  for (const code of [250, 250, 220]) expect((await client.reply()).code).toBe(code);
  await client.startTls('mx.farm.test');
  await client.send('EHLO c.example\r\nNOOP\r\nRSET\r\nNOOP\r\nQUIT\r\nNOOP\r\n');
  expect((await client.rest()).map((one) => one.code)).toEqual([250, 250, 250, 250, 221]);
  client.close();
  await farm.close();
});

test('contexts that cannot be had are 454, before the handshake', async () => {
  const context = (): never => {
    throw new Error('no certificate');
  };
  const farm = await openFarm({ tls: { context } });
  const client = await StrictClient.open(farm.port);
  await client.reply();
  await client.command('EHLO c.example');
  const reply = await client.command('STARTTLS');
  expect([reply.code, reply.enhanced]).toEqual([454, '4.7.0']);
  expect((await client.command('NOOP')).code).toBe(250);
  client.close();
  await farm.close();
});

test('[P-01] implicit TLS done by the listener', async () => {
  const tls = testTls();
  const farm = await openFarm({ tls, implicitTls: tls });
  const client = await StrictClient.openTls(farm.port);
  await client.reply();
  expect((await client.command('EHLO c.example')).lines).not.toContain('STARTTLS');
  await deliver(client);
  expect(farm.delivery.stored[0]?.header).toContain('with ESMTPS id');
  client.close();
  await farm.close();
});

test('garbage instead of a handshake ends the connection and nothing else', async () => {
  const farm = await openFarm({ tls: testTls() });
  const client = await StrictClient.open(farm.port);
  await client.reply();
  await client.command('EHLO c.example');
  await client.command('STARTTLS');
  await client.send('GET / HTTP/1.1\r\n\r\n');
  await expect.poll(() => client.ended).toBe(true);
  await expect.poll(() => farm.service.connections).toBe(0);
  await farm.close();
});
