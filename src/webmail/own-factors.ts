/**
 * App passwords and the second factor of the user who is signed in.
 *
 *     GET    /self/app-passwords             labels and services, never a password
 *     POST   /self/app-passwords             { label, services, password } → shown once
 *     DELETE /self/app-passwords/:id
 *     POST   /self/second-factor             a new secret; nothing is kept before it is confirmed
 *     PUT    /self/second-factor             { secret, code, password } turns it on
 *     DELETE /self/second-factor             { password, code }
 *     POST   /self/second-factor/recovery-codes   { password, code } → new ones, shown once
 *
 * The secret goes to the page and comes back with the first code that the telephone shows: so no
 * node keeps it in between, and nobody turns on what the telephone has not understood.
 */
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { APP_SERVICES, newAppPassword } from '../auth/app-password.ts';
import { newRecoveryCode, newTotpSecret, otpauthUri } from '../auth/totp.ts';
import { plainCode, secretHash, totpStep } from '../auth/totp.ts';
import type { WebUser } from '../auth/web-types.ts';
import { totpIsUsable } from '../directory/factors.ts';
import type { AppPassword } from '../directory/types.ts';
import { WebProblem, type Problem } from '../http/web-types.ts';
import { requireUser } from '../jmap/who.ts';
import { textOf, textsOf } from './body.ts';
import { requirePassword, type SelfCareParts } from './self-care.ts';

export interface OwnFactorsParts extends SelfCareParts {
  /** What programs show beside the code: the farm's name. */
  readonly issuer: string;
}

const RECOVERY_CODES = 10;

/** Of an app password, all but its hash. */
const shown = ({ id, label, services, createdAt }: AppPassword) => ({
  id,
  label,
  services,
  createdAt,
});

export function ownFactorRoutes(app: FastifyInstance, parts: OwnFactorsParts): void {
  appPasswordRoutes(app, parts);
  secondFactorRoutes(app, parts);
}

function appPasswordRoutes(app: FastifyInstance, parts: OwnFactorsParts): void {
  const { web, own, clock, random } = parts;

  app.get('/self/app-passwords', async (request, reply) => {
    const user = await requireUser(web, request, reply);
    const made = await own.as(user, (admin, dn) => admin.factors.appPasswords(dn));
    return { appPasswords: made.map(shown), services: APP_SERVICES };
  });

  app.post('/self/app-passwords', async (request, reply) => {
    const user = await requireUser(web, request, reply);
    const label = textOf(request.body, 'label', 80).trim();
    const wanted = textsOf(request.body, 'services', APP_SERVICES.length);
    const services = APP_SERVICES.filter((service) => wanted.includes(service));
    if (services.length === 0 || services.length < new Set(wanted).size || label === '') {
      throw new WebProblem(NO_SERVICES);
    }
    await requirePasswordIn(parts, user, request);
    const made = newAppPassword({ label, services }, { random, now: clock.now() });
    await own.as(user, (admin, dn) => admin.factors.addAppPassword(dn, made.entry));
    return { ...shown(made.entry), password: made.password };
  });

  app.delete<{ Params: { id: string } }>('/self/app-passwords/:id', async (request, reply) => {
    const user = await requireUser(web, request, reply);
    const { id } = request.params;
    await own.as(user, (admin, dn) => admin.factors.removeAppPassword(dn, id));
    return { removed: id };
  });
}

