import { App } from '../model/app.ts';
import type { Browser } from '../model/parts.ts';
import type { PlainStorage } from '../model/queue-store.ts';
import { TestClock } from './clock.ts';
import { FakeJmap } from './fake-jmap.ts';

/** What a browser keeps, in memory. */
export class TestStorage implements PlainStorage {
  readonly #map = new Map<string, string>();

  get length(): number {
    return this.#map.size;
  }

  key(at: number): string | null {
    return [...this.#map.keys()][at] ?? null;
  }

  getItem(name: string): string | null {
    return this.#map.get(name) ?? null;
  }

  setItem(name: string, value: string): void {
    this.#map.set(name, value);
  }

  removeItem(name: string): void {
    this.#map.delete(name);
  }
}

export interface TestPage {
  readonly app: App;
  readonly server: FakeJmap;
  readonly clock: TestClock;
  readonly storage: TestStorage;
  /** What the server pushes. */
  readonly push: () => void;
  reloads: number;
  /** Files that the browser was told to save: where from, and under what name. */
  readonly saved: (readonly [url: string, name: string])[];
}

export interface PageOptions {
  readonly server?: FakeJmap;
  readonly storage?: TestStorage;
  readonly clock?: TestClock;
  readonly pageId?: string;
}

let ids = 0;

/** The whole client without its views, in front of a server in memory. */
export function testPage(options: PageOptions = {}): TestPage {
  const { server = new FakeJmap(), storage = new TestStorage() } = options;
  const { clock = new TestClock(), pageId = 'page' } = options;
  const listeners: (() => void)[] = [];
  let hash = '';
  const browser: Browser = {
    fetch: server.fetch,
    clock,
    upload: server.upload,
    storage,
    openStream: () => ({
      readyState: 1,
      addEventListener: (type, listener) => {
        if (type === 'state') listeners.push(listener);
      },
      close: () => undefined,
    }),
    languages: ['en-GB'],
    newId: () => `id${(ids += 1)}`,
    pageId,
    address: {
      get: () => hash,
      go: (to) => {
        hash = to;
      },
    },
    reload: () => {
      page.reloads += 1;
    },
    save: (url, name) => {
      page.saved.push([url, name]);
    },
    offsetMinutes: () => 0,
  };
  const app = new App(browser);
  const push = (): void => listeners.forEach((listener) => listener());
  const page: TestPage = { app, server, clock, storage, push, reloads: 0, saved: [] };
  return page;
}
