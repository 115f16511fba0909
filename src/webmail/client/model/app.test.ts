import { describe, expect, it } from 'vitest';

import { settle, TestClock } from '../testing/clock.ts';
import { FakeJmap } from '../testing/fake-jmap.ts';
import { testPage, TestStorage, type TestPage } from '../testing/page.ts';
import { NOTICE_MS } from './notices.ts';

async function opened(emails: number, before?: (server: FakeJmap) => void): Promise<TestPage> {
  const page = testPage();
  for (let n = 0; n < emails; n += 1) page.server.add();
  before?.(page.server);
  await page.app.start();
  await page.clock.pass(200);
  return page;
}

const shown = ({ app }: TestPage): string[] => app.list?.rows.slice(0, 1000) ?? [];
const sets = ({ server }: TestPage): number =>
  server.requests.flat().filter(([name]) => name === 'Email/set').length;

describe('the first list', () => {
  it('[P-04] of fifty is one request, where the inbox is known from before', async () => {
    const { server, storage, clock } = await opened(80);
    server.requests.length = 0;
    const again = testPage({ server, storage, clock, pageId: 'other' });
    await again.app.start();
    await settle();
    expect(server.requests).toHaveLength(1);
    expect(again.app.isReady).toBe(true);
    expect(again.app.list?.rows.length).toBe(80);
    expect(shown(again)).toHaveLength(50);
    expect(again.app.emails.get(shown(again)[0] ?? '')?.subject).toBe('Subject 80');
  });

  it('shows conversations once, with all their emails', async () => {
    const page = await opened(0, (server) => {
      server.add({ threadId: 't' });
      server.add();
      server.add({ threadId: 't' });
    });
    expect(shown(page)).toHaveLength(2);
    expect(page.app.emails.thread('t')).toHaveLength(2);
  });
});

describe('a list of 100,000', () => {
  it('is scrolled to its end with bounded memory', async () => {
    const total = 100_000;
    const page = await opened(total);
    const { app } = page;
    expect(app.list?.rows.length).toBe(total);
    for (let first = 0; first < total; first += 900) {
      app.list?.show(first, first + 16);
      await settle();
    }
    app.list?.show(total - 16, total);
    await settle();
    const last = app.list?.rows.at(total - 1) ?? '';
    expect(app.emails.get(last)?.subject).toBe('Subject 1');
    expect(shown(page).length).toBeLessThan(1200);
    expect(app.emails.sizes.listed).toBeLessThanOrEqual(4000);
  });
});

