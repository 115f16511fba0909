/** How NFS is mounted: version, options, the server's address. */
import { addressRanges } from '../../net/address.ts';
import { error, span, warning } from './complain.ts';
import { isNfs, mountAnew, serverOf, type Mount } from './mounts.ts';
import type { Check, Complaint, Verdict, VolumeFacts } from './types.ts';

/** Asked of NFS mounts only. */
const ofNfs =
  (judge: (mount: Mount, volume: VolumeFacts) => Verdict) =>
  (volume: VolumeFacts): Verdict =>
    volume.mount && isNfs(volume.mount) ? judge(volume.mount, volume) : undefined;

export const OPTION_CHECKS: readonly Check[] = [
  { id: 'NFS version', judge: ofNfs(version) },
  { id: 'options', judge: ofNfs((mount) => options(mount)) },
  { id: 'attribute cache', judge: ofNfs(attributes) },
  { id: 'look-up cache', judge: ofNfs(lookups) },
  { id: 'hard or soft', judge: ofNfs(hardOrSoft) },
  { id: 'private network', judge: ofNfs((mount) => privateNetwork(mount)) },
];

function version(mount: Mount): Verdict {
  const vers = mount.options.get('vers') ?? (mount.type === 'nfs' ? '3' : '4');
  if (/^4\.[1-9]/.test(vers)) return `NFS ${vers}`;
  const why =
    vers === '4.0'
      ? 'A call that is sent again after a lost reply is done twice: rename and link say that ' +
        'they failed though they worked'
      : 'A second change of a directory within one tick of the server’s clock stays invisible to ' +
        'other hosts for ever: mail that was delivered is not listed. Calls sent again are done ' +
        'twice';
  return [
    error(
      `NFS ${vers}; 4.1 or newer is needed`,
      `${why}.`,
      ...mountAnew(mount),
      ...(vers.startsWith('4') ? [] : [PSEUDO_ROOT]),
      `if the server refuses 4.2: on ${serverOf(mount)}, /etc/nfs.conf, [nfsd]: vers4.2=y; ` +
        'systemctl restart nfs-server',
    ),
  ];
}

const PSEUDO_ROOT =
  'NFS 4 counts the path from the export with fsid=0, where there is one: it may be shorter';

/** Those that are wrong by being there. */
const WRONG: Readonly<Record<string, string>> = {
  noac: 'Nothing is cached: a delivery costs up to 45 calls to the server, not 5',
  sync: 'Each write is a call of its own: a large letter costs hundreds',
  nocto: 'A file that another host has just made may read as empty',
};

function options(mount: Mount): Verdict {
  const found = new Map<string, Complaint>();
  for (const [option, mail] of Object.entries(WRONG)) {
    if (!mount.options.has(option)) continue;
    if (option === 'sync' && mount.options.has('noac')) continue; // noac brings it along.
    found.set(option, error(`Mounted with ${option}`, `${mail}.`, ...mountAnew(mount)));
  }
  const protocol = mount.options.get('proto') ?? 'tcp';
  if (!/^(tcp|rdma)6?$/.test(protocol)) {
    const mail = 'A lost packet repeats whole calls, and rename may be done twice.';
    found.set('proto', error(`Mounted with proto=${protocol}`, mail, ...mountAnew(mount)));
  }
  const locks = mount.options.get('local_lock') ?? 'none';
  if (locks !== 'none' && !mount.options.has('nolock')) {
    const mail =
      'Mailfarm takes no locks; other programs that lock on this volume lock on this host only.';
    found.set('locks', warning(`Mounted with local_lock=${locks}`, mail, ...mountAnew(mount)));
  }
  if (found.size > 0) return [...found.values()];
  const sec = mount.options.get('sec') ?? 'sys';
  const unshared = mount.options.has('nosharecache') ? ', nosharecache' : '';
  const times = mount.options.has('noatime') ? '' : ', atime kept by the server';
  return `${protocol}, sec=${sec}${unshared}${times}`;
}

const TIMES = ['acregmin', 'acregmax', 'acdirmin', 'acdirmax'] as const;

function attributes(mount: Mount): Verdict {
  if (mount.options.has('noac')) return undefined; // Said already.
  const zero = TIMES.filter((name) => mount.options.get(name) === '0');
  if (zero.length === 0) return 'attributes cached';
  return [
    error(
      zero.length === TIMES.length
        ? 'Mounted with actimeo=0'
        : `Mounted with ${zero.map((name) => `${name}=0`).join(', ')}`,
      'Attributes are asked for again and again: a delivery costs up to 45 calls, not 5.',
      ...mountAnew(mount),
    ),
  ];
}

function lookups(mount: Mount): Verdict {
  const cache = mount.options.get('lookupcache') ?? 'all';
  if (cache === 'none') {
    return [
      error(
        'Mounted with lookupcache=none',
        'Each name is asked for each time: a delivery costs up to 24 calls, not 5.',
        ...mountAnew(mount),
      ),
    ];
  }
  if (cache.startsWith('pos')) return 'lookupcache=positive';
  return [
    warning(
      'Mounted with lookupcache=all, the default',
      'A mailbox that another host has just made is "not there" for up to 60 s: first letters ' +
        'to new users cost more calls, or are deferred.',
      ...mountAnew(mount),
    ),
  ];
}

function hardOrSoft(mount: Mount): Verdict {
  const timeo = Number(mount.options.get('timeo') ?? '600') / 10;
  const retrans = Number(mount.options.get('retrans') ?? '2');
  const after = span(timeo * 1000 * (retrans + 1));
  if (mount.options.has('softerr')) {
    return [
      warning(
        `Mounted with softerr: calls fail (ETIMEDOUT) when the server is silent for some ${after}`,
        'What became of a rename that failed so is unknown: the letter is deferred, and may ' +
          'arrive twice. Other programs may be told that pages are safe that were lost. With ' +
          'hard calls wait, and the volume’s own deadlines answer the sender.',
        ...mountAnew(mount),
      ),
    ];
  }
  if (mount.options.has('soft')) {
    return [
      error(
        `Mounted with soft: calls fail (EIO) when the server is silent for some ${after}`,
        'An outage of seconds breaks deliveries and downloads in the middle; other programs may ' +
          'lose what they wrote.',
        ...mountAnew(mount),
      ),
    ];
  }
  return 'hard';
}

/** Whether the options alone make each delivery dear: said already. */
export const isCostly = ({ options: of }: Mount): boolean =>
  of.has('noac') || of.get('lookupcache') === 'none' || TIMES.some((name) => of.get(name) === '0');

/** RFC 1918, 4193, 3927, 4291 (link-local), 6598, and this host. */
const PRIVATE = addressRanges([
  '10.0.0.0/8',
  '172.16.0.0/12',
  '192.168.0.0/16',
  '169.254.0.0/16',
  '100.64.0.0/10',
  '127.0.0.0/8',
  'fc00::/7',
  'fe80::/10',
  '::1',
]);

function privateNetwork(mount: Mount): Verdict {
  const server = mount.options.get('addr');
  if (server === undefined) return undefined;
  if (PRIVATE.has(server)) return 'private network';
  return [
    warning(
      `The server’s address ${server} is public`,
      'Whoever is on the way can read and change mail: NFS with sec=sys is not encrypted, and ' +
        'believes any user id that a host names.',
      'give server and front ends addresses of a network of their own (10.0.0.0/8, fd00::/8), ' +
        'apart from offices and the internet, and mount by those',
      'until then, on the server: let port 2049 through from the front ends only',
    ),
  ];
}
