import { expect, it } from 'vitest';

import { testPage } from '../testing/page.ts';
import { found, putContact, removeContact } from './contacts.ts';

const contact = (id: string, name: string | null, email: string) => ({
  id,
  name,
  email,
  at: 0,
  count: 1,
});
const ALL = [
  contact('1', null, 'zoe@harbour.test'),
  contact('2', 'Ёлка Иванова', 'elka@x.test'),
  contact('3', 'ada', 'countess@harbour.test'),
  contact('4', 'Bob 10', 'b10@x.test'),
  contact('5', 'Bob 9', 'b9@x.test'),
];
const ids = (words: string, language = 'en'): string =>
  found(ALL, words, language)
    .map(({ id }) => id)
    .join('');

it('[P-04] contacts are sorted as people do, and found by any words of name and address', () => {
  expect(ids('')).toBe('35412');
  expect(ids('HARBOUR')).toBe('31');
  expect(ids('  ada  har ')).toBe('3');
  expect(ids('ёлк', 'ru')).toBe('2');
  expect(ids('nobody')).toBe('');
});

it('[P-04] one that is changed takes the place of the former, and suggestions are asked anew', async () => {
  const page = testPage();
  await page.app.start();
  await page.clock.pass(200);
  const asked: unknown[] = [];
  let contacts = ALL.slice(0, 1);
  page.server.fault = (url) => {
    if (!url.startsWith('/self/contacts')) return undefined;
    asked.push(url);
    return Response.json({ contacts });
  };
  await page.app.letters.contacts.load();
  contacts = ALL.slice(0, 2);
  await page.app.letters.contacts.load();
  expect(page.app.letters.contacts.all).toHaveLength(1);
  expect(await putContact(page.app, { name: 'Zoe', email: 'z@x.test' }, '1')).toBeUndefined();
  await page.app.letters.contacts.load();
  expect(page.app.letters.contacts.all).toHaveLength(2);
  expect(await removeContact(page.app, contact('a/b', null, 'a@x.test'))).toBeUndefined();
  expect(asked.at(-1)).toBe('/self/contacts/a%2Fb');
  page.server.fault = () => Response.json({ detail: 'Too many' }, { status: 422 });
  expect(await putContact(page.app, { name: 'Zoe', email: 'z@x.test' })).toBe('Too many');
});

it('[P-04] whom a letter went to is suggested though the mailbox was not told yet', async () => {
  const page = testPage();
  await page.app.start();
  await page.clock.pass(200);
  const { contacts } = page.app.letters;
  const emails = (): readonly string[] => contacts.all.map(({ email }) => email);
  let told = 0;
  contacts.subscribe(() => (told += 1));
  let kept: readonly object[] = [];
  let asked = 0;
  page.server.fault = (url) => {
    if (!url.startsWith('/self/contacts')) return undefined;
    asked += 1;
    if (asked === 1) return Response.json({}, { status: 503 }); // The mailbox is told later.
    if (asked === 3) kept = [contact('7', null, 'late@x.test')];
    return Response.json({ contacts: kept });
  };
  const remembered = contacts.remember([{ name: null, email: 'Late@x.test' }]);
  await contacts.load();
  expect(emails()).toEqual(['Late@x.test']);
  expect(told).toBe(1); // Whoever shows them looks again.
  await page.clock.pass(60_000);
  await remembered;
  expect(emails()).toEqual(['Late@x.test']);
  await contacts.load();
  expect(emails()).toEqual(['late@x.test']);
  kept = [];
  contacts.forget(); // Removed meanwhile.
  await contacts.load();
  expect(emails()).toEqual([]);
});

it('[P-04] contacts that change while they are read are read again', async () => {
  const page = testPage();
  await page.app.start();
  await page.clock.pass(200);
  const { contacts } = page.app.letters;
  let reads = 0;
  page.server.fault = (url) => {
    if (!url.startsWith('/self/contacts')) return undefined;
    reads += 1;
    if (reads === 1) contacts.forget();
    return Response.json({ contacts: ALL.slice(0, reads) });
  };
  await contacts.load();
  expect(reads).toBe(2);
  expect(contacts.all).toHaveLength(2);
});
