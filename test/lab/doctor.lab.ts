import { mkdirSync, readdirSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { stringify } from 'yaml';
import { demoAdministrator, demoEntries } from '../../src/directory/demo.ts';
import {
  serveEmbeddedDirectory,
  type EmbeddedServer,
} from '../../src/directory/embedded/server.ts';
import { DEFAULT_SUFFIX, layout } from '../../src/directory/schema.ts';
import { asRoot, type Client, serverThreads } from './inside.ts';

// `mailfarm doctor` on a host of the laboratory: what is planted is found, and told with what
// mends it; a healthy volume gives no complaint.

/** A visit takes some seconds in this kernel: what differs by a word only is for `--long`. */
const LONG = process.env['MAILFARM_LAB_LONG'] !== undefined;
const inLongRuns = LONG ? test : (): void => undefined;

const SERVER = '10.99.0.1';
const RIGHT = 'vers=4.2,hard,noatime,nosharecache,lookupcache=positive';
const EXPORT = 'rw,sync,no_subtree_check,root_squash,fsid=1';
const SRV = '/mnt/srv/mail1';
const SENTINEL = `${SRV}/.mailfarm-volume`;
const identityOf = (name: string): string => `identity-of-${name}`;
const DIR = '/tmp/doctor';
const NODE = process.execPath;
const MAIN = 'src/cli/main.ts';
const BEATS = 'beats.ts';
const AS_MAIL = 'setpriv --reuid mail --regid mail --clear-groups';

const writeSentinel = (name: string): void =>
  writeFileSync(
    `/mnt/srv/${name}/.mailfarm-volume`,
    `identity=${identityOf(name)}\nname=${name}\nformat=1\n`,
  );

interface Visit {
  readonly client?: Client | 'c9';
  /** Mount options; `undefined`: nothing is mounted. */
  readonly options?: string | undefined;
  /** What is mounted at /mnt/mail1. */
  readonly source?: string;
  /** Run as root before and after, with the volume mounted. */
  readonly before?: string;
  readonly after?: string;
  readonly as?: 'root' | 'mail';
  readonly args?: string;
  readonly env?: string;
}

interface Said {
  readonly text: string;
  readonly code: number;
  readonly ms: number;
}

/** Runs the doctor on a host that mounts mail1 so, in a mount namespace of its own. */
async function visit(given: Visit = {}): Promise<Said> {
  const { client = 'c1', source = `${SERVER}:/mail1`, before = '', after = '' } = given;
  const options = 'options' in given ? given.options : RIGHT;
  const ip = `10.99.0.1${client.slice(1)}`;
  const args = given.args ?? `--path /mnt/mail1 --identity ${identityOf('mail1')}`;
  const type = options?.includes('vers=3') ? 'nfs' : 'nfs4';
  const mount =
    options === undefined
      ? ''
      : `mount -t ${type} -o ${options}${type === 'nfs4' ? `,clientaddr=${ip}` : ''} ` +
        `${source} /mnt/mail1 || exit 99`;
  const script = `
    mount --make-rprivate /
    ${mount}
    ${before}
    began=$(date +%s%3N)
    ${given.env ?? ''} ${given.as === 'root' ? '' : AS_MAIL} ${NODE} ${MAIN} doctor ${args}
    code=$?
    ended=$(date +%s%3N)
    ${after}
    echo "exit=$code ms=$((ended - began))"`;
  const output = await asRoot('ip', 'netns', 'exec', client, 'bash', '-c', script);
  const [, text = '', code, ms] = /^([^]*)exit=(\d+) ms=(\d+)\s*$/.exec(output) ?? [];
  process.stdout.write(`${text.replaceAll(/^/gm, '   | ')}\n`);
  return { text: text.replaceAll(/\s+/g, ' '), code: Number(code), ms: Number(ms) };
}

let directory: EmbeddedServer;

beforeAll(async () => {
  mkdirSync(DIR, { recursive: true });
  writeSentinel('mail1');
  writeSentinel('mail2');
  const volumes = ['mail1', 'mail2'].map((name) => ({
    name,
    path: `/mnt/${name}`,
    identity: identityOf(name),
    weight: 1,
    state: 'active' as const,
    use: 'mail' as const,
  }));
  const node = {
    name: 'n1',
    nid: 1,
    server: '10.99.0.11',
    status: 'spm',
    listen: ['mx 10.99.0.11:2525'],
    addresses: [],
    beatAt: undefined,
    version: undefined,
  };
  directory = await serveEmbeddedDirectory({
    host: SERVER,
    port: 0,
    data: join(DIR, 'directory'),
    options: { 'directory.embedded.password.scheme': 'SSHA512' },
    firstStart: {
      adminPassword: 'admin-secret',
      frontendPassword: 'frontend-secret',
      administrators: [demoAdministrator(DEFAULT_SUFFIX)],
      settings: { postmaster: 'admin@example.test' },
      entries: [...demoEntries({ suffix: DEFAULT_SUFFIX, volumes, node })],
    },
  });
  const access = {
    urls: [directory.url],
    base: DEFAULT_SUFFIX,
    'bind-dn': layout(DEFAULT_SUFFIX).frontend,
    'password-file': join(DIR, 'secret'),
  };
  writeFileSync(join(DIR, 'secret'), 'frontend-secret\n', { mode: 0o600 });
  writeFileSync(
    join(DIR, 'n1.yaml'),
    stringify({ name: 'n1', data: DIR, workers: 1, directory: access }),
  );
}, 60_000);

afterEach(async () => {
  rmSync(`${SRV}/.mailfarm-hosts`, { recursive: true, force: true });
});

afterAll(async () => {
  await directory?.close();
  for (const name of ['mail1', 'mail2']) {
    rmSync(`/mnt/srv/${name}/.mailfarm-volume`, { force: true });
  }
});

test('[N-04] [S2-25] [S2-27] a healthy volume gives no complaint, and is left as it was', async () => {
  const before = readdirSync(SRV).toSorted();
  const said = await visit();
  expect(said.text).toContain('all is well');
  expect(said.text).toMatch(/sentinel, NFS 4\.2.*hard.*owner mail.*[567] calls a delivery/);
  expect(said.text).not.toMatch(/\b(error|warning)\b/);
  expect(said.code).toBe(0);
  expect(readdirSync(SRV).toSorted()).toEqual(before);
});

describe('[N-04] [S2-27] a mount that is wrong is told with the line that is right', () => {
  const rows: readonly (readonly [options: string, said: RegExp, code: number])[] = [
    ['vers=4.2,noac', /Mounted with noac .*45 calls/, 2],
    ['vers=4.2', /lookupcache=all.*up to 60 s/, 1],
    ['vers=4.2,soft,lookupcache=positive', /Mounted with soft: /, 2],
    ['vers=4.2,ro,lookupcache=positive', /mounted read-only here.*mount -o remount,rw/, 2],
    ['vers=4.2,actimeo=0,lookupcache=positive', /Mounted with actimeo=0 /, 2],
    ['vers=4.2,lookupcache=none', /lookupcache=none .*24 calls/, 2],
    ['vers=4.2,softerr,timeo=10,retrans=2,lookupcache=positive', /softerr.*3\.0 s.*unknown/, 1],
    ['vers=4.2,sync,lookupcache=positive', /Mounted with sync /, 2],
  ];
  test.each(rows.slice(0, LONG ? rows.length : 4))('%s', async (options, wrong, code) => {
    const said = await visit({ options: `${options},nosharecache` });
    expect(said.text).toMatch(wrong);
    expect(said.text).toContain('/etc/fstab: 10.99.0.1:/mail1 /mnt/mail1 nfs4 vers=4.2,hard');
    expect(said.code).toBe(code);
  });
});

test('[N-04] NFSv3 and 4.0 are errors: their reasons, and the line with 4.2', async () => {
  await asRoot('modprobe', '-d', '/mnt/kernel', 'nfsv3');
  const started = `
    mkdir -p /run/rpcbind
    rpcbind -f -w > /dev/null 2>&1 & echo $!
    sleep 1
    rpc.nfsd -V 3 -V 4 -V 4.0 -V 4.2 4 || exit 1
    rpc.mountd -F -p 20048 > /dev/null 2>&1 & echo $!
    sleep 1`;
  await serverThreads(0);
  const pids = (await asRoot('bash', '-c', started)).trim().split(/\s+/);
  try {
    const three = await visit({
      options: `vers=3,nolock,proto=tcp,mountproto=tcp,mountport=20048,nosharecache`,
      source: `${SERVER}:${SRV}`,
    });
    expect(three.text).toMatch(/NFS 3; 4\.1 or newer is needed.*invisible to other hosts/);
    expect(three.text).toMatch(/umount \/mnt\/mail1 && mount -t nfs4 -o vers=4\.2/);
    expect(three.code).toBe(2);
    const four = await visit({ options: 'vers=4.0,lookupcache=positive,nosharecache' });
    expect(four.text).toMatch(/NFS 4\.0; 4\.1 or newer is needed.*done twice/);
  } finally {
    await serverThreads(0);
    await asRoot('kill', ...pids.filter((pid) => /^\d+$/.test(pid)));
    await serverThreads(4);
    // Nobody has anything to reclaim: the tests that follow need not wait for the end of grace.
    await asRoot('bash', '-c', 'echo Y > /proc/fs/nfsd/v4_end_grace');
  }
});

describe('[N-04] [S2-26] rights', () => {
  afterEach(async () => {
    await asRoot('chown', 'mail:mail', SRV);
    await asRoot('exportfs', '-o', EXPORT, `10.99.0.0/24:${SRV}`);
  });

  test('the root belongs to another user', async () => {
    await asRoot('chown', 'root', SRV);
    const said = await visit();
    expect(said.text).toMatch(/belongs to root \(uid 0\); the farm runs as mail \(8\)/);
    expect(said.text).toContain('on the server, as root: chown 8 /mail1');
    expect(said.code).toBe(2);
  });

  inLongRuns('the root was made by a root that root_squash made nobody', async () => {
    await asRoot('chown', 'nobody', SRV);
    expect((await visit()).text).toMatch(/nobody \(uid 65534\), whom root_squash makes of root/);
  });

  test('root_squash: whoever runs as root is nobody', async () => {
    await asRoot('chmod', '0700', SRV);
    const said = await visit({ as: 'root' });
    await asRoot('chmod', '0755', SRV);
    expect(said.text).toMatch(/runs as root, and the server takes root for nobody \(root_squash\)/);
    expect(said.text).toContain('sudo -u mail mailfarm doctor mail1');
    expect(said.code).toBe(2);
  });

  test('all_squash: nobody is who he is', async () => {
    const squash = EXPORT.replace('root_squash', 'all_squash');
    await asRoot('exportfs', '-o', squash, `10.99.0.0/24:${SRV}`);
    await asRoot('chmod', '0777', SRV);
    const said = await visit();
    await asRoot('chmod', '0755', SRV);
    expect(said.text).toMatch(/A file that mail \(uid 8\) makes belongs to nobody \(uid 65534\)/);
    expect(said.text).toMatch(/take all_squash away/);
    expect(said.text).toMatch(/Everybody may write in \/mnt\/mail1/);
    rmSync(`${SRV}/.mailfarm-doctor`, { recursive: true, force: true });
  });

  test('an export that is read-only', async () => {
    await asRoot('exportfs', '-o', EXPORT.replace('rw', 'ro'), `10.99.0.0/24:${SRV}`);
    const said = await visit();
    expect(said.text).toMatch(/read-only on the server \(EROFS\).*must have rw/);
    expect(said.code).toBe(2);
  });
});

const shifted = (seconds: number): string =>
  "NODE_OPTIONS='--import=data:text/javascript,globalThis.real=performance.now.bind(performance);" +
  `performance.now=()=>real()+${seconds * 1000}'`;

const CLOCKS: readonly (readonly [seconds: number, said: RegExp, code: number])[] = [
  [-31, /ERROR.*is 3\d s ahead of ours.*swept early/i, 2],
  [6, /WARNING.*is \d.* s behind ours/i, 1],
  [31, /ERROR.*is 3\d s behind ours.*timedatectl set-ntp true/i, 2],
];
test.each(CLOCKS.slice(0, LONG ? 3 : 2))(
  '[N-04] a clock that is %i s off',
  async (seconds, wrong, code) => {
    const said = await visit({ env: `env ${shifted(seconds)}` });
    expect(said.text).toMatch(wrong);
    expect(said.code).toBe(code);
  },
);

describe('[N-04] sentinels and mounts', () => {
  afterEach(() => writeSentinel('mail1'));

  test('no sentinel', async () => {
    rmSync(SENTINEL);
    const said = await visit();
    expect(said.text).toMatch(/There is no sentinel in \/mnt\/mail1 \(from 10\.99\.0\.1:\/mail1\)/);
    expect(said.text).toMatch(/printf .*identity-of-mail1 mail1 > \/mnt\/mail1\/\.mailfarm-volume/);
    expect(said.code).toBe(2);
    expect(readdirSync(SRV)).not.toContain('.mailfarm-doctor');
  });

  inLongRuns('a torn sentinel', async () => {
    truncateSync(SENTINEL, 12);
    expect((await visit()).text).toMatch(/sentinel .* is torn/);
  });

  test('nothing is mounted', async () => {
    const said = await visit({ options: undefined });
    expect(said.text).toMatch(/Nothing is mounted at \/mnt\/mail1.*mount -t nfs4 -o vers=4\.2/);
  });

  test('two volumes are swapped: both are named, and where each belongs', async () => {
    const from = (name: string): string =>
      `mount -t nfs4 -o ${RIGHT} ${SERVER}:/${name} /mnt/${name === 'mail1' ? 'mail2' : 'mail1'}`;
    const said = await visit({
      options: undefined,
      before: `${from('mail1')}; ${from('mail2')}; chown mail ${DIR}/secret`,
      args: `--config ${DIR}/n1.yaml`,
    });
    expect(said.text).toContain(
      '/mnt/mail1 and /mnt/mail2 are swapped: /mnt/mail1 holds mail2, /mnt/mail2 holds mail1',
    );
    expect(said.text).toContain('umount /mnt/mail1 /mnt/mail2');
    expect(said.text).toMatch(/mount -t nfs4 \S+ \S+ 10\.99\.0\.1:\/mail1 \/mnt\/mail1/);
    expect(said.text).toMatch(/mount -t nfs4 \S+ \S+ 10\.99\.0\.1:\/mail2 \/mnt\/mail2/);
    expect(said.code).toBe(2);
  });
});

test('[N-04] a volume that is 99 % full: how much is left, and what to do', async () => {
  // A disk of its own: NFS tells free space in steps of 256 KB, too coarse for a small one.
  const full = `
    truncate -s 100M /run/disks/full
    mkfs.ext4 -q -F -m 0 /run/disks/full
    mkdir -p /mnt/srv/full
    mount -o loop /run/disks/full /mnt/srv/full
    chown mail:mail /mnt/srv/full
    exportfs -o ${EXPORT.replace('fsid=1', 'fsid=9')} 10.99.0.0/24:/mnt/srv/full
    fallocate -l $(($(stat -f -c '%a * %S' /mnt/srv/full) - 600000)) /mnt/srv/full/filler`;
  await asRoot('bash', '-ec', full);
  try {
    writeSentinel('full');
    const said = await visit({
      source: `${SERVER}:/full`,
      args: `--path /mnt/mail1 --identity ${identityOf('full')}`,
    });
    expect(said.text).toMatch(/Full: 99 % used, .*452 4\.3\.1.*volume set mail1 --state closed/);
    expect(said.code).toBe(2);
  } finally {
    const away = 'exportfs -u 10.99.0.0/24:/mnt/srv/full; exportfs -f; umount -l /mnt/srv/full';
    await asRoot('bash', '-c', `${away}; rmdir /mnt/srv/full; rm /run/disks/full`);
  }
});

test('[N-04] [S2-24] a server with a public address', async () => {
  // A host of its own: one that knows the server by another address goes on using that.
  const host = `
    ip address add 203.0.113.1/32 dev lab0
    ip netns add c9
    ip link add lab0c9 type veth peer name eth0 netns c9
    ip link set lab0c9 master lab0 up
    ip -n c9 address add 10.99.0.19/24 dev eth0
    ip -n c9 link set eth0 up
    ip -n c9 route add 203.0.113.1 dev eth0`;
  await asRoot('bash', '-c', host);
  try {
    const said = await visit({ client: 'c9', source: '203.0.113.1:/mail1' });
    expect(said.text).toMatch(/server’s address 203\.0\.113\.1 is public/);
    expect(said.code).toBe(1);
  } finally {
    await asRoot('ip', 'netns', 'del', 'c9');
    await asRoot('ip', 'address', 'del', '203.0.113.1/32', 'dev', 'lab0');
  }
});

test('[N-04] a cut cable under a hard mount: the doctor ends, and says who is silent', async () => {
  const outside = 'nsenter --net=/proc/1/ns/net ip link set lab0c1';
  const said = await visit({ before: `${outside} down`, after: `${outside} up; sleep 1` });
  expect(said.text).toMatch(/Has not answered for 7 s, in: sentinel \(server 10\.99\.0\.1\)/);
  expect(said.text).toMatch(/port 2049 is silent.*ping 10\.99\.0\.1/);
  expect(said.code).toBe(2);
  // Nine seconds of its own; what a busy machine takes to start a program comes on top.
  expect(said.ms).toBeLessThan(45_000);
});

describe('[N-04] other hosts', () => {
  /** A node on c2 that beats until told to stop. */
  async function withBeats(env: string, identifier: string, work: () => Promise<Said>) {
    const script = `
      mount --make-rprivate /
      echo ${identifier} > /sys/fs/nfs/net/nfs_client/identifier
      mount --bind /mnt/c2/mail1 /mnt/mail1
      (exec env ${env} ${AS_MAIL} ${NODE} test/lab/${BEATS} /mnt/mail1 n2) > ${DIR}/beats.log 2>&1 &
      echo $!
      for i in $(seq 100); do grep -q beats ${DIR}/beats.log && break; sleep 0.2; done`;
    const pid = (await asRoot('ip', 'netns', 'exec', 'c2', 'bash', '-c', script)).trim();
    try {
      return await work();
    } finally {
      await asRoot('kill', '-KILL', pid);
      const back = 'echo c2 > /sys/fs/nfs/net/nfs_client/identifier';
      await asRoot('ip', 'netns', 'exec', 'c2', 'sh', '-c', back);
    }
  }
  const asking = `--path /mnt/mail1 --identity ${identityOf('mail1')} --wait 30`;

  test('who sees the volume, and how long until it saw our file', async () => {
    const said = await withBeats('A=1', 'c2', () => visit({ args: asking }));
    expect(said.text).toMatch(/seen by n2 \(saw our file after \d+(\.\d)? m?s\)/);
    expect(said.text).toContain('all is well');
  });

  test('two hosts are one NFS client', async () => {
    const said = await withBeats('A=1', 'c1', () => visit());
    expect(said.text).toMatch(/host of node n2 is the same NFS client as this one \(c1\//);
    expect(said.text).toContain('nfs4_unique_id=');
    expect(said.code).toBe(2);
  });

  test('another host’s clock', async () => {
    const said = await withBeats(shifted(-45), 'c2', () => visit());
    expect(said.text).toMatch(/The clock of n2 is 4\d s behind the server’s/);
  });

  test('another host’s options', async () => {
    const options = RIGHT.replace('lookupcache=positive', 'lookupcache=none');
    const said = await withBeats('A=1', 'c2', () => visit({ options }));
    expect(said.text).toMatch(/n2 mounts it with lookupcache=pos; here: lookupcache=none/);
  });
});
