import { describe, expect, it } from 'vitest';

import type { FullEmail } from '../jmap/types.ts';
import { TestClock } from '../testing/clock.ts';
import { testPage, type PageOptions, type TestPage } from '../testing/page.ts';
import { SEND_AFTER_MS } from './composer.ts';

const ADA = { name: 'Ada', email: 'ada@example.test' };

async function opened(options: PageOptions = {}): Promise<TestPage> {
  const page = testPage(options);
  page.server.add();
  await page.app.start();
  await page.clock.pass(200);
  return page;
}

const inFolder = ({ server }: TestPage, folder: string) =>
  [...server.emails.values()].filter((email) => email.mailboxIds[folder]);

async function typed(page: TestPage, subject = 'Hello'): Promise<void> {
  await page.app.letters.open('new');
  page.app.letters.edit({ to: [ADA], subject, body: '<div>Words</div>' });
}

describe('[P-04] a draft', () => {
  it('is saved while it is typed, and is one however often', async () => {
    const page = await opened();
    await typed(page);
    for (const subject of ['A', 'B', 'C']) {
      page.app.letters.edit({ subject });
      await page.clock.pass(3000);
      expect(inFolder(page, 'drafts').map((one) => one.subject)).toEqual([subject]);
      expect(page.app.letters.status).toBe('saved');
    }
  });

  it('lies in the folder that another page has just made', async () => {
    const page = await opened();
    const drafts = page.server.mailboxes.get('drafts');
    page.server.mailboxes.delete('drafts');
    const next = testPage({ server: page.server, storage: page.storage, clock: page.clock });
    await next.app.start();
    await page.clock.pass(200);
    await typed(next);
    // Without a word to whoever is typing.
    if (drafts) page.server.mailboxes.set('drafts', drafts);
    await page.clock.pass(5000);
    expect(next.app.letters.status).toBe('saved');
    expect(inFolder(page, 'drafts')).toHaveLength(1);
  });

  it('is not made of an empty letter', async () => {
    const page = await opened();
    await page.app.letters.open('new');
    page.app.letters.edit({ body: '<div> <br></div>' });
    await page.clock.pass(3000);
    await page.app.letters.close();
    expect(inFolder(page, 'drafts')).toEqual([]);
  });

  it('is one when the answer to a save was lost', async () => {
    const page = await opened();
    await typed(page);
    page.server.loseAnswers = 1;
    await page.clock.pass(3000);
    expect(inFolder(page, 'drafts')).toHaveLength(1);
    page.app.letters.edit({ subject: 'Later' });
    await page.clock.pass(3000);
    expect(inFolder(page, 'drafts').map((one) => one.subject)).toEqual(['Later']);
  });

  it('comes after the save of a node that died before it answered', async () => {
    const page = await opened();
    await typed(page, 'One');
    await page.clock.pass(3000);
    // The former state goes only when the new one is known to be there.
    page.server.fault = (_, calls) => {
      if (calls.some(([name, args]) => name === 'Email/set' && 'create' in args)) {
        throw new TypeError('network error');
      }
      return undefined;
    };
    page.app.letters.edit({ subject: 'Two' });
    await page.clock.pass(5000);
    expect(page.app.letters.status).toBe('failed');
    expect(inFolder(page, 'drafts').map((one) => one.subject)).toEqual(['One']);
    page.server.fault = () => undefined;
    await page.clock.pass(20_000);
    expect(inFolder(page, 'drafts').map((one) => one.subject)).toEqual(['Two']);
  });

  it('of a page that was closed is taken up by the next, and leaves no second', async () => {
    const page = await opened();
    await typed(page, 'Before');
    await page.clock.pass(3000);
    page.app.letters.edit({ subject: 'After' });
    page.app.end();
    const { server, storage, clock } = page;
    const next = testPage({ server, storage, clock });
    await next.app.start();
    await clock.pass(5000);
    expect(next.app.letters.letter?.subject).toBe('After');
    expect(inFolder(next, 'drafts').map((one) => one.subject)).toEqual(['After']);
  });

  it('is taken up, and a new one begun, though who writes cannot be had', async () => {
    const page = await opened();
    await typed(page, 'Before');
    page.app.end();
    const { server, storage, clock } = page;
    server.fault = (_, calls) =>
      calls.some(([name]) => name === 'Identity/get')
        ? Response.json({ methodResponses: [['error', { type: 'serverFail' }, calls[0]?.[2]]] })
        : undefined;
    const next = testPage({ server, storage, clock });
    await next.app.start();
    await clock.pass(5000);
    expect(next.app.letters.letter?.subject).toBe('Before');
    await next.app.letters.open('new');
    expect(next.app.letters.letter?.subject).toBe('');
    server.fault = () => undefined;
    next.app.letters.edit({ subject: 'After' });
    await clock.pass(5000);
    expect(inFolder(next, 'drafts').map((one) => one.subject)).toContain('After');
  });

  it('is typed on while the session has ended, and saved after the sign-in', async () => {
    const page = await opened();
    await typed(page);
    page.server.fault = () => new Response('{}', { status: 401 });
    await page.clock.pass(3000);
    expect(page.app.connection.link.kind).toBe('signed-out');
    page.app.letters.edit({ subject: 'Typed meanwhile' });
    page.server.fault = () => undefined;
    page.app.connection.wake();
    await page.clock.pass(6000);
    expect(inFolder(page, 'drafts').map((one) => one.subject)).toEqual(['Typed meanwhile']);
  });

  it('is destroyed when it is discarded, and not when that is undone', async () => {
    const page = await opened();
    await typed(page);
    await page.clock.pass(3000);
    page.app.letters.discard();
    page.app.notices.undo();
    await page.clock.pass(30_000);
    expect(inFolder(page, 'drafts')).toHaveLength(1);
    page.app.letters.discard();
    await page.clock.pass(30_000);
    expect(inFolder(page, 'drafts')).toEqual([]);
  });
});

