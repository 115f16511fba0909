import type { FastifyError, FastifyInstance, FastifyRequest } from 'fastify';
import type { WebUser } from '../../auth/web-types.ts';
import { WebProblem } from '../../http/web-types.ts';
import { METHODS } from '../methods.ts';
import { runRequest } from '../run.ts';
import type { JmapShared } from '../service.ts';
import { sessionState } from '../session.ts';
import { CAPABILITIES } from '../types.ts';
import { NotIJson, parseIJson } from '../wire/ijson.ts';
import { readRequest, RequestError, type JmapRequest } from '../wire/request.ts';

const OFFERED = { methods: METHODS, capabilities: Object.values(CAPABILITIES) };

/** POST /jmap/api: calls in, responses out (RFC 8620 §3). */
export function apiRoute(app: FastifyInstance, shared: JmapShared): void {
  const { limits, running } = shared;
  app.removeAllContentTypeParsers();
  const parsing = { parseAs: 'buffer', bodyLimit: limits.maxSizeRequest } as const;
  app.addContentTypeParser('application/json', parsing, (_request, body, done) => done(null, body));
  app.setErrorHandler((error: FastifyError) => {
    throw problemOfRequest(error);
  });
  app.post('/jmap/api', {
    onRequest: async (request, reply) => {
      // Before its body is read: who may not ask, or asks too much at once, costs no memory.
      const user = await shared.userOf(request, reply);
      const { id } = user.account;
      if (!running.enter(id, limits.maxConcurrentRequests)) throw tooMany();
      const asking = new Asking(user, () => running.leave(id));
      if (reply.raw.destroyed) return asking.closed();
      reply.raw.once('close', () => asking.closed());
      asked.set(request, asking);
    },
    handler: async (request) => {
      const asking = asked.get(request);
      if (asking === undefined) throw new Error('a request that nobody made');
      return await asking.work((user) => answerOf(shared, user, request));
    },
  });
  const asked = new WeakMap<object, Asking>();
}

/**
 * A request under way: from before its body is read until it has been worked off and its answer was
 * taken. Who closes the connection does not end the work, and who does not read keeps the answer.
 */
class Asking {
  readonly #user: WebUser;
  readonly #leave: () => void;
  #isClosed = false;
  #isWorking = false;

  constructor(user: WebUser, leave: () => void) {
    this.#user = user;
    this.#leave = leave;
  }

  /** Nobody sends or reads any more. */
  closed(): void {
    this.#isClosed = true;
    if (!this.#isWorking) this.#leave();
  }

  async work<T>(work: (user: WebUser) => Promise<T>): Promise<T> {
    this.#isWorking = true;
    try {
      return await work(this.#user);
    } finally {
      this.#isWorking = false;
      if (this.#isClosed) this.#leave();
    }
  }
}

async function answerOf(
  shared: JmapShared,
  user: WebUser,
  request: FastifyRequest,
): Promise<object> {
  const { account, login } = user;
  const { limits } = shared;
  const asked = read(request.body, limits.maxCallsInRequest);
  const view = await shared.views.of(account);
  const context = shared.contextOf(user, view, request);
  for (const [creationId, id] of asked.createdIds ?? []) context.createdIds.set(creationId, id);
  const responses = await runRequest(asked, context, OFFERED);
  return {
    methodResponses: responses.map(({ name, args, callId }) => [name, args, callId]),
    ...(asked.createdIds && { createdIds: Object.fromEntries(context.createdIds) }),
    sessionState: sessionState({ account, login, limits }),
  };
}

function read(body: unknown, maxCalls: number): JmapRequest {
  const bytes = body instanceof Uint8Array ? body : new Uint8Array(0);
  return readRequest(parseIJson(bytes), maxCalls);
}

const tooMany = (): WebProblem =>
  new WebProblem({
    ...limitProblem('maxConcurrentRequests', 'You have too many requests under way'),
    status: 429,
    retryAfterMs: 1_000,
  });

/** RFC 8620 §3.6.1. */
const limitProblem = (limit: string, title: string) => ({
  status: 400,
  type: 'urn:ietf:params:jmap:error:limit',
  title,
  extra: { limit },
});

/** Errors of a request as a whole; others go on to the boundary that all routes have. */
function problemOfRequest(error: FastifyError): Error {
  if (error instanceof RequestError) {
    const type = `urn:ietf:params:jmap:error:${error.type}`;
    const extra = error.limit === undefined ? {} : { limit: error.limit };
    return new WebProblem({ status: 400, type, title: error.message, extra });
  }
  if (error instanceof NotIJson || error.code === 'FST_ERR_CTP_INVALID_MEDIA_TYPE') {
    const type = 'urn:ietf:params:jmap:error:notJSON';
    const title = error instanceof NotIJson ? error.message : 'The body is of application/json';
    return new WebProblem({ status: 400, type, title });
  }
  if (error.code === 'FST_ERR_CTP_BODY_TOO_LARGE') {
    return new WebProblem(limitProblem('maxSizeRequest', 'The request is too large'));
  }
  return error;
}
