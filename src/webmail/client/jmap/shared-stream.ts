/**
 * One stream of events for all pages of a browser. A stream holds a connection as long as its page
 * is open, and without TLS a browser has six to a host: the seventh page could ask nothing at all.
 *
 * Invariant: of the pages that are open one holds the lock, and it alone has a stream; what the
 * stream says it tells the others. The browser gives the lock to the next page when its holder
 * closes, crashes or gives up. Each page looks at everything when a stream opens (`Push`), so what
 * happened between two streams is missed by none.
 *
 * Races: a page that comes while a stream is open hears no `open` of it, so it asks, and is
 * answered; two answers, or an answer and an `open`, are one look too many. One that comes while
 * nobody has a stream hears nothing and polls until there is one. A holder that dies tells nobody:
 * the next holder's `open` does. A page of another user, who signed in while this one stayed open,
 * has another lock and another channel: what one user's stream says is no news of the other's mail.
 * A page of another release may say words that this one does not know.
 */
import type { EventStream } from './push.ts';

type Told = 'open' | 'state' | 'error';
type Said = Told | 'is there one?';

/** What of BroadcastChannel and LockManager is used; tests have their own. */
export interface Pages {
  /** Runs when no other page runs it, until it has settled. */
  readonly alone: (run: () => Promise<void>, signal: AbortSignal) => void;
  /** To the other pages. */
  readonly tell: (said: Said) => void;
  readonly listen: (hear: (said: Said) => void) => () => void;
}

const CONNECTING = 0;
const OPEN = 1;
const CLOSED = 2;

/** As `open(url)` would be, if no other page had one. */
export function sharedStream(pages: Pages, open: () => EventStream): EventStream {
  const listeners: Record<Told, (() => void)[]> = { open: [], state: [], error: [] };
  const ended = new AbortController();
  let own: EventStream | undefined;
  let state = CONNECTING;
  const hear = (said: Told): void => {
    state = said === 'error' ? (own?.readyState ?? CONNECTING) : OPEN;
    for (const listener of listeners[said]) listener();
  };
  const deaf = pages.listen((said) => {
    if (own === undefined) {
      if (said !== 'is there one?' && Object.hasOwn(listeners, said)) hear(said);
    } else if (said === 'is there one?' && own.readyState === OPEN) pages.tell('open');
  });
  const lead = (): Promise<void> =>
    new Promise((resolve) => {
      if (ended.signal.aborted) return resolve();
      ended.signal.addEventListener('abort', () => resolve());
      own = open();
      for (const told of ['open', 'state', 'error'] as const) {
        own.addEventListener(told, () => {
          pages.tell(told);
          hear(told);
        });
      }
    });
  pages.alone(lead, ended.signal);
  pages.tell('is there one?');
  return {
    get readyState() {
      return ended.signal.aborted ? CLOSED : state;
    },
    addEventListener: (told, listener) => void listeners[told].push(listener),
    close: () => {
      own?.close();
      deaf();
      ended.abort();
    },
  };
}

/**
 * Those of this browser that show the same account; undefined where it cannot share, which is so
 * without TLS but at home.
 */
export function browserPages(accountId: string): Pages | undefined {
  const { locks } = navigator as { locks?: LockManager };
  if (!locks) return undefined;
  const name = `mailfarm.push.${accountId}`;
  const channel = new BroadcastChannel(name);
  return {
    alone: (run, signal) => void locks.request(name, { signal }, run).catch(() => undefined),
    tell: (said) => channel.postMessage(said),
    listen: (hear) => {
      const heard = ({ data }: MessageEvent<Said>): void => hear(data);
      channel.addEventListener('message', heard);
      return () => {
        channel.removeEventListener('message', heard);
        channel.close();
      };
    },
  };
}
