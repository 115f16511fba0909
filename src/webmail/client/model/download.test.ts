import { describe, expect, it } from 'vitest';

import { testPage, type TestPage } from '../testing/page.ts';
import { download } from './download.ts';

const URL = '/self/export/mail.zip';

/** Answers to the file, one after the other; the last one for ever. */
async function answering(...answers: (() => Response)[]): Promise<TestPage> {
  const page = testPage();
  await page.app.start();
  await page.clock.pass(200);
  page.server.fault = (url) => {
    if (url !== URL) return undefined;
    return (answers.length > 1 ? answers.shift() : answers[0])?.();
  };
  return page;
}
const file = (): Response => new Response('zip');
const away = (): Response =>
  Response.json({ title: 'Away', detail: 'Your mail cannot be reached' }, { status: 503 });

describe('[P-04] [N-02] a download', () => {
  it('is given to the browser when the server has begun it', async () => {
    const page = await answering(file);
    await download(page.app, URL, 'x');
    expect(page.saved).toEqual([[URL, 'x']]);
    expect(page.app.notices.notice).toBeUndefined();
  });

  it('that the server refuses is no file: its words stand on the page, until it is tried again', async () => {
    const page = await answering(away, file);
    await download(page.app, URL, '');
    expect(page.saved).toEqual([]);
    await page.clock.pass(60_000);
    expect(page.app.notices.notice).toMatchObject({
      kind: 'failed',
      values: { why: 'Your mail cannot be reached' },
    });
    page.app.notices.retry();
    await page.clock.pass(100);
    expect(page.saved).toHaveLength(1);
    expect(page.app.notices.notice).toBeUndefined();
  });

  it('says it where no node answers', async () => {
    const page = await answering(() => {
      throw new TypeError('network error');
    });
    await download(page.app, URL, '');
    expect(page.saved).toEqual([]);
    expect(page.app.notices.notice?.values['why']).toBe('no connection');
  });

  it('goes on after a sign-in, where the session has ended', async () => {
    const out = (): Response => Response.json({}, { status: 401 });
    const page = await answering(out, out, file);
    const done = download(page.app, URL, '');
    await page.clock.pass(100);
    expect(page.app.connection.link.kind).toBe('signed-out');
    page.app.connection.wake();
    await done;
    expect(page.saved).toHaveLength(1);
  });
});
