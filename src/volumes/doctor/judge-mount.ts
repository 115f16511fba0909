/** Is it there, does it answer, and is it the right one? */
import { error, sh, warning } from './complain.ts';
import { fstabLine, isNfs, mountLine, serverOf, type Mount } from './mounts.ts';
import type { Check, Complaint, FarmFacts, PortState, Verdict, VolumeFacts } from './types.ts';

const STOPPED = 'Mail for its users is deferred (451) and their POP3 logins get [SYS/TEMP]';

export const isMounted = ({ mount, path }: VolumeFacts): boolean => mount?.point === path;

/** Nothing at the mount point, or another volume: what is there is no concern of this one. */
export const isAnothers = (volume: VolumeFacts): boolean => {
  const { sentinel: seen, identity } = volume;
  if (seen?.kind === 'none') return !isMounted(volume);
  return seen?.kind === 'whole' && identity !== undefined && seen.identity !== identity;
};

/** A volume of which nothing can be said, because it is not there or hangs. */
const isThere = (volume: VolumeFacts): boolean => volume.sentinel?.kind === 'whole';

export const MOUNT_CHECKS: readonly Check[] = [
  { id: 'answers', judge: answers },
  { id: 'mounted', judge: mounted },
  { id: 'sentinel', judge: sentinel },
  { id: 'identity', judge: oneIdentity },
  { id: 'own file system', judge: ownFileSystem },
];

function answers(volume: VolumeFacts): Verdict {
  const { hung, mount, path, failed } = volume;
  if (hung) return [doesNotAnswer(volume, hung, mount)];
  const stale = failed.find(({ code }) => code === 'ESTALE');
  if (stale && mount) {
    return [
      error(
        `The server does not know this mount any more (ESTALE, ${stale.at})`,
        `${STOPPED}.`,
        `on the server: exportfs -v shows whether ${mount.source} is exported to this host; ` +
          'exportfs -ra exports it again',
        `if the file system was made anew there: umount -f ${sh(path)}; ` +
          mountLine(mount.source, path),
      ),
    ];
  }
  const late = failed.find(({ code }) => code === 'ETIMEDOUT' || code === 'EIO');
  if (late) return [calledInVain(late.at, late.code, mount)];
  return mount && isNfs(mount) ? `answers` : undefined;
}

function doesNotAnswer(
  { path }: VolumeFacts,
  hung: NonNullable<VolumeFacts['hung']>,
  mount: Mount | undefined,
): Complaint {
  const server = mount && isNfs(mount) ? serverOf(mount) : undefined;
  const port = {
    answers: `; its port 2049 takes connections: the service hangs there, or is in grace (90 s)`,
    refused: `; its port 2049 refuses connections: the NFS service is down`,
    silent: `; its port 2049 is silent: the server or the network to it is down`,
  };
  const where = server === undefined ? '' : ` (server ${server})`;
  return error(
    `Has not answered for ${Math.round(hung.ms / 1000)} s, in: ${hung.at}${where}` +
      (hung.port === undefined ? '' : port[hung.port]),
    `${STOPPED} within seconds. Users of other volumes do not notice.`,
    ...(server === undefined ? [] : mendServer(server, hung.port)),
    ...(server === undefined
      ? ['dmesg | tail: the disk or its controller may be broken']
      : [
          'nothing has to be restarted here: a hard mount goes on by itself when the server is back',
          `only if it never comes back: umount -f -l ${sh(path)}`,
        ]),
  );
}

const mendServer = (server: string, port: PortState): readonly string[] =>
  port === 'silent'
    ? [`ping ${server}; then its console: is the machine up, is its network?`]
    : [`on ${server}: systemctl status nfs-server; dmesg | tail; systemctl restart nfs-server`];

const calledInVain = (at: string, code: string, mount: Mount | undefined): Complaint =>
  error(
    `A call failed with ${code} (${at})`,
    `${STOPPED}.`,
    mount && isNfs(mount)
      ? `ping ${serverOf(mount)}; there: systemctl status nfs-server; dmesg | tail`
      : 'dmesg | tail: the disk may be broken',
  );

