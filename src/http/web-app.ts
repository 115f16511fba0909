/**
 * What holds for every request to the web, whoever answers it: headers that let a browser do
 * nothing unless a route says otherwise, one boundary for errors, one line in the log, methods
 * that a path does not know. The modules' routes come as functions.
 *
 * Errors are answered as RFC 9457 says, in the words of `Problem`. Our own trouble is 503 with
 * Retry-After; a bug is 500 with the trace id, and its cause is in the log only.
 */
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { Socket } from 'node:net';
import fastify, { type FastifyError, type FastifyInstance, type FastifyReply } from 'fastify';
import type { FastifyRequest, HTTPMethods, RouteOptions } from 'fastify';
import { isLoopback } from '../net/address.ts';
import type { Connection } from '../net/types.ts';
import { webRequests } from './web-metrics.ts';
import { HEADER_BYTES_MAX, LINGER_BYTES_MAX, LINGER_MS, PATH_PARAM_MAX } from './web-options.ts';
import { WebProblem, type Problem, type WebParts, type WebRoutes } from './web-types.ts';

export interface WebAppOptions extends WebParts {
  readonly routes: readonly WebRoutes[];
  /** What an error of a lower module means; undefined: it is a bug. */
  readonly describe: (error: unknown) => Problem | undefined;
  readonly connectionOf: (socket: Socket) => Connection | undefined;
  readonly draining: () => boolean;
}

/** Every path answers to these, be it with 405 (RFC 9110 §15.5.6). */
const METHODS: readonly HTTPMethods[] = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'];

const HEADERS = {
  'cache-control': 'no-store',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'; base-uri 'none'",
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
};

/** A server that has all routes and is given its connections; it does not listen. */
export async function openWebApp(options: WebAppOptions): Promise<Server> {
  let made: Server | undefined;
  const { values } = options;
  const app = fastify({
    logger: false,
    bodyLimit: values['web.body.size'],
    routerOptions: { maxParamLength: PATH_PARAM_MAX },
    genReqId: (request) => requestId(options, request),
    clientErrorHandler: refuseGarbage,
    frameworkErrors: (error, request, reply) => {
      void answerError(options, error, request, reply.headers(HEADERS));
    },
    serverFactory: (handler) => {
      const settings = {
        maxHeaderSize: HEADER_BYTES_MAX,
        headersTimeout: values['web.header.timeout'],
        requestTimeout: values['web.request.timeout'],
        keepAliveTimeout: values['web.keep-alive.timeout'],
        connectionsCheckingInterval: CHECK_MS,
        joinDuplicateHeaders: false,
      };
      made = createServer(settings, handler);
      made.timeout = values['web.idle.timeout'];
      return made;
    },
  });
  decorate(app, options);
  const known = new Map<string, Set<string>>();
  app.addHook('onRoute', (route) => note(known, route));
  for (const routes of options.routes) {
    await app.register(async (scope) => routes(scope, options));
  }
  app.after(() => refuseOtherMethods(app, known));
  await app.ready();
  if (!made) throw new Error('the framework made no server');
  return made;
}

/** How often times of connections are looked at. */
const CHECK_MS = 1_000;

const requests = new WeakMap<Connection, { count: number }>();

/** The connection's trace id and the number of the request on it. */
function requestId({ connectionOf }: WebAppOptions, { socket }: { socket: Socket }): string {
  const connection = connectionOf(socket);
  if (!connection) return 'closed';
  const counted = requests.get(connection) ?? { count: 0 };
  counted.count += 1;
  requests.set(connection, counted);
  return `${connection.id}.${counted.count}`;
}

const NOBODY = {
  remoteAddress: '',
  remotePort: 0,
  localAddress: '',
  localPort: 0,
  id: 'closed',
  secure: false,
};

