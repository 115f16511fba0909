import type { Clock, Fs, Journals, Maildirs, Random } from '../../src/index.ts';
import type { FlagChange, FolderRef, FolderState } from '../../src/journal/types.ts';
import { CALLS, type Call } from '../call-fs.ts';
import { type Caches, ModelClient } from './model-client.ts';
import { hashes, hashOf, type ModelServer } from './model-server.ts';
import { INBOX, pathOf } from './places.ts';

/**
 * A host of the model: the real engine on a modelled client. Each of its calls waits until the
 * explorer performs it. What a host will do next follows from the answers it got, so that a digest
 * of these answers stands for all that it holds in memory.
 */
export interface Engine {
  readonly maildirs: Maildirs;
  readonly journals: Journals;
}
export interface EngineParts {
  readonly fs: Fs;
  readonly clock: Clock;
  readonly random: Random;
  readonly node: string;
  readonly pid: number;
  readonly directorySync: 'never';
  readonly onLie: () => void;
}
export type OpenEngine = (parts: EngineParts) => Engine;

/** What an operation was asked for. */
export type Asked = { readonly ref: FolderRef } & (
  | { readonly what: 'sync' }
  | { readonly what: 'store'; readonly change: FlagChange }
  | { readonly what: 'expunge' | 'copy' | 'move'; readonly uids: readonly number[] }
  | { readonly what: 'add'; readonly keys: readonly string[] }
  | { readonly what: 'rename' | 'seed' }
);

/** What an operation of a host was, said and gave. */
export interface Operation {
  readonly host: string;
  readonly asked: Asked;
  /** Whether the volume took no commit when it ended. */
  full: boolean;
  /** Steps of the schedule: before its first call, after its last. */
  start: number;
  end: number;
  value?: unknown;
  state?: FolderState | undefined;
  error?: Error;
}

export interface Pending {
  readonly call: Call | 'event';
  readonly args: readonly unknown[];
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
  /**
   * Under way: the answer was lost and it is sent again; or the first part of a listing is read.
   */
  under?: 'again' | 'neither' | 'both';
}

export class Host {
  readonly name: string;
  readonly client: ModelClient;
  readonly maildirs: Maildirs;
  readonly journals: Journals;
  readonly clock: Clock;
  /** How far its clock is ahead. */
  readonly skewMs: number;
  readonly server: ModelServer;
  readonly pending: Pending[] = [];
  readonly operations: Operation[] = [];
  state: 'works' | 'ended' | 'crashed' = 'works';
  /** Calls are performed as they come: before and after what is explored. */
  free = true;
  /** The explorer's count of steps. */
  steps: { count: number } = { count: 0 };
  history = '';
  trouble: unknown;
  #current: Operation | undefined;
  #random = 0;

