/**
 * The networks of the farm: a network namespace with two bridges, the public network and the
 * private one of the storage, and one cable (a tap) for each interface of a host. Nothing in it has
 * a name that another run could have: the namespace lives as long as its holder, a process of this
 * one. The laboratory itself stands in the public network, as everybody outside does, and is the
 * hosts' gateway and name server; in the private network there is nobody but hosts.
 */
import { runOrThrow, start, type Running } from '../../harness/process.ts';

export type NetworkName = 'public' | 'private';
export const NETWORKS: readonly NetworkName[] = ['public', 'private'];

/** One interface of a host. */
export interface Interface {
  readonly network: NetworkName;
  /** With the length of the prefix. */
  readonly addresses: readonly string[];
}

export class Network {
  readonly #holder: Running;

  private constructor(holder: Running) {
    this.#holder = holder;
  }

  static async open(): Promise<Network> {
    const holder = start(['unshare', '--net', 'sh', '-c', 'echo ready; exec sleep infinity'], {
      withParent: 'KILL',
    });
    await holder.waitFor(/ready/, 20_000);
    const network = new Network(holder);
    await network.#ip('link set lo up');
    for (const name of NETWORKS) {
      await network.#ip(`link add ${name} type bridge forward_delay 0 mcast_snooping 0`);
      await network.#ip(`link set ${name} up`);
    }
    return network;
  }

  /** Gives the laboratory its own addresses, with the length of the prefix. */
  async stand(addresses: readonly string[]): Promise<void> {
    for (const address of addresses) {
      await this.#ip(`address add ${address} dev public${address.includes(':') ? ' nodad' : ''}`);
    }
  }

  /** Put before a command, these words run it in the namespace. */
  get enter(): readonly string[] {
    return ['nsenter', `--net=/proc/${this.#holder.pid}/ns/net`];
  }

  /** Lays a cable. @returns the name of the interface that a kernel opens */
  async lay(host: string, network: NetworkName): Promise<string> {
    const name = cableOf(host, network);
    await this.#ip(`tuntap add ${name} mode tap`);
    await this.#ip(`link set ${name} master ${network} up`);
    return name;
  }

  async cut(host: string, network: NetworkName): Promise<void> {
    await this.#ip(`link set ${cableOf(host, network)} down`);
  }

  async mend(host: string, network: NetworkName): Promise<void> {
    await this.#ip(`link set ${cableOf(host, network)} up`);
  }

  async close(): Promise<void> {
    await this.#holder.stop(1000);
  }

  async #ip(words: string): Promise<void> {
    await runOrThrow([...this.enter, 'ip', ...words.split(' ')]);
  }
}

/** Linux allows 15 characters. */
const cableOf = (host: string, network: NetworkName): string => {
  const name = `${host}-${network === 'public' ? 'pub' : 'prv'}`;
  if (name.length > 15) throw new Error(`${host}: a host's name here has 11 characters at most`);
  return name;
};
