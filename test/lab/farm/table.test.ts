/**
 * The module that tells the directory what the inventory says, on a real directory, without hosts.
 */
import { appendFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startTestCli, type TestCli } from '../../../src/cli/testing/cli.ts';
import { TEST_SERVERS } from '../../../src/directory/testing.ts';
import { play, tryPlay } from './play.ts';
import { ANSIBLE, copyInventory, EXAMPLE, TREE } from './prepare.ts';

interface Told {
  readonly changed: boolean;
  readonly done: readonly string[];
  readonly msg?: string;
}

describe.each(TEST_SERVERS)('the directory by the inventory, on %s', (server) => {
  let cli: TestCli;
  let inventory: string;
  beforeAll(async () => {
    cli = await startTestCli({ server });
    const { bindPassword } = cli.directory.admin;
    inventory = join(cli.dir, 'inventory');
    copyInventory({ from: EXAMPLE, to: inventory, short: false });
    appendFileSync(
      join(inventory, 'group_vars/all/farm.yml'),
      `farm_secret_admin: ${bindPassword}\nfarm_secret_frontend: ${bindPassword}\n`,
    );
    for (const name of ['mail1', 'mail2', 'spool1']) mkdirSync(join(cli.dir, name));
    const command = `#!/bin/sh\necho "$@" >> ${cli.dir}/starts\nexport MAILFARM_CONFIG=${cli.config}
exec ${TREE}/src/cli/mailfarm "$@"\n`;
    writeFileSync(join(cli.dir, 'mailfarm'), command, { mode: 0o755 });
  });
  afterAll(async () => await cli?.close());

  /** Says to the directory what the role `table` says, but for the places of volumes. */
  async function tell(more: object = {}, ...words: string[]): Promise<readonly [Told, number]> {
    const dest = join(cli.dir, 'told');
    writeFileSync(join(cli.dir, 'starts'), '');
    const task = {
      user: userInfo().username,
      admin: cli.directory.admin.bindDn,
      password: '{{ farm_secret_admin }}',
      command: join(cli.dir, 'mailfarm'),
      settings: '{{ table_settings | combine(farm_settings) }}',
      nodes: '{{ table_nodes }}',
      volumes: Object.fromEntries(
        ['mail1', 'mail2', 'spool1'].map((name) => [
          name,
          `{{ table_volumes.${name} | combine({'path': '${join(cli.dir, name)}'}) }}`,
        ]),
      ),
      domains: '{{ farm_domains }}',
      cookie: true,
      ...more,
    };
    const copy = { content: '{{ told | to_json }}', dest, mode: '0600' };
    const content = {
      hosts: 'mx1',
      roles: ['farm'],
      vars_files: [join(ANSIBLE, 'roles/table/vars/main.yml')],
      tasks: [
        { farm_table: task, register: 'told', ignore_errors: true },
        { 'ansible.builtin.copy': copy, check_mode: false, diff: false },
      ],
    };
    const said = await play({ folder: cli.dir, inventory, content }, ...words);
    const told = JSON.parse(readFileSync(dest, 'utf8')) as Told;
    if (words.includes('--diff')) for (const line of told.done) expect(said).toContain(line);
    const starts = readFileSync(join(cli.dir, 'starts'), 'utf8').split('\n').length - 1;
    return [told, starts] as const;
  }

  test('one process for all of it; --check tells the same before, and again nothing is changed', async () => {
    const [would, asked] = await tell({}, '--check', '--diff');
    expect(would).toMatchObject({ changed: true });
    expect(asked).toBe(1);
    expect(await cli.json(['node', 'list'])).toHaveLength(1);
    const [made, starts] = await tell();
    expect(starts).toBe(1);
    expect(made.changed).toBe(true);
    expect(would.done.map((text) => text.replace('would be ', ''))).toEqual(made.done);
    for (const one of ['node mx1', 'node web1', 'volume spool1', 'setting farm.addresses']) {
      expect(made.done).toContainEqual(expect.stringContaining(`${one} added: `));
    }
    expect(await cli.json(['node', 'list'])).toHaveLength(6);
    expect(await tell()).toMatchObject([{ changed: false, done: [] }, 1]);
    expect(await tell({}, '--check')).toMatchObject([{ changed: false, done: [] }, 1]);
  });

  test('what fails is named, and what was done before it is a change', async () => {
    const settings = { 'smtp.message.max': '33MB' };
    const [told] = await tell({ settings, nodes: {}, senders: { mx1: true } });
    expect(told).toMatchObject({
      changed: true,
      done: ['setting smtp.message.max added: 33MB'],
      msg: expect.stringMatching(/^mailfarm: node mx1: The node mx1 has given itself no key yet/),
    });
    const [wrong, starts] = await tell({ settings: { 'smtp.mesage.max': '33MB' } }, '--check');
    expect(wrong).toMatchObject({ changed: false, done: [] });
    expect(wrong.msg).toContain('"smtp.mesage.max" is not an option; did you mean');
    expect(starts).toBe(1);
  });

  test('a release that is older than the playbooks is named as such', async () => {
    const command = join(cli.dir, 'older');
    // The word is one that no release knows: what is told of it is what an older one tells.
    const text = `#!/bin/sh\nexec ${TREE}/src/cli/mailfarm "apply older" "$@"\n`;
    writeFileSync(command, text, { mode: 0o755 });
    const [told] = await tell({ command });
    expect(told).toMatchObject({ changed: false, done: [] });
    expect(told.msg).toMatch(/no command "apply.*\n.*\nThe release here is older than these play/);
  });

  test('the password is in no argument and in nothing that is told', async () => {
    const { bindPassword } = cli.directory.admin;
    const content = {
      hosts: 'mx1',
      tasks: [
        {
          farm_table: {
            user: userInfo().username,
            admin: cli.directory.admin.bindDn,
            password: '{{ farm_secret_admin }}',
            command: join(cli.dir, 'mailfarm'),
            settings: { 'no.such.option': '1' },
          },
        },
      ],
    };
    const said = await tryPlay({ folder: cli.dir, inventory, content }, '-vvv');
    expect(said.code).not.toBe(0);
    expect(said.stdout.toString('utf8')).toContain('no.such.option');
    expect(said.stdout.toString('utf8')).not.toContain(bindPassword);
    expect(readFileSync(join(cli.dir, 'starts'), 'utf8')).not.toContain(bindPassword);
  });
});
