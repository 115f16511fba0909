/**
 * What users see and change of themselves. Reading is as front ends read; every change is made in
 * the directory as the user (own-directory.ts), and what could keep somebody in who found a screen
 * unlocked (password, app passwords, second factor) asks for the password again.
 *
 *     GET    /self                         who I am, addresses, quota, forwards, absence
 *     PUT    /self/password                { current, password }
 *     PUT    /self/forwards                { forwards: [address], keep: boolean }
 *     PUT    /self/vacation                { text, subject?, from?, until? }; text null: none
 *     GET    /self/sign-ins                where the account is signed in; DELETE …/:id ends one
 *
 * App passwords and the second factor: own-factors.ts. Filters: there are none in this release, and
 * `filters` of /self says so.
 */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { SignInBook } from '../auth/sign-in-book.ts';
import type { Authenticator } from '../auth/types.ts';
import type { WebAuthenticator, WebUser } from '../auth/web-types.ts';
import type { Clock } from '../base/clock.ts';
import type { Random } from '../base/random.ts';
import type { Account, Directory, TracedStop, Vacation } from '../directory/types.ts';
import { WebProblem } from '../http/web-types.ts';
import { requireUser } from '../jmap/who.ts';
import type { Quota } from '../mailbox/mail.ts';
import type { MailStore } from '../mailbox/types.ts';
import { StoreError } from '../volumes/error.ts';
import { objectOf, optionalText, textOf, textsOf } from './body.ts';
import type { OwnDirectory } from './own-directory.ts';

export interface SelfCareParts {
  readonly web: WebAuthenticator;
  readonly auth: Authenticator;
  readonly book: SignInBook;
  readonly directory: Directory;
  readonly own: OwnDirectory;
  readonly store: Pick<MailStore, 'openMail'>;
  readonly clock: Clock;
  readonly random: Random;
}

const FORWARDS_MAX = 50;

export function selfCareRoutes(app: FastifyInstance, parts: SelfCareParts): void {
  const { web, own, book } = parts;
  const userOf = (request: FastifyRequest, reply: FastifyReply): Promise<WebUser> =>
    requireUser(web, request, reply);

  app.get('/self', async (request, reply) => {
    const user = await userOf(request, reply);
    return await describe(parts, user);
  });

  app.put('/self/password', async (request, reply) => {
    const user = await userOf(request, reply);
    const password = textOf(request.body, 'password');
    await requirePassword(parts, { user, typed: textOf(request.body, 'current'), request });
    await own.as(user, (admin) => admin.users.set(user.account.login, { password }));
    const { secure } = request.peer;
    if (user.session !== undefined) {
      reply.header('set-cookie', await web.passwordChanged(user, password, secure));
    }
    return { changed: 'password' };
  });

  app.put('/self/forwards', async (request, reply) => {
    const user = await userOf(request, reply);
    const forwards = textsOf(request.body, 'forwards', FORWARDS_MAX);
    const keepsForwarded = objectOf(request.body)['keep'] === true;
    for (const address of forwards) await refuseLoop(parts.directory, user.account, address);
    const changes = { forwards, keepsForwarded: keepsForwarded ? true : null };
    const now = await own.as(user, (admin) => admin.users.set(user.account.login, changes));
    return { forwards: now.forwards, keep: now.keepsForwarded };
  });

  app.put('/self/vacation', async (request, reply) => {
    const user = await userOf(request, reply);
    const vacation = vacationIn(request.body);
    await own.as(user, (admin) => admin.users.set(user.account.login, { vacation }));
    return { vacation };
  });

  app.get('/self/sign-ins', async (request, reply) => {
    const { account, session } = await userOf(request, reply);
    const all = await book.list(account);
    return { signIns: all.map((one) => ({ ...one, current: one.id === session })) };
  });

  app.delete<{ Params: { id: string } }>('/self/sign-ins/:id', async (request, reply) => {
    const { account } = await userOf(request, reply);
    await book.end(account, request.params.id);
    return { ended: request.params.id };
  });
}

