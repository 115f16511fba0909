/**
 * What of an inventory the laboratory has to know: hosts, their addresses, their disks. It is read
 * by ansible itself, so that any inventory that the playbooks take can be brought up here.
 */
import { runOrThrow } from '../../harness/process.ts';
import type { HostPlan } from './host.ts';
import type { Interface } from './network.ts';

/** Of a volume's disk, MB; the file is sparse. */
const DISK_MEGABYTES = 2048;
/** Memory by group, MB; a host has that of its groups together, and what Debian itself takes. */
const MEGABYTES: Readonly<Record<string, number>> = {
  directories: 320, // Each password that is checked takes memory for a while.
  volumes: 160,
  frontends: 640,
  balancers: 96,
  monitoring: 192,
};
const MEGABYTES_OF_DEBIAN = 160;
/** The laboratory's own place in a network, as the last part of the address. */
const OURS = { v4: '254', v6: 'fe' };

/** Variables of ansible/roles/farm/defaults that say where a host is. */
interface HostVars {
  readonly ansible_host?: string;
  readonly public_ipv6?: string;
  readonly private_ipv4?: string;
  readonly private_ipv6?: string;
  readonly farm_volumes?: Readonly<
    Record<string, { readonly host?: string; readonly device?: string }>
  >;
}

export interface Inventory {
  readonly hosts: readonly HostPlan[];
  readonly groups: Readonly<Record<string, readonly string[]>>;
  /** The laboratory's in the public network, with the length of the prefix. */
  readonly ours: readonly string[];
}

interface Group {
  readonly hosts?: readonly string[];
  readonly children?: readonly string[];
}

/** @throws Error with ansible's words, or that says which host lacks which variable */
export async function readInventory(paths: readonly string[]): Promise<Inventory> {
  const sources = paths.flatMap((path) => ['-i', path]);
  const text = await runOrThrow(['ansible-inventory', ...sources, '--list'], {
    env: { ANSIBLE_DEPRECATION_WARNINGS: 'False' },
  });
  const list = JSON.parse(text.toString('utf8')) as Readonly<Record<string, Group>> & {
    readonly _meta: { readonly hostvars: Readonly<Record<string, HostVars>> };
  };
  const { hostvars } = list._meta;
  const groups: Record<string, readonly string[]> = {};
  for (const name of Object.keys(list)) if (name !== '_meta') groups[name] = membersOf(list, name);
  const hosts = Object.entries(hostvars).map(([name, vars]) => planOf(name, vars, groups));
  const v4 = Object.values(hostvars)[0]?.ansible_host ?? '';
  const v6 = Object.values(hostvars).find((vars) => vars.public_ipv6 !== undefined)?.public_ipv6;
  const ours = [`${v4.replace(/\d+$/, OURS.v4)}/24`];
  if (v6 !== undefined) ours.push(`${v6.replace(/[^:]*$/, OURS.v6)}/64`);
  return { hosts, groups, ours };
}

const membersOf = (list: Readonly<Record<string, Group>>, name: string): readonly string[] => {
  const { hosts = [], children = [] } = list[name] ?? {};
  return [...new Set([...hosts, ...children.flatMap((child) => membersOf(list, child))])];
};

function planOf(name: string, vars: HostVars, groups: Inventory['groups']): HostPlan {
  const { ansible_host: address, farm_volumes: volumes = {} } = vars;
  if (address === undefined || !/^[\d.]+$/.test(address)) {
    throw new Error(`${name}: ansible_host has to be an IPv4 address`);
  }
  const withPrefix = (v4: string | undefined, v6: string | undefined): string[] => [
    ...(v4 === undefined ? [] : [`${v4}/24`]),
    ...(v6 === undefined ? [] : [`${v6}/64`]),
  ];
  const interfaces: Interface[] = [
    { network: 'public', addresses: withPrefix(address, vars.public_ipv6) },
  ];
  // A farm of one host is its own neighbour.
  const alone = vars.private_ipv4?.startsWith('127.') === true;
  const ofStorage = alone ? [] : withPrefix(vars.private_ipv4, vars.private_ipv6);
  if (ofStorage.length > 0 && vars.private_ipv4 !== address) {
    interfaces.push({ network: 'private', addresses: ofStorage });
  }
  const disks = Object.values(volumes).filter(
    ({ host, device }) => host === name && device !== undefined,
  );
  const megabytes = Object.entries(MEGABYTES)
    .filter(([group]) => groups[group]?.includes(name) === true)
    .reduce((sum, [, more]) => sum + more, MEGABYTES_OF_DEBIAN);
  return { name, interfaces, disks: disks.map(() => DISK_MEGABYTES), megabytes };
}
