/**
 * "Send me what you have for my domain" (ETRN, RFC 1985), asked at any node and done by the whole
 * farm (S4-13). What waits is on the spool volumes: the node that is asked makes it due on all that
 * it can reach, and whoever sends takes it from there.
 *
 * A spool volume that this node does not reach may be another node's own disk. Only then the relays
 * of the directory are told, by `ETRN #domain`: a queue of that one node, in the words of the RFC,
 * which it wakes and tells nobody. So there is no circle, whatever addresses look like.
 *
 * Who may: the domain's own list (`mwEtrnFrom`, addresses and logins); for any domain, and for `#`,
 * the farm's nodes and `relay.etrn.from`. Who may not learns nothing, not even whether the domain
 * is known here.
 */
import { domainKey } from '../directory/address.ts';
import { mayEtrn } from '../directory/etrn.ts';
import { DirectoryUnavailable, type Directory, type DomainEntry } from '../directory/types.ts';
import type { Logger } from '../log/types.ts';
import { addressRanges } from '../net/address.ts';
import type { EtrnAnswer, EtrnRequest, SessionView } from '../smtp/types.ts';
import { laneOf } from '../spool/lane.ts';
import type { OutboundSpools, Route } from '../spool/outbound.ts';
import { StoreError } from '../volumes/error.ts';
import { wakes } from './metrics.ts';
import type { FarmListener, OwnFarm } from './own-farm.ts';
import { tellRelays } from './tell.ts';

export interface WakeParts {
  readonly directory: Pick<Directory, 'domain' | 'etrnDomains'>;
  readonly spools: Pick<OutboundSpools, 'wake'>;
  /** Hears of each lane that was woken: who sends in this process lets it rest no more. */
  readonly woken: (lane: string) => void;
  /** Whether all spool volumes of the farm can be reached from here now. */
  readonly reachesAll: () => boolean;
  readonly farm: Pick<OwnFarm, 'isNode' | 'listeners'>;
  /** Name of this node. */
  readonly node: string;
  /** `relay.etrn.from`. */
  readonly etrnFrom: readonly string[];
  /** Says `ETRN #domain` to a relay. @throws when it does not take it */
  readonly tell: (relay: FarmListener, domain: string) => Promise<void>;
  readonly logger: Logger;
}

const NOT_ALLOWED = {
  kind: 'not-allowed',
  reason: 'not for you, or not a domain of ours',
} as const;

export class FarmWake {
  readonly #parts: WakeParts;
  readonly #trusted: ReturnType<typeof addressRanges>;

  constructor(parts: WakeParts) {
    this.#parts = parts;
    this.#trusted = addressRanges(parts.etrnFrom);
  }

  /** The command. Never throws for what the directory or a volume does. */
  async etrn(session: SessionView, request: EtrnRequest): Promise<EtrnAnswer> {
    const { logger } = this.#parts;
    const fields = {
      trace: session.id,
      peer: session.peer.remoteAddress,
      login: session.account?.login,
      etrn: request.name,
    };
    try {
      const domains = await this.#allowed(session, request);
      if (domains.length === 0) {
        wakes.inc('refused');
        logger.info(fields, 'ETRN refused');
        return NOT_ALLOWED;
      }
      const counts = await Promise.all(domains.map((domain) => this.#wake(domain)));
      const count = counts.reduce((sum, one) => sum + one, 0);
      if (request.kind !== 'queue') await this.#tellOthers(domains.map(({ name }) => name));
      wakes.inc('done');
      logger.info({ ...fields, count }, 'ETRN');
      return count > 0 || !this.#parts.reachesAll() ? { kind: 'started' } : { kind: 'none' };
    } catch (error) {
      if (!(error instanceof StoreError) && !(error instanceof DirectoryUnavailable)) throw error;
      wakes.inc('failed');
      logger.warn({ ...fields, err: error }, 'ETRN not done');
      return { kind: 'unable' };
    }
  }

  /**
   * Makes the mail of a domain due in the whole farm. @returns letters on the volumes reached.
   * @throws StoreError, DirectoryUnavailable
   */
  async wake(domain: string): Promise<number> {
    const target = await this.#target(domain);
    const count = await this.#wake(target);
    await this.#tellOthers([target.name]);
    return count;
  }

  async #allowed(session: SessionView, request: EtrnRequest): Promise<readonly Target[]> {
    const { directory, farm } = this.#parts;
    const address = session.peer.remoteAddress;
    const login = session.account?.login;
    const isTrusted = farm.isNode(address) || this.#trusted.has(address);
    if (isTrusted && request.kind !== 'subdomains') {
      return domainKey(request.name) === undefined ? [] : [await this.#target(request.name)];
    }
    if (request.kind === 'queue') return [];
    const argument = `${request.kind === 'subdomains' ? '@' : ''}${request.name}`;
    const domains = await directory.etrnDomains(argument);
    return domains.filter((one) => isTrusted || mayEtrn(one, { address, login })).map(targetOf);
  }

  /** Also a domain that is not ours: letters for it wait by its MX. */
  async #target(name: string): Promise<Target> {
    const plain = domainKey(name) ?? name.toLowerCase();
    const entry = await this.#parts.directory.domain(plain);
    return entry ? targetOf(entry) : { name: plain, route: { kind: 'mx', domain: plain } };
  }

  async #wake({ route }: Target): Promise<number> {
    const lane = laneOf(route);
    const count = await this.#parts.spools.wake(lane);
    this.#parts.woken(lane);
    return count;
  }

  async #tellOthers(domains: readonly string[]): Promise<void> {
    const { farm, reachesAll, tell, node, logger } = this.#parts;
    if (reachesAll()) return;
    const others = farm.listeners('relay').filter((relay) => relay.node !== node);
    for (const missed of await tellRelays(others, domains, tell)) {
      const fields = { code: 'MF-REL-006', node: missed.node, domains, err: missed.error };
      logger.warn(fields, 'a relay was not told what to send');
    }
  }
}

interface Target {
  readonly name: string;
  readonly route: Route;
}

function targetOf({ name, transport }: DomainEntry): Target {
  if (transport?.kind === 'host') return { name, route: transport };
  return { name, route: { kind: 'mx', domain: name } };
}
