/**
 * Health and metrics over HTTP, for balancers, Prometheus and the command line. It asks what the
 * process knows already and touches no volume and no directory, so it answers while they hang.
 *
 *     GET  /health/live    200 as long as the process can answer at all
 *     GET  /health/ready   200 or 503, with the reasons as JSON
 *     GET  /metrics        all processes of the node, text format of Prometheus
 *     GET  /days           what the node counted, day by day, as JSON
 *     POST /invalidate     a hint from the command line, from this machine only: ask afresh
 *
 * It knows nothing of users and gives away no secret, yet it binds loopback unless told otherwise:
 * what a farm looks like inside is nobody's business. Every request and answer is bounded in size
 * and time. A web page open in an administrator's browser can reach loopback too, so what changes
 * anything refuses requests that a browser sent for a page (they carry Origin or Sec-Fetch-Site).
 *
 * Errors: MF-HTTP-001 cannot listen, MF-HTTP-002 metrics too slow
 */
import {
  createServer,
  type IncomingMessage,
  type OutgoingHttpHeaders,
  type ServerResponse,
} from 'node:http';
import { BlockList } from 'node:net';
import { withDeadline } from '../base/deadline.ts';
import type { Logger } from '../log/types.ts';
import { METRICS_CONTENT_TYPE } from '../metrics/export.ts';
import { httpRequests } from './metrics.ts';

export interface Readiness {
  readonly ready: boolean;
  /** Why not, or what limps although it is ready: `directory: no replica answers`. */
  readonly reasons: readonly string[];
}

export interface HttpOptions {
  /** 127.0.0.1 where it is missing. */
  readonly host?: string;
  /** 0 asks the system for a free one. */
  readonly port: number;
  /** Answers from memory. */
  readonly readiness: () => Readiness;
  /** The page of all processes. */
  readonly metrics: () => Promise<string>;
  /** Counts by date. */
  readonly days: () => object;
  /** What to do at a hint that the directory changed. */
  readonly invalidate: () => void;
  readonly answerTimeoutMs: number;
  readonly connectionsMax: number;
  readonly logger: Logger;
}

export interface HttpServer {
  readonly host: string;
  readonly port: number;
  /** Closes every connection; what is being answered is answered. */
  close(): Promise<void>;
}

/** The address cannot be listened on; `code` is the row of errors.ts. */
export class HttpListenError extends Error {
  readonly code = 'MF-HTTP-001';
  constructor(host: string, port: number, cause: NodeJS.ErrnoException) {
    super(`${host} port ${port} for health and metrics: ${cause.message}: MF-HTTP-001`, { cause });
    this.name = 'HttpListenError';
  }
}

const LOOPBACK = '127.0.0.1';
const HEADER_BYTES_MAX = 8 * 1024;
const BODY_BYTES_MAX = 1024;
const REQUEST_MS = 5000;
const KEEPALIVE_MS = 65_000; // Above the minute at which Prometheus scrapes by default.
const REQUESTS_PER_SOCKET_MAX = 1000;

interface Answer {
  readonly status: number;
  readonly type?: string;
  readonly body: string;
  readonly headers?: OutgoingHttpHeaders;
}

interface Route {
  readonly name: 'live' | 'ready' | 'metrics' | 'days' | 'invalidate';
  readonly methods: readonly string[];
  readonly run: (options: HttpOptions, request: IncomingMessage) => Answer | Promise<Answer>;
}

const READ = ['GET', 'HEAD'];

/** The whole server on one screen. */
const ROUTES: ReadonlyMap<string, Route> = new Map<string, Route>([
  ['/health/live', { name: 'live', methods: READ, run: () => json(200, { live: true }) }],
  ['/health/ready', { name: 'ready', methods: READ, run: ready }],
  ['/metrics', { name: 'metrics', methods: READ, run: metrics }],
  ['/days', { name: 'days', methods: READ, run: ({ days }) => json(200, days()) }],
  ['/invalidate', { name: 'invalidate', methods: ['POST'], run: invalidate }],
]);

const HEADERS: OutgoingHttpHeaders = {
  'Cache-Control': 'no-store',
  'Content-Security-Policy': "default-src 'none'; frame-ancestors 'none'",
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Referrer-Policy': 'no-referrer',
  'X-Content-Type-Options': 'nosniff',
};