describe('[P-04] a draft that is open in two tabs', () => {
  /** The second has the draft open as the first saved it, in plain text: no DOM cleans it here. */
  async function twoTabs(files: readonly File[] = []): Promise<readonly [TestPage, TestPage]> {
    const one = await opened({ pageId: 'one' });
    one.server.hasParts = true;
    await typed(one, 'Begun');
    if (files.length > 0) one.app.letters.attach(files);
    await one.clock.pass(3000);
    const { server, storage, clock } = one;
    const other = testPage({ server, storage, clock, pageId: 'other' });
    await other.app.start();
    await clock.pass(200);
    const [draft] = inFolder(one, 'drafts');
    await other.app.letters.open('edit', whole(draft));
    return [one, other];
  }

  const whole = (email: FullEmail | undefined) =>
    ({ attachments: [], ...email, bodyValues: {}, htmlBody: [], textBody: [] }) as FullEmail;

  const subjects = (page: TestPage) =>
    inFolder(page, 'drafts')
      .map((one) => one.subject ?? '')
      .toSorted((a, b) => a.localeCompare(b));

  async function write(page: TestPage, subject: string): Promise<void> {
    page.app.letters.edit({ subject });
    await page.clock.pass(3000);
  }

  it('stays as both wrote it, also when a line broke', async () => {
    const [one, other] = await twoTabs();
    await write(one, 'Of one');
    await write(other, 'Of other');
    expect(subjects(one)).toEqual(['Of one', 'Of other']);
    await write(one, 'Newer of one');
    one.server.loseAnswers = 1;
    await write(other, 'Broken of other');
    await write(other, 'Newest of other');
    expect(subjects(one)).toEqual(['Newer of one', 'Newest of other']);
  });

  it('stays as both wrote it when one of them is loaded again', async () => {
    const [one, other] = await twoTabs();
    await write(other, 'Of other');
    await write(one, 'Of one');
    other.app.letters.edit({ subject: 'Newer of other' });
    other.app.end();
    const { server, storage, clock } = other;
    const again = testPage({ server, storage, clock, pageId: 'other' });
    await again.app.start();
    await clock.pass(5000);
    expect(again.app.letters.letter?.subject).toBe('Newer of other');
    expect(subjects(one)).toEqual(['Newer of other', 'Of one']);
  });

  it('stays as both wrote it when a third page takes up what one of them, asleep, has kept', async () => {
    const one = await opened({ pageId: 'one' });
    await typed(one, 'Begun');
    await one.clock.pass(3000);
    one.app.letters.edit({ subject: 'Kept' });
    const { server, storage } = one;
    const late = new TestClock();
    await late.pass(11 * 60_000);
    const third = testPage({ server, storage, clock: late, pageId: 'third' });
    await third.app.start();
    await late.pass(5000);
    expect(third.app.letters.letter?.subject).toBe('Kept');
    await write(one, 'Woken');
    server.loseAnswers = 1;
    await write(third, 'Of third');
    await write(third, 'Newer of third');
    expect(subjects(one)).toEqual(['Newer of third', 'Woken']);
  });

  it('keeps its files in both', async () => {
    const [one, other] = await twoTabs([new File(['plan'], 'plan.txt', { type: 'text/plain' })]);
    await write(one, 'Of one');
    await write(other, 'Of other');
    expect(other.app.letters).toMatchObject({ status: 'saved', error: undefined });
    expect(subjects(one)).toEqual(['Of one', 'Of other']);
    for (const { attachments } of inFolder(one, 'drafts')) {
      expect(attachments).toMatchObject([{ name: 'plan.txt', size: 4 }]);
    }
  });

  it('tells which file is nowhere any more', async () => {
    const [one, other] = await twoTabs([new File(['plan'], 'plan.txt', { type: 'text/plain' })]);
    one.app.letters.removeFile(one.app.letters.letter?.files[0]?.id ?? '');
    await one.clock.pass(3000);
    await write(other, 'Of other');
    expect(other.app.letters.status).toBe('failed');
    expect(other.app.letters.error).toContain('plan.txt');
    other.app.letters.removeFile(other.app.letters.letter?.files[0]?.id ?? '');
    await other.clock.pass(3000);
    expect(subjects(one)).toEqual(['Begun', 'Of other']);
  });

  it('is sent twice only by who was told that it was sent', async () => {
    const [one, other] = await twoTabs();
    one.app.letters.send();
    await one.clock.pass(SEND_AFTER_MS + 1000);
    expect(one.server.submitted).toHaveLength(1);
    other.app.letters.edit({ subject: 'Newer' });
    other.app.letters.send();
    await other.clock.pass(SEND_AFTER_MS + 1000);
    expect(one.server.submitted).toHaveLength(1);
    expect(other.app.notices.notice?.values['why']).toContain('in Sent already');
    expect(other.app.letters.letter?.subject).toBe('Newer');
    other.app.letters.send();
    await other.clock.pass(SEND_AFTER_MS + 1000);
    expect(one.server.submitted).toHaveLength(2);
  });
});

