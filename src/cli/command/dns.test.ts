import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startDns, type DnsRecords, type DnsServer } from '../../../test/harness/dns-server.ts';
import { DEFAULT_SUFFIX, layout } from '../../directory/schema.ts';
import type { SeedEntry } from '../../directory/frame.ts';
import { startTestCli, type TestCli } from '../testing/cli.ts';
import type { DnsRecord } from '../zone/records.ts';
import { recordLine } from '../zone/text.ts';

const node = (name: string, nid: number, listen: string[], addresses: string[]): SeedEntry => ({
  dn: `cn=${name},${layout(DEFAULT_SUFFIX).nodes}`,
  attributes: {
    objectClass: ['top', 'mwNode'],
    cn: name,
    nid: String(nid),
    server: name,
    status: 'SPM',
    mwListen: listen,
    mwAddress: addresses,
  },
});

/** Two that take mail and serve users, a smarthost; storage on a network of its own. */
const NODES = [
  node(
    'alpha',
    2,
    ['mx *:25', 'imaps *:993', 'pop3s *:995', 'submissions *:465', 'https *:443'],
    ['192.0.2.1', '2001:db8::1', '10.1.0.1', 'fe80::1'],
  ),
  node('beta', 3, ['mx *:25', 'imaps *:993', 'pop3s *:995', 'submissions *:465'], ['192.0.2.2']),
  node('out.farm.test', 4, ['relay *:25', 'health 127.0.0.1:9090'], ['192.0.2.3', '2001:db8::3']),
];

let cli: TestCli;
let dns: DnsServer;
beforeAll(async () => {
  dns = await startDns();
  cli = await startTestCli({
    server: 'embedded',
    entries: [...NODES],
  });
  for (const [name, value] of [
    ['farm.host-name', 'mail.farm.test'],
    ['relay.send', 'relays'],
    ['dns.servers', dns.address],
    ['dns.timeout', '300ms'],
    ['dns.tries', '1'],
  ] as const) {
    const said = await cli.run(['config', 'set', name, value]);
    expect(said.err + said.out, name).not.toContain('mailfarm:');
  }
  await cli.run(['domain', 'add', 'customer.test']);
  await cli.run(['domain', 'add', 'held.test', '--transport', 'mx']);
  await cli.run(['domain', 'dkim', 'customer.test', '--new', '--algorithm', 'ed25519']);
});
afterAll(async () => {
  await dns?.stop();
  await cli?.close();
});

interface Printed {
  readonly farm: { readonly records: readonly DnsRecord[]; readonly notes: readonly string[] };
  readonly domains: readonly { readonly domain: string; readonly records: readonly DnsRecord[] }[];
  readonly mtaSts: string;
}
const lines = (records: readonly DnsRecord[]): readonly string[] =>
  records.map(({ name, type, value }) => `${name} ${type} ${value}`);
const printed = (...words: readonly string[]): Promise<Printed> => cli.json(['dns', ...words]);

