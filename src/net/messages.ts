/**
 * What the process that accepts and its workers say to each other, over the channel that fork(2)
 * made. Other messages travel there too; these have `net`.
 */

/** Comes with the socket. */
export interface TakeMessage {
  readonly net: 'take';
  /** The gate's number of the connection. */
  readonly id: number;
  readonly service: string;
  /** Who connected, read before the socket travels: afterwards the client may be gone. */
  readonly address: string;
  readonly port: number;
}

/** Connections that were closed, many at a time. */
export interface ClosedMessage {
  readonly net: 'closed';
  readonly ids: readonly number[];
}

const kindOf = (message: unknown): unknown =>
  typeof message === 'object' && message !== null && 'net' in message ? message.net : undefined;

export const isTake = (message: unknown): message is TakeMessage => kindOf(message) === 'take';
export const isClosed = (message: unknown): message is ClosedMessage =>
  kindOf(message) === 'closed';
