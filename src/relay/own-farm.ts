/**
 * Which addresses are this farm itself, and where its MX are. Mail for others must never come back
 * to the farm by MX, or it hops between its nodes until somebody counts the hops (S4-14, N-12).
 *
 * Addresses are those that the nodes say of their interfaces and where they listen, the setting
 * `farm.addresses` (a balancer, a translating router), and the interfaces of this machine. Names
 * are those of nodes with a dot, and what this node calls itself: an MX record that has one is ours
 * whatever it resolves to (RFC 5321 §5.1). What neither tells the cookie in EHLO does
 * (smtp/farm-mark.ts), which the sender looks for itself.
 *
 * Before the directory said once who is in the farm nobody is known to be foreign, so nothing is
 * sent before `known`. The last answer counts while the directory is away, over a restart too
 * (known-nodes.ts): a node that came since then is known by its cookie.
 */
import { isIP } from 'node:net';
import { networkInterfaces } from 'node:os';
import type { Clock } from '../base/clock.ts';
import type { Directory, NodeEntry } from '../directory/types.ts';
import type { Logger } from '../log/types.ts';
import type { KnownNodes } from './known-nodes.ts';
import {
  addressRanges,
  canonicalAddress,
  isLoopback,
  parseListen,
  type AddressRanges,
} from '../net/address.ts';

export interface OwnFarmParts {
  readonly directory: Pick<Directory, 'nodes'>;
  readonly clock: Clock;
  readonly logger: Logger;
  /** This node. */
  readonly node: string;
  /** `farm.addresses`. */
  readonly addresses: readonly string[];
  /** `farm.host-name`, the name in EHLO; one without a dot is none. */
  readonly names?: readonly string[];
  /** The last answer, kept for a start without the directory. */
  readonly kept?: KnownNodes | undefined;
  /** Of this machine; read anew with the nodes. */
  readonly interfaces?: () => readonly string[];
}

/** How often the directory is asked. */
const REFRESH_MS = 60_000;
/** The same while it does not answer. */
const RETRY_MS = 5_000;
/** Never anybody else: the unspecified addresses reach the machine itself. */
const UNSPECIFIED = ['0.0.0.0', '::'];

export class OwnFarm {
  readonly #parts: OwnFarmParts;
  readonly #ranges: AddressRanges;
  #names: ReadonlySet<string>;
  readonly #stop = new AbortController();
  #addresses: ReadonlySet<string> = new Set();
  #ofNodes: ReadonlySet<string> = new Set();
  #nodes: readonly NodeEntry[] = [];
  #told = false;
  /** What is kept on disk, by what counts of it. */
  #written = '';
  /** Resolves when the directory has answered once, or had before the node started. */
  readonly known: Promise<void>;

