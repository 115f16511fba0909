/** Clients of their own, each with one mount of one kind: `hard`, or `softerr` with its times. */
import { readFileSync } from 'node:fs';
import { asRoot } from '../inside.ts';

export const KINDS = {
  hard: 'hard',
  'softerr 10/2': 'softerr,timeo=10,retrans=2',
  'softerr 50/3': 'softerr,timeo=50,retrans=3',
} as const;
export type Kind = keyof typeof KINDS;

export interface SoftClient {
  readonly kind: Kind;
  readonly name: string;
  readonly mount: string;
}

const FIRST_ADDRESS = 31;

/** Two clients of each kind, in network namespaces of their own. */
export async function addClients(): Promise<SoftClient[]> {
  const kinds = Object.keys(KINDS) as Kind[];
  const clients = kinds
    .flatMap((kind) => [kind, kind])
    .map((kind, i) => {
      const name = `k${i}`;
      return { kind, name, mount: `/mnt/${name}`, address: `10.99.0.${FIRST_ADDRESS + i}` };
    });
  for (const { kind, name, mount, address } of clients) {
    const script = `set -e
      ip netns add ${name}
      ip link add lab0${name} type veth peer name eth0 netns ${name}
      ip link set lab0${name} master lab0 up
      ip -n ${name} link set lo up
      ip -n ${name} address add ${address}/24 dev eth0
      ip -n ${name} link set eth0 up
      ip netns exec ${name} sh -c "echo ${name} > /sys/fs/nfs/net/nfs_client/identifier"
      mkdir -p ${mount}
      nsenter --net=/run/netns/${name} mount -t nfs4 \
        -o vers=4.2,${KINDS[kind]},noatime,nosharecache,lookupcache=positive,clientaddr=${address} \
        10.99.0.1:/mail1 ${mount}`;
    await asRoot('bash', '-c', script);
  }
  return clients;
}

export const setLinks = async (
  clients: readonly SoftClient[],
  state: 'up' | 'down',
): Promise<void> => {
  for (const { name } of clients) await asRoot('ip', 'link', 'set', `lab0${name}`, state);
};

export async function removeClients(clients: readonly SoftClient[]): Promise<void> {
  for (const { name, mount } of clients) {
    await asRoot('umount', '-f', '-l', mount);
    await asRoot('ip', 'netns', 'delete', name);
  }
}

export interface Traffic {
  readonly calls: number;
  /** Times that calls were put on the wire; more than calls: repetitions. */
  readonly sent: number;
  readonly timeouts: number;
}

/** What a mount has sent so far, all operations together. */
export function trafficOf(mount: string): Traffic {
  const stats = readFileSync('/proc/self/mountstats', 'utf8');
  const own = stats.split(/^(?=device )/m).find((part) => part.includes(` mounted on ${mount} `));
  const text = own?.slice(own.indexOf('per-op statistics')) ?? '';
  const total = { calls: 0, sent: 0, timeouts: 0 };
  for (const [, calls, sent, timeouts] of text.matchAll(/^\s+[A-Z_0-9]+: (\d+) (\d+) (\d+) /gm)) {
    total.calls += Number(calls);
    total.sent += Number(sent);
    total.timeouts += Number(timeouts);
  }
  return total;
}
