import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { JmapShared } from '../service.ts';
import { sessionObject } from '../session.ts';

/** Where a client begins (RFC 8620 §2.2). */
export function sessionRoute(app: FastifyInstance, shared: JmapShared): void {
  app.get('/.well-known/jmap', async (request, reply) => {
    const user = await shared.userOf(request, reply);
    const { account, login } = user;
    // Who begins a session is who may have uploads of yesterday; the answer does not wait for it.
    void shared.views
      .of(account)
      .then((view) => shared.uploads.sweepSometimes(account.id, view.mail.facts))
      .catch(() => {});
    reply.header('cache-control', 'no-cache, no-store, must-revalidate');
    return sessionObject({ account, login, limits: shared.limits }, baseOf(request));
  });
}

/** A name of RFC 3986 §3.2.2 with its port; anything else is not repeated. */
const HOST = /^(?:[A-Za-z0-9.-]{1,255}|\[[0-9A-Fa-f:.]{2,45}\])(?::\d{1,5})?$/;

/**
 * The name the client came by, so that it comes the same way again. A balancer that ends TLS says
 * so in X-Forwarded-Proto: else clients would be sent to http with their passwords. That anybody
 * may say it does no harm, for it changes nothing but the answer to whom says it.
 */
function baseOf({ headers, peer }: FastifyRequest): string {
  const { host = '' } = headers;
  if (!HOST.test(host)) return '';
  const isTls = peer.secure || headers['x-forwarded-proto'] === 'https';
  return `${isTls ? 'https' : 'http'}://${host}`;
}