function mounted(volume: VolumeFacts, farm: FarmFacts): Verdict {
  const { mount, path, hung, failed } = volume;
  const gone = failed.find(({ code }) => code === 'ENOENT' || code === 'ENOTDIR');
  if (isMounted(volume) && mount) {
    return isNfs(mount) ? `mounted from ${mount.source}` : `mounted (${mount.type})`;
  }
  if (hung) return undefined;
  if (gone || !isThere(volume)) {
    return [
      error(
        gone
          ? `There is no directory ${path}`
          : `Nothing is mounted at ${path}: it is a directory of ${where(mount)}`,
        `${STOPPED}. Nothing is written there.`,
        ...(gone ? [`mkdir -p ${sh(path)}`] : []),
        volume.fstab === undefined
          ? mountLine('SERVER:/EXPORT', path)
          : `mount ${sh(path)}   (it is in /etc/fstab: ${volume.fstab})`,
        volume.fstab === undefined
          ? `/etc/fstab: ${fstabLine('SERVER:/EXPORT', path)}`
          : 'systemctl --failed shows why it was not mounted at boot',
      ),
    ];
  }
  return shared(volume, farm);
}

const where = (mount: Mount | undefined): string =>
  mount === undefined ? 'this host' : `${mount.point} (${mount.type})`;

/** A directory of a disk of this host: well for a farm of one host, and of no use to others. */
function shared({ path, mount }: VolumeFacts, farm: FarmFacts): Verdict {
  if (isNfs(mount)) return `in ${mount?.point}, from ${mount?.source}`;
  if (farm.nodes.length < 2) return `a directory of ${where(mount)}`;
  return [
    warning(
      `${path} is a directory of ${where(mount)}, and the farm has ${farm.nodes.length} nodes`,
      'Other hosts cannot see it: mail that arrives there is deferred.',
      mountLine('SERVER:/EXPORT', path),
      'or, if all nodes are on this host, nothing',
    ),
  ];
}

function sentinel(volume: VolumeFacts, farm: FarmFacts): Verdict {
  const { sentinel: seen, name, path, identity: wanted } = volume;
  if (seen === undefined) return unreadable(volume, farm);
  if (seen.kind === 'whole') {
    if (wanted === undefined || seen.identity === wanted) return 'sentinel';
    return [anothers(volume, seen, farm)];
  }
  if (seen.kind === 'torn') {
    return [
      error(
        `The sentinel ${path}/.mailfarm-volume is torn: it says nothing`,
        `${STOPPED}.`,
        `if this is surely volume ${name}: ${initLine(volume)}`,
      ),
    ];
  }
  if (!isMounted(volume)) return undefined; // Said already: nothing is mounted.
  return [
    error(
      `There is no sentinel in ${path} (from ${volume.mount?.source})`,
      `${STOPPED}. Nothing is written there: it could be another file system.`,
      `ls ${sh(path)}: are the users' directories there? Then it is the right one, and: ` +
        initLine(volume),
      'else mount the right export',
    ),
  ];
}

/** The command that writes a sentinel. */
const initLine = ({ path, identity, name }: VolumeFacts): string =>
  identity === undefined
    ? `mailfarm volume add ${sh(name)} --path ${sh(path)}`
    : `printf 'identity=%s\\nname=%s\\nformat=1\\n' ${sh(identity)} ${sh(name)} > ` +
      sh(`${path}/.mailfarm-volume`);

function unreadable({ failed, path }: VolumeFacts, farm: FarmFacts): Verdict {
  const why = failed.find(({ at }) => at.startsWith('sentinel'));
  if (farm.uid === 0 || why === undefined || (why.code !== 'EACCES' && why.code !== 'EPERM'))
    return undefined;
  return [
    error(
      `${farm.userName(farm.uid)} may not read ${path}/.mailfarm-volume (${why.code})`,
      `${STOPPED}, if the farm runs as ${farm.userName(farm.uid)}.`,
      `run the doctor as the user that the farm runs as: sudo -u USER mailfarm doctor`,
      `or, on the server: chown -R ${farm.userName(farm.uid)} the exported directory`,
    ),
  ];
}

