/**
 * Answers that are not in memory: content piece by piece, and events without end. Each waits for
 * its reader: no more than one piece is on its way, because the pieces of a message are of a
 * buffer that is used again as soon as the next is asked for.
 *
 * An answer that fails when it has begun is broken off, never ended: what is short must not look
 * whole.
 */
import type { OutgoingHttpHeaders, ServerResponse } from 'node:http';
import type { FastifyReply } from 'fastify';

export interface Streamed {
  readonly headers: OutgoingHttpHeaders;
  /** Octets; undefined: only reading tells. */
  readonly octets: number | undefined;
  readonly content: AsyncIterable<Uint8Array>;
}

/**
 * Sends content with status 200; resolves when all was taken. A HEAD request is answered by its
 * header alone. @throws whatever the content throws before its first piece: nothing was sent then
 */
export async function sendStream(reply: FastifyReply, streamed: Streamed): Promise<FastifyReply> {
  const { octets, content } = streamed;
  for (const [name, value] of Object.entries(streamed.headers)) reply.header(name, value);
  if (octets !== undefined) reply.header('content-length', octets);
  const { raw } = reply;
  const begin = (): ServerResponse => {
    reply.hijack();
    return raw.writeHead(200, reply.getHeaders() as OutgoingHttpHeaders);
  };
  if (reply.request.method === 'HEAD') {
    begin().end();
    return reply;
  }
  const pieces = content[Symbol.asyncIterator]();
  let next = await pieces.next();
  begin();
  try {
    while (next.done !== true) {
      if (next.value.length > 0) await written(raw, next.value);
      next = await pieces.next();
    }
    raw.end();
  } catch {
    raw.destroy(); // The reader sees that it is not whole.
    await pieces.return?.().then(undefined, () => {});
  }
  return reply;
}

/** Resolves when the kernel has the piece. */
function written(response: ServerResponse, piece: Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    if (response.destroyed) return reject(new Error('the reader is gone'));
    const onClose = (): void => reject(new Error('the reader is gone'));
    response.once('close', onClose);
    response.write(piece, (error) => {
      response.off('close', onClose);
      if (error) reject(error);
      else resolve();
    });
  });
}

/** Server-sent events (WHATWG HTML §9.2). */
export interface EventStream {
  send(event: { readonly name: string; readonly id?: string; readonly data: string }): void;
  /** After a last word: when to come again, in milliseconds. */
  end(retryMs?: number): void;
  /** Whether the reader has not taken what was sent before. */
  readonly stuck: boolean;
  /** Told each time the reader has taken all. */
  onTaken(listener: () => void): void;
  /** Breaks it off. */
  destroy(): void;
  readonly closed: Promise<void>;
}

/** Begins a stream of events; the texts of `data` are one line each. */
export function openEventStream(reply: FastifyReply): EventStream {
  reply.header('content-type', 'text/event-stream; charset=utf-8');
  reply.header('x-accel-buffering', 'no'); // A proxy that gathers events delays them.
  reply.header('connection', 'close');
  reply.hijack();
  const { raw } = reply;
  raw.writeHead(200, reply.getHeaders() as OutgoingHttpHeaders);
  raw.flushHeaders();
  raw.socket?.setTimeout(0); // Silence is what such a stream is made of.
  const closed = new Promise<void>((resolve) => {
    raw.once('close', resolve);
  });
  return {
    send: ({ name, id, data }) => {
      if (raw.destroyed || raw.writableEnded) return;
      raw.write(`event: ${name}\n${id === undefined ? '' : `id: ${id}\n`}data: ${data}\n\n`);
    },
    end: (retryMs) => {
      if (raw.destroyed || raw.writableEnded) return;
      raw.end(retryMs === undefined ? '' : `retry: ${Math.round(retryMs)}\n\n`);
    },
    get stuck() {
      return raw.writableNeedDrain;
    },
    onTaken: (listener) => void raw.on('drain', listener),
    destroy: () => void raw.destroy(),
    closed,
  };
}
