import { connect } from 'node:net';
import { beforeAll, expect, test } from 'vitest';
import { ask, at, hostsOf, lines, LONG, provisioned, publicOf } from './inside.ts';

// What must be true of every host of a farm, asked on the hosts themselves.

let frontends: readonly string[];
let volumes: readonly string[];
beforeAll(async () => {
  await provisioned();
  [frontends, volumes] = await Promise.all([hostsOf('frontends'), hostsOf('volumes')]);
});

test('[S2-26] root owns nothing on the store, and nobody else but the service user does', async () => {
  for (const host of volumes) {
    const found = await ask(
      host,
      'find /srv/*/ -mindepth 1 -name lost+found -prune -o ! -uid 2525 -print; ls -d /srv/*/ | wc -l',
    );
    const said = lines(found);
    expect(Number(said.at(-1)), `${host} has volumes`).toBeGreaterThan(0);
    expect(said.slice(0, -1), host).toEqual([]);
  }
});

test('[S2-26] [S1-13] no process of the mail system is root, nor was given more than its ports', async () => {
  for (const host of frontends) {
    const all = lines(await ask(host, "ps -eo uid,args | grep '/opt/mailfarm' | grep -v grep"));
    expect(all.length, `${host} runs`).toBeGreaterThan(1);
    expect(all.filter((line) => !/^\s*2525 /.test(line))).toEqual([]);
    const pid = lines(await ask(host, 'systemctl show -p MainPID --value mailfarm'))[0];
    const status = await ask(host, `cat /proc/${pid}/status`);
    // CAP_NET_BIND_SERVICE is bit 10.
    expect(/CapBnd:\s+(\w+)/.exec(status)?.[1]).toBe('0000000000000400');
    expect(/NoNewPrivs:\s+(\d)/.exec(status)?.[1]).toBe('1');
  }
});

/** Whether somebody accepts there, as seen from the public network. */
const accepts = (host: string, port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect({ host, port, timeout: 15_000 });
    const end = (answer: boolean): void => {
      socket.destroy();
      resolve(answer);
    };
    socket.once('connect', () => end(true));
    socket.once('timeout', () => end(false));
    socket.once('error', () => end(false));
  });

test('[S2-24] [S2-33] [S2-34] [S1-11] only the private network gets answers', async () => {
  const of: Readonly<Record<string, readonly number[]>> = {
    volumes: [2049, 111],
    frontends: [9180],
    directories: [389, 636, 9100],
    balancers: [8404],
    monitoring: [9090],
    backups: [9100],
  };
  for (const [group, ports] of Object.entries(of)) {
    for (const host of await hostsOf(group)) {
      const addresses = await publicOf(host);
      expect(addresses.length, host).toBeGreaterThan(0);
      for (const address of addresses) {
        for (const port of ports) {
          expect(await accepts(address, port), `${host}: ${address} port ${port}`).toBe(false);
        }
      }
    }
  }
  // And it does answer there.
  const [host = ''] = frontends;
  for (const volume of volumes) {
    const exports = await ask(volume, 'exportfs -s');
    expect(exports).toMatch(/root_squash/);
    expect(exports).toMatch(/[(,]sync/);
    expect(exports).not.toMatch(/no_root_squash|\*\(|0\.0\.0\.0\/0/);
  }
  const mounts = lines(await ask(host, 'findmnt -n -t nfs4 -o TARGET,OPTIONS'));
  expect(mounts.length).toBeGreaterThan(LONG ? 2 : 1);
  for (const mount of mounts) {
    expect(mount).toMatch(/vers=4\.2.*hard|hard.*vers=4\.2/);
    expect(mount).toMatch(/lookupcache=pos/);
    expect(mount).toMatch(/nosuid/);
  }
});

test('[S2-34] no rpcbind, no lock daemon, no status daemon runs on a file server', async () => {
  for (const host of volumes) {
    const sockets = await ask(host, 'ss -Hlntu');
    expect(sockets).toMatch(/:2049\b/);
    expect(sockets).not.toMatch(/:111\b/);
    const { code } = await at(host, 'pgrep -x "rpcbind|rpc.statd"');
    expect(code).toBe(1);
  }
});

test('[S0-17] [S0-18] [S4-06] files of nodes are identical but for their names', async () => {
  const files = new Map<string, Set<string>>();
  for (const host of frontends) {
    const command = [
      'cd /',
      'files=$(find etc/mailfarm etc/systemd/system/*mailfarm* etc/systemd/system/*.mount -type f)',
      'for f in $files',
      `do sed 's/\\b${host}\\b/NAME/g' $f | sha256sum | sed "s# .*# $f#"`,
      'done',
    ].join('\n');
    for (const line of lines(await ask(host, command))) {
      const [sum = '', name = ''] = line.split(' ');
      files.set(name, (files.get(name) ?? new Set()).add(sum));
    }
  }
  expect([...files.keys()]).toContain('etc/mailfarm/mailfarm.yaml');
  const differing = [...files].filter(([, sums]) => sums.size > 1).map(([name]) => name);
  expect(differing).toEqual([]);
});

test('[S1-09] all mail lies on file servers, none on a front end', async () => {
  const letters = async (host: string, where: string): Promise<number> =>
    Number(await ask(host, `find ${where} -xdev -type f -path '*/new/*' | wc -l`));
  const own = '/etc /home /root /run /srv /tmp /var';
  for (const host of frontends) expect(await letters(host, own), host).toBe(0);
  const there = await Promise.all(volumes.map((host) => letters(host, '/srv/*')));
  expect(Math.max(...there)).toBeGreaterThan(0);
});

test('[S1-12] files and the directory are reached over the second interface only', async () => {
  for (const host of frontends) {
    const sockets = lines(
      await ask(host, "ss -Htn state established '( dport = :2049 or dport = :636 )'"),
    );
    expect(sockets.length, host).toBeGreaterThan(1);
    for (const line of sockets) {
      const [, , from = '', to = ''] = line.trim().split(/\s+/);
      expect([from, to], host).toEqual([
        expect.stringMatching(/^\[?(?:::ffff:)?(?:10\.|fd)/),
        expect.stringMatching(/^\[?(?:::ffff:)?(?:10\.|fd)/),
      ]);
    }
  }
});

test('[S4-09] nobody serves or asks ident, and nothing is wrapped in IPsec', async () => {
  for (const host of await hostsOf('all')) {
    const sockets = await ask(host, "ss -Htan '( sport = :113 or dport = :113 )'");
    expect(lines(sockets), host).toEqual([]);
    expect(lines(await ask(host, 'ip xfrm state; ip xfrm policy')), host).toEqual([]);
  }
});

test('[S0-17] [S1-13] no hash of a password lies outside the directory', async () => {
  const hash = '[$]argon2id?[$]v=19[$]m=[0-9]+,t=[0-9]+,p=[0-9]+[$][A-Za-z0-9+/]{11}';
  for (const host of [...frontends, ...volumes]) {
    const places = '/etc/mailfarm /var/lib/mailfarm /var/cache/mailfarm /srv /run';
    const { stdout } = await at(host, `grep -rlaE '${hash}' ${places} 2>/dev/null`);
    expect(lines(stdout.toString()), host).toEqual([]);
  }
  // The search finds one where there is one.
  const [directory = ''] = await hostsOf('directories');
  const { stdout } = await at(directory, `grep -rlaE '${hash}' /var/lib/ldap`);
  expect(lines(stdout.toString()).length).toBeGreaterThan(0);
});