/** Another volume's: told with the place where each belongs. */
function anothers(
  volume: VolumeFacts,
  seen: { readonly identity: string; readonly name: string },
  farm: FarmFacts,
): Complaint {
  const { name, path, mount } = volume;
  const guest = farm.volumes.find((one) => one.identity === seen.identity);
  const own = farm.volumes.find(
    (one) => one.sentinel?.kind === 'whole' && one.sentinel.identity === volume.identity,
  );
  const mail = `${STOPPED}. Nothing is read or written there.`;
  const is = guest?.name ?? `"${seen.name}"`;
  if (own === undefined || mount === undefined || own.mount === undefined) {
    return error(
      `${path} holds volume ${is}, identity ${seen.identity}; ${name} has ${volume.identity}`,
      mail,
      `umount ${sh(path)} && ${mountLine(`SERVER:/EXPORT-OF-${name}`, path)}`,
      ...(guest ? [`what is mounted there (${mount?.source}) belongs at ${guest.path}`] : []),
    );
  }
  const moves = [
    { source: own.mount.source, path },
    ...(guest === undefined ? [] : [{ source: mount.source, path: guest.path }]),
  ].toSorted((a, b) => (a.path < b.path ? -1 : 1)); // Of both volumes the same text.
  return error(
    guest === own
      ? `${path} and ${own.path} are swapped: ${path} holds ${is}, ${own.path} holds ${name}`
      : `${path} holds volume ${is}; ${name} itself is mounted at ${own.path}`,
    mail,
    `umount ${[path, own.path].toSorted().map(sh).join(' ')}`,
    ...moves.map((move) => mountLine(move.source, move.path)),
    'correct the same lines in /etc/fstab',
  );
}

/** Two volumes of one identity: a wrong mount of one would not be noticed. */
function oneIdentity(volume: VolumeFacts, farm: FarmFacts): Verdict {
  const { name, identity: own, sentinel: seen } = volume;
  const twin = farm.volumes.find((one) => one.name !== name && one.identity === own);
  if (own !== undefined && twin !== undefined) {
    return [
      error(
        `${name} and ${twin.name} have one identity in the directory (${own})`,
        'A mount of one in place of the other is not noticed: mail is hidden or goes astray.',
        `give ${twin.name} one of its own, in its sentinel and in the directory: write it into ` +
          `${twin.path}/.mailfarm-volume, mailfarm volume remove ${sh(twin.name)}, then ` +
          `mailfarm volume add ${sh(twin.name)} --path ${sh(twin.path)}`,
      ),
    ];
  }
  const copy = farm.volumes.find(
    (one) =>
      one.name !== name &&
      one.sentinel?.kind === 'whole' &&
      seen?.kind === 'whole' &&
      one.sentinel.identity === seen.identity,
  );
  if (copy === undefined) return undefined;
  return [
    error(
      `${volume.path} and ${copy.path} show one sentinel (${volume.mount?.source}, ` +
        `${copy.mount?.source}): one volume mounted twice, or a copy of it`,
      'The users of one of them are deferred; written to both, their mail would be mixed.',
      `umount the one that is wrong; where each belongs: mailfarm volume list`,
    ),
  ];
}

function ownFileSystem(volume: VolumeFacts, farm: FarmFacts): Verdict {
  const { fileSystem, name } = volume;
  const others = farm.volumes.filter(
    (one) => one.name !== name && one.fileSystem === fileSystem && isThere(one),
  );
  if (fileSystem === undefined || !isThere(volume) || others.length === 0) return undefined;
  // On one host's disk that is how small farms are.
  if (!isNfs(volume.mount) && farm.nodes.length < 2) return undefined;
  const names = others.map((one) => one.name).join(', ');
  return [
    warning(
      `${name} and ${names} are one file system on the server (fsid ${fileSystem})`,
      'When one is full both are; free space counts twice where new users are placed; one ' +
        'broken disk takes both.',
      'export a file system of its own for each volume',
      'or give each half the weight: mailfarm volume set NAME --weight N',
    ),
  ];
}
