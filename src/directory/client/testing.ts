import { connect, createServer, type Socket } from 'node:net';
import { message, resultParts } from '../embedded/answer.ts';
import { decodeBer, encode, encodeInteger, messageLength, SET, TAG } from '../embedded/ber.ts';
import { openEnvelope, type Operation } from '../embedded/request.ts';

/** What a server on the way answers in the place of the one behind it; undefined: pass it on. */
export type Lie = (operation: Operation, id: number) => Buffer | undefined;

export interface LyingServer {
  readonly url: string;
  /** Connections that are open. */
  open(): number;
  close(): Promise<void>;
}

/** A server that answers as the one behind it, but for what `lie` answers. No TLS, no StartTLS. */
export async function lyingServer(to: string, lie: Lie): Promise<LyingServer> {
  const near = new Set<Socket>();
  const server = createServer((socket) => {
    near.add(socket);
    const far = connect(Number(new URL(to).port), '127.0.0.1');
    let kept = Buffer.alloc(0);
    socket.on('data', (data) => {
      kept = Buffer.concat([kept, data]);
      for (;;) {
        const length = messageLength(kept, 1 << 24);
        if (length === undefined || kept.length < length) return;
        const bytes = Buffer.from(kept.subarray(0, length));
        kept = kept.subarray(length);
        const envelope = openEnvelope(decodeBer(bytes));
        const answer = lie(envelope.open().operation, envelope.id);
        if (answer) socket.write(answer);
        else far.write(bytes);
      }
    });
    far.on('data', (data) => socket.write(data));
    for (const [one, other] of [[socket, far] as const, [far, socket] as const]) {
      one.on('error', () => {});
      one.on('close', () => {
        near.delete(socket);
        other.destroy();
      });
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', () => resolve()));
  return {
    url: `ldap://127.0.0.1:${(server.address() as { port: number }).port}`,
    open: () => near.size,
    close: async () => {
      for (const socket of near) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** SearchResultDone with any result code. */
export const done = (id: number, code: number): Buffer =>
  message(
    id,
    encode(0x65, encodeInteger(code, TAG.enumerated), ...resultParts('success').slice(1)),
  );

export function entryOf(
  id: number,
  dn: string,
  attributes: Readonly<Record<string, readonly string[]>>,
): Buffer {
  const parts = Object.entries(attributes).map(([name, values]) => {
    const set = encode(SET, ...values.map((value) => encode(TAG.octets, value)));
    return encode(0x30, encode(TAG.octets, name), set);
  });
  return message(id, encode(0x64, encode(TAG.octets, dn), encode(0x30, ...parts)));
}

/** SearchResultReference (RFC 4511 §4.5.3). */
export const reference = (id: number, url: string): Buffer =>
  message(id, encode(0x73, encode(TAG.octets, url)));
