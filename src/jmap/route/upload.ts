import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { Problem } from '../../http/web-types.ts';
import { WebProblem } from '../../http/web-types.ts';
import { uploadsTotal } from '../metrics.ts';
import type { JmapShared } from '../service.ts';
import { BlobError, type KeptBlob } from '../types.ts';

/** POST /jmap/upload/{accountId}/ (RFC 8620 §6.1). */
export function uploadRoute(app: FastifyInstance, shared: JmapShared): void {
  const { limits, uploading } = shared;
  app.removeAllContentTypeParsers();
  // Of any type, as a stream: it goes to the volume piece by piece.
  app.addContentTypeParser('*', (_request, body, done) => done(null, body));
  const path = '/jmap/upload/:accountId/';
  app.post<{ Params: { accountId: string } }>(path, async (request, reply) => {
    const { account } = await shared.userOf(request, reply);
    if (request.params.accountId !== account.id) throw refusal(NOT_YOURS);
    if (Number(request.headers['content-length'] ?? 0) > limits.maxSizeUpload) {
      throw refusal(tooLarge('maxSizeUpload', `A file may have ${limits.maxSizeUpload} octets`));
    }
    if (!uploading.enter(account.id, limits.maxConcurrentUpload)) {
      const problem = tooLarge('maxConcurrentUpload', 'You have too many uploads under way');
      throw refusal({ ...problem, status: 429, retryAfterMs: 2_000 });
    }
    try {
      const { mail } = await shared.views.of(account);
      const kept = await shared.uploads.keep(mail.facts, bodyOf(request), typeOf(request));
      uploadsTotal.inc('kept');
      reply.code(201);
      return { accountId: account.id, ...kept } satisfies Answer;
    } catch (error) {
      if (!(error instanceof BlobError)) uploadsTotal.inc('failed');
      throw error instanceof BlobError ? refusal(problemOfBlob(error)) : error;
    } finally {
      uploading.leave(account.id);
    }
  });
}

interface Answer extends KeptBlob {
  readonly accountId: string;
}

const NOT_YOURS: Problem = { status: 404, title: 'It is no account of yours' };

function refusal(problem: Problem): WebProblem {
  uploadsTotal.inc('refused');
  return new WebProblem(problem);
}

const tooLarge = (limit: string, title: string): Problem => ({
  status: 413,
  type: 'urn:ietf:params:jmap:error:limit',
  title,
  extra: { limit },
});

function problemOfBlob({ kind, message }: BlobError): Problem {
  if (kind === 'too-large') return tooLarge('maxSizeUpload', message);
  return { status: 507, title: message, detail: 'Send what you have, or wait a day' };
}

/** Nothing at all is an empty file. */
async function* bodyOf({ body }: FastifyRequest): AsyncGenerator<Uint8Array> {
  if (body === undefined || body === null) return;
  yield* body as AsyncIterable<Uint8Array>;
}

const TYPE = /^[A-Za-z0-9!#$&^_.+-]{1,127}\/[A-Za-z0-9!#$&^_.+-]{1,127}$/;

/** Media type (RFC 6838 §4.2) without parameters. */
function typeOf({ headers }: FastifyRequest): string {
  const type = headers['content-type']?.split(';', 1)[0]?.trim().toLowerCase() ?? '';
  return TYPE.test(type) ? type : 'application/octet-stream';
}
