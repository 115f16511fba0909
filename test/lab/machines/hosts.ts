/** The hosts of the laboratory of several machines: what each is and has. */

export const NETWORK = '10.99.0.0/24';

interface Disk {
  readonly name: string;
  readonly megabytes: number;
  readonly inodes: number;
}

interface HostPlan {
  readonly address: string;
  readonly memory: string;
  /** In the order of the devices ubda, ubdb …; `state` is the NFS server's own memory. */
  readonly disks: readonly Disk[];
}

const state: Disk = { name: 'state', megabytes: 16, inodes: 200 };
const frontend = { memory: '1G', disks: [] };

export const HOSTS = {
  hub: { address: '10.99.0.1', memory: '3G', disks: [] },
  filer1: {
    address: '10.99.0.21',
    memory: '512M',
    disks: [state, { name: 'mail1', megabytes: 1024, inodes: 20_000 }],
  },
  filer2: {
    address: '10.99.0.22',
    memory: '512M',
    disks: [
      state,
      { name: 'mail2', megabytes: 1024, inodes: 200_000 },
      { name: 'spool1', megabytes: 512, inodes: 100_000 },
    ],
  },
  fe1: { address: '10.99.0.11', ...frontend },
  fe2: { address: '10.99.0.12', ...frontend },
  fe3: { address: '10.99.0.13', ...frontend },
} as const satisfies Readonly<Record<string, HostPlan>>;

export type Host = keyof typeof HOSTS;
export const HOST_NAMES = Object.keys(HOSTS) as readonly Host[];
export const FILERS = ['filer1', 'filer2'] as const satisfies readonly Host[];
export const FRONTENDS = ['fe1', 'fe2', 'fe3'] as const satisfies readonly Host[];
export type Filer = (typeof FILERS)[number];
export type Frontend = (typeof FRONTENDS)[number];

/** Exported volumes and who has them. Every front end mounts each at /mnt/NAME. */
export const VOLUMES = {
  mail1: 'filer1',
  mail2: 'filer2',
  spool1: 'filer2',
} as const satisfies Readonly<Record<string, Filer>>;
export type ExportName = keyof typeof VOLUMES;
export const EXPORTS = Object.keys(VOLUMES) as readonly ExportName[];

export const isHost = (name: string): name is Host => Object.hasOwn(HOSTS, name);

/** Of the host's network card: the switch tells hosts by it. */
export const macOf = (host: Host): string => {
  const octet = Number(HOSTS[host].address.split('.').at(-1));
  return `02:00:00:00:00:${octet.toString(16).padStart(2, '0')}`;
};