  constructor(parts: OwnFarmParts) {
    this.#parts = parts;
    this.#ranges = addressRanges(parts.addresses);
    this.#names = namesOf(parts.names ?? []);
    this.known = new Promise((resolve) => void this.#run(resolve));
  }

  /** Every node, as of the last answer. */
  get nodes(): readonly NodeEntry[] {
    return this.#nodes;
  }

  /** Whether an address, or the name of a host, is of this farm. */
  isOwn(host: string): boolean {
    if (isIP(host) === 0) return this.#names.has(plainName(host));
    return this.#addresses.has(canonicalAddress(host)) || this.#ranges.has(host);
  }

  /** Whether a node of ours has the address; no balancer, and not this machine's loopback. */
  isNode(address: string): boolean {
    return this.#ofNodes.has(canonicalAddress(address));
  }

  /** Where nodes of the farm listen with a service, those that say they are up first. */
  listeners(service: string): readonly FarmListener[] {
    const up = (node: NodeEntry): number => Number(!node.status.includes('M'));
    const nodes = this.#nodes.toSorted((a, b) => up(a) - up(b));
    const { node: name } = this.#parts;
    const here = { name, server: nodes.find((node) => node.name === name)?.server };
    return nodes.flatMap((node) => listenersOf(node, service, here));
  }

  close(): void {
    this.#stop.abort(new Error('closed'));
  }

  async #run(onKnown: () => void): Promise<void> {
    const { clock } = this.#parts;
    const { signal } = this.#stop;
    while (!signal.aborted) {
      const answered = await this.#read();
      if (answered || (await this.#remember())) onKnown();
      await clock.sleep(answered ? REFRESH_MS : RETRY_MS, signal).catch(() => {});
    }
  }

  /** @returns whether the directory answered */
  async #read(): Promise<boolean> {
    const { directory, logger } = this.#parts;
    try {
      const nodes = await directory.nodes();
      this.#believe(nodes);
      this.#told = false;
      void this.#keep(nodes);
      return true;
    } catch (error) {
      if (!this.#told && this.#nodes.length > 0) {
        logger.warn({ err: error }, 'nodes of the farm not read; the last count');
        this.#told = true;
      }
      return false;
    }
  }

  /** While nobody is known: what was known before the start. @returns whether anybody is known */
  async #remember(): Promise<boolean> {
    if (this.#nodes.length > 0) return true;
    const { kept, logger } = this.#parts;
    const nodes = await kept?.read();
    if (nodes !== undefined) this.#believe(nodes);
    const [code, message] =
      nodes === undefined
        ? ['MF-REL-010', 'nothing is sent before the directory said who is in the farm']
        : ['MF-REL-009', 'the directory is away; who is in the farm is what it said last'];
    if (!this.#told) logger.warn({ code, nodes: nodes?.length }, message);
    this.#told = true;
    return nodes !== undefined;
  }

  async #keep(nodes: readonly NodeEntry[]): Promise<void> {
    const { kept, logger } = this.#parts;
    if (kept === undefined || nodes.length === 0) return;
    const text = JSON.stringify(
      nodes.map(({ beatAt: _, version: __, ...node }) => Object.entries(node)),
    );
    if (text === this.#written) return;
    try {
      await kept.write(nodes);
      this.#written = text;
    } catch (error) {
      logger.warn({ err: error }, 'who is in the farm was not kept for the next start');
    }
  }

  #believe(nodes: readonly NodeEntry[]): void {
    const { names = [], interfaces = localAddresses } = this.#parts;
    const ofNodes = nodes.flatMap(addressesOf).map(canonicalAddress);
    const all = [...UNSPECIFIED, ...interfaces().map(canonicalAddress), ...ofNodes];
    this.#addresses = new Set(all);
    this.#ofNodes = new Set(ofNodes.filter((one) => !isAny(one) && !isLoopback(one)));
    this.#names = namesOf([...names, ...nodes.map(({ name }) => name)]);
    this.#nodes = nodes;
  }
}

/** A place where a node takes connections. */
export interface FarmListener {
  readonly node: string;
  readonly host: string;
  readonly port: number;
}

/**
 * Where a node listens with a service, as seen from a node or, without its name, from a machine.
 * Loopback of another machine is here, and nothing of that node.
 */
export function listenersOf(
  node: NodeEntry,
  service: string,
  here: { readonly name?: string; readonly server: string | undefined },
): readonly FarmListener[] {
  const isHere = node.name === here.name;
  const isThisMachine = isHere || (here.server !== undefined && node.server === here.server);
  return node.listen.flatMap((text) => {
    const parsed = parseListen(text);
    if (typeof parsed === 'string' || parsed.service !== service) return [];
    const { port } = parsed;
    const hosts = isAny(parsed.host)
      ? [...node.addresses, ...(isHere ? ['127.0.0.1'] : [])]
      : [parsed.host];
    const usable = hosts.filter((host) => isThisMachine || !isLoopback(host));
    return usable.map((host) => ({ node: node.name, host, port }));
  });
}

const isAny = (host: string): boolean => host === '*' || UNSPECIFIED.includes(host);

/** Where a node can be reached, as far as its entry says it. */
export function addressesOf({ addresses, listen, server }: NodeEntry): readonly string[] {
  const hosts = listen.flatMap((text) => {
    const parsed = parseListen(text);
    return typeof parsed === 'string' ? [] : [parsed.host];
  });
  return [...addresses, ...hosts, server].filter((host) => isIP(host) !== 0);
}

const plainName = (name: string): string => name.toLowerCase().replace(/\.$/, '');

const namesOf = (names: readonly string[]): ReadonlySet<string> =>
  new Set(names.map(plainName).filter((name) => name.includes('.')));

const localAddresses = (): readonly string[] =>
  Object.values(networkInterfaces()).flatMap((all) => (all ?? []).map(({ address }) => address));
