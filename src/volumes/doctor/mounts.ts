import { sh } from './complain.ts';

/** What the kernel says of mounts, read from /proc: no call of these touches a volume. */

export interface Mount {
  /** Where it is mounted. */
  readonly point: string;
  /** The directory of the file system that is mounted there. */
  readonly root: string;
  /** `major:minor`. */
  readonly device: string;
  /** `nfs4`, `nfs`, `ext4`, … */
  readonly type: string;
  /** `filer1:/mail1`, `/dev/sda1`, … */
  readonly source: string;
  /** As negotiated, those of the mount and those of the file system; '' where one has no value. */
  readonly options: ReadonlyMap<string, string>;
}

export const isNfs = (mount: Pick<Mount, 'type'> | undefined): boolean =>
  mount?.type === 'nfs' || mount?.type === 'nfs4';

/** /proc/self/mountinfo (proc_pid_mountinfo(5)); lines that are none are left out. */
export function parseMountinfo(text: string): readonly Mount[] {
  return text.split('\n').flatMap((line) => {
    const words = line.split(' ');
    const dash = words.indexOf('-', 6);
    const [, , device = '', root = '', point = '', own = ''] = words;
    const [type = '', source = '', all = ''] = dash < 0 ? [] : words.slice(dash + 1);
    if (type === '') return [];
    const options = new Map(parseOptions(`${all},${own}`));
    return [{ point: unescaped(point), root: unescaped(root), device, type, source, options }];
  });
}

/** Space, tab, line end and backslash are written in octal. */
const unescaped = (text: string): string =>
  text.replaceAll(/\\([0-7]{3})/g, (_, octal: string) =>
    String.fromCharCode(Number.parseInt(octal, 8)),
  );

function parseOptions(text: string): (readonly [string, string])[] {
  return text
    .split(',')
    .filter((option) => option !== '')
    .map((option) => {
      const at = option.indexOf('=');
      return at < 0 ? ([option, ''] as const) : [option.slice(0, at), option.slice(at + 1)];
    });
}

/** The mount that a path lies in: the longest; of mounts over each other the last. */
export function mountOf(mounts: readonly Mount[], path: string): Mount | undefined {
  let found: Mount | undefined;
  for (const mount of mounts) {
    const at = mount.point === '/' ? '/' : `${mount.point}/`;
    if (!`${path}/`.startsWith(at)) continue;
    if (found === undefined || mount.point.length >= found.point.length) found = mount;
  }
  return found;
}

/** Calls sent so far for the mount at `point`, by operation; /proc/self/mountstats. */
export function parseCalls(text: string, point: string): ReadonlyMap<string, number> | undefined {
  const own = text
    .split(/^(?=device )/m)
    .findLast((part) => part.split('\n', 1)[0]?.includes(` mounted on ${point} with fstype nfs`));
  const from = own?.indexOf('per-op statistics') ?? -1;
  if (own === undefined || from < 0) return undefined;
  const lines = own.slice(from).matchAll(/^\s+([A-Z_0-9]+): (\d+) /gm);
  return new Map([...lines].map(([, name = '', count]) => [name, Number(count)]));
}

/** Not of the work: leases are kept up whatever one does. */
const HOUSEKEEPING: ReadonlySet<string> = new Set(['SEQUENCE', 'RENEW', 'NULL']);

/** How many calls lie between two readings, and which. */
export function callsBetween(
  before: ReadonlyMap<string, number>,
  after: ReadonlyMap<string, number>,
): { readonly count: number; readonly by: string } {
  const more = [...after].flatMap(([name, count]) => {
    const added = count - (before.get(name) ?? 0);
    return added > 0 && !HOUSEKEEPING.has(name) ? [[name, added] as const] : [];
  });
  const by = more.map(([name, added]) => `${name} ${added}`).join(', ');
  return { count: more.reduce((sum, [, added]) => sum + added, 0), by };
}

/** /proc/self/net/nfsfs/volumes: the server's fsid of each device (`0:40` → `0a630001 1:0`). */
export function parseFileSystems(text: string): ReadonlyMap<string, string> {
  const rows = text.split('\n').map((line) => line.trim().split(/\s+/));
  return new Map(
    rows.flatMap(([version, server, , device, fsid]) =>
      /^v\d$/.test(version ?? '') && device !== undefined && fsid !== undefined
        ? [[device, `${server} ${fsid}`] as const]
        : [],
    ),
  );
}

/** /etc/fstab: the source of each mount point. */
export function parseFstab(text: string): ReadonlyMap<string, string> {
  const rows = text.split('\n').map((line) => line.trim().split(/\s+/));
  return new Map(
    rows.flatMap(([source = '', point = '']) =>
      source.startsWith('#') || point === '' ? [] : [[unescaped(point), source] as const],
    ),
  );
}

/** The server's name or address as it was mounted: `[fd00::1]:/mail1` → `fd00::1`. */
export function serverOf(mount: Mount): string {
  const address = mount.options.get('addr');
  if (address !== undefined && address !== '') return address;
  return mount.source.replace(/:\/.*$/, '').replaceAll(/[[\]]/g, '');
}

export const MOUNT_OPTIONS = 'vers=4.2,hard,lookupcache=positive,noatime,nodev,nosuid';

/** The line that mounts a volume as it should be. */
export const mountLine = (source: string, path: string): string =>
  `mount -t nfs4 -o ${MOUNT_OPTIONS} ${sh(source)} ${sh(path)}`;

/** The same in /etc/fstab. */
export const fstabLine = (source: string, path: string): string =>
  `${escaped(source)} ${escaped(path)} nfs4 ${MOUNT_OPTIONS},_netdev 0 0`;

const escaped = (text: string): string =>
  text.replaceAll(/[\s\\]/g, (one) => `\\${one.charCodeAt(0).toString(8).padStart(3, '0')}`);

/** Mounted anew with the right options: NFS takes most of them at the first mount only. */
export const mountAnew = (mount: Pick<Mount, 'source' | 'point'>): readonly string[] => [
  `umount ${sh(mount.point)} && ${mountLine(mount.source, mount.point)}`,
  `/etc/fstab: ${fstabLine(mount.source, mount.point)}`,
];