/** Starts to listen. @throws HttpListenError. */
export function openHttp(options: HttpOptions): Promise<HttpServer> {
  const host = options.host ?? LOOPBACK;
  const shared = { ...options, metrics: oneAtATime(options) };
  const server = createServer(
    {
      maxHeaderSize: HEADER_BYTES_MAX,
      headersTimeout: REQUEST_MS,
      requestTimeout: REQUEST_MS,
      keepAliveTimeout: KEEPALIVE_MS,
      connectionsCheckingInterval: 1000,
      joinDuplicateHeaders: false,
    },
    (request, response) => void answer(shared, request, response),
  );
  server.maxConnections = options.connectionsMax;
  server.maxRequestsPerSocket = REQUESTS_PER_SOCKET_MAX;
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) =>
      reject(new HttpListenError(host, options.port, error)),
    );
    // `*` as in mwListen: without a host Node takes every address, of IPv6 where there is any.
    const where = host === '*' ? {} : { host };
    server.listen({ ...where, port: options.port, exclusive: true }, () => {
      server.removeAllListeners('error');
      server.on('error', (error) => options.logger.error({ error }, 'HTTP server error'));
      const address = server.address();
      const port = typeof address === 'object' && address !== null ? address.port : options.port;
      resolve({ host, port, close: () => closeServer(server) });
    });
  });
}

function closeServer(server: ReturnType<typeof createServer>): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeIdleConnections();
    setTimeout(() => server.closeAllConnections(), REQUEST_MS).unref();
  });
}

async function answer(
  options: HttpOptions,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  response.on('error', () => {}); // The client went away.
  let result: Answer;
  try {
    result = await route(options, request);
  } catch (error) {
    options.logger.error({ error }, 'HTTP request failed');
    result = text(500, 'Internal error');
  }
  const body = Buffer.from(result.body, 'utf8');
  response.writeHead(result.status, {
    ...HEADERS,
    'Content-Type': result.type ?? 'text/plain; charset=utf-8',
    'Content-Length': body.length,
    ...result.headers,
    // Whoever sends more than it may is not listened to any longer.
    ...(!request.complete && { Connection: 'close' }),
  });
  response.end(request.method === 'HEAD' ? undefined : body);
}

async function route(options: HttpOptions, request: IncomingMessage): Promise<Answer> {
  const [path = ''] = (request.url ?? '').split('?', 1);
  const found = ROUTES.get(path);
  httpRequests.inc(found?.name ?? 'other');
  if (!found) return text(404, 'No such page');
  if (!found.methods.includes(request.method ?? '')) {
    return { ...text(405, 'Method not allowed'), headers: { Allow: found.methods.join(', ') } };
  }
  if (!(await bodyFits(request))) return text(413, 'Too much');
  return found.run(options, request);
}

/** Reads the body, of which nothing is used, as far as it may go. */
async function bodyFits(request: IncomingMessage): Promise<boolean> {
  let bytes = 0;
  try {
    for await (const chunk of request) {
      bytes += (chunk as Buffer).length;
      if (bytes > BODY_BYTES_MAX) return false;
    }
    return true;
  } catch {
    return false; // The client broke off.
  }
}

function ready({ readiness }: HttpOptions): Answer {
  const state = readiness();
  return json(state.ready ? 200 : 503, { ready: state.ready, reasons: state.reasons });
}

async function metrics(options: HttpOptions): Promise<Answer> {
  try {
    return { status: 200, type: METRICS_CONTENT_TYPE, body: await options.metrics() };
  } catch (error) {
    options.logger.warn({ code: 'MF-HTTP-002', error }, 'no metrics for this scrape: MF-HTTP-002');
    return text(503, 'Metrics could not be gathered: MF-HTTP-002');
  }
}

function invalidate(options: HttpOptions, request: IncomingMessage): Answer {
  const isOfPage = 'origin' in request.headers || 'sec-fetch-site' in request.headers;
  if (isOfPage || !isOwn(request.socket.remoteAddress)) return text(403, 'From this machine only');
  options.invalidate();
  return { status: 204, body: '' };
}

/** Several scrapers at once get the same page: gathering it twice helps nobody. */
function oneAtATime({ metrics: gather, answerTimeoutMs: ms }: HttpOptions): () => Promise<string> {
  let running: Promise<string> | undefined;
  return () => {
    running ??= withDeadline(gather(), { ms, what: 'gathering metrics' }).finally(() => {
      running = undefined;
    });
    return running;
  };
}

const own = new BlockList();
own.addSubnet('127.0.0.0', 8, 'ipv4');
own.addAddress('::1', 'ipv6');

const isOwn = (address = ''): boolean =>
  own.check(address, address.includes(':') ? 'ipv6' : 'ipv4');

const text = (status: number, body: string): Answer => ({ status, body: `${body}\n` });

const json = (status: number, value: object): Answer => ({
  status,
  type: 'application/json',
  body: `${JSON.stringify(value)}\n`,
});
