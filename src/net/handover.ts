/**
 * The worker's end of the gate: takes sockets from the channel, gives them to the intake, and
 * tells the gate which are closed, in batches, since one message for each would double the traffic.
 */
import { Socket } from 'node:net';
import type { Intake, IntakeListener } from './intake.ts';
import { isTake, type ClosedMessage } from './messages.ts';

/** What of `process` is needed; `process` itself in a worker. */
export interface Channel {
  on(event: 'message', listener: (message: unknown, handle: unknown) => void): unknown;
  off(event: 'message', listener: (message: unknown, handle: unknown) => void): unknown;
  readonly connected: boolean;
  send?(
    message: object,
    handle: undefined,
    options: undefined,
    callback: (error: Error | null) => void,
  ): boolean;
}

export interface HandoverOptions {
  readonly channel: Channel;
  readonly intake: Intake;
  /** The listener of a service's name; undefined where this worker has none of that name. */
  readonly listener: (service: string) => IntakeListener | undefined;
  /** How long closed connections are gathered before the gate is told, in milliseconds. */
  readonly batchMs?: number;
}

const BATCH_MS = 50;

/** Begins to take sockets. The function that comes back ends it. */
export function startHandover(options: HandoverOptions): () => void {
  const { channel, intake } = options;
  let closed: number[] = [];
  let timer: NodeJS.Timeout | undefined;

  const tell = (): void => {
    timer = undefined;
    const message: ClosedMessage = { net: 'closed', ids: closed };
    closed = [];
    // A channel that is gone takes the gate's counts with it: nothing to do.
    if (channel.connected) channel.send?.(message, undefined, undefined, () => {});
  };
  const onClosed = (id: number): void => {
    closed.push(id);
    timer ??= setTimeout(tell, options.batchMs ?? BATCH_MS);
  };
  const onMessage = (message: unknown, handle: unknown): void => {
    if (!isTake(message)) return;
    const { id, service, address, port } = message;
    const listener = options.listener(service);
    // Without a socket: the client went away while it was being sent.
    if (!(handle instanceof Socket) || !listener) {
      if (handle instanceof Socket) handle.on('error', () => {}).destroy();
      onClosed(id);
      return;
    }
    intake.take(handle, listener, { address, port }, () => onClosed(id));
  };
  channel.on('message', onMessage);
  return () => {
    channel.off('message', onMessage);
    if (timer) {
      clearTimeout(timer);
      tell();
    }
  };
}