  constructor(name: string, server: ModelServer, open: OpenEngine, caches: Caches, skewMs = 0) {
    this.name = name;
    this.server = server;
    this.skewMs = skewMs;
    this.client = new ModelClient(name, server, caches);
    this.clock = {
      now: () => server.nowMs + skewMs,
      sleep: (ms) => this.wait(ms),
    };
    const random = { bytes: (n: number) => this.#bytes(n) };
    const parts = { fs: this.#fs(), clock: this.clock, random, node: name, pid: 1 };
    const engine = open({ ...parts, directorySync: 'never', onLie: () => {} });
    this.maildirs = engine.maildirs;
    this.journals = engine.journals;
  }

  /** Lets the explorer know what an operation was asked and gave; its failure is its result. */
  async run<T>(asked: Asked, work: () => Promise<T>): Promise<T | undefined> {
    const operation: Operation = { host: this.name, asked, full: false, start: -1, end: Infinity };
    this.operations.push(operation);
    this.#current = operation;
    try {
      operation.value = await work();
      operation.state = stateOf(operation.value);
      return operation.value as T;
    } catch (error) {
      operation.error = error as Error;
      return undefined;
    } finally {
      operation.end = this.steps.count;
      operation.full ||= this.server.full !== 'no';
      if (operation.start < 0) operation.start = operation.end;
      this.#current = undefined;
    }
  }

  /** Something that is no call of a client, at a moment that the explorer chooses. */
  event = async (what: string, happen: () => void): Promise<void> =>
    void (await this.#ask('event', [what, happen]));

  /** Time passes, for everybody. */
  wait = (ms: number): Promise<void> =>
    this.event(`${ms} ms pass`, () => {
      this.server.nowMs += ms;
    });

  sync = (ref: FolderRef = INBOX, claim = false) =>
    this.run({ what: 'sync', ref }, () => this.journals.sync(ref, { claim }));

  store = (change: FlagChange, ref: FolderRef = INBOX) =>
    this.run({ what: 'store', ref, change }, () => {
      const uidValidity = this.#told(ref);
      return this.journals.store(
        ref,
        uidValidity === undefined ? change : { ...change, uidValidity },
      );
    });

  expunge = (uids: readonly number[], ref: FolderRef = INBOX) =>
    this.run({ what: 'expunge', ref, uids }, () =>
      this.journals.expunge(ref, uids, this.#told(ref)),
    );

  copy = (uids: readonly number[], to: FolderRef, ref: FolderRef = INBOX) =>
    this.run({ what: 'copy', ref, uids }, () => this.journals.copy(ref, uids, to, this.#told(ref)));

  move = (uids: readonly number[], to: FolderRef, ref: FolderRef = INBOX) =>
    this.run({ what: 'move', ref, uids }, () => this.journals.move(ref, uids, to, this.#told(ref)));

  /** The UIDVALIDITY that this host was told last: what UIDs of its scripts are numbers of. */
  #told(ref: FolderRef): number | undefined {
    const of = (operation: Operation): boolean =>
      operation.asked.ref.folder === ref.folder && !['copy', 'move'].includes(operation.asked.what);
    return this.operations.findLast((o) => o.state !== undefined && of(o))?.state?.uidValidity;
  }

  /** APPEND of `count` messages. */
  add = async (count: number, keywords: readonly string[] = [], ref: FolderRef = INBOX) => {
    const bytes = Buffer.from('x\n');
    const bases = Array.from({ length: count }, () => this.maildirs.uniqueName());
    try {
      for (const base of bases) {
        await this.maildirs.stage({ maildir: pathOf(ref), base, offset: 0, bytes, last: true });
      }
    } catch {
      return undefined; // Nothing was asked of the journal.
    }
    const messages = bases.map((base) => {
      return { base, octets: 2, wireOctets: 3, letters: '', keywords };
    });
    return this.run({ what: 'add', ref, keys: bases }, () => this.journals.add(ref, messages));
  };

  /** Mail arrives in new/, as by any program that knows Maildir. */
  deliver = async (name: string, ref: FolderRef = INBOX): Promise<void> => {
    const tmp = `${pathOf(ref)}/tmp/${name}`;
    const fd = (await this.#ask('create', [tmp])) as number;
    await this.#ask('write', [fd, Buffer.from('x\n'), 0]);
    await this.#ask('fsync', [fd]);
    await this.#ask('close', [fd]);
    await this.#ask('rename', [tmp, `${pathOf(ref)}/new/${name}`]);
  };

  /** A call of a program that knows nothing of journals, by full paths. */
  foreign = (call: Call, ...args: readonly string[]): Promise<unknown> => this.#ask(call, args);

  /** Performs the next call, or what the explorer makes of it. */
  answer(fault?: Parameters<ModelClient['perform']>[2]): void {
    const pending = this.pending.shift();
    if (pending === undefined) throw new Error(`${this.name} has no call to be performed`);
    const { under } = pending;
    this.#perform(pending, fault ?? (under === 'again' ? undefined : under));
  }

  /**
   * Begins a listing that ends with its answer: names that come or go meanwhile are in it or not.
   */
  beginList(how: 'neither' | 'both'): void {
    const [pending] = this.pending;
    if (pending?.call !== 'list') throw new Error(`${this.name} has no listing to begin`);
    pending.under = how;
    this.#mark();
    this.steps.count++;
    this.client.beginList(String(pending.args[0]));
    this.#remember(how, pending, this.server.names(String(pending.args[0])).join('\n'));
  }

  /** Performs the next call and forgets the answer: it is sent again. */
  loseReply(): void {
    const [pending] = this.pending;
    if (pending === undefined) throw new Error(`${this.name} has no call to be performed`);
    pending.under = 'again';
    this.#mark();
    this.steps.count++;
    this.#quietly(pending);
    this.#remember('again', pending, '');
  }

  /** The call fails by a deadline; `perform` does it all the same, when it is called. */
  timeOut(): { readonly perform: () => void } {
    const pending = this.pending.shift();
    if (pending === undefined) throw new Error(`${this.name} has no call to be performed`);
    this.#mark();
    this.steps.count++;
    this.#fail(pending, 'ETIMEDOUT');
    return { perform: () => this.#quietly(pending) };
  }

  crash(): void {
    this.state = 'crashed';
    this.client.crash();
    this.pending.length = 0;
    const operation = this.#current;
    if (operation !== undefined && operation.start < 0) this.operations.pop();
    this.#current = undefined;
  }

  #fail(pending: Pending, fault: 'ETIMEDOUT'): void {
    try {
      this.client.perform(pending.call as Call, pending.args, fault);
    } catch (error) {
      this.#remember(fault, pending, '');
      pending.reject(error);
    }
  }

  #quietly(pending: Pending): void {
    try {
      this.client.perform(pending.call as Call, pending.args);
    } catch {
      // Nobody hears of it.
    }
  }

  #mark(): void {
    if (this.#current !== undefined && this.#current.start < 0) {
      this.#current.start = this.steps.count;
    }
  }

  #perform(pending: Pending, fault: Parameters<ModelClient['perform']>[2]): void {
    const { call, args } = pending;
    this.#mark();
    this.steps.count++;
    const full = fault === 'ENOSPC' || this.server.full !== 'no';
    if (full && this.#current !== undefined) this.#current.full = true;
    if (call === 'event') {
      (args[1] as () => void)();
      this.#remember('', pending, '');
      return pending.resolve(undefined);
    }
    try {
      const value = this.client.perform(call, args, fault);
      const read = call === 'read' ? (args[1] as Uint8Array).subarray(0, Number(value)) : value;
      this.#remember(fault ?? '', pending, textOf(read));
      pending.resolve(value);
    } catch (error) {
      this.#remember(fault ?? '', pending, (error as Error).message);
      pending.reject(error);
    }
  }

  #remember(fault: string, { call, args }: Pending, answer: string): void {
    const asked = call === 'read' ? '' : args.filter(isData).map(textOf).join(' ');
    this.history = hashOf(`${this.history} ${fault} ${call} ${asked} ${answer}`);
  }

  #ask(call: Call | 'event', args: readonly unknown[]): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const pending = { call, args, resolve, reject };
      if (this.state === 'crashed') return;
      if (this.free) this.#perform(pending, undefined);
      else this.pending.push(pending);
    });
  }

  #fs(): Fs {
    const fs: Record<string, unknown> = {};
    for (const call of CALLS) fs[call] = (...args: unknown[]) => this.#ask(call, args);
    return fs as unknown as Fs;
  }

  #bytes(n: number): Uint8Array {
    const bytes = Buffer.alloc(n);
    const text = `${this.name} ${this.#random++}`;
    for (let at = 0; at < n; at++) bytes[at] = hashes(text, at)[0] & 0xff;
    return bytes;
  }
}

const isData = (value: unknown): boolean => typeof value !== 'function';

const textOf = (value: unknown): string =>
  value instanceof Uint8Array
    ? Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('latin1')
    : Array.isArray(value)
      ? value.join('\n')
      : String(value);

function stateOf(value: unknown): FolderState | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  if ('messages' in value && 'uidValidity' in value) return value as FolderState;
  return 'state' in value ? stateOf(value.state) : undefined;
}
