/** What can be said of the roles without a host: secrets stay unseen, and IPv6 alone is enough. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { isMap, parseDocument, visit } from 'yaml';
import { play } from './play.ts';
import { ANSIBLE, copyInventory, editHosts, EXAMPLE } from './prepare.ts';

const SECRET = 'a-secret-of-thirty-characters.';
let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'mailfarm-roles-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test('no task shows a secret: neither in the list of processes nor in what ansible tells', async () => {
  const script =
    'printf %s "$SECRET" | wc -c; ps -eo args | grep -c "[t]hirty" >&2; echo "$SECRET"';
  const seen = join(folder, 'seen');
  writeFileSync(join(folder, 'secret'), SECRET);
  const said = await play(
    {
      folder,
      inventory: 'localhost,',
      content: {
        hosts: 'localhost',
        vars: { value: `{{ lookup('ansible.builtin.file', '${folder}/secret') }}` },
        tasks: [
          { farm_command: { script, secrets: { SECRET: '{{ value }}' } }, register: 'told' },
          {
            'ansible.builtin.copy': {
              content: '{{ told.stdout }} {{ told.stderr }}',
              dest: seen,
              mode: '0600',
            },
          },
        ],
      },
    },
    '-vvv',
  );
  // It had the secret, whole; nobody else did.
  expect(readFileSync(seen, 'utf8').trim().split(/\s+/)).toEqual([
    String(SECRET.length),
    '********',
    '0',
  ]);
  expect(said).not.toContain(SECRET);
});

test('no task has a secret in `environment`, which every account of the host reads', () => {
  const files = readdirSync(ANSIBLE, { recursive: true, encoding: 'utf8' });
  const plays = files.filter((name) => name.endsWith('.yml') && !name.startsWith('inventories'));
  expect(plays.length).toBeGreaterThan(50);
  const found: string[] = [];
  for (const name of plays) {
    visit(parseDocument(readFileSync(join(ANSIBLE, name), 'utf8')), {
      Pair: (_, { key, value }) => {
        if (
          String(key) === 'environment' &&
          isMap(value) &&
          /secret|password/i.test(String(value))
        ) {
          found.push(name);
        }
      },
    });
  }
  expect(found).toEqual([]);
});

const TEMPLATES = {
  'volume/templates/nfs.conf': 'host=fd20::11\n',
  'volume/templates/exports': '/srv/mail1 fd20::/64(rw,sync,root_squash,',
  'directory/templates/slapd.default': '"ldaps://127.0.1.1 ldaps://[fd20::11] ldapi:///"',
  'backup/templates/prometheus-node-exporter': '=[fd20::11]:9100',
  'monitoring/templates/prometheus.default': '=[fd20::11]:9090',
  'monitoring/templates/prometheus.yml': "['[fd20::31]:9180']",
  'balancer/templates/haproxy.cfg': 'server mx1 [fd20::31]:25 track',
  'frontend/templates/volume.mount': 'What=[fd20::21]:/srv/mail1',
  'base/templates/hosts': 'fd20::12 ldap2.example.test',
};

test('a farm whose private network has IPv6 alone', async () => {
  const own = join(folder, 'six');
  copyInventory({ from: EXAMPLE, to: own, short: false });
  editHosts(join(own, 'hosts.yml'), (document) =>
    visit(document, {
      Pair: (_, { key }) => (String(key) === 'private_ipv4' ? visit.REMOVE : undefined),
    }),
  );
  editHosts(join(own, 'group_vars/all/farm.yml'), (document) =>
    document.set('farm_private_networks', ['fd20::/64']),
  );
  const names = Object.keys(TEMPLATES);
  const dest = join(folder, 'rendered');
  const lookup = (name: string): string =>
    `'${name}': lookup('ansible.builtin.template', '${ANSIBLE}/roles/${name}.j2')`;
  const all = names.map(lookup).join(', ');
  const content = {
    hosts: 'ldap1',
    roles: ['farm'],
    vars: {
      volume_own: [{ key: 'mail1', value: { host: 'ldap1' } }],
      item: { key: 'mail1', value: { host: 'vol1' } },
    },
    tasks: [
      { 'ansible.builtin.copy': { content: `{{ {${all}} | to_json }}`, dest, mode: '0600' } },
    ],
  };
  await play({ folder, inventory: own, content });
  const texts = JSON.parse(readFileSync(dest, 'utf8')) as Record<string, string>;
  for (const name of names) {
    const text = texts[name];
    expect(text, name).toContain(TEMPLATES[name as keyof typeof TEMPLATES]);
    expect(text, name).not.toMatch(/10\.20\.0|\[\]/);
  }
});
