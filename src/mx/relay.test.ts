import { expect, test } from 'vitest';
import { StrictClient } from '../smtp/testing/client.ts';
import { openFarm } from './testing.ts';

/** Every way to ask a server to send mail elsewhere. 250 would be an open relay. */
const ATTEMPTS: readonly [path: string, reply: string][] = [
  ['<user@elsewhere.example>', '550 5.7.1'],
  ['<user@[192.0.2.1]>', '550 5.7.1'],
  ['<user@[127.0.0.1]>', '550 5.7.1'],
  ['<user@[IPv6:::1]>', '550 5.7.1'],
  ['<alice@[127.0.0.1]>', '550 5.7.1'],
  ['<user%elsewhere.example@farm.test>', '550 5.1.1'],
  ['<user%elsewhere.example>', '501 5.1.3'],
  ['<elsewhere.example!user@farm.test>', '550 5.1.1'],
  ['<elsewhere.example!user>', '501 5.1.3'],
  ['<user@elsewhere.example@farm.test>', '501 5.1.3'],
  ['<"user@elsewhere.example"@farm.test>', '550 5.1.1'],
  ['<"user@elsewhere.example">', '501 5.1.3'],
  ['<"user%elsewhere.example"@farm.test>', '550 5.1.1'],
  ['<user@farm.test@elsewhere.example>', '501 5.1.3'],
  ['<@farm.test:user@elsewhere.example>', '550 5.7.1'],
  ['<@farm.test,@other.example:user@elsewhere.example>', '550 5.7.1'],
  ['<@elsewhere.example:alice@elsewhere.example>', '550 5.7.1'],
  ['<"alice@farm.test"@elsewhere.example>', '550 5.7.1'],
  ['<alice%farm.test@elsewhere.example>', '550 5.7.1'],
  ['<alice@farm.test.elsewhere.example>', '550 5.7.1'],
  ['<alice@elsewhere.example.farm.test>', '550 5.7.1'],
  ['<alice@farm.test.>', '501 5.1.3'],
  ['<alice@.farm.test>', '501 5.1.3'],
  ['<alice@farm..test>', '501 5.1.3'],
  ['<alice@farm.test,bob@farm.test>', '501 5.1.3'],
  ['<alice@farm.test;user@elsewhere.example>', '501 5.1.3'],
  ['<alice@farm.test> <user@elsewhere.example>', '501 5.5.4'],
  ['<alice@farm.test>,<user@elsewhere.example>', '501 5.1.3'],
  ['<mailto:user@elsewhere.example>', '501 5.1.3'],
  ['<smtp:user@elsewhere.example>', '501 5.1.3'],
  ['<|/bin/sh@farm.test>', '550 5.1.1'],
  ['</etc/passwd@farm.test>', '550 5.1.1'],
  ['<../../alice@farm.test>', '550 5.1.1'],
  ['<*@farm.test>', '550 5.1.1'],
  ['<alice)(cn=*@farm.test>', '501 5.1.3'],
  ['<"alice)(cn=*"@farm.test>', '550 5.1.1'],
  ['<"*)(objectClass=*"@farm.test>', '550 5.1.1'],
  ['<"a\\00b"@farm.test>', '550 5.1.1'],
  ['<"alice@farm.test\\""@farm.test>', '550 5.1.1'],
  ['<"">', '501 5.1.3'],
  ['<""@farm.test>', '501 5.1.3'],
  ['<"alice>', '501 5.1.3'],
  ['<@:alice@farm.test>', '501 5.1.3'],
  ['<user@elsewhere.example', '501 5.1.3'],
  ['user@elsewhere.example', '501 5.1.3'],
];

test('[P-01] it never relays, however it is asked', async () => {
  const farm = await openFarm();
  const client = await StrictClient.open(farm.port);
  await client.reply();
  await client.command('EHLO c.example');
  await client.command('MAIL FROM:<alice@farm.test>');
  const got = [];
  for (const [path] of ATTEMPTS) {
    const { code, enhanced } = await client.command(`RCPT TO:${path}`);
    got.push([path, `${code} ${enhanced}`]);
  }
  expect(got).toEqual(ATTEMPTS);
  const asked = farm.directory.questions;
  await client.command('RCPT TO:<alice@[127.0.0.1]>');
  expect(farm.directory.questions).toBe(asked); // A host is nobody's domain: nothing to ask.
  client.close();
  await farm.close();
});

/** Octets that are no text: refused before anything looks at them. */
const RAW: readonly [name: string, bytes: Buffer][] = [
  ['NUL', Buffer.from('RCPT TO:<al\0ice@farm.test>')],
  ['DEL', Buffer.from('RCPT TO:<al\x7fice@farm.test>')],
  ['TAB', Buffer.from('RCPT TO:<alice@farm.test>\tX=1')],
  ['a CR within', Buffer.from('RCPT TO:<alice\r@farm.test>')],
  ['broken UTF-8', Buffer.from([...Buffer.from('RCPT TO:<'), 0xc3, 0x28, ...Buffer.from('@x>')])],
  ['an overlong slash', Buffer.from([...Buffer.from('RCPT TO:<'), 0xc0, 0xaf, 0x3e])],
  ['a lone surrogate', Buffer.from([...Buffer.from('RCPT TO:<'), 0xed, 0xa0, 0x80, 0x3e])],
];
for (const [name, bytes] of RAW) {
  test(`${name} in a command is refused, and the session goes on`, async () => {
    const farm = await openFarm();
    const client = await StrictClient.open(farm.port);
    await client.reply();
    await client.command('EHLO c.example');
    await client.command('MAIL FROM:<> SMTPUTF8');
    await client.send(Buffer.concat([bytes, Buffer.from('\r\n')]));
    const { code, enhanced } = await client.reply();
    expect(`${code} ${enhanced}`).toBe('500 5.5.2');
    expect(farm.directory.questions).toBe(0);
    expect((await client.command('RCPT TO:<alice@farm.test>')).code).toBe(250);
    client.close();
    await farm.close();
  });
}
