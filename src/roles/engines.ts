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
import { openDelivery, type OpenedDelivery } from '../delivery/delivery.ts';
import { MODERATION_TREE } from '../delivery/moderation.ts';
import { openSrs } from '../delivery/srs.ts';
import { createImapService } from '../imap/service.ts';
import type { Logger } from '../log/types.ts';
import { HintExchange } from '../mailbox/hints.ts';
import { MaildirStore } from '../mailbox/store.ts';
import { createMxService } from '../mx/service.ts';
import type { Service, TlsContexts } from '../net/types.ts';
import { createRelayService } from '../relay/service.ts';
import { farmMark } from '../smtp/farm-mark.ts';
import { Marks } from '../spool/marks.ts';
import { openOutboundSpools } from '../spool/outbound-spools.ts';
import { Spools } from '../spool/spools.ts';
import { SendingLimits } from '../submission/sending-limits.ts';
import { createLetters, createSubmissionService, createUserPolicy } from '../submission/service.ts';
import { exclusiveByLockFiles } from '../pop3/exclusive.ts';
import { createPop3Service } from '../pop3/service.ts';
import { HostBeats } from '../volumes/hosts.ts';
import { openVolumes, type Volumes } from '../volumes/open.ts';
import type { VolumeDirectory } from '../volumes/types.ts';
import { openLeaving, type Leaving } from './leaving.ts';
import { createWebSubmitter } from './web-submitter.ts';
import { openWeb } from './web.ts';
import { hostNameOf, valuesOf, type Plan, type Values } from './plan.ts';
import { isServiceName, needsMailboxes, SERVICES, type Protocol } from './services.ts';
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
  readonly hints: HintExchange;
  /** Ends what works on its own account; resolves when it has, or the time is over. */
  drain(ms: number): Promise<void>;
  close(): void;
}

/** Builds what the plan's listeners need; one service for each protocol. */
export function buildEngines(parts: EngineParts): Engines {
  const { plan, directory, logger, clock, random } = parts;
  const values = valuesOf(plan);
  const { name: node } = plan.file;
  const common = { directory, logger, log: logger, clock, random, node };
  const mailboxes = needsMailboxes(plan.listen);
  const volumes = openVolumes<Account>({
    ...common,
    // What is not in the table is never touched: no mount of a mail volume is needed (S2-14).
    directory: mailboxes ? directory : spoolsOnly(directory),
    options: values,
    threads: parts.threads,
  });
  const { table } = volumes;
  const beats = new HostBeats({ ...common, table, release: productVersion() });
  const hints = new HintExchange(clock);
  const store = new MaildirStore({
    mailboxes: volumes.mailboxes,
    clock,
    log: logger,
    hints,
    options: values,
  });
  const marks = new Marks({ table, clock, random, node });
  const spools = openOutboundSpools({ table, clock, random, node, options: values });
  const delivery = openDelivery({
    mailboxes: volumes.mailboxes,
    store,
    log: logger,
    options: values,
    degraded: { spools: new Spools({ ...common, table }), clock, random, directory, table },
    outbound: spools,
    // Whoever sends what was approved needs the mailboxes.
    moderated: mailboxes
      ? {
          directory,
          clock,
          random,
          spools: new Spools({ ...common, table, tree: MODERATION_TREE }),
        }
      : undefined,
    answering: { directory, clock, random, marks, hostName: hostNameOf(plan, values) },
  });
  const auth = createAuthenticator({ ...common, options: values });
  const leaving = openLeaving({ ...parts, values, table, spools, marks, delivery, mailboxes });
  const build = builders({ ...parts, values, store, delivery, auth, leaving });
  const protocols = new Set(
    plan.listen.flatMap(({ service }) =>
      isServiceName(service) ? [SERVICES[service].protocol] : [],
    ),
  );
  return {
    services: new Map([...protocols].map((protocol) => [protocol, build[protocol]()])),
    volumes,
    auth,
    hints,
    drain: async (ms) => {
      // Letters that are being sent are given back, so that another node need not wait for leases.
      await Promise.all([leaving.drain(ms), Promise.race([delivery.close(), clock.sleep(ms)])]);
    },
    close: () => {
      leaving.close();
      void delivery.close();
      beats.close();
      volumes.close();
    },
  };
}

/** The directory of a node without mail volumes: there are none but spools. */
const spoolsOnly = (directory: Directory): VolumeDirectory<Account> => ({
  volumes: async () => (await directory.volumes()).filter(({ use }) => use === 'spool'),
  assignVolume: () => Promise.reject(new Error('this node has no mail volumes')),
  volumeByRule: () => Promise.resolve(undefined),
  storedVolume: () => Promise.resolve(undefined),
});

interface Built extends EngineParts {
  readonly values: Values;
  readonly store: MaildirStore;
  readonly delivery: OpenedDelivery;
  readonly auth: Authentication;
  readonly leaving: Leaving;
}

/** How each protocol is made; only those are that somebody listens for. */
function builders(built: Built): Readonly<Record<Protocol, () => Service>> {
  const { plan, directory, values, store, delivery, auth, leaving, logger, clock, random } = built;
  const hostName = hostNameOf(plan, values);
  const { outbound } = delivery;
  const { farm, pop, etrn, marks } = leaving;
  const limits = new SendingLimits({ marks, options: values, clock, logger });
  const mayRelay = async (address: string, sender: string): Promise<boolean> => {
    const account = sender === '' ? undefined : await pop.userAt(address, sender);
    if (account === undefined) return false;
    // Each recipient is a message: nobody is here when the letter is whole.
    await (await limits.begin(account)).take();
    await limits.spend(account, 1);
    return true;
  };
  const smtp = {
    directory,
    logger,
    clock,
    random,
    delivery,
    tls: built.tls,
    options: values,
    hostName,
    farmMark: farmMark(values['farm.cookie']),
  };
  const mx = { ...smtp, outbound, srs: openSrs({ options: values, directory, clock }) };
  return {
    mx: () => createMxService({ ...mx, mode: 'mx', etrn, mayRelay }),
    lmtp: () => createMxService({ ...mx, mode: 'lmtp' }),
    submission: () => createSubmissionService({ ...smtp, outbound, auth, marks, etrn }),
    relay: () => {
      if (outbound === undefined) throw new Error('a relay needs a spool');
      const users = createUserPolicy({ ...smtp, outbound, auth, marks });
      return createRelayService({ ...smtp, outbound, auth, farm, pop, etrn, users });
    },
    pop3: () =>
      createPop3Service({
        store,
        auth,
        tls: built.tls ?? 'none',
        values,
        logger,
        clock,
        hostName,
        onLogin: (address, account) => pop.seen(address, account),
        exclusive: exclusiveByLockFiles(join(plan.file.data, 'sessions'), logger),
      }),
    imap: () =>
      createImapService({
        store,
        auth,
        tls: built.tls ?? 'none',
        values,
        appendMax: values['mailbox.message.max'],
        logger,
        clock,
        hostName,
        onLogin: (address, account) => pop.seen(address, account),
      }),
    web: () => {
      const letters = createLetters({ ...smtp, outbound, auth, marks });
      const messageMax = values['mailbox.message.max'];
      const submitter = createWebSubmitter({ letters, messageMax });
      return openWeb({ ...built, submitter, counts: marks });
    },
  };
}
