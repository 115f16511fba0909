import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { systemClock } from '../../base/clock.ts';
import { EXIT } from '../../config/exit.ts';
import { openAdmin } from '../../directory/admin/admin.ts';
import { TEST_SERVERS } from '../../directory/testing.ts';
import type { NodeEntry, VolumeEntry } from '../../directory/types.ts';
import { startTestCli, type Said, type TestCli } from '../testing/cli.ts';

interface Told {
  readonly dryRun: boolean;
  readonly changes: readonly { kind: string; name: string; did: string; text: string }[];
  readonly failed?: { readonly kind: string; readonly name: string; readonly message: string };
  readonly left?: number;
}

describe.each(TEST_SERVERS)('mailfarm apply, on %s', (server) => {
  let cli: TestCli;
  let path: string;
  beforeAll(async () => {
    cli = await startTestCli({ server });
    path = join(cli.dir, 'new');
    mkdirSync(path);
  }, 60_000);
  afterAll(async () => await cli?.close());

  const say = (wanted: object | string, ...words: string[]): Promise<Said> => {
    const input = typeof wanted === 'string' ? wanted : JSON.stringify(wanted);
    return cli.run(['apply', '-', ...words], { input });
  };
  const told = async (wanted: object, ...words: string[]): Promise<Told> => {
    const { out, err, code } = await say(wanted, '--json', ...words);
    expect({ err, code }).toEqual({ err: '', code: 0 });
    return JSON.parse(out) as Told;
  };
  const texts = ({ changes }: Told): readonly string[] => changes.map(({ text }) => text);

  test('[S0-30] a farm in one go: told before, made, and nothing to do the second time', async () => {
    const wanted = {
      settings: {
        'farm.addresses': ['192.0.2.1', '192.0.2.2'],
        'smtp.message.max': '60MB',
        'net.proxy.from': [],
      },
      cookie: true,
      nodes: {
        front7: { listen: ['pop3 *:110', 'mx *:25'], server: 'Front7.example.test' },
        front8: { listen: ['mx *:25'], server: 'front8.example.test' },
      },
      volumes: { fresh: { path: `${path}/`, weight: 2 }, mail1: { state: 'closed' } },
      domains: ['Second.Test', 'example.test'],
    };
    const would = await told(wanted, '--dry-run');
    expect(would.dryRun).toBe(true);
    expect(await cli.json<VolumeEntry[]>(['volume', 'list'])).toHaveLength(2);
    expect(await cli.json(['config', 'list'])).not.toHaveProperty('smtp.message.max');

    const made = await told(wanted);
    expect(texts(made)).toEqual([
      'setting farm.addresses added: 192.0.2.1, 192.0.2.2',
      'setting smtp.message.max added: 60MB',
      // The embedded directory makes its own at its first start.
      ...(server === 'slapd' ? ['setting farm.cookie added'] : []),
      'node front7 added: listen mx *:25, pop3 *:110; server front7.example.test',
      'node front8 added: listen mx *:25; server front8.example.test',
      `volume fresh added: path ${path}; weight 2`,
      'volume mail1 changed: state active → closed',
      'domain second.test added',
    ]);
    expect(texts(would).map((text) => text.replace('would be ', ''))).toEqual(texts(made));
    expect(await cli.json(['config', 'list'])).toMatchObject({
      'farm.addresses': '192.0.2.1, 192.0.2.2',
      'smtp.message.max': '60MB',
      'farm.cookie': expect.stringMatching(/^.{20,}$/),
    });
    const nodes = await cli.json<NodeEntry[]>(['node', 'list']);
    expect(new Set(nodes.map(({ nid }) => nid)).size).toBe(3);
    expect(nodes).toContainEqual(expect.objectContaining({ name: 'front8', listen: ['mx *:25'] }));
    // The sentinel was made, and is the one that the entry names.
    const [volume] = await cli.json<VolumeEntry[]>(['volume', 'show', 'fresh']);
    expect(volume).toMatchObject({ path, weight: 2, identity: expect.stringMatching(/^fresh-/) });

    expect(await told(wanted)).toEqual({ dryRun: false, changes: [] });
    expect((await say(wanted)).out).toBe('nothing to change\n');
  });

  test('only what differs is changed, and what is not named stays', async () => {
    const wanted = {
      settings: { 'smtp.message.max': '', 'pop3.plaintext-auth': 'always' },
      nodes: {
        front7: { listen: ['pop3 *:110', 'mx *:26'] },
        front8: { server: 'FRONT8.example.test' },
      },
      volumes: { mail1: { state: 'active', weight: 1 } },
    };
    expect(texts(await told(wanted))).toEqual([
      'setting smtp.message.max set back: 60MB → its default',
      'setting pop3.plaintext-auth added: always',
      'node front7 changed: listen mx *:25, pop3 *:110 → mx *:26, pop3 *:110',
      'volume mail1 changed: state closed → active',
    ]);
    expect(await cli.json(['config', 'list'])).toHaveProperty('farm.addresses');
  });

  test('what is wrong in the text is told whole, and nothing of it is done', async () => {
    const said = await say(`
settings:
  { relay.host: { a: 1 }, smtp.mesage.max: 50MB, smtp.message.max: 5, pop3.plaintext-auth: tls }
nodes: { front7: { listen: [mxx *:25, mx] , sends: maybe } }
volumes: { mail1: { state: shut, weigth: 3 }, mail2: { path: mail2 } }
domains: [example, example.test]
absent: { domain: example.test, user: x }
more: 1
`);
    expect(said).toMatchObject({ code: EXIT.data.code, out: '' });
    for (const text of [
      'settings: "smtp.mesage.max" is not an option; did you mean smtp.message.max?',
      'settings: smtp.message.max: "5" is not',
      'settings: relay.host: {"a":1} is not a text',
      'nodes: front7: mwListen: "mxx *:25" names no service',
      'nodes: front7: mwListen: "mx"',
      'nodes: front7: sends: "maybe" is neither true nor false',
      'volumes: mail1: state: "shut" is not one of active, closed, offline',
      'volumes: mail1: "weigth" is not one of path, use, state, weight',
      'volumes: mail2: "mail2" is not an absolute path',
      'domains: "example" is not a domain',
      'absent: the domain "example.test" is wanted and not wanted',
      'absent: "user" is not one of node, volume, domain',
      'what is wanted: "more" is not one of settings,',
    ]) {
      expect(said.err).toContain(text);
    }
    expect(await cli.json(['config', 'list'])).not.toHaveProperty('smtp.message.max');
    expect((await say('settings: {a: [')).err).toContain('It is no YAML: ');
    expect((await say('[1]')).err).toContain('what is wanted: [1] is not names with values');
  });

  test('the row that fails is named, what was made before it stays and is told', async () => {
    const wanted = {
      settings: { 'smtp.message.max': '70MB' },
      nodes: { front7: { sends: true }, front8: { listen: ['mx *:27'] } },
      domains: ['third.test'],
    };
    const said = await say(wanted, '--json');
    expect(said.code).toBe(EXIT.data.code);
    expect(JSON.parse(said.out)).toEqual({
      dryRun: false,
      changes: [
        {
          kind: 'setting',
          name: 'smtp.message.max',
          did: 'add',
          text: 'setting smtp.message.max added: 70MB',
        },
      ],
      failed: {
        kind: 'node',
        name: 'front7',
        message: expect.stringContaining('has given itself no key yet'),
      },
      left: 2,
    });
    expect(said.err).toContain('1 change made before it, 2 others not tried');
    expect(await cli.json(['config', 'list'])).toHaveProperty(['smtp.message.max'], '70MB');
    const { nodes: _, ...rest } = wanted;
    expect(texts(await told(rest))).toEqual(['domain third.test added']);
  });

  test('what cannot be is told by a dry run too', async () => {
    const dry = await say({ volumes: { mail9: { weight: 2 } } }, '--dry-run');
    expect(dry).toMatchObject({
      code: EXIT.data.code,
      err: 'mailfarm: volume mail9: There is no volume mail9; to add it, give it a path\n',
    });
    const lost = await say({ volumes: { mail9: { path: join(cli.dir, 'nowhere') } } });
    expect(lost).toMatchObject({
      code: EXIT['no-input'].code,
      err: expect.stringContaining('ENOENT'),
    });
    expect(await cli.json<VolumeEntry[]>(['volume', 'list'])).toHaveLength(3);
  });

  test('what shall go, goes; what is gone is no error', async () => {
    const wanted = {
      absent: { node: ['front7', 'Front8'], volume: 'fresh', domain: ['third.test'] },
    };
    const gone = ['node front7 removed', 'node Front8 removed', 'volume fresh removed'];
    expect(texts(await told(wanted))).toEqual([...gone, 'domain third.test removed']);
    expect((await told(wanted)).changes).toEqual([]);
    const inUse = await say({ absent: { domain: 'example.test' } });
    expect(inUse).toMatchObject({ code: EXIT.data.code, err: expect.stringContaining('in use') });
  });

  test('a setting of another release is taken away, and never set', async () => {
    const admin = await openAdmin({ ...cli.directory.admin, clock: systemClock });
    await admin.settings.set('smtp.future', '1');
    await admin.close();
    expect((await say({ settings: { 'smtp.future': 2 } })).code).toBe(EXIT.data.code);
    expect(texts(await told({ settings: { 'smtp.future': '' } }))).toEqual([
      'setting smtp.future set back: 1 → its default',
    ]);
  });

  test('two at once: each thing is made once, neither undoes what the other made', async () => {
    const domains = Array.from({ length: 8 }, (_, n) => `both${n}.test`);
    const runs = await Promise.all([told({ domains }), told({ domains: domains.toReversed() })]);
    const made = runs.flatMap(texts).toSorted();
    expect(made).toEqual(domains.map((name) => `domain ${name} added`));
  });
});