describe('what is printed', () => {
  test('[S2-11] [S2-12] [S3-27] the farm’s names: an MX each, round robin for users and smarthosts', async () => {
    const { farm } = await printed('customer.test');
    const said = lines(farm.records);
    expect(said).toEqual(
      expect.arrayContaining([
        'alpha.farm.test A 192.0.2.1',
        'alpha.farm.test AAAA 2001:db8::1',
        'out.farm.test AAAA 2001:db8::3',
        'mx-1.farm.test A 192.0.2.1',
        'mx-1.farm.test AAAA 2001:db8::1',
        'mx-2.farm.test A 192.0.2.2',
        'mail.farm.test A 192.0.2.1',
        'mail.farm.test A 192.0.2.2',
        'relay.farm.test A 192.0.2.3',
        '_spf.farm.test TXT v=spf1 ip4:192.0.2.3 ip6:2001:db8::3 ~all',
      ]),
    );
    expect(said.join()).not.toMatch(/10\.1\.0\.1|fe80|mx-3/);
    expect(farm.notes).toContain('PTR of 192.0.2.3: out.farm.test.');
  });

  test('[S3-27] a host name that is a domain itself: none of its names stand above it', async () => {
    const named = async (hostName: string): Promise<Printed> => {
      await cli.run(['config', 'set', 'farm.host-name', hostName]);
      return await printed();
    };
    try {
      await cli.run(['domain', 'add', 'example.co.uk']);
      const own = await named('example.co.uk');
      expect(lines(own.farm.records)).toContain('mx-1.example.co.uk A 192.0.2.1');
      expect(own.mtaSts).toContain('mx: *.example.co.uk');
      expect(own.farm.notes.join()).not.toContain('is a domain itself');
      // Whether `farm.test` is theirs nobody but they can tell.
      await cli.run(['domain', 'add', 'shop.farm.test']);
      const { farm } = await named('shop.farm.test');
      expect(lines(farm.records)).toContain('mx-1.farm.test A 192.0.2.1');
      expect(farm.notes.join()).toMatch(
        /shop\.farm\.test is a domain itself.* mail\.shop\.farm\.test/,
      );
    } finally {
      await cli.run(['domain', 'remove', 'example.co.uk']);
      await cli.run(['domain', 'remove', 'shop.farm.test']);
      await cli.run(['config', 'set', 'farm.host-name', 'mail.farm.test']);
    }
  });

  test('[S3-27] [S4-02] [P-10] a domain names service names only, and all that programs look for', async () => {
    const { domains, mtaSts } = await printed('customer.test');
    const said = lines(domains[0]?.records ?? []);
    expect(said).toEqual(
      expect.arrayContaining([
        'customer.test MX 10 mx-1.farm.test.',
        'customer.test MX 10 mx-2.farm.test.',
        'customer.test TXT v=spf1 include:_spf.farm.test -all',
        expect.stringMatching(/^mf1\._domainkey\.customer\.test TXT v=DKIM1;.*p=/),
        '_dmarc.customer.test TXT v=DMARC1; p=quarantine; rua=mailto:postmaster@customer.test',
        '_smtp._tls.customer.test TXT v=TLSRPTv1; rua=mailto:postmaster@customer.test',
        expect.stringMatching(/^_mta-sts\.customer\.test TXT v=STSv1; id=[0-9a-f]{20}$/),
        'mta-sts.customer.test CNAME mail.farm.test.',
        '_imaps._tcp.customer.test SRV 0 1 993 mail.farm.test.',
        '_pop3s._tcp.customer.test SRV 0 1 995 mail.farm.test.',
        '_submissions._tcp.customer.test SRV 0 1 465 mail.farm.test.',
        '_jmap._tcp.customer.test SRV 0 1 443 mail.farm.test.',
        'autoconfig.customer.test CNAME mail.farm.test.',
      ]),
    );
    expect(said.join('\n')).not.toMatch(/alpha|beta|out\.farm/);
    expect(mtaSts).toMatch(
      /^version: STSv1\r\nmode: testing\r\nmx: \*\.farm\.test\r\nmax_age: \d+\r\n$/,
    );
    const held = (await printed('held.test')).domains[0]?.records ?? [];
    expect(lines(held)).toEqual([
      'held.test MX 20 mx-1.farm.test.',
      'held.test MX 20 mx-2.farm.test.',
    ]);
  });

  test('zone lines: long texts are strings of 255 octets', () => {
    const line = recordLine({ name: 'a.test', type: 'TXT', ttl: 60, value: 'x'.repeat(300) });
    expect(line).toMatch(/^a\.test\. +60 +IN TXT +"x{255}" "x{45}"$/);
  });

  test('[S4-10] all addresses of all nodes, and which of them send', async () => {
    const rows = await cli.json<{ address: string; of: string; sends: boolean }[]>([
      'dns',
      '--addresses',
    ]);
    expect(rows.filter(({ sends }) => sends).map(({ address }) => address)).toEqual([
      '192.0.2.3',
      '2001:db8::3',
    ]);
    expect(rows.map(({ address }) => address)).toEqual(
      expect.arrayContaining(['192.0.2.1', '192.0.2.2', '2001:db8::1']),
    );
  });
});

