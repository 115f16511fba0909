/** The web of one worker, put together: JMAP and webmail in one service. */
import type { Authenticator } from '../auth/types.ts';
import type { Directory } from '../directory/types.ts';
import { createResolver } from '../dns/resolver.ts';
import { createWebService } from '../http/web-service.ts';
import { createJmapRoutes } from '../jmap/service.ts';
import { problemOf } from '../jmap/trouble.ts';
import type { Submitter } from '../jmap/types.ts';
import type { MailStore } from '../mailbox/types.ts';
import { OpenMailViews } from '../mailbox/views.ts';
import type { Service } from '../net/types.ts';
import { imageRoutes } from '../webmail/images/routes.ts';
import { setUpOf } from '../webmail/set-up/endpoints.ts';
import { staticRoutes } from '../webmail/static.ts';
import type { FarmCounts } from '../auth/second-factors.ts';
import { openWebmail } from '../webmail/webmail.ts';
import { directoryAccess } from './directory.ts';
import type { EngineParts } from './engines.ts';
import { hostNameOf, type Values } from './plan.ts';

export interface WebEngineParts extends Pick<EngineParts, 'logger' | 'clock' | 'random' | 'plan'> {
  readonly values: Values;
  readonly directory: Directory;
  readonly store: MailStore;
  readonly auth: Authenticator;
  readonly submitter: Submitter;
  readonly counts: FarmCounts;
}

export function openWeb(parts: WebEngineParts): Service {
  const { values, store, submitter, clock, plan } = parts;
  const { bindDn: _, bindPassword: __, ...access } = directoryAccess(plan.file);
  const webmail = openWebmail({
    ...parts,
    // A node that runs on a snapshot alone changes nothing.
    access: access.urls.length > 0 ? access : undefined,
    options: values,
    setUp: setUpOf({ values, listen: plan.listen, hostName: hostNameOf(plan, values) }),
  });
  const views = new OpenMailViews({ store, clock });
  const jmap = createJmapRoutes({
    auth: webmail.web,
    views,
    submitter,
    affairsOf: webmail.affairsOf,
    values,
    messageMax: values['mailbox.message.max'],
  });
  const resolver = createResolver({ ...parts, options: values });
  const images = imageRoutes({ auth: webmail.web, views, resolver });
  const routes = [jmap, webmail.routes, images, staticRoutes()];
  return createWebService({ ...parts, routes, describe: problemOf });
}
