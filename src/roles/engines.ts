/**
 * What one worker runs, put together: directory, authentication, volumes, mail store, delivery and
 * the protocols that the node's listeners name. Nothing here reads a process or a channel, so a
 * test can build the same farm in its own process.
 */
import { createAuthenticator, type Authentication } from '../auth/authenticator.ts';
import type { Clock } from '../base/clock.ts';
import type { Random } from '../base/random.ts';
import { join } from 'node:path';
import type { Account, Directory } from '../directory/types.ts';
import { openDelivery } from '../delivery/delivery.ts';
import type { Logger } from '../log/types.ts';
import { MaildirStore } from '../mailbox/store.ts';
import { createMxService } from '../mx/service.ts';
import type { Service, TlsContexts } from '../net/types.ts';
import { Spools } from '../spool/spools.ts';
import { exclusiveByLockFiles } from '../pop3/exclusive.ts';
import { createPop3Service } from '../pop3/service.ts';
import { HostBeats } from '../volumes/hosts.ts';
import { openVolumes, type Volumes } from '../volumes/open.ts';
import { valuesOf, type Plan } from './plan.ts';
import { SERVICES, type Protocol } from './services.ts';
import { productVersion } from './version.ts';

export interface EngineParts {
  readonly plan: Plan;
  readonly directory: Directory;
  readonly tls: TlsContexts | undefined;
  readonly logger: Logger;
  readonly clock: Clock;
  readonly random: Random;
  /** Threads of the process for calls on files. */
  readonly threads?: number;
}

export interface Engines {
  readonly services: ReadonlyMap<Protocol, Service>;
  readonly volumes: Volumes<Account>;
  readonly auth: Authentication;
  /** Ends what works on its own account; resolves when it has, or the time is over. */
  drain(ms: number): Promise<void>;
  close(): void;
}

/** Builds what the plan's listeners need; one service for each protocol. */
export function buildEngines(parts: EngineParts): Engines {
  const { plan, directory, logger, clock, random } = parts;
  const values = valuesOf(plan);
  const common = { directory, logger, log: logger, clock, random };
  const volumes = openVolumes({
    ...common,
    node: plan.file.name,
    options: values,
    threads: parts.threads,
  });
  const { mailboxes, table } = volumes;
  const { name: node } = plan.file;
  const beats = new HostBeats({ ...common, table, node, release: productVersion() });
  const store = new MaildirStore({ mailboxes, clock, log: logger, options: values });
  const delivery = openDelivery({
    mailboxes,
    store,
    log: logger,
    options: values,
    degraded: {
      spools: new Spools({ table, clock, random, node }),
      clock,
      random,
      directory,
      table,
    },
  });
  const auth = createAuthenticator({ ...common, options: values });
  const hostName = values['farm.host-name'] || plan.file.name;
  const smtp = { ...common, delivery, tls: parts.tls, options: values, hostName };
  const build: Readonly<Record<Protocol, () => Service>> = {
    mx: () => createMxService({ ...smtp, mode: 'mx' }),
    lmtp: () => createMxService({ ...smtp, mode: 'lmtp' }),
    pop3: () =>
      createPop3Service({
        store,
        auth,
        tls: parts.tls ?? 'none',
        values,
        logger,
        clock,
        hostName,
        exclusive: exclusiveByLockFiles(join(plan.file.data, 'sessions'), logger),
      }),
  };
  const protocols = new Set(
    plan.listen.flatMap(({ service }) =>
      service in SERVICES ? [SERVICES[service as keyof typeof SERVICES].protocol] : [],
    ),
  );
  return {
    services: new Map([...protocols].map((protocol) => [protocol, build[protocol]()])),
    volumes,
    auth,
    drain: (ms) => Promise.race([delivery.close(), clock.sleep(ms)]),
    close: () => {
      void delivery.close();
      beats.close();
      volumes.close();
    },
  };
}
