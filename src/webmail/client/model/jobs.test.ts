import { describe, expect, it } from 'vitest';

import { settle } from '../testing/clock.ts';
import { testPage, type TestPage } from '../testing/page.ts';
import { NOTICE_MS } from './notices.ts';

/** An inbox of so many, all of it selected. */
async function selected(emails: number): Promise<TestPage> {
  const page = testPage();
  for (let n = 0; n < emails; n += 1) page.server.add();
  await page.app.start();
  await page.clock.pass(200);
  page.app.selectAll();
  await page.app.deeds.selectWhole();
  return page;
}

const lying = ({ server }: TestPage, folder: string): number =>
  [...server.emails.values()].filter((email) => email.mailboxIds[folder]).length;
/** How many each request changed. */
const sizes = ({ server }: TestPage): number[] =>
  server.requests
    .flat()
    .filter(([name]) => name === 'Email/set')
    .map(([, { update = {}, destroy = [] }]) => {
      return Object.keys(update as object).length + (destroy as string[]).length;
    });
/** Requests that change something break off after `pass` of them. */
function breakAfter({ server }: TestPage, pass: number): void {
  let left = pass;
  server.fault = (_, calls) => {
    if (!calls.some(([name]) => name === 'Email/set')) return undefined;
    left -= 1;
    if (left < 0) throw new TypeError('network error');
    return undefined;
  };
}