/** The table of a DNS server that has exactly these records. */
function tableOf(records: readonly DnsRecord[]): Record<string, DnsRecords> {
  const table: Record<string, Record<string, unknown>> = {};
  for (const { name, type, value } of records) {
    const row = (table[name] ??= {});
    const parts = value.split(' ');
    const target = parts.at(-1)?.replace(/(?<=.)\.$/, '') ?? '';
    if (type === 'CNAME') row['CNAME'] = value.replace(/\.$/, '');
    else {
      const one =
        type === 'MX'
          ? [Number(parts[0]), target]
          : type === 'SRV'
            ? [...parts.slice(0, 3).map(Number), target]
            : value;
      row[type] = [...((row[type] as unknown[] | undefined) ?? []), one];
    }
  }
  return table;
}

const REVERSE = {
  '3.2.0.192.in-addr.arpa': { PTR: ['out.farm.test'] },
  '3.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa': {
    PTR: ['out.farm.test'],
  },
};

describe('what is checked', () => {
  test('[S3-27] [S4-11] a DNS that has what is printed is well; each thing that differs is named', async () => {
    const { farm, domains } = await printed('customer.test');
    dns.set({ ...tableOf([...farm.records, ...(domains[0]?.records ?? [])]), ...REVERSE });
    const check = () => cli.run(['dns', 'customer.test', '--check']);
    expect(await check()).toMatchObject({ code: 0, out: 'the DNS is as it should be\n' });

    dns.set({
      '3.2.0.192.in-addr.arpa': { PTR: ['pool-3.isp.test'] },
      'mx-2.farm.test': undefined,
      '_imaps._tcp.customer.test': undefined,
      'customer.test': {
        MX: [[10, 'mx-1.farm.test'], [10, 'mx-2.farm.test']], // prettier-ignore
        TXT: ['v=spf1 ip4:203.0.113.9 -all', 'something else'],
      },
    });
    const { code, out } = await check();
    expect(code).toBe(78);
    expect(out).toMatch(
      /^wrong +PTR +192\.0\.2\.3 is pool-3\.isp\.test\.; out\.farm\.test says out\.farm\.test/m,
    );
    expect(out).toMatch(/^wrong +A +mx-2\.farm\.test is missing: 192\.0\.2\.2$/m);
    expect(out).toMatch(/^advice +SRV +_imaps\._tcp\.customer\.test is missing/m);
    expect(out).toMatch(/^wrong +TXT +customer\.test is "v=spf1 ip4:203/m);
    expect(out).not.toContain('something else');
  });

  test('[S4-02] an MX that names a node, or our address by another name, is warned of', async () => {
    const { farm, domains } = await printed('customer.test');
    dns.set({
      ...tableOf([...farm.records, ...(domains[0]?.records ?? [])]),
      ...REVERSE,
      'our.customer.test': { A: ['192.0.2.2'] },
      'filter.test': { A: ['203.0.113.1'] },
    });
    const spf = 'v=spf1 include:_spf.farm.test include:other.test -all';
    dns.set({
      'customer.test': {
        MX: [
          ...['mx-1', 'mx-2', 'alpha'].map((name): [number, string] => [10, `${name}.farm.test`]),
          [20, 'our.customer.test'],
          [5, 'filter.test'],
        ],
        TXT: [spf],
      },
    });
    const { code, out } = await cli.run(['dns', 'customer.test', '--check']);
    expect(code).toBe(78);
    expect(out.trimEnd().split('\n').toSorted()).toEqual([
      expect.stringMatching(/^advice +MX +customer\.test names filter\.test, which is not/),
      expect.stringMatching(/^wrong +MX +customer\.test names our\.customer\.test.*S4-02/),
      expect.stringMatching(
        /^wrong +MX +customer\.test names the node alpha\.farm\.test.*mx-1\.farm\.test and mx-2/,
      ),
    ]);
  });

  test('a resolver that does not answer is no fault of the zone', async () => {
    dns.set({ 'customer.test': 'servfail' });
    const { out } = await cli.run(['dns', 'customer.test', '--check']);
    expect(out).toMatch(/^unknown +MX +customer\.test looking up MX customer\.test: ESERVFAIL$/m);
  });
});
