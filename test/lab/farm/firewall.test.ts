/**
 * The firewall that the role writes, on this machine's kernel: user-mode Linux has none. Rendered
 * by ansible for hosts of the example inventory, loaded in a namespace, and knocked at from both
 * sides.
 */
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { runOrThrow } from '../../harness/process.ts';
import { whyNoFarm } from './needs.ts';
import { ANSIBLE, EXAMPLE } from './prepare.ts';

/** Everything that anything of a farm, or of Debian, could be listening at. */
const PORTS = [
  22, 25, 80, 110, 111, 143, 389, 443, 465, 587, 636, 993, 995, 2049, 8404, 9090, 9180,
];
const SERVICES = [25, 110, 143, 443, 465, 587, 993, 995];
const MOUNTS = ['sh', '-c', 'mkdir -p /run/netns && mount -t tmpfs tmpfs /run/netns && exec "$@"'];

/** A balancer beside that of the example. */
const SECOND = {
  lb2: {
    ansible_host: '192.0.2.62',
    public_ipv6: '2001:db8::62',
    private_ipv4: '10.20.0.62',
    private_ipv6: 'fd20::62',
  },
};

const why = whyNoFarm();
let folder: string;
beforeAll(async () => {
  if (why !== '') return;
  folder = mkdtempSync(join(tmpdir(), 'mailfarm-firewall-'));
  const task = { src: `${ANSIBLE}/roles/base/templates/nftables.conf.j2`, mode: '0600' };
  const dest = `${folder}/{{ inventory_hostname }}`;
  const play = {
    hosts: 'all',
    connection: 'local',
    gather_facts: false,
    become: false,
    roles: ['farm'],
    tasks: [{ name: 'Render', 'ansible.builtin.template': { ...task, dest } }],
  };
  writeFileSync(join(folder, 'render.yml'), JSON.stringify([play]));
  writeFileSync(join(folder, 'second.yml'), JSON.stringify({ balancers: { hosts: SECOND } }));
  const env = { ANSIBLE_ROLES_PATH: join(ANSIBLE, 'roles'), ANSIBLE_NOCOLOR: '1' };
  const run = async (...inventories: readonly string[]): Promise<void> => {
    const argv = ['ansible-playbook', ...inventories.flatMap((one) => ['-i', one])];
    await runOrThrow([...argv, join(folder, 'render.yml')], { cwd: ANSIBLE, env, ms: 300_000 });
  };
  await run(EXAMPLE, join(folder, 'second.yml'));
  renameSync(join(folder, 'lb1'), join(folder, 'lb1-of-two'));
  await run(EXAMPLE);
}, 700_000);
afterAll(() => {
  if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
});

const CASES = [
  { host: 'vol1', last: 21, world: [], near: [2049] },
  { host: 'ldap1', last: 11, world: [], near: [636] },
  { host: 'mx1', last: 31, world: [25], near: [25, 9180] },
  { host: 'pop1', last: 41, world: [110, 143, 465, 587, 993, 995], near: [110, 993, 9180] },
  { host: 'lb1', last: 61, world: [80, ...SERVICES], near: [8404] },
];

interface Seen {
  readonly public: Record<string, number[]>;
  readonly private: Record<string, number[]>;
  /** Whose claim to the service address is heard. */
  readonly announced: readonly string[];
}

async function look(rules: string, last: number): Promise<Seen> {
  const program = [join(import.meta.dirname, 'firewall.py'), join(folder, rules), String(last)];
  const argv = ['unshare', '--net', '--mount', ...MOUNTS, 'sh', '/usr/bin/python3', ...program];
  const said = await runOrThrow([...argv, ...PORTS.map(String)], { ms: 120_000 });
  return JSON.parse(said.toString()) as Seen;
}

test.for(CASES)(
  '[S2-24] [S1-11] [S4-05] the firewall of $host lets in what belongs there, by IPv4 and IPv6',
  async ({ host, last, world, near }, ctx) => {
    if (why !== '' && process.env['CI'] === undefined) ctx.skip(why);
    expect(why).toBe('');
    const seen = await look(host, last);
    for (const [address, ports] of Object.entries(seen.public)) {
      expect(ports, `the world at ${address}`).toEqual(world.toSorted((a, b) => a - b));
    }
    for (const [address, ports] of Object.entries(seen.private)) {
      expect(ports, `the private network at ${address}`).toEqual(expect.arrayContaining(near));
    }
    expect(seen.announced, 'nobody else may have the service address').toEqual([]);
  },
);

test('of two balancers each believes the other, and no stranger, that it has the address', async (ctx) => {
  if (why !== '' && process.env['CI'] === undefined) ctx.skip(why);
  expect(why).toBe('');
  const { announced } = await look('lb1-of-two', 61);
  expect(announced).toEqual(['192.0.2.62', '2001:db8::62']);
});