describe('[P-04] all of a folder', () => {
  it('is not what “all shown” selects, and is offered', async () => {
    const page = testPage();
    for (let n = 0; n < 120; n += 1) page.server.add();
    await page.app.start();
    await page.clock.pass(200);
    page.app.selectAll();
    expect(page.app.selection.size).toBe(50);
    expect(page.app.selection.isAllShown).toBe(true);
    await page.app.deeds.selectWhole();
    expect(page.app.selection.size).toBe(120);
    expect(page.app.selection.has(`t-e000001`)).toBe(true);
    const row = page.app.rowAt(0);
    page.app.selection.toggle(row?.key ?? '', row?.email ?? '', 0);
    expect(page.app.selection.size).toBe(49);
  });

  it('goes in pieces, without what came after it was selected, and comes back by Undo', async () => {
    const page = await selected(1200);
    const late = page.server.add();
    page.push();
    await page.clock.pass(500);
    page.app.deeds.do({ kind: 'archive' });
    expect(page.app.deeds.jobs.here).toMatchObject({ kind: 'archive', done: 0, total: 1200 });
    expect(page.app.selection.size).toBe(0);
    await page.clock.pass(2000);
    expect(lying(page, 'archive')).toBe(1200);
    expect(page.server.emails.get(late)?.mailboxIds).toEqual({ inbox: true });
    expect(Math.max(...sizes(page))).toBe(200);
    expect(page.app.deeds.jobs.here).toBeUndefined();
    expect(page.app.list?.rows.length).toBe(1);
    expect(page.app.folders.ofRole('archive')?.totalEmails).toBe(1200);
    expect(page.app.notices.notice).toMatchObject({ key: 'done.archive', values: { count: 1200 } });
    page.app.notices.undo();
    await page.clock.pass(2000);
    expect(lying(page, 'inbox')).toBe(1201);
    expect(page.app.list?.rows.length).toBe(1201);
    expect(page.app.unread('inbox')).toBe(1201);
  });

  it('is not shown as done before it is, and asks for no list meanwhile', async () => {
    const page = await selected(600);
    breakAfter(page, 1);
    page.app.deeds.do({ kind: 'archive' });
    await page.clock.pass(2000);
    expect(page.app.deeds.jobs.here).toMatchObject({ done: 200, total: 600 });
    expect(page.app.unread('inbox')).toBe(400);
    const asked = page.server.requests.length;
    await page.clock.pass(1000);
    expect(page.server.requests.length).toBe(asked);
  });

  it('is stopped: what was done stays, is told, and can be undone', async () => {
    const page = await selected(600);
    breakAfter(page, 2);
    page.app.deeds.do({ kind: 'junk' });
    await page.clock.pass(1000);
    page.app.deeds.jobs.stop();
    page.server.fault = () => undefined;
    page.app.connection.wake();
    await page.clock.pass(2000);
    // The third was under way.
    expect(lying(page, 'junk')).toBe(600);
    expect(page.app.notices.notice?.values).toMatchObject({ count: 600 });
    page.app.notices.undo();
    await page.clock.pass(2000);
    expect(lying(page, 'junk')).toBe(0);
    const many = await selected(1000);
    breakAfter(many, 2);
    many.app.deeds.do({ kind: 'junk' });
    await many.clock.pass(1000);
    many.app.deeds.jobs.stop();
    many.server.fault = () => undefined;
    many.app.connection.wake();
    await many.clock.pass(2000);
    expect(lying(many, 'junk')).toBe(600);
    expect(many.app.notices.notice?.values).toMatchObject({ count: 600 });
    expect(many.app.list?.rows.length).toBe(400);
  });

  it('goes on in the page that is loaded again', async () => {
    const page = await selected(900);
    page.server.mailboxes.delete('archive');
    page.push();
    breakAfter(page, 0);
    page.app.deeds.do({ kind: 'archive' });
    await page.clock.pass(1000);
    page.app.end();
    page.server.fault = () => undefined;
    const { server, storage, clock } = page;
    const next = testPage({ server, storage, clock });
    await next.app.start();
    await clock.pass(3000);
    expect(lying(next, 'inbox')).toBe(0);
    expect(next.app.notices.notice).toMatchObject({ values: { count: 900 } });
    expect(next.app.actions?.pending).toEqual([]);
  });

  it('ends where the server refuses, and says how far it came', async () => {
    const page = await selected(700);
    page.server.refuseSet = (id) => (id === 'e000100' ? 'overQuota' : undefined);
    page.app.deeds.do({ kind: 'archive' });
    await page.clock.pass(2000);
    // The newest first: the piece of the hundredth is the last but none.
    expect(page.app.notices.notice).toMatchObject({
      key: 'job.failed',
      values: { count: 600, why: 'overQuota' },
    });
    page.server.refuseSet = undefined;
    page.app.notices.undo();
    await page.clock.pass(2000);
    expect(lying(page, 'archive')).toBe(99);
  });

  it('is destroyed after its time to be stopped is over, and not before', async () => {
    const page = testPage();
    for (let n = 0; n < 300; n += 1) page.server.add({ folder: 'trash' });
    await page.app.start();
    page.app.openFolder('trash');
    await page.clock.pass(500);
    for (const isStopped of [true, false]) {
      page.app.selectAll();
      await page.app.deeds.selectWhole();
      page.app.deeds.do({ kind: 'trash' });
      expect(page.app.deeds.jobs.here).toMatchObject({ kind: 'destroy', total: 300 });
      await page.clock.pass(NOTICE_MS - 100);
      expect(lying(page, 'trash')).toBe(300);
      if (isStopped) page.app.deeds.jobs.stop();
      await page.clock.pass(60_000);
      expect(lying(page, 'trash')).toBe(isStopped ? 300 : 0);
    }
  });

  it('is whole though the email that a page ended with has gone, and is left alone in between', async () => {
    const page = testPage();
    for (let n = 0; n < 1100; n += 1) page.server.add();
    await page.app.start();
    await page.clock.pass(200);
    page.app.selectAll();
    let times = 0;
    page.server.fault = (_, calls) => {
      times += calls.some(([name]) => name === 'Email/query') ? 1 : 0;
      if (times === 2) {
        page.server.destroy('e000601'); // The five hundredth of the newest first.
        page.server.add();
        times += 1;
      }
      return undefined;
    };
    await page.app.deeds.selectWhole();
    expect(page.app.selection.size).toBe(1100); // With the one that has gone since.
    const gathering = page.app.deeds.selectWhole();
    page.app.selection.clear();
    await gathering;
    await settle();
    expect(page.app.selection.size).toBe(0);
    expect(page.app.notices.notice).toBeUndefined();
  });
});

it('all that a search found is done to what was found, not to its conversations', async () => {
  const page = testPage();
  for (let n = 0; n < 80; n += 1) page.server.add({ threadId: `t${n % 40}`, subject: `S${n % 2}` });
  await page.app.start();
  page.app.search('S1');
  await page.clock.pass(500);
  page.app.selectAll();
  await page.app.deeds.selectWhole();
  expect(page.app.selection.size).toBe(40);
  page.app.deeds.do({ kind: 'star' });
  await page.clock.pass(2000);
  const starred = [...page.server.emails.values()].filter(({ keywords }) => keywords['$flagged']);
  expect(starred.map(({ subject }) => subject)).toEqual(Array.from({ length: 40 }, () => 'S1'));
});
