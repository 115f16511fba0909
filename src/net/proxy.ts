/**
 * Reads a PROXY protocol header from a socket and pushes back what follows it, so that whoever
 * takes the socket next sees the protocol's first octet first (or TLS its ClientHello).
 */
import type { Socket } from 'node:net';
import {
  parseProxyHeader,
  PROXY_HEADER_BYTES_MAX,
  type ProxyFault,
  type ProxyHeader,
} from './proxy-header.ts';

export type ProxyOutcome =
  | { readonly ok: true; readonly header: ProxyHeader }
  | { readonly ok: false; readonly reason: ProxyFault };

/**
 * Waits for the header, at most `timeoutMs`. The socket must have an error handler and no reader.
 * Never rejects; the caller closes the socket when the outcome is not ok.
 */
export function readProxyHeader(socket: Socket, timeoutMs: number): Promise<ProxyOutcome> {
  return new Promise((resolve) => {
    let received: Buffer = Buffer.alloc(0);
    const finish = (outcome: ProxyOutcome): void => {
      clearTimeout(timer);
      socket.off('readable', onReadable).off('end', onEnd).off('close', onEnd);
      resolve(outcome);
    };
    const onEnd = (): void => finish({ ok: false, reason: 'closed' });
    // 'readable', not 'data': without its listener the stream is as untouched as it came, whereas
    // pause() would stay in force and a service that attaches 'data' later would wait for ever.
    const onReadable = (): void => {
      const chunk = socket.read() as Buffer | null;
      if (chunk === null) return;
      received = received.length === 0 ? chunk : Buffer.concat([received, chunk]);
      const result = parseProxyHeader(received);
      if (result.state === 'more') {
        // The parser says `bad` before this; the limit does not depend on it.
        if (received.length > PROXY_HEADER_BYTES_MAX) finish({ ok: false, reason: 'too-long' });
        return;
      }
      if (result.state === 'bad') return finish({ ok: false, reason: result.reason });
      const rest = received.subarray(result.header.bytes);
      finish({ ok: true, header: result.header });
      if (rest.length > 0) socket.unshift(rest);
    };
    const timer = setTimeout(() => finish({ ok: false, reason: 'timeout' }), timeoutMs);
    socket.on('readable', onReadable).on('end', onEnd).on('close', onEnd);
  });
}
