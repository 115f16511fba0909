import { describe, expect, test } from 'vitest';
import { diagnose } from './checks.ts';
import { judgeFarm } from './judge-directory.ts';
import type { FarmFacts, VolumeFacts } from './types.ts';
import {
  OPTIONS,
  mountWith,
  plus,
  instead,
  NOW,
  HOST,
  beat,
  WELL,
  FARM,
  complaints,
  failed,
  OTHER,
  swapped,
  asOne,
  trial,
  room,
  seen,
  LOCAL,
  type Row,
  findsWhatIsPlanted,
} from './testing.ts';

// What the doctor says of mounts, options, sentinels: facts in, words out.

test('[N-04] of a healthy volume nothing is said but that it is well', () => {
  const { complaints: wrong, well } = diagnose(WELL, { ...FARM, volumes: [WELL] });
  expect(wrong).toEqual([]);
  const text = well.map((one) => one.text).join(', ');
  expect(text).toContain('mounted from filer1:/mail1');
  expect(text).toContain('NFS 4.2');
  expect(text).toContain('hard');
  expect(text).toContain('5 calls a delivery');
  expect(text).toContain('seen by n2 (20 s ago)');
});

const SWAPPED = new RegExp(
  '^error: /mail1 and /mail2 are swapped: /mail1 holds mail2, /mail2 holds mail1 .*' +
    'umount /mail1 /mail2 \\| mount (\\S+ ){4}filer1:/mail2 /mail1 \\| ' +
    'mount (\\S+ ){4}filer1:/mail1 /mail2',
);

const ROWS: readonly Row[] = [
  [
    'NFS 3',
    { mount: mountWith(OPTIONS.replace('4.2', '3'), { type: 'nfs' }) },
    /^error: NFS 3; .*umount \/mail1 && mount -t nfs4 -o vers=4\.2,hard/,
  ],
  [
    'NFS 3 without vers',
    { mount: mountWith('rw,hard,addr=10.0.0.1,lookupcache=pos', { type: 'nfs' }) },
    /^error: NFS 3; /,
  ],
  ['NFS 4.0', instead('vers=4.2', 'vers=4.0'), /^error: NFS 4\.0; .*done twice/],
  ['noac', plus('noac'), /^error: Mounted with noac \| .*45 calls/],
  [
    'actimeo=0',
    plus('acregmin=0,acregmax=0,acdirmin=0,acdirmax=0'),
    /^error: Mounted with actimeo=0 /,
  ],
  ['acdirmax=0', plus('acdirmax=0'), /^error: Mounted with acdirmax=0 /],
  [
    'lookupcache=none',
    instead('lookupcache=pos', 'lookupcache=none'),
    /^error: Mounted with lookupcache=none \| .*24 calls/,
  ],
  [
    'lookupcache=all',
    instead(',lookupcache=pos', ''),
    /^warning: Mounted with lookupcache=all.*60 s/,
  ],
  ['sync', plus('sync'), /^error: Mounted with sync /],
  ['nocto', plus('nocto'), /^error: Mounted with nocto /],
  ['soft', instead('hard', 'soft'), /^error: Mounted with soft: .*180 s/],
  [
    'softerr',
    instead('hard,proto=tcp,timeo=600', 'softerr,proto=tcp,timeo=10'),
    /^warning: Mounted with softerr: .*3\.0 s \| .*unknown/,
  ],
  ['proto=udp', instead('proto=tcp', 'proto=udp'), /^error: Mounted with proto=udp/],
  [
    'local locks',
    instead('local_lock=none', 'local_lock=all'),
    /^warning: Mounted with local_lock=all/,
  ],
  [
    '[S2-24] a public server',
    instead(',addr=10.99.0.1', ',addr=203.0.113.5'),
    /^warning: The server’s address 203\.0\.113\.5 is public/,
  ],
  [
    '[S2-24] a public server by IPv6',
    instead(',addr=10.99.0.1', ',addr=2001:db8::5'),
    /^warning: .*2001:db8::5 is public/,
  ],
  [
    'ro',
    { mount: mountWith(OPTIONS.replace('rw', 'ro')) },
    /^error: \/mail1 is mounted read-only here .*remount,rw \/mail1/,
  ],
  [
    'read-only on the server',
    failed('trial: mkdir', 'EROFS'),
    /^error: .*read-only on the server \(EROFS\).*exportfs -ra/,
  ],
  [
    'hung, the server away',
    { hung: { at: 'sentinel', ms: 7000, port: 'silent' } },
    /^error: Has not answered for 7 s, in: sentinel \(server 10\.99\.0\.1\).*silent.*ping 10\./,
  ],
  [
    'hung, the service down',
    { hung: { at: 'trial: fsync', ms: 7000, port: 'refused' } },
    /^error: .*refuses connections.*systemctl restart nfs-server/,
  ],
  [
    'hung, the port answers',
    { hung: { at: 'sentinel', ms: 7000, port: 'answers' } },
    /^error: .*takes connections: the service hangs there, or is in grace/,
  ],
  [
    'hung, a local disk',
    { mount: LOCAL, hung: { at: 'sentinel', ms: 7000, port: undefined } },
    /^error: Has not answered for 7 s, in: sentinel \|/,
  ],
  [
    'stale',
    { ...failed('sentinel', 'ESTALE'), sentinel: undefined as never },
    /^error: The server does not know this mount any more .*exportfs -ra/,
  ],
  [
    'softerr that struck',
    { ...failed('sentinel', 'ETIMEDOUT'), sentinel: undefined as never },
    /^error: A call failed with ETIMEDOUT/,
  ],
  [
    'not mounted',
    { mount: LOCAL, sentinel: { kind: 'none' } },
    /^error: Nothing is mounted at \/mail1: it is a directory of \/ \(ext4\).*mount -t nfs4/,
  ],
  [
    'not mounted, in fstab',
    { mount: LOCAL, sentinel: { kind: 'none' }, fstab: 'filer1:/mail1' },
    /\| mount \/mail1 {3}\(it is in \/etc\/fstab: filer1:\/mail1\)/,
  ],
  [
    'no directory',
    { mount: LOCAL, ...failed('sentinel', 'ENOENT'), sentinel: undefined as never },
    /^error: There is no directory \/mail1 .*mkdir -p \/mail1/,
  ],
  [
    'a local disk in a farm of several',
    { mount: LOCAL },
    /^warning: \/mail1 is a directory of \/ \(ext4\), and the farm has 2 nodes/,
    {
      nodes: [
        { name: 'a', beatAt: undefined },
        { name: 'b', beatAt: undefined },
      ],
    },
  ],
  [
    'no sentinel',
    { sentinel: { kind: 'none' } },
    /^error: There is no sentinel in \/mail1 \(from filer1:\/mail1\).*one mail1 > \/mail1\/\.mailf/,
  ],
  ['a torn sentinel', { sentinel: { kind: 'torn' } }, /^error: The sentinel .* is torn/],
  ['swapped volumes', swapped, SWAPPED, { volumes: [{ ...WELL, ...swapped }, asOne] }],
  [
    'another volume',
    { sentinel: { kind: 'whole', identity: 'x', name: 'old' } },
    /^error: \/mail1 holds volume "old", identity x; mail1 has one/,
  ],
  [
    'one identity twice',
    {},
    /^error: mail1 and mail2 have one identity in the directory \(one\)/,
    { volumes: [WELL, { ...OTHER, identity: 'one' }] },
  ],
  [
    'one volume mounted twice',
    {},
    /^error: \/mail1 and \/mail2 show one sentinel/,
    { volumes: [WELL, asOne] },
  ],
  [
    'one file system',
    {},
    /^warning: mail1 and mail2 are one file system on the server/,
    { volumes: [WELL, { ...OTHER, fileSystem: '0a630001 1:0' }] },
  ],
  [
    'sentinel not readable',
    { ...failed('sentinel', 'EACCES'), sentinel: undefined as never },
    /^error: mail may not read \/mail1\/\.mailfarm-volume .*sudo -u USER/,
  ],
];

