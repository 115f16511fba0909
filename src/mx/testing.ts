/** What the tests of this module deliver into: memory, with levers to make it fail. */
import { systemClock } from '../base/clock.ts';
import { systemRandom } from '../base/random.ts';
import { defaults } from '../config/options.ts';
import type {
  Delivered,
  Delivery,
  IncomingOptions,
  Leaving,
  Outbound,
  Recipient,
} from '../delivery/types.ts';
import type { FarmSrs } from '../delivery/srs.ts';
import {
  memoryAccount,
  memoryDirectory,
  type MemoryContents,
  type MemoryDirectory,
} from '../directory/memory.ts';
import { silentLogger, type Logger } from '../log/types.ts';
import type { Service, TlsContexts } from '../net/types.ts';
import { SMTP_OPTIONS, type SmtpOptions } from '../smtp/options.ts';
import { listen, type TestListener } from '../smtp/testing/listener.ts';
import { StoreError, type StoreErrorKind } from '../volumes/error.ts';
import { MX_OPTIONS, type MxOptions } from './options.ts';
import { createMxService } from './service.ts';

export interface StoredMessage {
  readonly login: string;
  readonly header: string;
  readonly body: Buffer;
}

export interface MemoryDelivery extends Delivery {
  readonly stored: StoredMessage[];
  /** Messages begun that are neither committed nor aborted: tmp files, were these files. */
  readonly open: number;
  /** Octets taken in, whether stored or not. */
  readonly octets: number;
  /** Logins whose `check` fails, and how. */
  readonly checkFails: Map<string, StoreErrorKind>;
  /** Logins whose copy fails at commit, and how. */
  readonly commitFails: Map<string, StoreErrorKind>;
  /** Every write fails so from this octet on. */
  writeFails: { readonly after: number; readonly kind: StoreErrorKind } | undefined;
  /** Milliseconds each write and commit takes. */
  slowMs: number;
  /** Count octets, keep none: for big messages. */
  discard: boolean;
  /** What the last message was begun with: does one failure fail all? */
  readonly failure: 'all' | 'each' | undefined;
  /** Where else the last message went. */
  readonly leaving: readonly Leaving[];
  /** What `begin` throws; a bug, as far as the service is concerned. */
  bug: Error | undefined;
}

/** A delivery in memory. */
export function memoryDelivery(): MemoryDelivery {
  return new MemoryDeliveryState();
}

class MemoryDeliveryState implements MemoryDelivery {
  readonly stored: StoredMessage[] = [];
  open = 0;
  octets = 0;
  readonly checkFails = new Map<string, StoreErrorKind>();
  readonly commitFails = new Map<string, StoreErrorKind>();
  writeFails: MemoryDelivery['writeFails'] = undefined;
  slowMs = 0;
  discard = false;
  failure: MemoryDelivery['failure'] = undefined;
  leaving: readonly Leaving[] = [];
  bug: Error | undefined = undefined;

  async check(account: { readonly login: string }): Promise<void> {
    const kind = this.checkFails.get(account.login);
    if (kind) throw new StoreError(kind, `test: ${kind}`);
  }

  begin(options: IncomingOptions) {
    if (this.bug) throw this.bug;
    this.open += 1;
    this.failure = options.failure;
    this.leaving = options.leaving ?? [];
    const chunks: Uint8Array[] = [];
    let octets = 0;
    return {
      left: this.leaving.map((leaving) => ({ leaving, error: undefined, spool: 'memory' })),
      write: async (chunk: Uint8Array): Promise<void> => {
        await this.#pause();
        octets += chunk.length;
        this.octets += chunk.length;
        const fails = this.writeFails;
        if (fails && octets > fails.after) throw new StoreError(fails.kind, `test: ${fails.kind}`);
        if (!this.discard) chunks.push(chunk);
      },
      commit: async (): Promise<readonly Delivered[]> => {
        await this.#pause();
        this.open -= 1;
        const body = Buffer.concat(chunks);
        return options.recipients.map((recipient) => this.#store(recipient, options, body));
      },
      abort: async (): Promise<void> => {
        this.open -= 1;
      },
    };
  }

  #store(recipient: Recipient, options: IncomingOptions, body: Buffer): Delivered {
    const { login } = recipient.account;
    const kind = this.commitFails.get(login);
    if (kind) {
      const error = new StoreError(kind, `test: ${kind}`);
      return { recipient, error, name: undefined, volume: undefined, parkedOn: undefined };
    }
    const header = Buffer.from(options.header(options.recipients)).toString();
    this.stored.push({ login, header, body });
    const name = `name${this.stored.length}`;
    return { recipient, error: undefined, name, volume: 'memory', parkedOn: undefined };
  }

  async #pause(): Promise<void> {
    if (this.slowMs > 0) await new Promise((resolve) => setTimeout(resolve, this.slowMs));
  }
}

export interface TestFarm {
  readonly port: number;
  readonly service: Service;
  readonly directory: MemoryDirectory;
  readonly delivery: MemoryDelivery;
  /** Every line that was logged: fields and message. */
  readonly logged: { readonly level: string; readonly fields: object; readonly message: string }[];
  close(): Promise<void>;
}

const USERS: MemoryContents = {
  accounts: [
    memoryAccount({ login: 'alice@farm.test', addresses: ['al@farm.test', 'älice@farm.test'] }),
    memoryAccount({ login: 'bob@farm.test', addresses: ['bob@bücher.test'] }),
    memoryAccount({ login: 'carol@farm.test' }),
    memoryAccount({ login: 'sam@farm.test', suspended: ['mail'] }),
    memoryAccount({ login: 'admin@farm.test' }),
  ],
  domains: ['farm.test', 'bücher.test'],
  administrators: ['admin@farm.test'],
};

/** An MX or LMTP service with alice, bob, carol and suspended sam in farm.test. */
export async function openFarm(
  given: {
    readonly mode?: 'mx' | 'lmtp';
    readonly options?: Partial<SmtpOptions & MxOptions>;
    readonly tls?: TlsContexts;
    /** Implicit TLS. */
    readonly implicitTls?: TlsContexts;
    readonly peer?: string;
    /** In place of the users below. */
    readonly contents?: MemoryContents;
    /** In place of one made from `contents`. */
    readonly directory?: MemoryDirectory;
    readonly outbound?: Outbound | undefined;
    readonly srs?: FarmSrs | undefined;
    /** In place of the one in memory, which then stays empty. */
    readonly through?: Delivery;
  } = {},
): Promise<TestFarm> {
  const directory = given.directory ?? memoryDirectory(given.contents ?? USERS);
  const delivery = memoryDelivery();
  const logged: TestFarm['logged'] = [];
  const service = createMxService({
    mode: given.mode ?? 'mx',
    directory,
    delivery: given.through ?? delivery,
    outbound: given.outbound,
    srs: given.srs,
    tls: given.tls,
    options: { ...defaults(SMTP_OPTIONS), ...defaults(MX_OPTIONS), ...given.options },
    logger: collectingLogger(logged),
    clock: systemClock,
    random: systemRandom,
    hostName: 'mx.farm.test',
  });
  const listener: TestListener = await listen(service, {
    ...(given.peer !== undefined && { peer: given.peer }),
    ...(given.implicitTls && { tls: given.implicitTls }),
  });
  const { port, close } = listener;
  return { port, service, directory, delivery, logged, close };
}

function collectingLogger(logged: TestFarm['logged']): Logger {
  const at = (level: string) => (fields: object, message: string) =>
    void logged.push({ level, fields, message });
  const info = at('info');
  return { ...silentLogger, info, warn: at('warn'), error: at('error'), child: () => silentLogger };
}
