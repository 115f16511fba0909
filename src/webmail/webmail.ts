/**
 * The server's part of the webmail, put together: who is signed in, what users change of
 * themselves, export, client set-up. It keeps nothing between requests.
 */
import type { OptionValues } from '../config/options.ts';
import type { AUTH_OPTIONS } from '../auth/options.ts';
import type { FarmCounts } from '../auth/second-factors.ts';
import type { SignInBook } from '../auth/sign-in-book.ts';
import type { Authenticator } from '../auth/types.ts';
import { createWebAuthenticator } from '../auth/web-authenticator.ts';
import type { WebAuthenticator, WebUser } from '../auth/web-types.ts';
import type { Clock } from '../base/clock.ts';
import type { Random } from '../base/random.ts';
import { DirectoryUnavailable, type Directory } from '../directory/types.ts';
import { WebProblem, type WebRoutes } from '../http/web-types.ts';
import type { OwnAffairs } from '../jmap/types.ts';
import type { Logger } from '../log/types.ts';
import type { MailStore } from '../mailbox/types.ts';
import { authRoutes } from './auth-routes.ts';
import { contactRoutes } from './contacts.ts';
import { exportRoutes } from './export/routes.ts';
import { messageFrameRoute } from './message-frame.ts';
import { ownAffairs } from './own-affairs.ts';
import { OwnDirectory, type OwnDirectoryParts } from './own-directory.ts';
import { ownFactorRoutes } from './own-factors.ts';
import { selfCareRoutes } from './self-care.ts';
import { setUpRoutes, type SetUp } from './set-up/routes.ts';
import { SignInFacts } from './sign-in-facts.ts';

export interface WebmailOptions {
  readonly directory: Directory;
  readonly auth: Authenticator;
  readonly store: Pick<MailStore, 'openMail'>;
  /** What nodes tell each other of codes that were refused. */
  readonly counts: FarmCounts;
  /** How users reach the directory as themselves. */
  readonly access: OwnDirectoryParts['access'];
  readonly options: OptionValues<typeof AUTH_OPTIONS>;
  /** Where programs find the services of this farm. */
  readonly setUp: SetUp;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

export interface Webmail {
  /** For JMAP as well. */
  readonly web: WebAuthenticator;
  readonly book: SignInBook;
  readonly affairsOf: (user: WebUser) => OwnAffairs;
  readonly routes: WebRoutes;
}

export function openWebmail(options: WebmailOptions): Webmail {
  const { directory, auth, store, access, clock, random, setUp } = options;
  const own = new OwnDirectory({ access, clock });
  const book = new SignInFacts({ store, clock, random });
  const web = createWebAuthenticator({
    ...options,
    book,
    useRecoveryCode: async (account, password, hash) => {
      try {
        return await own.as({ account, password }, (admin, dn) =>
          admin.factors.takeRecoveryCode(dn, hash),
        );
      } catch (error) {
        if (!(error instanceof WebProblem)) throw error;
        throw new DirectoryUnavailable('A recovery code could not be taken', { cause: error });
      }
    },
  });
  const parts = { web, auth, book, directory, own, store, clock, random, issuer: setUp.name };
  return {
    web,
    book,
    affairsOf: ownAffairs({ own, directory }),
    routes: async (app) => {
      authRoutes(app, web);
      selfCareRoutes(app, parts);
      ownFactorRoutes(app, parts);
      contactRoutes(app, parts);
      exportRoutes(app, parts);
      messageFrameRoute(app);
      await setUpRoutes(app, { directory, setUp });
    },
  };
}
