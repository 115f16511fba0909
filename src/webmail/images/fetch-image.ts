/**
 * A picture from a stranger's host. What it may not become is a way for a stranger into our network
 * (SSRF): each name is resolved here, all of its addresses have to be hosts of the world, and the
 * connection is made to the address that was looked at, so that a name which means another address
 * a moment later (DNS rebinding) changes nothing. The same for each redirect.
 */
import type { IncomingMessage } from 'node:http';
import type { Resolver } from '../../dns/types.ts';
import { getOutward } from '../../http/outward.ts';
import { canonicalAddress } from '../../net/address.ts';
import { isOfTheWorld } from './addresses.ts';
import { kindOf } from './kinds.ts';

export interface ImageLimits {
  /** Octets of a picture. */
  readonly octets: number;
  /** For all of it, names and redirects too. */
  readonly ms: number;
  readonly redirects: number;
}

export const IMAGE_LIMITS: ImageLimits = { octets: 5 * 1024 * 1024, ms: 5_000, redirects: 3 };

export interface FetchImageParts {
  readonly resolver: Pick<Resolver, 'a' | 'aaaa'>;
  readonly limits?: ImageLimits;
  /** Where connections may go: hosts of the world at ports of the web, unless a test says so. */
  readonly permits?: (address: string, port: string) => boolean;
}

export type FetchedImage =
  | { readonly kind: 'image'; readonly type: string; readonly content: Buffer }
  | { readonly kind: 'refused'; readonly why: Refusal };

/** What the user is told is the same for all: a stranger learns nothing of our network by it. */
export type Refusal =
  | 'no-web-address'
  | 'not-of-the-world'
  | 'no-such-host'
  | 'too-many-redirects'
  | 'no-answer'
  | 'too-large'
  | 'no-image';

/** A redirect, RFC 9110 §15.4. */
const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);

const HEADERS = {
  accept: 'image/avif,image/webp,image/png,image/jpeg,image/gif',
  'accept-encoding': 'identity',
  'user-agent': 'Mozilla/5.0 (compatible; mail picture proxy)',
};

const refused = (why: Refusal): FetchedImage => ({ kind: 'refused', why });

/** `permits` of the product. Anything else than the web is no place of pictures. */
const ofTheWeb = (address: string, port: string): boolean => port === '' && isOfTheWorld(address);

/** Never rejects. */
export async function fetchImage(address: string, parts: FetchImageParts): Promise<FetchedImage> {
  const { limits = IMAGE_LIMITS } = parts;
  const signal = AbortSignal.timeout(limits.ms);
  let url = webUrl(address, undefined);
  for (let hop = 0; hop <= limits.redirects; hop += 1) {
    if (!url) return refused('no-web-address');
    const place = await within(placeOf(url, parts), signal);
    if (place === undefined) return refused('no-answer');
    if (typeof place !== 'string') return place;
    const answer = await getOutward({ url, address: place, headers: HEADERS, signal }).catch(
      () => undefined,
    );
    if (!answer) return refused('no-answer');
    if (!REDIRECTS.has(answer.statusCode ?? 0)) return contentOf(answer, limits);
    answer.destroy();
    const { location } = answer.headers;
    url = location === undefined ? undefined : webUrl(location, url);
  }
  return refused('too-many-redirects');
}

function webUrl(text: string, base: URL | undefined): URL | undefined {
  const url = URL.parse(text.startsWith('//') && !base ? `https:${text}` : text, base?.href);
  if (!url || (url.protocol !== 'http:' && url.protocol !== 'https:')) return undefined;
  return url.username === '' && url.password === '' ? url : undefined;
}

/** The address to connect to. All that a name has must be permitted: one that is not is a trap. */
async function placeOf(url: URL, parts: FetchImageParts): Promise<string | FetchedImage> {
  const { permits = ofTheWeb } = parts;
  const addresses = await addressesOf(url.hostname, parts.resolver);
  const [first] = addresses;
  if (first === undefined) return refused('no-such-host');
  const all = addresses.every((one) => permits(canonicalAddress(one), url.port));
  return all ? first : refused('not-of-the-world');
}

async function addressesOf(
  host: string,
  resolver: Pick<Resolver, 'a' | 'aaaa'>,
): Promise<readonly string[]> {
  // The parser of URLs has written every form of an IPv4 address (octal, one number) as four.
  if (/^[\d.]+$/.test(host)) return [host];
  if (host.startsWith('[')) return [host.slice(1, -1)];
  const answers = await Promise.all([resolver.a(host), resolver.aaaa(host)]);
  return answers.flatMap((answer) => (answer.kind === 'records' ? answer.records : []));
}

async function contentOf(answer: IncomingMessage, limits: ImageLimits): Promise<FetchedImage> {
  const pieces: Buffer[] = [];
  let octets = 0;
  try {
    if (answer.statusCode !== 200) return refused('no-image');
    for await (const piece of answer as AsyncIterable<Buffer>) {
      pieces.push(piece);
      octets += piece.length;
      if (octets > limits.octets) return refused('too-large');
    }
  } catch {
    return refused('no-answer');
  } finally {
    answer.destroy();
  }
  const content = Buffer.concat(pieces);
  const type = kindOf(content);
  return type === undefined ? refused('no-image') : { kind: 'image', type, content };
}

/** Undefined: the signal was first. */
function within<T>(promise: Promise<T>, signal: AbortSignal): Promise<T | undefined> {
  return new Promise((resolve, reject) => {
    signal.addEventListener('abort', () => resolve(undefined), { once: true });
    promise.then(resolve, reject);
  });
}