function decorate(app: FastifyInstance, options: WebAppOptions): void {
  const { connectionOf, draining, values, clock } = options;
  const hstsSeconds = Math.floor(values['web.hsts'] / 1000);
  app.decorateRequest('login', undefined);
  app.decorateRequest('peer', {
    getter(this: FastifyRequest) {
      return connectionOf(this.raw.socket) ?? NOBODY;
    },
  });
  const begun = new WeakMap<FastifyRequest, number>();
  app.addHook('onRequest', async (request, reply) => {
    begun.set(request, clock.now());
    reply.headers(HEADERS);
    if (request.peer.secure && hstsSeconds > 0) {
      reply.header('strict-transport-security', `max-age=${hstsSeconds}`);
    }
    if (draining()) reply.header('connection', 'close');
    if (!mayBePlain(request, values['web.plaintext'])) return sendToTls(request, reply);
  });
  app.setErrorHandler<FastifyError>((error, request, reply) =>
    answerError(options, error, request, reply),
  );
  app.setNotFoundHandler((request, reply) =>
    answer({ status: 404, title: 'There is nothing here' }, request, reply),
  );
  const log = (request: FastifyRequest, reply: FastifyReply, broken: boolean): void => {
    const status = reply.statusCode;
    webRequests.inc(broken ? 'broken' : kindOf(status));
    const ms = Math.round(clock.now() - (begun.get(request) ?? clock.now()));
    const { remoteAddress: address, secure: tls } = request.peer;
    const { method, login: user, id: trace } = request;
    const path = request.url.split('?', 1)[0] ?? '';
    const octets = Number(reply.getHeader('content-length')) || undefined;
    options.logger.info(
      { trace, address, tls, user, method, path, status, octets, ms, broken },
      'web request',
    );
  };
  // Of a request that ends early there is no response; of a hijacked answer neither knows.
  app.addHook('onRequest', async (request, reply) => {
    reply.raw.once('close', () => log(request, reply, !reply.raw.writableFinished));
  });
}

/** What a thief on the way could read: passwords, cookies, mail. */
function mayBePlain(
  { peer }: FastifyRequest,
  policy: 'loopback-only' | 'never' | 'always',
): boolean {
  if (peer.secure || policy === 'always') return true;
  return policy === 'loopback-only' && isLoopback(peer.remoteAddress);
}

/**
 * A page is shown again over TLS (RFC 9110 §15.4.9). What may carry a password is refused and not
 * sent on: a program that is mended by itself would go on giving it away with each request.
 */
async function sendToTls(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const { method, headers, hostname } = request;
  const carries = headers.authorization !== undefined || headers.cookie !== undefined;
  if ((method === 'GET' || method === 'HEAD') && !carries && hostname !== '') {
    return reply.redirect(`https://${hostname}${request.url}`, 308);
  }
  reply.header('connection', 'close');
  const title = 'Use https: here a password could be read on its way';
  return await answer({ status: 403, title }, request, reply);
}

function kindOf(status: number): '2xx' | '3xx' | '4xx' | '5xx' {
  if (status >= 500) return '5xx';
  if (status >= 400) return '4xx';
  return status >= 300 ? '3xx' : '2xx';
}

function note(known: Map<string, Set<string>>, { url, method }: RouteOptions): void {
  const methods = known.get(url) ?? new Set<string>();
  for (const one of [method].flat()) methods.add(one);
  known.set(url, methods);
}

