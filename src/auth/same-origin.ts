import type { WebRequest } from './web-types.ts';

const SAFE: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS']);

/**
 * Whether a page of another site may have made this request with the credentials that the browser
 * keeps for us. Browsers say where an unsafe request comes from: by Sec-Fetch-Site, older ones by
 * Origin. With a cookie one of them must say that it is a page of ours. With Basic neither need be
 * there, for programs send neither; but browsers keep such credentials too, and then they count.
 *
 * The scheme of Origin is not compared: whoever ends TLS before us passes on the host alone.
 */
export function mayBeForeign(request: WebRequest, by: 'cookie' | 'basic'): boolean {
  if (SAFE.has(request.method)) return false;
  const { secFetchSite, origin, host } = request;
  if (secFetchSite !== undefined) return secFetchSite !== 'same-origin';
  if (origin !== undefined) return host === undefined || hostOf(origin) !== host.toLowerCase();
  return by === 'cookie';
}

/** Host and port of an origin (RFC 6454 §6); `null` and what cannot be read have none. */
function hostOf(origin: string): string | undefined {
  const [, host] = /^https?:\/\/([^/@\s]+)$/i.exec(origin) ?? [];
  return host?.toLowerCase();
}