function secondFactorRoutes(app: FastifyInstance, parts: OwnFactorsParts): void {
  const { web, own, random, directory, issuer, clock, book } = parts;
  const url = '/self/second-factor';

  app.post(url, async (request, reply) => {
    const { account } = await requireUser(web, request, reply);
    if (await directory.secondFactor(account)) throw new WebProblem(ON_ALREADY);
    const secret = newTotpSecret(random);
    return { secret, uri: otpauthUri(secret, { issuer, login: account.login }) };
  });

  app.put(url, async (request, reply) => {
    const user = await requireUser(web, request, reply);
    const secret = textOf(request.body, 'secret', 128);
    if (!totpIsUsable(secret)) throw new WebProblem(NO_SECRET);
    await requirePasswordIn(parts, user, request);
    if (await directory.secondFactor(user.account)) throw new WebProblem(ON_ALREADY);
    const code = plainCode(textOf(request.body, 'code', 40));
    const step = totpStep(secret, code, clock.now());
    // The code that turns it on is used: it opens nothing after that.
    if (step === undefined || !(await book.firstUse(user.account, step))) {
      throw new WebProblem(WRONG_CODE);
    }
    const codes = newCodes(parts);
    const recoveryCodes = codes.map(({ hash }) => hash);
    await own.as(user, (admin, dn) =>
      admin.factors.setSecondFactor(dn, { totp: secret, recoveryCodes }),
    );
    if (user.session !== undefined) {
      reply.header('set-cookie', await web.secondFactorTurnedOn(user, request.peer.secure));
    }
    return { recoveryCodes: codes.map(({ code: shownOnce }) => shownOnce) };
  });

  app.delete(url, async (request, reply) => {
    const user = await requireUser(web, request, reply);
    await requirePasswordIn(parts, user, request);
    await requireCode(parts, user, request);
    await own.as(user, (admin, dn) => admin.factors.removeSecondFactor(dn));
    return { secondFactor: false };
  });

  app.post(`${url}/recovery-codes`, async (request, reply) => {
    const user = await requireUser(web, request, reply);
    await requirePasswordIn(parts, user, request);
    await requireCode(parts, user, request);
    const codes = newCodes(parts);
    const hashes = codes.map(({ hash }) => hash);
    await own.as(user, (admin, dn) => admin.factors.setRecoveryCodes(dn, hashes));
    return { recoveryCodes: codes.map(({ code }) => code) };
  });
}

const newCodes = ({ random }: OwnFactorsParts) =>
  Array.from({ length: RECOVERY_CODES }, () => {
    const code = newRecoveryCode(random);
    return { code, hash: secretHash(plainCode(code)) };
  });

async function requirePasswordIn(
  parts: OwnFactorsParts,
  user: WebUser,
  request: FastifyRequest,
): Promise<void> {
  await requirePassword(parts, { user, typed: textOf(request.body, 'password'), request });
}

/** A code of the second factor that is on. @throws WebProblem 403, 404, 429, 503 */
async function requireCode(
  { web }: OwnFactorsParts,
  user: WebUser,
  request: FastifyRequest,
): Promise<void> {
  const code = textOf(request.body, 'code', 40);
  const proof = await web.prove(user, code, request.peer.remoteAddress);
  if (proof.kind === 'proven') return;
  if (proof.kind === 'none') throw new WebProblem({ status: 404, title: 'It is off already' });
  if (proof.kind === 'throttled') {
    const { retryAfterMs } = proof;
    throw new WebProblem({ status: 429, title: 'Too many tries. Wait a while', retryAfterMs });
  }
  if (proof.kind === 'unavailable') {
    throw new WebProblem({ status: 503, title: 'The code cannot be checked at the moment' });
  }
  throw new WebProblem(WRONG_CODE);
}

const NO_SERVICES: Problem = {
  status: 400,
  title: 'The request is not valid',
  detail: `An app password has a name, and services: ${APP_SERVICES.join(', ')}`,
};
const NO_SECRET: Problem = { status: 400, title: 'This is no secret of a second factor' };
const ON_ALREADY: Problem = {
  status: 409,
  title: 'The second factor is on',
  detail: 'Turn it off before you set up another telephone.',
};
const WRONG_CODE: Problem = {
  status: 403,
  title: 'This code is not right',
  detail: 'Each code counts once. See that the clock of your telephone is right, and try the next.',
  extra: { kind: 'code-refused' },
};