describe('[P-04] a letter that is sent', () => {
  it('waits for Undo, then goes, and lies in Sent', async () => {
    const page = await opened();
    await typed(page);
    page.app.letters.send();
    expect(page.app.letters.letter).toBeUndefined();
    await page.clock.pass(SEND_AFTER_MS - 1000);
    expect(page.server.submitted).toEqual([]);
    await page.clock.pass(2000);
    expect(page.server.submitted).toHaveLength(1);
    expect(inFolder(page, 'drafts')).toEqual([]);
    const [sent] = inFolder(page, 'sent');
    expect(sent).toMatchObject({ subject: 'Hello', keywords: { $seen: true } });
    expect(sent?.keywords['$draft']).toBeUndefined();
  });

  it('comes back by Undo as it was', async () => {
    const page = await opened();
    await typed(page);
    page.app.letters.send();
    page.app.notices.undo();
    await page.clock.pass(SEND_AFTER_MS * 2);
    expect(page.server.submitted).toEqual([]);
    expect(page.app.letters.letter).toMatchObject({ subject: 'Hello', to: [ADA] });
  });

  it('goes once, where the answer is lost', async () => {
    const page = await opened();
    await typed(page);
    await page.clock.pass(3000);
    const lose = (): void => {
      page.server.fault = (_, calls) => {
        if (calls.some(([name]) => name === 'EmailSubmission/set')) {
          page.server.loseAnswers = 1;
          page.server.fault = () => undefined;
        }
        return undefined;
      };
    };
    lose();
    page.app.letters.send();
    await page.clock.pass(SEND_AFTER_MS + 5000);
    expect(page.server.submitted).toHaveLength(1);
    expect(page.app.notices.notice?.key).toBe('compose.sent');
  });

  it('is told as not known where neither side can say', async () => {
    const page = await opened();
    await typed(page);
    page.server.fault = (_, calls) => {
      if (calls.some(([name]) => name === 'EmailSubmission/set')) throw new TypeError('network');
      return undefined;
    };
    page.app.letters.send();
    await page.clock.pass(SEND_AFTER_MS + 5000);
    expect(page.app.notices.notice?.key).toBe('compose.unknown');
    expect(page.app.letters.letter?.subject).toBe('Hello');
    expect(inFolder(page, 'drafts')).toHaveLength(1);
  });

  it('comes back with the reason when it is refused', async () => {
    const page = await opened();
    await typed(page);
    page.server.refuseSubmit = 'The address is none of yours';
    page.app.letters.send();
    await page.clock.pass(SEND_AFTER_MS + 1000);
    expect(page.app.notices.notice?.values).toEqual({ why: 'The address is none of yours' });
    expect(page.app.letters.letter?.subject).toBe('Hello');
  });

  it('is doubted when it speaks of a file that is not there', async () => {
    const page = await opened();
    await typed(page);
    page.app.letters.edit({ body: '<div>See the attached plan</div>' });
    page.app.letters.send();
    expect(page.app.letters.doubt).toBe('file');
    page.app.letters.attach([new File(['x'], 'plan.txt', { type: 'text/plain' })]);
    await page.clock.pass(3000);
    page.app.letters.send();
    await page.clock.pass(SEND_AFTER_MS + 1000);
    const [sent] = inFolder(page, 'sent');
    expect(sent?.attachments).toMatchObject([{ blobId: 'u-plan.txt', disposition: 'attachment' }]);
  });
});