/** Everything that a settings page begins with. @throws DirectoryUnavailable */
async function describe(parts: SelfCareParts, user: WebUser) {
  const now = (await parts.directory.accountById(user.account.id)) ?? user.account;
  return {
    login: now.login,
    addresses: now.addresses,
    quota: await quotaOf(parts, now),
    forwards: now.forwards,
    keep: now.keepsForwarded,
    vacation: now.vacation ?? null,
    secondFactor: now.hasSecondFactor === true,
    appPasswords: now.appPasswords?.length ?? 0,
    /** Whether anything can be changed: not by who signed in with an app password. */
    mayChange: user.password !== undefined,
    session: user.session ?? null,
    /** This release has none. */
    filters: null,
  };
}

/**
 * Mail must not come back to who sends it on (S0-37). Asked as front ends ask: users see their own
 * entry, and not where the mail of others goes. @throws WebProblem 422; DirectoryUnavailable
 */
async function refuseLoop(directory: Directory, { id }: Account, address: string): Promise<void> {
  let back = false;
  const onStop = ({ is }: TracedStop): void => {
    back ||= is.kind === 'user' && is.account.id === id;
  };
  const found = await directory.resolve(address, { onStop });
  back ||= found.kind === 'account' && found.account.id === id;
  if (found.kind === 'expanded') {
    back ||= found.destinations.some((one) => one.kind === 'mailbox' && one.account.id === id);
  }
  if (!back) return;
  throw new WebProblem({
    status: 422,
    title: 'This cannot be',
    detail: `Mail for ${address} comes back to you: it would go round in a circle`,
  });
}

/** Null while the volume does not tell: the rest of the page is as good without. */
async function quotaOf({ store }: SelfCareParts, account: Account): Promise<Quota | null> {
  try {
    const mail = await store.openMail(account);
    try {
      return await mail.quota();
    } finally {
      mail.close();
    }
  } catch (error) {
    if (error instanceof StoreError) return null;
    throw error;
  }
}

/** @throws WebProblem 400 */
function vacationIn(body: unknown): Vacation | null {
  if (objectOf(body)['text'] === null) return null;
  const text = textOf(body, 'text', 65_536);
  const subject = optionalText(body, 'subject', 1_000);
  return { text, subject, from: timeIn(body, 'from'), until: timeIn(body, 'until') };
}

function timeIn(body: unknown, name: string): number | undefined {
  const value = objectOf(body)[name] ?? undefined;
  if (value === undefined || (typeof value === 'number' && Number.isFinite(value))) return value;
  const detail = `"${name}" is a number of milliseconds since 1970`;
  throw new WebProblem({ status: 400, title: 'The request is not valid', detail });
}

/** The password typed again, counted like any other try. @throws WebProblem 401, 403, 429, 503 */
export async function requirePassword(
  { auth }: Pick<SelfCareParts, 'auth'>,
  given: { readonly user: WebUser; readonly typed: string; readonly request: FastifyRequest },
): Promise<void> {
  const { user, typed, request } = given;
  const verdict = await auth.verify({
    login: user.account.login,
    password: typed,
    address: request.peer.remoteAddress,
    service: 'webmail',
    secondFactor: 'follows',
  });
  switch (verdict.kind) {
    case 'accepted':
      return;
    case 'refused':
      throw new WebProblem({
        status: 403,
        title: 'This is not your password',
        extra: { kind: 'password-refused' },
      });
    case 'suspended':
      throw new WebProblem({ status: 403, title: 'The webmail is suspended for your account' });
    case 'throttled':
      throw new WebProblem({
        status: 429,
        title: 'Too many tries. Wait before you try again',
        retryAfterMs: verdict.retryAfterMs,
      });
    case 'unavailable':
      throw new WebProblem({
        status: 503,
        title: 'The directory does not answer at the moment',
        detail: 'Nothing was changed. Try again in a minute.',
      });
  }
}
