/**
 * What helpdesk, operators and administrators may do, command by command (P-05). The table is
 * written from what the farm promises and not from rights.ts, so that a wrong row there fails.
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { Client } from 'ldapts';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { EXIT } from '../../config/exit.ts';
import { TEST_SERVERS } from '../../directory/testing.ts';
import { startTestCli, type TestCli } from '../testing/cli.ts';

/** From low to high; each may what the ones before it may. */
const LEVELS = ['auditor', 'helpdesk', 'operator', 'administrator'] as const;
type Level = (typeof LEVELS)[number];

const loginOf = (level: Level): string => `${level}@example.test`;
const USER = 'carol@example.test';
const BOSS = 'administrator@example.test';

/** The lowest level that may, and the command; `%` is the name of the level, `~` a space. */
const TABLE: readonly (readonly [Level, string])[] = [
  ['auditor', 'user list'],
  ['auditor', `user show ${USER}`],
  ['auditor', 'user list --removed'],
  ['auditor', 'user export'],
  ['auditor', 'alias list'],
  ['auditor', 'forward list'],
  ['auditor', 'domain list'],
  ['auditor', 'list list'],
  ['auditor', 'site list'],
  ['auditor', 'rule list'],
  ['auditor', 'volume list'],
  ['auditor', 'node list'],
  ['auditor', 'config list'],
  ['auditor', 'administrator list'],
  ['auditor', `resolve ${USER}`],

  ['helpdesk', `user set ${USER} --password-stdin`],
  ['helpdesk', `user suspend ${USER} --service pop3`],
  ['helpdesk', `user resume ${USER} --service pop3`],
  ['helpdesk', `forward add ${USER} %@far.test --keep`],
  ['helpdesk', `forward remove ${USER} %@far.test`],

  ['operator', 'user add %.new@example.test --password-stdin'],
  ['operator', 'alias add %.alias@example.test %.new@example.test'],
  ['operator', `user set ${USER} --quota 5GB`],
  ['operator', `user set ${USER} --description %`],
  ['operator', `user set ${USER} --site ''`],
  ['operator', 'user rename %.new@example.test %.named@example.test'],
  ['operator', 'alias remove %.alias@example.test %.named@example.test'],
  ['operator', 'user remove %.named@example.test'],
  ['operator', 'user restore %.named@example.test'],
  ['operator', 'user remove %.named@example.test'],
  ['operator', 'user purge %.named@example.test --older-than 0'],
  ['operator', 'list add %.list@example.test --member alice@example.test'],
  ['operator', `list member add %.list@example.test ${USER}`],
  ['operator', `list member remove %.list@example.test ${USER}`],
  ['operator', 'list set %.list@example.test --posting members'],
  ['operator', 'list remove %.list@example.test'],
  ['operator', 'message list mail@example.test'],

  ['administrator', 'domain add %.test'],
  ['administrator', 'domain set %.test --all members'],
  ['administrator', 'domain remove %.test'],
  ['administrator', 'site add % --domain %.example.test'],
  ['administrator', 'site set % --level 1'],
  ['administrator', 'site remove %'],
  ['administrator', 'rule add % --order 1 --pattern x.* --target volume:v1'],
  ['administrator', 'rule set % --order 2'],
  ['administrator', 'rule remove %'],
  ['administrator', 'volume add % --path /% --no-init --identity %'],
  ['administrator', 'volume set % --state closed'],
  ['administrator', 'volume remove %'],
  ['administrator', 'node add % --listen pop3~127.0.0.1:1110'],
  ['administrator', 'node set % --server pop.example.test'],
  ['administrator', 'node remove %'],
  ['administrator', 'config set postmaster %@example.test'],
  ['administrator', `administrator grant ${USER} auditor`],
  ['administrator', `administrator revoke ${USER}`],
  ['administrator', `user set ${USER} --path /v/elsewhere`],
  ['administrator', `user set ${BOSS} --password-stdin`],
  ['administrator', `user suspend ${BOSS} --service pop3`],
  ['administrator', `user resume ${BOSS} --service pop3`],
  ['administrator', `forward add ${BOSS} %@far.test --keep`],
  ['administrator', `forward remove ${BOSS} %@far.test`],
  ['administrator', `user set ${BOSS} --quota 5GB`],
  ['administrator', `message list ${BOSS}`],
];

