/** The web of one worker, put together: JMAP and webmail in one service. */
import type { Authenticator } from '../auth/types.ts';
import type { WebAuthenticator, WebRequest, WebVerdict } from '../auth/web-types.ts';
import { createWebService } from '../http/web-service.ts';
import { createJmapRoutes } from '../jmap/service.ts';
import { problemOf } from '../jmap/trouble.ts';
import type { OwnAffairs, Submitter } from '../jmap/types.ts';
import type { MailStore } from '../mailbox/types.ts';
import { OpenMailViews } from '../mailbox/views.ts';
import type { Service } from '../net/types.ts';
import type { EngineParts } from './engines.ts';
import { staticRoutes } from '../webmail/static.ts';
import type { Values } from './plan.ts';

export interface WebEngineParts extends Pick<EngineParts, 'logger' | 'clock' | 'random'> {
  readonly values: Values;
  readonly store: MailStore;
  readonly auth: Authenticator;
  readonly submitter: Submitter;
}

export function openWeb(parts: WebEngineParts): Service {
  const { values, store, auth, submitter, clock } = parts;
  const views = new OpenMailViews({ store, clock });
  const jmap = createJmapRoutes({
    auth: basicOnly(auth),
    views,
    submitter,
    affairsOf: () => noAffairs,
    values,
    messageMax: values['mailbox.message.max'],
  });
  return createWebService({ ...parts, routes: [jmap, staticRoutes()], describe: problemOf });
}

const noAffairs: OwnAffairs = {
  vacation: () => Promise.resolve(undefined),
  setVacation: () => Promise.resolve({ kind: 'unavailable' }),
};

/** RFC 7617. */
const basicOnly = (auth: Authenticator): Pick<WebAuthenticator, 'authenticate'> => ({
  authenticate: (request) => basic(auth, request),
});

async function basic(
  auth: Authenticator,
  { authorization = '', address }: WebRequest,
): Promise<WebVerdict> {
  const [, sealed] = /^Basic ([A-Za-z0-9+/=]+)$/i.exec(authorization) ?? [];
  if (sealed === undefined) return { kind: 'unknown' };
  const text = Buffer.from(sealed, 'base64').toString('utf8');
  const colon = text.indexOf(':');
  const [login, password] = [text.slice(0, colon), text.slice(colon + 1)];
  if (colon < 0) return { kind: 'unknown' };
  const verdict = await auth.verify({ login, password, address, service: 'webmail' });
  if (verdict.kind === 'refused') return { kind: 'unknown' };
  if (verdict.kind !== 'accepted') return verdict;
  const { account } = verdict;
  return { kind: 'known', user: { account, login: account.login, session: undefined, password } };
}
