import type { FastifyReply, FastifyRequest } from 'fastify';
import type { WebAuthenticator, WebRequest, WebUser } from '../auth/web-types.ts';
import { WebProblem, type Problem } from '../http/web-types.ts';

/** What of a request says who it is of. */
export function webRequestOf(request: FastifyRequest): WebRequest {
  const { headers, method, peer } = request;
  const { cookie, authorization, origin, host } = headers;
  return {
    method,
    cookie,
    authorization,
    origin,
    secFetchSite: one(headers['sec-fetch-site']),
    host,
    contentType: headers['content-type'],
    address: peer.remoteAddress,
    secure: peer.secure,
  };
}

const one = (value: string | readonly string[] | undefined): string | undefined =>
  typeof value === 'string' ? value : value?.join();

/** Who a request is of. @throws WebProblem 401, 403, 429, 503 */
export async function requireUser(
  auth: Pick<WebAuthenticator, 'authenticate'>,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<WebUser> {
  const verdict = await auth.authenticate(webRequestOf(request));
  switch (verdict.kind) {
    case 'known':
      if (verdict.setCookie !== undefined) reply.header('set-cookie', verdict.setCookie);
      request.login = verdict.user.login;
      return verdict.user;
    case 'unknown':
      if (verdict.setCookie !== undefined) reply.header('set-cookie', verdict.setCookie);
      throw new WebProblem({ ...SIGN_IN, headers: { 'www-authenticate': challengeOf(request) } });
    case 'throttled':
      throw new WebProblem({ ...THROTTLED, retryAfterMs: verdict.retryAfterMs });
    case 'foreign':
    case 'suspended':
    case 'unavailable':
      throw new WebProblem(REFUSALS[verdict.kind]);
  }
}

/** RFC 7617 §2.1. A page gets no window of the browser's own for the password. */
const challengeOf = ({ headers }: FastifyRequest): string =>
  headers['sec-fetch-site'] === undefined ? 'Basic realm="mail", charset="UTF-8"' : 'Session';

const SIGN_IN: Problem = { status: 401, title: 'Sign in first' };
const THROTTLED: Problem = { status: 429, title: 'Too many tries. Wait before you try again' };

const REFUSALS: Readonly<Record<'foreign' | 'suspended' | 'unavailable', Problem>> = {
  foreign: { status: 403, title: 'A page of another site made this request' },
  suspended: { status: 403, title: 'This service is suspended for your account' },
  unavailable: {
    status: 503,
    title: 'The directory does not answer at the moment. You are still signed in; try again',
  },
};
