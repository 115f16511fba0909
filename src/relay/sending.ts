/**
 * The sender of a process, put together: who it is towards other hosts, what is never sent to,
 * what signs, who is told. It starts when the directory has said who is in the farm: before that
 * nobody is known to be foreign.
 */
import type { Clock } from '../base/clock.ts';
import type { Random } from '../base/random.ts';
import type { Delivery } from '../delivery/types.ts';
import type { Directory } from '../directory/types.ts';
import type { Resolver } from '../dns/types.ts';
import type { Logger } from '../log/types.ts';
import type { SmtpClientOptions } from '../smtp/client/options.ts';
import { farmMark } from '../smtp/farm-mark.ts';
import type { OutboundSpools } from '../spool/outbound.ts';
import type { SenderOptions } from '../spool/sender/options.ts';
import { createSender } from '../spool/sender/sender.ts';
import type { Sender } from '../spool/sender/types.ts';
import { DkimKeys } from './dkim-keys.ts';
import { Notices } from './notices.ts';
import type { RelayOptions } from './options.ts';
import type { OwnFarm } from './own-farm.ts';
import { smarthosts } from './routes.ts';
import { createSigner } from './signer.ts';

export interface SendingParts {
  readonly directory: Directory;
  readonly delivery: Pick<Delivery, 'begin'>;
  readonly spools: OutboundSpools;
  readonly resolver: Resolver;
  readonly farm: OwnFarm;
  /** Whether this node mounts the mail volumes. */
  readonly mailboxes: boolean;
  readonly options: RelayOptions & SenderOptions & SmtpClientOptions;
  readonly hostName: string;
  /** Name and addresses of this machine towards other hosts. */
  readonly source: {
    readonly helo: string;
    readonly v4?: string | undefined;
    readonly v6?: string | undefined;
  };
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

/** Whether a node that listens so sends what leaves (`relay.send`). */
export function sendsMail(
  send: RelayOptions['relay.send'],
  listen: readonly { readonly service: string }[],
): boolean {
  if (send === 'relays') return listen.some(({ service }) => service === 'relay');
  return send === 'all';
}

/** Sends as soon as the farm is known, until it is drained. */
export function openSending(
  parts: SendingParts,
): Pick<Sender, 'drain' | 'wake'> & { readonly held: number } {
  const { directory, farm, options, clock, random, logger, spools, resolver, source } = parts;
  const fullOctetsMax = options['relay.notice.full'];
  const told = new Notices({ ...parts, fullOctetsMax });
  const keys = new DkimKeys({
    directory,
    clock,
    logger,
    path: options['relay.dkim.path'],
    refreshMs: options['relay.dkim.refresh'],
  });
  const mark = farmMark(options['farm.cookie']);
  const sender = createSender({
    spools,
    resolver,
    clock,
    random,
    logger,
    options,
    source,
    isOwn: (host) => farm.isOwn(host),
    cookie: () => mark,
    farmHops: async () => farm.listeners('mx'),
    report: (notice) => told.report(notice),
    sign: createSigner(keys, clock),
    smarthost: smarthosts(options),
    secrets: passwords(parts),
  });
  let draining = false;
  void farm.known.then(() => {
    if (!draining) sender.start();
  });
  return {
    wake: (lane) => sender.wake(lane),
    drain: (ms) => {
      draining = true;
      return sender.drain(ms);
    },
    get held() {
      return sender.held;
    },
  };
}

/** The sender waits with all letters where it asks for a password and gets none. */
const passwords =
  ({ directory, logger }: SendingParts) =>
  async (host: string): Promise<string | undefined> => {
    const password = await directory.secret('smarthost', host);
    if (password === undefined) {
      logger.warn({ code: 'MF-REL-008', host }, 'no password for the next host');
    }
    return password;
  };
