/**
 * JMAP as routes of the web service (RFC 8620). No session: who asks is found out for each request,
 * and any node answers any of them. `shared` is what all requests of a worker have in common, all
 * of it caches and counts.
 */
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { WebAuthenticator, WebUser } from '../auth/web-types.ts';
import type { WebParts, WebRoutes } from '../http/web-types.ts';
import type { MailView, MailViews } from '../mailbox/view.ts';
import { AccountBlobs } from './blobs.ts';
import { InFlight } from './in-flight.ts';
import { THREADS_WAIT_MS, type JmapOptionValues } from './options.ts';
import { apiRoute } from './route/api.ts';
import { downloadRoute } from './route/download.ts';
import { eventsRoute } from './route/events.ts';
import { sessionRoute } from './route/session.ts';
import { uploadRoute } from './route/upload.ts';
import type { JmapContext, JmapLimits, OwnAffairs, Submitter } from './types.ts';
import { Uploads } from './uploads.ts';
import { requireUser } from './who.ts';

export interface JmapOptions {
  readonly auth: Pick<WebAuthenticator, 'authenticate'>;
  readonly views: MailViews;
  readonly submitter: Submitter;
  /** What a user changes in the directory, as that user. */
  readonly affairsOf: (user: WebUser) => OwnAffairs;
  readonly values: JmapOptionValues;
  /** Octets of a message that the store takes. */
  readonly messageMax: number;
}

/** What the routes share. */
export interface JmapShared extends JmapOptions {
  readonly parts: WebParts;
  readonly limits: JmapLimits;
  readonly uploads: Uploads;
  readonly running: InFlight;
  readonly uploading: InFlight;
  readonly downloading: InFlight;
  readonly streaming: InFlight;
  /** @throws WebProblem */
  userOf(request: FastifyRequest, reply: FastifyReply): Promise<WebUser>;
  contextOf(user: WebUser, view: MailView, request: FastifyRequest): JmapContext;
}

/** Routes of JMAP; `describe` of the service has to know `problemOf` of `trouble.ts`. */
export const createJmapRoutes =
  (options: JmapOptions): WebRoutes =>
  async (app, parts) => {
    const shared = shareOf(options, parts);
    for (const route of [sessionRoute, apiRoute, uploadRoute, downloadRoute, eventsRoute]) {
      await app.register(async (scope) => route(scope, shared));
    }
  };

function shareOf(options: JmapOptions, parts: WebParts): JmapShared {
  const { values, auth, submitter, affairsOf } = options;
  const limits = limitsOf(options);
  const uploads = new Uploads({
    ...parts,
    limits: {
      size: values['jmap.upload.size'],
      total: values['jmap.upload.total'],
      keepMs: values['jmap.upload.keep'],
    },
  });
  return {
    ...options,
    parts,
    limits,
    uploads,
    running: new InFlight(),
    uploading: new InFlight(),
    downloading: new InFlight(),
    streaming: new InFlight(),
    userOf: (request, reply) => requireUser(auth, request, reply),
    contextOf: (user, view, request) => ({
      account: user.account,
      login: user.login,
      trace: request.id,
      address: request.peer.remoteAddress,
      view,
      createdIds: new Map(),
      limits,
      blobs: new AccountBlobs(view, uploads),
      submitter,
      affairs: affairsOf(user),
      clock: parts.clock,
      random: parts.random,
      logger: parts.logger,
    }),
  };
}

const limitsOf = ({ values, messageMax }: JmapOptions): JmapLimits => ({
  maxSizeUpload: values['jmap.upload.size'],
  maxConcurrentUpload: values['jmap.upload.concurrent'],
  maxSizeRequest: values['jmap.request.size'],
  maxConcurrentRequests: values['jmap.request.concurrent'],
  maxCallsInRequest: values['jmap.request.calls'],
  maxObjectsInGet: values['jmap.get.objects'],
  maxObjectsInSet: values['jmap.set.objects'],
  // In a message they are base64 in lines of 76 (RFC 2045 §6.8), beside a text and a head.
  maxSizeAttachmentsPerEmail: Math.floor(messageMax * 0.7),
  maxSizeMessage: messageMax,
  maxMailboxDepth: 20,
  maxSizeMailboxName: 200,
  searchMs: values['jmap.search.time'],
  threadsMs: THREADS_WAIT_MS,
});