describe('[N-02] while a volume hangs', () => {
  const hang = ({ server }: TestPage): void => {
    server.fault = (_, calls) =>
      Response.json({
        methodResponses: calls.map(([, , id]) => ['error', { type: 'serverUnavailable' }, id]),
      });
  };

  it('a letter can be begun, and is saved with sender and signature when it is back', async () => {
    const page = await opened();
    const [alice] = page.server.identities as object[];
    page.server.identities = [{ ...alice, textSignature: 'Alice of the harbour' }];
    hang(page);
    const opening = page.app.letters.open('new');
    await page.clock.pass(1500);
    await opening;
    page.app.letters.edit({ to: [ADA], subject: 'Hello', body: '<div>Words</div>' });
    await page.clock.pass(20_000);
    expect(inFolder(page, 'drafts')).toEqual([]);
    page.server.fault = () => undefined;
    await page.clock.pass(60_000);
    expect(inFolder(page, 'drafts')).toMatchObject([
      { subject: 'Hello', from: [{ email: 'alice@example.test' }] },
    ]);
    expect(page.app.letters.status).toBe('saved');
    const signed = expect.stringMatching(/^<div>Words.*Alice of the harbour<\/div>$/) as string;
    expect(page.app.letters.letter?.body).toEqual(signed);
    const [saved] = inFolder(page, 'drafts');
    expect(saved?.bodyValues['h']?.value).toEqual(signed);
  });

  it('what was sent meanwhile waits outside of the queue, and goes once when it is back', async () => {
    const page = await opened();
    await typed(page);
    hang(page);
    page.app.letters.send();
    await page.clock.pass(SEND_AFTER_MS + 60_000);
    expect(page.app.letters.letter).toBeUndefined();
    expect(page.app.letters.isBusy).toBe(true);
    page.server.fault = () => undefined;
    await page.clock.pass(60_000);
    expect(page.server.submitted).toHaveLength(1);
    expect(inFolder(page, 'drafts')).toEqual([]);
    expect(page.app.letters.isBusy).toBe(false);
  });

  it('a submission that was refused for now is repeated as it is, and not where it was taken', async () => {
    const page = await opened();
    await typed(page);
    let refused = 0;
    page.server.fault = (_, calls) => {
      const submits = calls.some(([name]) => name === 'EmailSubmission/set');
      if (!submits || ++refused > 2) return undefined;
      return Response.json({
        methodResponses: calls.map(([, , id]) => ['error', { type: 'serverUnavailable' }, id]),
      });
    };
    page.app.letters.send();
    await page.clock.pass(SEND_AFTER_MS + 60_000);
    expect(refused).toBe(3);
    expect(page.server.submitted).toHaveLength(1);
    expect(inFolder(page, 'drafts')).toEqual([]);
  });

  it('what could not be sent comes back as not saved, and is in Drafts in the end', async () => {
    const page = await opened();
    await typed(page);
    page.server.fault = (_, calls) =>
      calls.some(([name, args]) => name === 'Email/set' && 'create' in args)
        ? Response.json({
            methodResponses: calls.map(([, , id]) => ['error', { type: 'serverUnavailable' }, id]),
          })
        : undefined;
    page.app.letters.send();
    await page.clock.pass(SEND_AFTER_MS + 300_000);
    expect(page.app.letters.letter).toBeUndefined();
    await page.clock.pass(400_000);
    expect(page.app.letters).toMatchObject({ status: 'failed', letter: { subject: 'Hello' } });
    void page.app.letters.close();
    page.server.fault = () => undefined;
    await page.clock.pass(60_000);
    expect(inFolder(page, 'drafts')).toHaveLength(1);
    expect(page.server.submitted).toEqual([]);
  });

  it('the next letter does not wait until the last one is saved', async () => {
    const page = await opened();
    await typed(page, 'First');
    hang(page);
    await page.clock.pass(20_000);
    const opening = page.app.letters.open('new');
    await page.clock.pass(1500);
    await opening;
    expect(page.app.letters.letter?.subject).toBe('');
    page.server.fault = () => undefined;
    await page.clock.pass(60_000);
    expect(inFolder(page, 'drafts').map((one) => one.subject)).toEqual(['First']);
  });
});
