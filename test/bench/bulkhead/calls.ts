/**
 * What crosses from the process that serves to whoever makes the calls: coarse operations of the
 * engine, values in and values out, bytes apart from the rest so that they need no encoding.
 */
import { type Fs, type Maildirs, systemError, UnknownResultError } from '#maildir';

/** The system calls in which a laboratory lets an operation hang. */
export const STUCK_CALLS = ['stat', 'open', 'fsync', 'close'] as const;
export type StuckCall = (typeof STUCK_CALLS)[number];

export interface Call {
  readonly op: 'create' | 'stage' | 'publish' | 'discard' | 'list' | 'read' | 'prepare' | 'stick';
  /** Without bytes; plain values only. */
  readonly args: unknown;
  readonly bytes?: Uint8Array | undefined;
}

export interface Answer {
  readonly value?: unknown;
  readonly bytes?: Uint8Array | undefined;
  readonly error?: PlainError | undefined;
}

interface PlainError {
  readonly message: string;
  readonly errno?: number | undefined;
  readonly code?: string | undefined;
  readonly unknown: boolean;
}

export type EngineCalls = Pick<
  Maildirs,
  'uniqueName' | 'create' | 'stage' | 'publish' | 'discard' | 'list' | 'read'
>;

/** The engine, and two calls for the laboratory: a file made ready, and one call on it. */
export interface VolumeCalls extends EngineCalls {
  prepare(call: StuckCall, path: string): Promise<void>;
  stick(call: StuckCall, path: string): Promise<void>;
}

export type Carry = (call: Call) => Promise<Answer>;

export function plainError(error: unknown): PlainError {
  const { message, errno, code } = error as NodeJS.ErrnoException;
  return { message, errno, code, unknown: error instanceof UnknownResultError };
}

function thrown({ message, errno, code, unknown }: PlainError): Error {
  const error = Object.assign(new Error(message), { errno, code });
  return unknown ? new UnknownResultError(message, error) : error;
}

/** The engine's interface on top of something that carries calls. */
export function remoteCalls(carry: Carry, uniqueName: () => string): VolumeCalls {
  const ask = async <T>(op: Call['op'], args: unknown, bytes?: Uint8Array): Promise<T> => {
    const answer = await carry({ op, args, bytes });
    if (answer.error !== undefined) throw thrown(answer.error);
    return (answer.bytes ? { ...(answer.value as T), bytes: answer.bytes } : answer.value) as T;
  };
  return {
    uniqueName,
    create: (maildir, { root }) => ask('create', { maildir, root }),
    stage: ({ bytes, ...request }) => ask('stage', request, bytes),
    publish: async (request) => {
      const results = await ask<{ target: string; name?: string; error?: PlainError }[]>(
        'publish',
        request,
      );
      return results.map(({ target, name, error }) => ({
        target,
        name,
        error: error && thrown(error),
      }));
    },
    discard: (request) => ask('discard', request),
    list: (maildir) => ask('list', maildir),
    read: ({ maildir, entry, offset, length }) => ask('read', { maildir, entry, offset, length }),
    prepare: (call, path) => ask('prepare', { call, path }),
    stick: (call, path) => ask('stick', { call, path }),
  };
}

/** The other end: performs calls on an engine. */
export function performer(engine: Maildirs, fs: Fs): Carry {
  const local = localCalls(engine, fs);
  return async ({ op, args, bytes }) => {
    try {
      return await perform(local, op, args, bytes);
    } catch (error) {
      return { error: plainError(error) };
    }
  };
}

async function perform(
  local: VolumeCalls,
  op: Call['op'],
  args: unknown,
  bytes: Uint8Array | undefined,
): Promise<Answer> {
  if (op === 'create') {
    const { maildir, root } = args as { maildir: string; root: string };
    return { value: await local.create(maildir, { root }) };
  }
  if (op === 'stage') {
    const request = args as Omit<Parameters<Maildirs['stage']>[0], 'bytes'>;
    return { value: await local.stage({ ...request, bytes: bytes ?? new Uint8Array() }) };
  }
  if (op === 'publish') {
    const results = await local.publish(args as Parameters<Maildirs['publish']>[0]);
    return { value: results.map((r) => ({ ...r, error: r.error && plainError(r.error) })) };
  }
  if (op === 'read') {
    const result = await local.read(args as Parameters<Maildirs['read']>[0]);
    return { value: { entry: result.entry, end: result.end }, bytes: result.bytes };
  }
  if (op === 'list') return { value: await local.list(args as string) };
  if (op === 'discard') {
    return { value: await local.discard(args as { maildir: string; base: string }) };
  }
  const { call, path } = args as { call: StuckCall; path: string };
  return { value: await local[op](call, path) };
}

/** The engine itself, with the two calls of the laboratory. */
export function localCalls(engine: Maildirs, fs: Fs): VolumeCalls {
  const held = new Map<string, number>();
  const heldAt = (path: string): number => {
    const fd = held.get(path);
    if (fd === undefined) throw systemError('EINVAL', 'prepare', path);
    held.delete(path);
    return fd;
  };
  return {
    ...engine,
    prepare: async (call, path) => {
      const fd = await fs.create(path);
      if (call === 'stat' || call === 'open') return fs.close(fd);
      await fs.write(fd, Buffer.alloc(8192, 'x'), 0); // Dirty: fsync and close have to send it.
      held.set(path, fd);
    },
    stick: async (call, path) => {
      if (call === 'stat') return void (await fs.modified(path));
      if (call === 'open') return fs.close(await fs.create(`${path}.new`));
      return fs[call](heldAt(path));
    },
  };
}