describe.each(TEST_SERVERS)('levels of administrators, on %s', (server) => {
  let cli: TestCli;
  const input = { input: 'secret\n' };

  beforeAll(async () => {
    cli = await startTestCli({ server });
    const path = join(cli.dir, 'v1');
    mkdirSync(path);
    await cli.json(['volume', 'add', 'v1', '--path', path]);
    for (const level of LEVELS) {
      const box = level === 'administrator' ? ['--volume', 'v1'] : [];
      await cli.json(['user', 'add', loginOf(level), '--password-stdin', ...box], input);
      await cli.json(['administrator', 'grant', loginOf(level), level]);
    }
    await cli.json(['user', 'add', USER, '--password-stdin'], input);
    const mail = ['user', 'add', 'mail@example.test', '--password-stdin', '--volume', 'v1'];
    await cli.json(mail, input);
    await cli.json(['volume', 'add', 'v', '--path', '/v', '--no-init', '--identity', 'v']);
  }, 60_000);
  afterAll(async () => await cli?.close());

  /** Every entry and its state: whoever is refused has changed none. */
  async function everything(): Promise<unknown> {
    const { bindDn, bindPassword, suffix, urls } = cli.directory.admin;
    const client = new Client({ url: urls[0] ?? '' });
    await client.bind(bindDn, bindPassword);
    const { searchEntries } = await client.search(suffix, { attributes: ['entryCSN'] });
    await client.unbind();
    expect(searchEntries.length).toBeGreaterThan(20);
    return searchEntries;
  }

  test.each(LEVELS)('[P-05] [S0-40] --as %s: each command, refused or done', async (level) => {
    const file = cli.file(`${level}.secret`, 'secret\n');
    const as = ['--as', loginOf(level), '--password-file', file];
    const rank = LEVELS.indexOf(level);
    const wanted: Record<string, string> = {};
    const found: Record<string, string> = {};
    for (const [lowest, command] of TABLE) {
      const may = LEVELS.indexOf(lowest) <= rank;
      const before = may ? undefined : await everything();
      const words = command
        .split(' ')
        .map((text) => (text === "''" ? '' : text.replaceAll('%', level).replaceAll('~', ' ')));
      const said = await cli.run([...words, ...as], input);
      wanted[command] = may ? 'done' : 'refused';
      found[command] =
        said.code === 0
          ? 'done'
          : said.code === EXIT.permission.code
            ? 'refused'
            : `${said.code}: ${said.err}`;
      if (before === undefined) continue;
      expect(await everything(), command).toEqual(before);
      // So that the next step is refused for want of a right, and not of what it is about.
      expect(await cli.run(words, input), command).toMatchObject({ code: 0 });
    }
    expect(found).toEqual(wanted);
  });

  test('[P-05] a user without a level may do nothing here, and is told so', async () => {
    const file = cli.file('user.secret', 'secret\n');
    const as = ['--as', 'mail@example.test', '--password-file', file];
    for (const words of [
      ['user', 'add', 'x@example.test', '--password-stdin'],
      ['user', 'set', USER, '--quota', '1'],
      ['domain', 'add', 'x.test'],
      ['message', 'list', 'mail@example.test'],
    ]) {
      const before = await everything();
      const said = await cli.run([...words, ...as], input);
      expect(said.code, words.join(' ')).not.toBe(0);
      expect(said.err).toMatch(/^mailfarm: /);
      expect(await everything()).toEqual(before);
    }
  });
});