findsWhatIsPlanted(ROWS);

describe('what is well is not complained of', () => {
  const rows: readonly (readonly [string, Partial<VolumeFacts>, Partial<FarmFacts>?])[] = [
    [
      'nosharecache, atime, sec=krb5p',
      { mount: mountWith(`${OPTIONS},nosharecache`.replace('sys', 'krb5p')) },
    ],
    [
      'NFS 4.1 over TCP of IPv6, private',
      {
        mount: mountWith(
          OPTIONS.replace('4.2', '4.1')
            .replace('proto=tcp', 'proto=tcp6')
            .replace(',addr=10.99.0.1', ',addr=fd00::1'),
        ),
        hosts: { beats: [], waitedMs: 0 },
      },
      { nodes: [] },
    ],
    ['a clock that may be right', trial({ skew: [-9000, 10] })],
    ['two seconds', trial({ skew: [1990, 2000] })],
    ['12 calls a delivery', trial({ calls: { count: 12, by: '' } })],
    ['94 % used', room(6e10)],
    [
      'a file system without inodes',
      { room: { totalBytes: 1e12, freeBytes: 5e11, totalInodes: 0, freeInodes: 0 } },
    ],
    ['our own mount, seen from a container', seen(beat({ host: HOST, options: OPTIONS }))],
    [
      'a dead host with our name',
      seen(beat({ host: { ...HOST, bootId: 'b' } }, 400_000)),
      { nodes: [] },
    ],
    [
      'a node that is down',
      seen(),
      {
        nodes: [
          { name: 'n9', beatAt: NOW - 400_000 },
          { name: 'n8', beatAt: undefined },
        ],
      },
    ],
    [
      'a directory of this host, in a farm of one',
      { mount: LOCAL, hosts: { beats: [], waitedMs: 0 } },
      { nodes: [] },
    ],
    [
      'volumes of one disk of this host',
      { mount: LOCAL, hosts: { beats: [], waitedMs: 0 }, fileSystem: '8:1' },
      { nodes: [], volumes: [WELL, { ...OTHER, fileSystem: '8:1' }] },
    ],
    [
      'offline: not even looked at',
      { state: 'offline', sentinel: undefined as never, mount: undefined },
    ],
    ['no identity asked for', { identity: undefined }, { table: undefined }],
  ];
  for (const [what, change, farm] of rows) {
    test(what, () => expect(complaints(change, farm)).toEqual([]));
  }
});

test('[N-04] users on volumes that are not in the table are told, with how to find them', () => {
  const farm = { ...FARM, strays: new Map([['mail9', 3]]) };
  const [one] = judgeFarm(farm);
  expect(one?.wrong).toBe('3 users are on volume "mail9", which is not in the table');
  expect(one?.mend.join()).toContain("mailfarm user list --filter '(mwVolume=mail9)'");
  expect(judgeFarm({ ...farm, table: undefined })).toEqual([]);
});

test('what stands in a directory entry does nothing in a command that is copied', () => {
  const path = "/m'$(reboot); rm -rf x";
  const text = complaints({ path, mount: LOCAL, sentinel: { kind: 'none' } }).join('\n');
  expect(text).toContain(`'/m'\\''$(reboot); rm -rf x'`);
  expect(text).not.toMatch(/mkdir -p \/m'/);
});