describe('what the user does', () => {
  it('is on the screen at once, and at the server after', async () => {
    const page = await opened(3);
    const [first = ''] = shown(page);
    page.app.deeds.to({ kind: 'archive' }, [first]);
    expect(shown(page)).toHaveLength(2);
    expect(page.app.unread('inbox')).toBe(2);
    expect(page.server.emails.get(first)?.mailboxIds).toEqual({ inbox: true });
    await page.clock.pass(1000);
    expect(page.server.emails.get(first)?.mailboxIds).toEqual({ archive: true });
    expect(page.app.unread('inbox')).toBe(2);
  });

  it('comes back when the server refuses it, with the reason', async () => {
    const page = await opened(3);
    const [first = ''] = shown(page);
    page.server.refuseSet = () => 'overQuota';
    page.app.deeds.to({ kind: 'archive' }, [first]);
    expect(shown(page)).not.toContain(first);
    await page.clock.pass(1000);
    expect(shown(page)).toContain(first);
    expect(page.app.unread('inbox')).toBe(3);
    expect(page.app.notices.notice?.values).toMatchObject({ why: 'overQuota' });
  });

  it('is undone before and after it has gone out', async () => {
    for (const waits of [undefined, 0, 5000]) {
      const page = await opened(3);
      const before = shown(page);
      page.app.deeds.to({ kind: 'trash' }, [before[1] ?? '']);
      if (waits !== undefined) await page.clock.pass(waits);
      page.app.notices.undo();
      expect(shown(page)).toEqual(before);
      await page.clock.pass(1000);
      expect(page.server.emails.get(before[1] ?? '')?.mailboxIds).toEqual({ inbox: true });
      expect(shown(page)).toEqual(before);
      expect(page.app.unread('inbox')).toBe(3);
    }
  });

  it('destroys nothing before its Undo is over', async () => {
    const page = await opened(0, (server) => server.add({ id: 'x', folder: 'trash' }));
    page.app.openFolder('trash');
    await page.clock.pass(500);
    page.app.deeds.to({ kind: 'trash' }, ['x']);
    expect(shown(page)).toEqual([]);
    await page.clock.pass(NOTICE_MS - 100);
    expect(page.server.emails.has('x')).toBe(true);
    page.app.notices.undo();
    await page.clock.pass(60_000);
    expect(page.server.emails.has('x')).toBe(true);
    expect(shown(page)).toEqual(['x']);
    page.app.deeds.to({ kind: 'trash' }, ['x']);
    await page.clock.pass(60_000);
    expect(page.server.emails.has('x')).toBe(false);
  });

  it('is done once when the answer is lost and a node is asked again', async () => {
    const page = await opened(2);
    const [first = ''] = shown(page);
    page.server.loseAnswers = 1;
    page.app.deeds.to({ kind: 'star' }, [first]);
    await page.clock.pass(5000);
    expect(page.server.emails.get(first)?.keywords).toEqual({ $flagged: true });
    expect(sets(page)).toBe(2);
    expect(page.app.actions?.pending).toEqual([]);
  });

  it('waits while nobody answers, and goes out of the next page after a crash', async () => {
    const page = await opened(2);
    const [first = ''] = shown(page);
    page.server.fault = () => {
      throw new TypeError('network error');
    };
    page.app.deeds.to({ kind: 'archive' }, [first]);
    await page.clock.pass(20_000);
    expect(page.app.connection.link.kind).toBe('away');
    expect(shown(page)).toHaveLength(1);
    page.app.end(); // The browser ends.
    page.server.fault = () => undefined;
    await page.clock.pass(200_000);
    const { server, storage, clock } = page;
    const next = testPage({ server, storage, clock, pageId: 'next' });
    await next.app.start();
    await clock.pass(1000);
    expect(server.emails.get(first)?.mailboxIds).toEqual({ archive: true });
    expect(storage.key(0)).not.toContain('queue');
  });

  it('into a folder that does not exist yet waits like all else, and survives a reload', async () => {
    const page = await opened(3, (server) => {
      for (const role of ['archive', 'trash']) server.mailboxes.delete(role);
    });
    const [third = '', second = '', first = ''] = shown(page);
    page.server.fault = (_, calls) => {
      if (calls.some(([name]) => name.endsWith('/set'))) throw new TypeError('hangs');
      return undefined;
    };
    page.app.deeds.to({ kind: 'archive' }, [third]);
    page.app.deeds.to({ kind: 'trash' }, [second]);
    expect(shown(page)).toEqual([first]);
    expect(page.app.unread('inbox')).toBe(1);
    await page.clock.pass(20_000);
    expect(page.app.actions?.pending).toHaveLength(2);
    page.app.end(); // Loaded again.
    page.server.fault = () => undefined;
    const { server, storage, clock } = page;
    const next = testPage({ server, storage, clock });
    await next.app.start();
    await clock.pass(2000);
    expect(server.emails.get(third)?.mailboxIds).toEqual({ 'box-Archive': true });
    expect(server.emails.get(second)?.mailboxIds).toEqual({ 'box-Trash': true });
    expect(next.app.folders.ofRole('archive')?.totalEmails).toBe(1);
    expect(next.app.folders.ofRole('trash')?.totalEmails).toBe(1);
    expect(shown(next)).toEqual([first]);
    expect(next.app.actions?.pending).toEqual([]);
  });

  it('into a folder that is not there yet is undone before and after it has gone out', async () => {
    for (const waits of [0, 5000]) {
      const page = await opened(1, (server) => server.mailboxes.delete('archive'));
      const [only = ''] = shown(page);
      page.app.deeds.to({ kind: 'archive' }, [only]);
      if (waits > 0) await page.clock.pass(waits);
      page.app.notices.undo();
      await page.clock.pass(2000);
      expect(page.server.emails.get(only)?.mailboxIds).toEqual({ inbox: true });
      expect(shown(page)).toEqual([only]);
      expect(page.app.unread('inbox')).toBe(1);
    }
  });

  it('into a folder that cannot be made comes back, with the reason', async () => {
    const page = await opened(1, (server) => server.mailboxes.delete('junk'));
    const [only = ''] = shown(page);
    page.server.fault = (_, calls) => {
      const [[name, , id] = ['', {}, '']] = calls;
      const notCreated = { new: { type: 'forbidden', description: 'No more folders' } };
      return name === 'Mailbox/set'
        ? Response.json({ methodResponses: [[name, { notCreated }, id]] })
        : undefined;
    };
    page.app.deeds.to({ kind: 'junk' }, [only]);
    expect(shown(page)).toEqual([]);
    await page.clock.pass(1000);
    expect(shown(page)).toEqual([only]);
    expect(page.app.notices.notice?.values['why']).toBe('No more folders');
    expect(page.server.emails.get(only)?.mailboxIds).toEqual({ inbox: true });
  });

  it('is counted once, though the server tells of it before it answers', async () => {
    const page = await opened(3);
    const [first = ''] = shown(page);
    page.app.deeds.to({ kind: 'archive' }, [first]);
    page.server.loseAnswers = 1;
    await settle();
    // Done, and the answer lost: before the second time, which changes nothing, it is told.
    page.server.fault = (_, calls) => {
      if (calls.some(([name]) => name === 'Email/set')) throw new TypeError('network error');
      return undefined;
    };
    page.push();
    await page.clock.pass(500);
    expect(page.app.folders.get('archive')?.totalEmails).toBe(1);
    page.server.fault = () => undefined;
    await page.clock.pass(5000);
    expect(page.app.actions?.pending).toEqual([]);
    expect(page.app.unread('inbox')).toBe(2);
    expect(page.app.folders.get('archive')?.totalEmails).toBe(1);
  });

  it('leaves alone what it is not meant for: sent mail of the same conversation', async () => {
    const page = await opened(0, (server) => {
      server.add({ id: 'mine', threadId: 't', folder: 'sent' });
      server.add({ id: 'theirs', threadId: 't' });
    });
    page.app.deeds.to({ kind: 'archive' }, ['theirs']);
    await page.clock.pass(1000);
    expect(page.server.emails.get('mine')?.mailboxIds).toEqual({ sent: true });
    expect(page.server.emails.get('theirs')?.mailboxIds).toEqual({ archive: true });
  });
});

