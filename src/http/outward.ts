import { request as requestPlain, type IncomingMessage } from 'node:http';
import { request as requestTls } from 'node:https';

export interface OutwardRequest {
  readonly url: URL;
  /** Where to connect, whatever the name means by then: whoever asks has checked this one. */
  readonly address: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Ends it, in the middle of the content too. */
  readonly signal: AbortSignal;
}

/**
 * GET of something on a stranger's host: at the address given, with a certificate for the name in
 * the URL. No cookies, no redirects followed, nothing unpacked. @throws Error of the network
 */
export const getOutward = (asked: OutwardRequest): Promise<IncomingMessage> =>
  new Promise((resolve, reject) => {
    const { url, address, headers, signal } = asked;
    const isTls = url.protocol === 'https:';
    const sent = (isTls ? requestTls : requestPlain)({
      host: address,
      port: url.port === '' ? (isTls ? 443 : 80) : Number(url.port),
      path: `${url.pathname}${url.search}`,
      headers: { ...headers, host: url.host },
      // A name, not the address; RFC 6066 §3 has no addresses.
      ...(isTls && /[a-z]/i.test(url.hostname) && { servername: url.hostname }),
      agent: false,
      maxHeaderSize: 16_384,
      signal,
    });
    sent.on('response', resolve);
    sent.on('error', reject);
    sent.end();
  });
