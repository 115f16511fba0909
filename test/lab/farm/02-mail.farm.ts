import { beforeAll, expect, test } from 'vitest';
import { ask, mailfarm, hostsOf, provisioned, publicOf, say } from './inside.ts';
import {
  addUsers,
  byPop3,
  certificate,
  countByImap,
  countByJmap,
  send,
  SERVICE,
  whole,
} from './world.ts';

let user = '';
beforeAll(async () => {
  await provisioned();
  [user = ''] = await addUsers(['newcomer']);
});

const letter = (subject: string): string =>
  `From: world@elsewhere.example\r\nSubject: ${subject}\r\n\r\nhello\r\n`;

test('[S0-01] [S0-14] [S4-01] [S4-08] a letter goes in at the one address, out by POP3, IMAP, JMAP', async () => {
  const began = performance.now();
  expect(await send(user, letter('by IPv4'))).toBe(250);
  expect(await byPop3(user)).toEqual([expect.stringContaining('Subject: by IPv4')]);
  say(`a letter in and out again: ${((performance.now() - began) / 1000).toFixed(1)} s`);
  expect(await send(user, letter('by IPv6'), SERVICE.v6)).toBe(250);
  expect(await countByImap(user, SERVICE.v6)).toBe(2);
  expect(await countByJmap(user)).toBe(2);
});

test('[S1-02] [S0-19] [S1-10] each front end takes mail at its own address too, others standing still', async () => {
  // What the DNS says decides who gets mail: nothing at a node has to be told.
  const hosts = await hostsOf('frontends');
  const [first = '', ...others] = hosts;
  await ask(first, 'systemctl stop mailfarm');
  try {
    for (const host of others) {
      for (const address of await publicOf(host)) {
        expect(await send(user, letter(`to ${host}`), address), address).toBe(250);
      }
    }
  } finally {
    await ask(first, 'systemctl start mailfarm');
  }
  await whole();
  for (const address of await publicOf(first)) {
    expect(await send(user, letter(`to ${first}`), address), address).toBe(250);
  }
});

test('[S4-07] [S0-15] one certificate of the service name at every node and at the one address', async () => {
  const addresses = (await Promise.all((await hostsOf('access')).map(publicOf))).flat();
  const prints = await Promise.all([SERVICE.v4, SERVICE.v6, ...addresses].map(certificate));
  expect(prints.length).toBeGreaterThan(2);
  expect(new Set(prints).size).toBe(1);
});

test('[S0-29] mailfarm doctor finds nothing wrong on any front end', async () => {
  for (const host of await hostsOf('frontends')) await mailfarm(host, 'doctor');
});
