/** What other hosts say of the volume: who sees it, how they mount it, what time it is there. */
import type { HostBeat } from '../hosts-file.ts';
import { SILENT_MS } from './ask.ts';
import { error, sh, span, warning } from './complain.ts';
import { isNfs, mountAnew } from './mounts.ts';
import type { Check, Complaint, FarmFacts, SeenBeat, Verdict, VolumeFacts } from './types.ts';

export const HOST_CHECKS: readonly Check[] = [
  { id: 'NFS client', judge: client },
  { id: 'other hosts', judge: hosts },
  { id: 'other hosts’ options', judge: others },
  { id: 'other hosts’ clocks', judge: clocks },
];

const optionsOf = (beat: HostBeat): ReadonlyMap<string, string> =>
  new Map(
    beat.options.split(',').map((option) => {
      const at = option.indexOf('=');
      return at < 0 ? [option, ''] : [option.slice(0, at), option.slice(at + 1)];
    }),
  );

/**
 * A server tells NFS 4.1 clients apart by identifier and node name. Two hosts with equal ones take
 * each other's opens and sessions away, again and again. Our own mount seen from another
 * container is the same client, not another with its name: clientaddr tells.
 */
function client(volume: VolumeFacts, farm: FarmFacts): Verdict {
  const { mount, hosts: seen } = volume;
  if (mount === undefined || !isNfs(mount) || seen === undefined) return undefined;
  const own = farm.host;
  const address = mount.options.get('clientaddr') ?? '';
  const twins = seen.beats.filter(({ beat, ageMs }) => {
    const { host } = beat;
    const same = host.identifier === own.identifier && host.nodename === own.nodename;
    const here =
      host.bootId === own.bootId && (optionsOf(beat).get('clientaddr') ?? '') === address;
    return same && !here && ageMs < SILENT_MS;
  });
  const shown = own.identifier === '' ? own.nodename : `${own.identifier}/${own.nodename}`;
  const [twin] = twins;
  if (twin === undefined) return `NFS client ${shown}`;
  return [
    error(
      `The host of node ${twin.beat.node} is the same NFS client as this one (${shown})`,
      'The server takes each for a restart of the other and drops its open files, again and ' +
        'again: deliveries and downloads stall or fail.',
      'on each host a name of its own: hostnamectl set-hostname NAME; and ' +
        '/etc/modprobe.d/nfs.conf: options nfs nfs4_unique_id=UUID-OF-THIS-HOST',
      'now, with its volumes unmounted: uuidgen > /sys/fs/nfs/net/nfs_client/identifier; mount -a',
    ),
  ];
}

function hosts({ hosts: seen, path, name }: VolumeFacts, farm: FarmFacts): Verdict {
  if (seen === undefined) return undefined;
  const found: Complaint[] = [];
  const live = seen.beats.filter(({ ageMs }) => ageMs < SILENT_MS);
  for (const { beat, ageMs } of seen.beats) {
    const known = farm.nodes.find((node) => node.name === beat.node);
    if (ageMs < SILENT_MS || !isUp(known?.beatAt, farm.now)) continue;
    found.push(silent(beat.node, path, `since ${span(ageMs)}`));
  }
  for (const node of farm.nodes) {
    if (seen.beats.some(({ beat }) => beat.node === node.name)) continue;
    if (isUp(node.beatAt, farm.now)) found.push(silent(node.name, path, 'and never did'));
  }
  for (const { beat } of live) {
    if (seen.answers === undefined || seen.answers.has(beat.node)) continue;
    found.push(
      warning(
        `${beat.node} did not see our file within ${span(seen.waitedMs)}`,
        'What one host delivers the other may list too late.',
        `on ${beat.node}: mailfarm doctor ${sh(name)}`,
        'a node looks once a minute: ask again with --wait 90',
      ),
    );
  }
  if (found.length > 0) return found;
  if (live.length === 0) return 'no other host';
  const when = live.map(({ beat, ageMs }) => {
    const answer = seen.answers?.get(beat.node);
    if (answer !== undefined) return `${beat.node} (saw our file after ${span(answer)})`;
    return `${beat.node} (${span(ageMs)} ago)`;
  });
  return `seen by ${when.join(', ')}`;
}

const isUp = (beatAt: number | undefined, now: number): boolean =>
  beatAt !== undefined && now - beatAt < SILENT_MS;

const silent = (node: string, path: string, since: string): Complaint =>
  warning(
    `Node ${node} lives and does not write on ${path} ${since}`,
    `Mail that arrives at ${node} for users of this volume is deferred there, if it cannot see it.`,
    `on ${node}: mailfarm doctor`,
    'a node that has just started writes within a minute',
  );

/** Options that have to be the same everywhere. */
const COMPARED = ['vers', 'lookupcache', 'noac', 'hard', 'soft', 'softerr', 'ro', 'proto', 'sync'];

/** `tcp6` is TCP. */
const plain = (value: string | undefined): string | undefined => value?.replace(/^tcp6$/, 'tcp');

function others({ hosts: seen, mount }: VolumeFacts): Verdict {
  if (seen === undefined || mount === undefined || !isNfs(mount)) return undefined;
  const found = seen.beats.flatMap((one) => {
    if (one.ageMs >= SILENT_MS) return [];
    const theirs = optionsOf(one.beat);
    const source = one.beat.source === '' ? `no mount (${one.beat.type})` : one.beat.source;
    if (!one.beat.type.startsWith('nfs')) {
      return [differs(one, `has ${source} there, and not NFS`, mount)];
    }
    const same = (key: string): boolean => plain(theirs.get(key)) === plain(mount.options.get(key));
    const different = COMPARED.filter((key) => !same(key));
    if (different.length === 0) return [];
    const told = (of: ReadonlyMap<string, string>): string =>
      different
        .map((key) => {
          const value = of.get(key);
          return value === undefined ? `no ${key}` : value === '' ? key : `${key}=${value}`;
        })
        .join(', ');
    return [differs(one, `mounts it with ${told(theirs)}; here: ${told(mount.options)}`, mount)];
  });
  return found.length > 0 ? found : undefined;
}

const differs = (
  { beat }: SeenBeat,
  how: string,
  mount: NonNullable<VolumeFacts['mount']>,
): Complaint =>
  warning(
    `${beat.node} ${how}`,
    'Hosts see each other’s changes at different times, and fail differently.',
    `on ${beat.node}: mailfarm doctor says which is wrong; as here: ${mountAnew(mount)[0]}`,
  );

const CLOCK_WARNING_MS = 2_000;
const CLOCK_ERROR_MS = 30_000;

/** A beat carries its host's clock; the server stamped when it came. */
function clocks({ hosts: seen }: VolumeFacts): Verdict {
  const found = (seen?.beats ?? []).flatMap(({ beat, writtenAt, ageMs }) => {
    const off = beat.clock - writtenAt;
    if (ageMs >= SILENT_MS || Math.abs(off) <= CLOCK_WARNING_MS) return [];
    const judge = Math.abs(off) >= CLOCK_ERROR_MS ? error : warning;
    return [
      judge(
        `The clock of ${beat.node} is ${span(off)} ${off > 0 ? 'ahead of' : 'behind'} the server’s`,
        'Ages of its files are misjudged, and its Received lines and logs are wrong.',
        `on ${beat.node}: timedatectl; timedatectl set-ntp true; or chronyc makestep`,
      ),
    ];
  });
  return found.length > 0 ? found : undefined;
}