describe('what others do', () => {
  it('is seen when the server says so: new mail, flags, moves, removals', async () => {
    const page = await opened(3);
    const [third = '', second = '', first = ''] = shown(page);
    page.server.change(first, { keywords: { $seen: true } });
    page.server.change(second, { mailboxIds: { archive: true } });
    page.server.destroy(third);
    const added = page.server.add();
    page.push();
    await page.clock.pass(1000);
    expect(shown(page)).toEqual([added, first]);
    expect(page.app.emails.get(first)?.keywords).toEqual({ $seen: true });
    expect(page.app.unread('inbox')).toBe(1);
  });

  it('is seen where no email has changed, but what is known of their conversations has', async () => {
    const page = await opened(3);
    const [third = '', second = ''] = shown(page);
    const { threadId = '' } = page.server.emails.get(third) ?? {};
    // Threads of a large mailbox are known late (RFC 8621 §3): no email is told as changed then.
    page.server.rethread(second, threadId);
    page.push();
    await page.clock.pass(1000);
    expect(shown(page)).toHaveLength(2);
    expect(page.app.emails.thread(threadId)).toHaveLength(2);
  });

  it('is looked at anew where changes cannot be told', async () => {
    const page = await opened(3);
    const added = page.server.add();
    page.server.firstState = 1000;
    page.push();
    await page.clock.pass(1000);
    expect(shown(page)[0]).toBe(added);
  });

  it('does not overwrite what the user has just done', async () => {
    const page = await opened(2);
    const [first = ''] = shown(page);
    page.server.fault = (_, calls) => {
      if (calls.some(([name]) => name === 'Email/set')) throw new TypeError('network error');
      return undefined;
    };
    page.app.deeds.to({ kind: 'archive' }, [first]);
    page.server.add();
    page.push();
    await page.clock.pass(1000);
    expect(shown(page)).not.toContain(first);
    expect(shown(page)).toHaveLength(2);
  });
});

