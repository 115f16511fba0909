import { problemText } from '../jmap/connection.ts';
import type { App } from './app.ts';

/** Until the answer begins; no node needs that long. */
const BEGIN_MS = 45_000;

/**
 * Saves a file, after the server has begun to give it: what it says instead (a volume is away, the
 * session has ended) is for the page, and never a file of that name. The browser itself then
 * fetches it again, so that its size is nobody's business here.
 *
 * @param name '': the server names it
 */
export async function download(app: App, url: string, name: string): Promise<void> {
  const why = await refusalOf(app, url);
  if (why === undefined) return app.browser.save(url, name);
  app.notices.show({
    kind: 'failed',
    key: 'download.failed',
    values: { why },
    retry: () => void download(app, url, name),
  });
}

/** @returns why it cannot be had now; undefined: it can */
async function refusalOf(app: App, url: string): Promise<string | undefined> {
  try {
    let response = await app.browser.fetch(url, {
      credentials: 'same-origin',
      cache: 'no-store',
      signal: AbortSignal.timeout(BEGIN_MS),
    });
    // Asks for the sign-in, and goes on after it.
    if (response.status === 401) response = await app.connection.request(url, { method: 'GET' });
    if (!response.ok) return await problemText(response);
    await response.body?.cancel();
    return undefined;
  } catch (error) {
    return error instanceof TypeError ? app.text?.say('link.none') : String(error);
  }
}
