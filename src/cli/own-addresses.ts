/**
 * Whether every address at which the world finds this farm is known to its nodes: mail must never
 * be sent to one of them by MX (S4-14). What the directory does not know is looked for where the
 * world looks: the names of nodes and the MX of our domains.
 */
import { isIP } from 'node:net';
import type { DnsAnswer, Resolver } from '../dns/types.ts';
import type { NodeEntry } from '../directory/types.ts';
import { addressRanges, canonicalAddress, isLoopback, parseListen } from '../net/address.ts';
import { addressesOf } from '../relay/own-farm.ts';

export interface FarmToCheck {
  readonly nodes: readonly NodeEntry[];
  /** `farm.cookie` and `farm.addresses`. */
  readonly cookie: string;
  readonly addresses: readonly string[];
  /** Domains with users here, whose MX are looked at. */
  readonly domains: readonly string[];
  readonly resolver: Pick<Resolver, 'mx' | 'a' | 'aaaa'>;
}

export interface Found {
  readonly problems: readonly string[];
  /** What may be right: a filter in front, a name that nobody resolves now. */
  readonly notes: readonly string[];
}

const MEND = 'add it to farm.addresses, or mail could hop between nodes (S4-14)';

/** Asks the DNS only where some node can be reached from elsewhere. */
export async function checkOwnAddresses(farm: FarmToCheck): Promise<Found> {
  const check = new Check(farm);
  if (farm.cookie === '') {
    check.notes.push(
      'farm.cookie is not set: behind an address translation nodes do not know their own farm; ' +
        'make one: mailfarm config cookie',
    );
  }
  const open = farm.nodes.filter(isReachable);
  for (const node of open) await check.node(node);
  if (open.length > 0) for (const domain of farm.domains) await check.domain(domain);
  return { problems: [...new Set(check.problems)], notes: [...new Set(check.notes)] };
}

class Check {
  readonly problems: string[] = [];
  readonly notes: string[] = [];
  readonly #resolver: FarmToCheck['resolver'];
  readonly #known: (address: string) => boolean;

  constructor({ nodes, addresses, resolver }: FarmToCheck) {
    const own = new Set(nodes.flatMap(addressesOf).map(canonicalAddress));
    const more = addressRanges(addresses);
    this.#resolver = resolver;
    this.#known = (address) => own.has(canonicalAddress(address)) || more.has(address);
  }

  async node(node: NodeEntry): Promise<void> {
    const { name, server } = node;
    const told = addressesOf(node).some((address) => !isAny(address));
    const found = await this.#addresses(server);
    if (!told && !found.some(this.#known)) {
      const text =
        `The addresses of node ${name} are not known: it listens on all and has told none. ` +
        'Start it, or put them into farm.addresses (S4-14)';
      // One that is about to start for the first time is not to be kept from it.
      (node.beatAt === undefined ? this.notes : this.problems).push(text);
      return;
    }
    for (const address of found.filter((one) => !isLoopback(one) && !this.#known(one))) {
      this.problems.push(
        `${address} is the address of ${server}, node ${name}, and unknown to the farm: ${MEND}`,
      );
    }
  }

  /** An MX with a known address is ours, so its others are too; another may be somebody else's. */
  async domain(domain: string): Promise<void> {
    const answer = await this.#resolver.mx(domain);
    if (answer.kind === 'trouble') this.notes.push(`The MX of ${domain}: ${answer.text}`);
    if (answer.kind !== 'records') return;
    for (const { host } of answer.records) {
      const found = host === '' ? [] : await this.#addresses(host);
      const strange = found.filter((address) => !this.#known(address));
      const isOurs = strange.length < found.length;
      for (const address of strange) {
        const text = `${address} of ${host}, an MX of ${domain}, is unknown to the farm`;
        if (isOurs) this.problems.push(`${text}: ${MEND}`);
        else this.notes.push(`${text}; where it is ours, a balancer or router, ${MEND}`);
      }
    }
  }

  async #addresses(host: string): Promise<readonly string[]> {
    if (isIP(host) !== 0) return [host];
    if (!host.includes('.')) return []; // No name that the world could look up.
    const answers = await Promise.all([this.#resolver.a(host), this.#resolver.aaaa(host)]);
    for (const answer of answers) {
      if (answer.kind === 'trouble') this.notes.push(`The addresses of ${host}: ${answer.text}`);
    }
    return answers.flatMap(recordsOf);
  }
}

const recordsOf = (answer: DnsAnswer<string>): readonly string[] =>
  answer.kind === 'records' ? answer.records : [];

const isAny = (host: string): boolean => host === '0.0.0.0' || host === '::';

/** Whether it takes connections of others than its own machine. */
const isReachable = ({ listen }: NodeEntry): boolean =>
  listen.some((text) => {
    const parsed = parseListen(text);
    return typeof parsed !== 'string' && !isLoopback(parsed.host);
  });
