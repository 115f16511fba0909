/** Whose the files are, and whom the server takes us for. */
import { error, octal, sh, warning } from './complain.ts';
import { isNfs } from './mounts.ts';
import type { Check, Complaint, FarmFacts, Owned, Verdict, VolumeFacts } from './types.ts';

/** Whom NFS makes of those it does not know: 65534, and -2 in 32 bits. */
const NOBODY: ReadonlySet<number> = new Set([65_534, 4_294_967_294, 4_294_967_295]);
const OTHERS_WRITE = 0o002;
const OWNER_ALL = 0o700;

export const RIGHT_CHECKS: readonly Check[] = [
  { id: 'service user', judge: serviceUser },
  { id: 'owner', judge: owner },
  { id: 'rights', judge: rights },
  { id: 'directories', judge: directories },
  { id: 'may write', judge: mayWrite },
  { id: 'owner on the server', judge: mapped },
];

const DENIED = 'Mail for its users is deferred (451), POP3 says [SYS/TEMP].';

/** The user that owns the volume, where that can be the farm's. */
const ownerOf = ({ root }: VolumeFacts): number | undefined =>
  root === undefined || root.uid === 0 || NOBODY.has(root.uid) ? undefined : root.uid;

function serviceUser(volume: VolumeFacts, farm: FarmFacts): Verdict {
  if (farm.uid !== 0) return undefined;
  const user = ownerOf(volume);
  const name = user === undefined ? 'USER' : farm.userName(user);
  const wrong = 'The doctor runs as root';
  const again = `sudo -u ${name} mailfarm doctor ${sh(volume.name)}   (as the farm runs)`;
  if (!isNfs(volume.mount)) {
    if (volume.root?.uid === 0) return 'root, as the owner';
    return [warning(wrong, 'What root may do says nothing of what the farm may do.', again)];
  }
  const squashed = denied(volume);
  return [
    error(
      squashed ? `${wrong}, and the server takes root for nobody (root_squash)` : wrong,
      squashed
        ? `Nothing that runs as root can work on this volume. ${DENIED}`
        : 'Files that root makes belong to root or nobody: the service user cannot move or ' +
            'remove them. Run nothing as root on the volume.',
      again,
      'if `mailfarm serve` itself runs as root: give it the owner of the volumes (systemd: User=)',
      'leave root_squash as it is on the server: it keeps one front end from owning all mail',
    ),
  ];
}

const denied = ({ failed }: VolumeFacts): boolean =>
  failed.some(({ code }) => code === 'EACCES' || code === 'EPERM');

function owner(volume: VolumeFacts, farm: FarmFacts): Verdict {
  const { root, path } = volume;
  if (root === undefined || farm.uid === 0) return undefined;
  const [own, its] = [farm.userName(farm.uid), farm.userName(root.uid)];
  if (root.uid === farm.uid) return `owner ${own}`;
  const why = NOBODY.has(root.uid)
    ? ', whom root_squash makes of root: the directory was made or changed by root over NFS'
    : '';
  const place = isNfs(volume.mount) ? 'on the server, as root' : 'as root';
  return [
    error(
      `${path} belongs to ${its} (uid ${root.uid})${why}; the farm runs as ${own} (${farm.uid})`,
      `${own} makes no mailboxes there and cannot write the sentinel. ${DENIED}`,
      `${place}: chown ${farm.uid} ${exported(volume)}`,
      ...(root.uid === 0 || NOBODY.has(root.uid)
        ? []
        : [`or, if the farm runs as ${its}: sudo -u ${its} mailfarm doctor`]),
    ),
  ];
}

/** The directory, as the server names it to clients. */
function exported({ mount, path }: VolumeFacts): string {
  if (mount === undefined || !isNfs(mount)) return sh(path);
  return `${sh(mount.source.replace(/^.*?:(?=\/)/, ''))}   (as it is exported)`;
}

