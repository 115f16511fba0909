/**
 * Sign-in and sign-out of browsers. `kind` in the answer is what the page goes by; the title is for
 * people. A sign-in with a second factor is two requests: the password, then the same with `code`;
 * nothing is kept between them, so any node answers either.
 *
 *     POST /auth/sign-in    { login, password, code? }   200, 401, 403, 429, 503
 *     POST /auth/sign-out   {}                           200 { ended }; false: here only, it
 *                                                        could not be written down
 */
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { mayBeForeign } from '../auth/same-origin.ts';
import type { SignInVerdict, WebAuthenticator } from '../auth/web-types.ts';
import { WebProblem, type Problem } from '../http/web-types.ts';
import { webRequestOf } from '../jmap/who.ts';
import { optionalText, textOf } from './body.ts';

type Refused = Exclude<SignInVerdict['kind'], 'signed-in' | 'throttled'>;

const PROBLEMS: Readonly<Record<Refused, Problem>> = {
  'code-needed': { status: 401, title: 'The second factor is needed too' },
  'code-refused': {
    status: 401,
    title: 'This code is not right',
    detail: 'Each code counts once. Wait for the next one, or take a recovery code.',
  },
  refused: { status: 401, title: 'No such user, or the password is wrong' },
  suspended: { status: 403, title: 'The webmail is suspended for your account' },
  unavailable: {
    status: 503,
    title: 'Nobody can sign in at the moment',
    detail: 'Your mail is safe. Try again in a minute.',
  },
};

export function authRoutes(app: FastifyInstance, auth: WebAuthenticator): void {
  app.post('/auth/sign-in', async (request, reply) => {
    requireOwnPage(request);
    const verdict = await auth.signIn({
      login: textOf(request.body, 'login', 512),
      password: textOf(request.body, 'password'),
      code: optionalText(request.body, 'code', 100),
      address: request.peer.remoteAddress,
      agent: request.headers['user-agent'] ?? '',
      secure: request.peer.secure,
    });
    if (verdict.kind === 'signed-in') {
      request.login = verdict.user.login;
      reply.header('set-cookie', verdict.setCookie);
      return { kind: verdict.kind, login: verdict.user.login };
    }
    throw new WebProblem(refusalOf(verdict));
  });

  app.post('/auth/sign-out', async (request, reply) => {
    requireOwnPage(request);
    const { setCookie, isEnded } = await auth.signOut(webRequestOf(request));
    reply.header('set-cookie', setCookie);
    return { kind: 'signed-out', ended: isEnded };
  });
}

function refusalOf(verdict: Exclude<SignInVerdict, { kind: 'signed-in' }>): Problem {
  const extra = { kind: verdict.kind };
  if (verdict.kind !== 'throttled') return { ...PROBLEMS[verdict.kind], extra };
  const { retryAfterMs } = verdict;
  const title = 'Too many tries. Wait before you try again';
  return { status: 429, title, retryAfterMs, extra };
}

/** Nobody is signed in, or out, by a page of another site. @throws WebProblem 403 */
function requireOwnPage(request: FastifyRequest): void {
  if (!mayBeForeign(webRequestOf(request), 'cookie')) return;
  throw new WebProblem({ status: 403, title: 'A page of another site made this request' });
}
