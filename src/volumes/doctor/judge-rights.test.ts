import {
  OPTIONS,
  SERVICE,
  owned,
  HOST,
  beat,
  failed,
  trial,
  room,
  seen,
  LOCAL,
  type Row,
  findsWhatIsPlanted,
} from './testing.ts';

// Rights, behaviour, room, other hosts, the directory: facts in, words out.

const ROWS: readonly Row[] = [
  [
    '[S2-26] root, squashed',
    failed('trial: mkdir', 'EACCES'),
    /^error: The doctor runs as root, and .*nobody \(root_squash\).*sudo -u mail mailf/,
    { uid: 0 },
  ],
  [
    '[S2-26] root, not squashed',
    {},
    /^error: The doctor runs as root \| Files that root makes/,
    { uid: 0 },
  ],
  ['root on a local disk', { mount: LOCAL }, /^warning: The doctor runs as root/, { uid: 0 }],
  [
    '[S2-26] another owner',
    { root: owned(0, 0o755) },
    /^error: \/mail1 belongs to root \(uid 0\); the farm runs as mail \(8\).*chown 8/,
  ],
  [
    '[S2-26] nobody owns it',
    { root: owned(65_534) },
    /^error: .*nobody \(uid 65534\), whom root_squash makes of root/,
  ],
  [
    'everybody may write',
    { root: owned(SERVICE, 0o777) },
    /^error: Everybody may write in \/mail1 \(mode 0777\).*chmod 0700 \/mail1/,
  ],
  ['the owner may not', { root: owned(SERVICE, 0o500) }, /^error: Its owner may not do all/],
  [
    'a directory of another',
    { below: [owned(0, 0o700, '/mail1/3f/a2')] },
    /^error: 1 of 1 directories.*\/mail1\/3f\/a2 belongs to root .*chown -R 8 \/mail1\/3f$/,
  ],
  [
    'a directory for everybody',
    { below: [owned(SERVICE, 0o707, '/mail1/3f')] },
    /^error: Everybody may write in \/mail1\/3f/,
  ],
  [
    '[S2-26] may not write',
    failed('trial: mkdir', 'EACCES'),
    /^error: mail owns \/mail1 and may not write there \(EACCES\)/,
  ],
  [
    '[S2-26] squashed to nobody',
    trial({ made: owned(65_534) }),
    /^error: A file that mail \(uid 8\) makes belongs to nobody .*all_squash/,
  ],
  [
    'ids by name',
    { ...trial({ made: owned(4_294_967_294) }), root: owned(4_294_967_294) },
    /\/etc\/idmapd\.conf/,
  ],
  [
    'O_EXCL does not exclude',
    trial({ broken: { exclusive: 'let through' } }),
    /^error: O_EXCL does not exclude: let through/,
  ],
  ['no colon in names', trial({ broken: { colon: 'EINVAL' } }), /^error: Names with a colon/],
  [
    'too many calls',
    trial({ calls: { count: 45, by: 'GETATTR 40' } }),
    /^warning: A delivery costs 45 calls .* in place of 5 \(GETATTR 40\)/,
  ],
  [
    'a clock behind',
    trial({ skew: [-31_000, -30_900] }),
    /^error: The server’s clock is 31 s behind ours/,
  ],
  [
    'a clock ahead',
    trial({ skew: [30_000, 30_010] }),
    /^error: The server’s clock is 30 s ahead of ours/,
  ],
  [
    'a clock a little off',
    trial({ skew: [2100, 2200] }),
    /^warning: The server’s clock is 2\.1 s ahead/,
  ],
  ['95 % used', room(4.9e10), /^warning: 95 % used, 49 GB of 1\.0 TB free/],
  [
    '99 % used',
    room(9.9e9),
    /^error: Full: 99 % used, .*452 4\.3\.1.*mailfarm volume set mail1 --state closed/,
  ],
  ['less than the reserve', room(9e7), /^error: Full: .*volume\.reserve\.bytes/],
  ['no inodes', room(5e11, 1000), /^error: Full: 99 % of inodes used, 1000 free/],
  ['few inodes', room(5e11, 4.9e6), /^warning: 95 % of inodes used/],
  [
    'a quota',
    failed('trial: fsync', 'EDQUOT'),
    /^error: The quota of mail .*\(EDQUOT\).*setquota -u 8/,
  ],
  ['no space in spite of numbers', failed('trial: fsync', 'ENOSPC'), /^error: Full: /],
  [
    '[N-04] equal NFS clients',
    seen(beat({ host: { ...HOST, bootId: 'b' } })),
    /^error: The host of node n2 is the same NFS client as this one \(front1\)/,
  ],
  [
    'a clone on this kernel',
    seen(beat({ host: HOST })),
    /^error: The host of node n2 is the same NFS client/,
  ],
  [
    'a silent node',
    seen(beat({}, 400_000)),
    /^warning: Node n2 lives and does not write on \/mail1 since 400 s/,
  ],
  [
    'a node that never wrote',
    seen(),
    /^warning: Node n2 lives and does not write on \/mail1 and never did/,
  ],
  [
    'no answer',
    { hosts: { beats: [beat()], answers: new Map(), waitedMs: 30_000 } },
    /^warning: n2 did not see our file within 30 s/,
  ],
  [
    'other options there',
    seen(beat({ options: OPTIONS.replace('lookupcache=pos', 'lookupcache=none') })),
    /^warning: n2 mounts it with lookupcache=none; here: lookupcache=pos/,
  ],
  [
    'no mount there',
    seen(beat({ type: 'ext4', source: '/dev/sda1' })),
    /^warning: n2 has \/dev\/sda1 there, and not NFS/,
  ],
  [
    'a clock there',
    seen(beat({}, 20_000, -45_000)),
    /^error: The clock of n2 is 45 s behind the server’s/,
  ],
  [
    'a path that is none',
    { path: 'mail1' },
    /^error: The path of volume mail1 in the directory is not absolute/,
  ],
  ['the root as a path', { path: '/' }, /^error: The path of volume mail1 .* is the root/],
  ['no identity', { identity: '' }, /^error: Volume mail1 has no identity in the directory/],
  [
    'something unheard of',
    failed('trial: mkdir', 'ENOTSUP'),
    /^error: A call failed: trial: mkdir/,
  ],
];

findsWhatIsPlanted(ROWS);