function rights({ root, path }: VolumeFacts, farm: FarmFacts): Verdict {
  if (root === undefined) return undefined;
  const found: Complaint[] = [];
  if ((root.mode & OTHERS_WRITE) !== 0) {
    found.push(
      error(
        `Everybody may write in ${path} (mode ${octal(root.mode)})`,
        'Any user of any host that mounts it can put another sentinel there, or remove mail.',
        `chmod 0700 ${sh(path)}`,
      ),
    );
  }
  if (root.uid === farm.uid && (root.mode & OWNER_ALL) !== OWNER_ALL) {
    found.push(
      error(
        `Its owner may not do all in ${path} (mode ${octal(root.mode)})`,
        DENIED,
        `chmod 0700 ${sh(path)}`,
      ),
    );
  }
  return found.length > 0 ? found : `mode ${octal(root.mode)}`;
}

function directories({ root, below, path }: VolumeFacts, farm: FarmFacts): Verdict {
  if (root === undefined || below === undefined || below.length === 0) return undefined;
  const user = farm.uid === 0 ? root.uid : farm.uid;
  const strange = below.filter(({ uid }) => uid !== user);
  const open = below.filter(({ mode }) => (mode & OTHERS_WRITE) !== 0);
  const found: Complaint[] = [];
  const [first] = strange;
  if (first !== undefined) {
    found.push(
      error(
        `${strange.length} of ${below.length} directories looked at are not ` +
          `${farm.userName(user)}’s: ${first.path} belongs to ${farm.userName(first.uid)} ` +
          `(uid ${first.uid})`,
        'Mail for the users in them is deferred (451).',
        `on the server, as root: chown -R ${user} ${sh(below0(first, path))}`,
      ),
    );
  }
  if (open[0] !== undefined) {
    found.push(
      error(
        `Everybody may write in ${open[0].path} (mode ${octal(open[0].mode)})`,
        'Any user of any host that mounts it can add, change or remove mail.',
        `chmod -R go-rwx ${sh(below0(open[0], path))}`,
      ),
    );
  }
  return found.length > 0 ? found : `${below.length} directories looked at`;
}

/** The first directory below the root on the way to it. */
const below0 = ({ path }: Owned, root: string): string =>
  `${root}/${path.slice(root.length + 1).split('/')[0]}`;

function mayWrite(volume: VolumeFacts, farm: FarmFacts): Verdict {
  const failed = volume.failed.find(({ at }) => at.startsWith('trial'));
  if (volume.trial) return 'may write';
  if (failed === undefined || farm.uid === 0) return undefined;
  if (!['EACCES', 'EPERM'].includes(failed.code)) return undefined;
  if (volume.root !== undefined && volume.root.uid !== farm.uid) return undefined; // Said: owner.
  return [
    error(
      `${farm.userName(farm.uid)} owns ${volume.path} and may not write there (${failed.code})`,
      DENIED,
      'on the server: exportfs -v; the line of this host must have rw, and neither all_squash ' +
        'nor another anonuid',
      'compare `id` here and there: sec=sys sends numbers, not names',
    ),
  ];
}

function mapped({ trial, root, mount }: VolumeFacts, farm: FarmFacts): Verdict {
  const made = trial?.made;
  if (made === undefined || farm.uid === 0) return undefined;
  if (made.uid === farm.uid) return undefined;
  const whose = `${farm.userName(made.uid)} (uid ${made.uid})`;
  const nobody = NOBODY.has(made.uid);
  const byName = nobody && root !== undefined && NOBODY.has(root.uid) && isNfs(mount);
  return [
    error(
      `A file that ${farm.userName(farm.uid)} (uid ${farm.uid}) makes belongs to ${whose}`,
      'What one host delivers another may not read, move or remove.',
      ...(nobody
        ? [
            'on the server: exportfs -v; take all_squash away from the line of this host; exportfs -ra',
          ]
        : ['on the server: exportfs -v; anonuid and all_squash do not belong there']),
      ...(byName
        ? ['if ids are mapped by name: the same Domain= in /etc/idmapd.conf on both; nfsidmap -c']
        : []),
    ),
  ];
}
