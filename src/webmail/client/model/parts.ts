import type { Clock } from '../clock.ts';
import type { Upload } from '../compose/uploads.ts';
import type { EventStream } from '../jmap/push.ts';
import type { PlainStorage } from './queue-store.ts';

/** What the client uses of the browser. */
export interface Browser {
  readonly fetch: (url: string, init: RequestInit) => Promise<Response>;
  readonly clock: Clock;
  readonly upload: Upload;
  readonly storage: PlainStorage;
  /** `accountId`: whose news; pages of one account may share a stream. */
  readonly openStream: (url: string, accountId: string) => EventStream;
  /** Languages that the user wants, the best first. */
  readonly languages: readonly string[];
  /** A name that nobody else has. */
  readonly newId: () => string;
  /** Of this page, the same after it was loaded again. */
  readonly pageId: string;
  readonly address: {
    get(): string;
    /** `replace`: Back does not come here. */
    go(hash: string, how: 'push' | 'replace'): void;
  };
  readonly reload: () => void;
  /** Saves what is fetched from there; '': under the name that the server gives it. */
  readonly save: (url: string, name: string) => void;
  /** Minutes that local time is behind UTC. */
  readonly offsetMinutes: () => number;
}
