/**
 * The experiment's process that serves: it has the clients' sockets from its parent and the
 * volumes by one of the variants. It does what its parent asks over IPC.
 */
import type { Socket } from 'node:net';
import type { StuckCall } from './calls.ts';
import { type LoadRequest, runLoad } from './load.ts';
import { askOthers } from './others.ts';
import { openVariant, type VariantSetting } from './variants.ts';

export interface Commands {
  readonly create: { volume: number; root: string; maildirs: readonly string[] };
  readonly load: { volume: number; load: LoadRequest };
  readonly others: { turns: number };
  readonly prepare: { volume: number; call: StuckCall; path: string };
  /** Calls that will hang: begun, not waited for. */
  readonly stick: { volume: number; call: StuckCall; paths: readonly string[] };
  readonly state: Record<string, never>;
  /** Ends by process.exit(), or closes the clients' connections and kills itself. */
  readonly exit: { how: 'exit' | 'reap' };
}

export interface HostState {
  readonly volumes: readonly {
    readonly inFlight: number;
    readonly waiting: number;
    readonly late: number;
    readonly pids: readonly number[];
  }[];
}

export type Request = {
  [K in keyof Commands]: { readonly id: number; readonly name: K; readonly with: Commands[K] };
}[keyof Commands];

const volumes = await openVariant(JSON.parse(process.argv[2] ?? '{}') as VariantSetting);
const sockets = new Set<Socket>();

function volumeAt(index: number): (typeof volumes)[number] {
  const volume = volumes[index];
  if (volume === undefined) throw new Error(`no volume ${index}`);
  return volume;
}

function end(how: 'exit' | 'reap'): never {
  if (how === 'exit') process.exit(0);
  // FIN goes out now, whoever else still holds the descriptor; exit() would wait for the pool.
  for (const socket of sockets) socket.end();
  setImmediate(() => process.kill(process.pid, 'SIGKILL'));
  return undefined as never;
}

async function perform(request: Request): Promise<unknown> {
  if (request.name === 'create') {
    const { volume, root, maildirs } = request.with;
    for (const maildir of maildirs) await volumeAt(volume).calls.create(maildir, { root });
    return undefined;
  }
  if (request.name === 'load') {
    return runLoad(volumeAt(request.with.volume).calls, request.with.load);
  }
  if (request.name === 'others') return askOthers(request.with.turns);
  if (request.name === 'prepare') {
    const { volume, call, path } = request.with;
    return volumeAt(volume).calls.prepare(call, path);
  }
  if (request.name === 'stick') {
    const { volume, call, paths } = request.with;
    for (const path of paths)
      volumeAt(volume)
        .calls.stick(call, path)
        .catch(() => undefined);
    return undefined;
  }
  if (request.name === 'exit') return end(request.with.how);
  const state: HostState = {
    volumes: volumes.map(({ bulkhead, late, pids }) => ({
      inFlight: bulkhead.inFlight,
      waiting: bulkhead.waiting,
      late: late(),
      pids,
    })),
  };
  return state;
}

process.on('message', (message: Request | 'socket', socket?: Socket) => {
  if (message === 'socket') {
    if (socket === undefined) return;
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.write(`hello from ${process.pid}\n`);
    return;
  }
  perform(message).then(
    (value) => process.send?.({ id: message.id, value }),
    (error: unknown) => process.send?.({ id: message.id, error: String(error) }),
  );
});
process.on('disconnect', () => process.kill(process.pid, 'SIGKILL'));
process.send?.({ id: 0 });