describe('reading', () => {
  it('marks as read what is opened, and not again what was marked unread', async () => {
    const page = await opened(2);
    const [first = ''] = shown(page);
    page.app.openRow(0);
    await page.clock.pass(1000);
    expect(page.server.emails.get(first)?.keywords).toEqual({ $seen: true });
    page.app.deeds.do({ kind: 'unread' });
    await page.clock.pass(1000);
    page.push();
    await page.clock.pass(1000);
    expect(page.server.emails.get(first)?.keywords).toEqual({});
  });

  it('says that a message is gone, and never shows an empty one', async () => {
    const page = await opened(1);
    page.app.openRow(0);
    await page.clock.pass(500);
    page.server.destroy(shown(page)[0] ?? '');
    page.push();
    await page.clock.pass(1000);
    expect(page.app.conversation?.status).toBe('gone');
  });
});

describe('the end of a session', () => {
  it('[N-02] by a sign-out that could not be written down, or not be made, is told', async () => {
    const page = await opened(1);
    let answer = (): Response => Response.json({ kind: 'signed-out', ended: true });
    page.server.fault = (url) => (url === '/auth/sign-out' ? answer() : undefined);
    await page.app.signOut();
    expect([page.reloads, page.app.takeSignedOutHere()]).toEqual([1, false]);
    answer = () => Response.json({ kind: 'signed-out', ended: false });
    await page.app.signOut();
    expect(page.reloads).toBe(2);
    const { server, storage, clock } = page;
    const again = testPage({ server, storage, clock });
    expect([again.app.takeSignedOutHere(), again.app.takeSignedOutHere()]).toEqual([true, false]);
    for (const trouble of [() => Response.json({}, { status: 503 }), () => Response.error()]) {
      answer = trouble;
      await page.app.signOut();
      // Nothing was ended: a page that looks signed out would lie.
      expect(page.reloads).toBe(2);
      expect(page.app.notices.notice?.key).toBe('signOut.failed');
    }
    answer = () => Response.json({ kind: 'signed-out', ended: true });
    page.app.notices.retry();
    await page.clock.pass(100);
    expect(page.reloads).toBe(3);
  });

  it('loses nothing: what waits goes on after the next sign-in of the same user', async () => {
    const page = await opened(2);
    const [first = ''] = shown(page);
    let isOut = true;
    page.server.fault = (url) => {
      if (url === '/auth/sign-in') return Response.json({ kind: 'signed-in' });
      return isOut ? Response.json({}, { status: 401 }) : undefined;
    };
    page.app.deeds.to({ kind: 'archive' }, [first]);
    await page.clock.pass(1000);
    expect(page.app.connection.link.kind).toBe('signed-out');
    isOut = false;
    await page.app.signIn({ login: 'alice@example.test', password: 'x' });
    await page.clock.pass(1000);
    expect(page.server.emails.get(first)?.mailboxIds).toEqual({ archive: true });
    expect(page.reloads).toBe(0);
  });
});

it('a search finds, and its list is left for the folder again', async () => {
  const page = await opened(12);
  page.app.search('Subject 12');
  await page.clock.pass(500);
  expect(page.app.route).toMatchObject({ kind: 'search' });
  page.app.search('');
  await page.clock.pass(500);
  expect(shown(page)).toHaveLength(12);
});

it('two pages of one browser have queues of their own', async () => {
  const [storage, server, clock] = [new TestStorage(), new FakeJmap(), new TestClock()];
  server.add();
  const pages = ['a', 'b'].map((pageId) => testPage({ storage, server, clock, pageId }));
  for (const page of pages) await page.app.start();
  await clock.pass(500);
  server.fault = (_, calls) => {
    if (calls.some(([name]) => name === 'Email/set')) throw new TypeError('network error');
    return undefined;
  };
  pages[0]?.app.deeds.to({ kind: 'star' }, ['e000001']);
  pages[1]?.app.deeds.to({ kind: 'read' }, ['e000001']);
  server.fault = () => undefined;
  await clock.pass(60_000);
  expect(server.emails.get('e000001')?.keywords).toEqual({ $flagged: true, $seen: true });
});
