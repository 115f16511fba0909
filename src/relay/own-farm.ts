/**
 * Which addresses, names and peers are this farm itself: mail for others must never come back to it
 * by MX, or it hops between its nodes until somebody counts the hops (S4-14, N-12).
 *
 * Three things tell. Addresses: what the nodes say of their interfaces, where they listen, the
 * setting `farm.addresses` (a balancer, a translating router), and the interfaces of this machine.
 * Names: those of the nodes and of the farm, as MX records have them. And the cookie, which tells
 * where all addresses look foreign.
 *
 * Before the directory said once who is in the farm nobody is known to be foreign: letters wait.
 * Once known, the last answer counts while the directory is away: a node that came since then is
 * known by its cookie.
 */
import { hash } from 'node:crypto';
import { isIP } from 'node:net';
import { networkInterfaces } from 'node:os';
import type { Clock } from '../base/clock.ts';
import { DirectoryUnavailable, type Directory, type NodeEntry } from '../directory/types.ts';
import {
  addressRanges,
  canonicalAddress,
  parseListen,
  type AddressRanges,
} from '../net/address.ts';

export interface OwnFarmParts {
  readonly directory: Pick<Directory, 'nodes'>;
  readonly clock: Clock;
  /** `farm.addresses`. */
  readonly addresses: readonly string[];
  /** `farm.host-name`, and what else MX records may call us. */
  readonly names: readonly string[];
  /** Of this machine; read anew with the nodes. */
  readonly interfaces?: () => readonly string[];
}

/** How long an answer of the directory counts as new. */
const FRESH_MS = 60_000;
/** Never anybody else: the unspecified addresses reach the machine itself. */
const UNSPECIFIED = ['0.0.0.0', '::'];

export class OwnFarm {
  readonly #parts: OwnFarmParts;
  readonly #ranges: AddressRanges;
  #addresses: ReadonlySet<string> | undefined;
  #names: ReadonlySet<string> = new Set();
  #readAt = -Infinity;
  #reading: Promise<void> | undefined;

  constructor(parts: OwnFarmParts) {
    this.#parts = parts;
    this.#ranges = addressRanges(parts.addresses);
  }

  /** @throws DirectoryUnavailable when it never answered */
  async hasAddress(address: string): Promise<boolean> {
    await this.#fresh();
    return this.#addresses?.has(canonicalAddress(address)) === true || this.#ranges.has(address);
  }

  /** A host as an MX record names it. @throws DirectoryUnavailable when it never answered */
  async hasName(host: string): Promise<boolean> {
    await this.#fresh();
    return this.#names.has(plainName(host));
  }

  async #fresh(): Promise<void> {
    const { clock } = this.#parts;
    const age = clock.now() - this.#readAt;
    if (age >= 0 && age < FRESH_MS) return;
    this.#reading ??= this.#read().finally(() => {
      this.#reading = undefined;
    });
    try {
      await this.#reading;
    } catch (error) {
      if (!(error instanceof DirectoryUnavailable) || this.#addresses === undefined) throw error;
    }
  }

  async #read(): Promise<void> {
    const { directory, clock, interfaces = localAddresses, names } = this.#parts;
    const nodes = await directory.nodes();
    const all = [...UNSPECIFIED, ...interfaces(), ...nodes.flatMap(addressesOf)];
    this.#addresses = new Set(all.map(canonicalAddress));
    const named = [...names, ...nodes.flatMap(({ name, server }) => [name, server])];
    this.#names = new Set(named.map(plainName).filter((name) => name.includes('.')));
    this.#readAt = clock.now();
  }
}

/** Where a node can be reached, as far as its entry says it. */
function addressesOf({ addresses, listen, server }: NodeEntry): readonly string[] {
  const hosts = listen.flatMap((text) => {
    const parsed = parseListen(text);
    return typeof parsed === 'string' ? [] : [parsed.host];
  });
  return [...addresses, ...hosts, server].filter((host) => isIP(host) !== 0);
}

const plainName = (name: string): string => name.toLowerCase().replace(/\.$/, '');

const localAddresses = (): readonly string[] =>
  Object.values(networkInterfaces()).flatMap((all) => (all ?? []).map(({ address }) => address));

const COOKIE_DIGITS = 16;

/**
 * What our servers announce in EHLO, and what a sender looks for there. A hash: whoever sees it
 * cannot announce another farm's by knowing the setting only in part.
 */
export const cookieMark = (cookie: string): string | undefined =>
  cookie === '' ? undefined : hash('sha256', cookie, 'hex').slice(0, COOKIE_DIGITS);