/** OPTIONS says what a path takes; anything else it does not take is 405, never 404. */
function refuseOtherMethods(app: FastifyInstance, known: Map<string, Set<string>>): void {
  const all = known.entries().toArray(); // What is added now is of no interest.
  for (const [url, methods] of all) {
    const allow = [...methods, 'OPTIONS'].join(', ');
    const others = METHODS.filter((method) => !methods.has(method));
    if (!methods.has('OPTIONS')) {
      app.options(url, (_, reply) => reply.header('allow', allow).code(204).send());
    }
    if (others.length === 0) continue;
    const refuse = (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> =>
      answer({ status: 405, title: `It takes ${allow} only` }, request, reply, { allow });
    // Before anything looks at what such a request has for a body.
    app.route({
      url,
      method: others,
      exposeHeadRoute: false,
      onRequest: refuse,
      handler: (_, reply) => reply,
    });
  }
}

/** One boundary for whatever went wrong in a request. */
function answerError(
  options: WebAppOptions,
  error: FastifyError,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  if (reply.raw.destroyed) return gone(reply);
  const problem = error instanceof WebProblem ? error.problem : options.describe(error);
  if (problem) {
    if (problem.status >= 500) {
      options.logger.warn({ trace: request.id, error }, 'a web request could not be served');
    }
    return answer(problem, request, reply);
  }
  const status = error.statusCode ?? 500;
  if (status >= 400 && status < 500) {
    return answer(
      { status, title: REFUSALS[status] ?? 'The request is not valid' },
      request,
      reply,
    );
  }
  options.logger.error({ trace: request.id, error, code: 'MF-HTTP-004' }, 'a web request failed');
  const detail = 'It is a fault of the server. Tell whoever runs it the trace id.';
  return answer({ status: 500, title: 'The request failed', detail }, request, reply);
}

/** Nobody is there to be told. */
async function gone(reply: FastifyReply): Promise<FastifyReply> {
  reply.hijack();
  return reply;
}

const REFUSALS: Readonly<Record<number, string>> = {
  400: 'The request is not valid',
  413: 'The body of the request is too large',
  414: 'The address is too long',
  415: 'The body is of a type that is not taken here',
};

async function answer(
  problem: Problem,
  request: FastifyRequest,
  reply: FastifyReply,
  headers: Readonly<Record<string, string>> = {},
): Promise<FastifyReply> {
  const { status, type = 'about:blank', title, detail, retryAfterMs, extra } = problem;
  reply.code(status).headers({ ...problem.headers, ...headers });
  reply.header('content-type', 'application/problem+json');
  if (retryAfterMs !== undefined || status === 503) {
    reply.header('retry-after', Math.max(1, Math.ceil((retryAfterMs ?? RETRY_MS) / 1000)));
  }
  if (!request.raw.complete) {
    await linger(request.raw);
    if (!request.raw.complete) reply.header('connection', 'close');
  }
  const trace = status >= 500 ? { trace: request.id } : {};
  return reply.send(JSON.stringify({ type, title, status, detail, ...extra, ...trace }));
}

const RETRY_MS = 5_000;

/**
 * Reads on for a while after a refusal: a client that still sends when the connection is closed
 * gets a reset, and never sees why.
 */
function linger(body: IncomingMessage): Promise<void> {
  return new Promise((resolve) => {
    let octets = 0;
    const done = (): void => {
      clearTimeout(timer);
      body.off('data', onData);
      resolve();
    };
    const onData = (piece: Buffer): void => {
      octets += piece.length;
      if (octets > LINGER_BYTES_MAX) done();
    };
    const timer = setTimeout(done, LINGER_MS);
    body.on('data', onData).once('end', done).once('close', done).once('error', done);
    body.resume();
  });
}

/** What is no HTTP at all, or too much of it, or too slow (RFC 9110 §15.5.9). */
function refuseGarbage(error: NodeJS.ErrnoException, socket: Socket): void {
  if (!socket.writable || error.code === 'ECONNRESET') return void socket.destroy();
  const status = GARBAGE[error.code ?? ''] ?? '400 Bad Request';
  socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
  socket.destroySoon();
}

const GARBAGE: Readonly<Record<string, string>> = {
  ERR_HTTP_REQUEST_TIMEOUT: '408 Request Timeout',
  HPE_HEADER_OVERFLOW: '431 Request Header Fields Too Large',
  HPE_CHUNK_EXTENSIONS_OVERFLOW: '413 Payload Too Large',
};
