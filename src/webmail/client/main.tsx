import { render } from 'preact';

import { browserClock } from './clock.ts';
import { browserUpload } from './compose/browser-upload.ts';
import { browserPages, sharedStream } from './jmap/shared-stream.ts';
import { listen } from './keyboard.ts';
import { App } from './model/app.ts';
import type { Browser } from './model/parts.ts';
import { Root } from './view/root.tsx';

const PAGE_ID = 'mailfarm.page';

/** A name that nobody else has; `crypto.randomUUID` is missing where there is no TLS. */
function newId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(12));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** Kept by the browser as long as this tab is open, and loaded again with it. */
function pageId(): string {
  const known = sessionStorage.getItem(PAGE_ID);
  if (known !== null) return known;
  const made = newId();
  sessionStorage.setItem(PAGE_ID, made);
  return made;
}

const browser: Browser = {
  fetch: (url, init) => fetch(url, init),
  clock: browserClock,
  upload: browserUpload,
  storage: localStorage,
  openStream: (url, accountId) => {
    const open = (): EventSource => new EventSource(url);
    const pages = browserPages(accountId);
    return pages ? sharedStream(pages, open) : open();
  },
  languages: navigator.languages,
  newId,
  pageId: pageId(),
  address: {
    get: () => location.hash,
    go: (hash, how) => {
      if (how === 'push') history.pushState(null, '', hash);
      else history.replaceState(null, '', hash);
    },
  },
  reload: () => location.reload(),
  save: (url, name) => {
    const link = document.createElement('a');
    Object.assign(link, { href: url, download: name });
    link.click();
  },
  offsetMinutes: () => new Date(browserClock.now()).getTimezoneOffset(),
};

const app = new App(browser);
addEventListener('popstate', () => app.followAddress());
addEventListener('online', () => app.connection.wake());
document.addEventListener('visibilitychange', () => {
  if (document.visibilityState === 'visible') app.news();
  else app.letters.flush();
});
addEventListener('pagehide', () => app.letters.flush());
addEventListener('beforeunload', (event) => {
  if (app.letters.isBusy) event.preventDefault();
});
listen(app, window);
const root = document.querySelector('#root');
if (root) render(<Root app={app} />, root);
void app.start();
