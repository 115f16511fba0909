import { chmodSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { userEntry } from '../../directory/testing.ts';
import { runCli, startTestCli, type TestCli } from '../testing/cli.ts';

let cli: TestCli;
let path: string;

beforeAll(async () => {
  const lost = userEntry('lost@example.test', 7001, { mwVolume: 'gone' });
  cli = await startTestCli({ server: 'embedded', entries: [lost] });
  path = join(cli.dir, 'mail1');
  mkdirSync(path, { mode: 0o700 });
  await cli.run(['volume', 'remove', 'mail2']);
  await cli.run(['volume', 'set', 'mail1', '--path', path]);
}, 60_000);
afterAll(async () => await cli?.close());

const sentinel = (identity: string): void =>
  writeFileSync(join(path, '.mailfarm-volume'), `identity=${identity}\nname=mail1\nformat=1\n`);

interface Report {
  readonly volumes: readonly {
    readonly name: string;
    readonly complaints: readonly { readonly check: string; readonly severity: string }[];
    readonly well: readonly { readonly check: string; readonly text: string }[];
  }[];
  readonly farm: readonly { readonly wrong: string }[];
}

/** How full this machine's own disk is is not what is tested. */
const ROOM = ['space', 'inodes'];

test('[N-04] each volume of the directory, what is wrong and what is well, for programs', async () => {
  sentinel('v');
  const said = await cli.run(['doctor', '--json']);
  const report = JSON.parse(said.out) as Report;
  expect(report.volumes.map(({ name }) => name)).toEqual(['mail1']);
  const [volume] = report.volumes;
  expect(volume?.complaints.filter(({ check }) => !ROOM.includes(check))).toEqual([]);
  expect(volume?.well.map(({ check }) => check)).toEqual(
    expect.arrayContaining(['sentinel', 'behaviour', 'clock', 'rights']),
  );
  expect(report.farm.map(({ wrong }) => wrong)).toEqual([
    '1 user is on volume "gone", which is not in the table',
  ]);
  expect(said.code).toBe(2);
});

test('[N-04] for people: what is wrong in full, what is well in one line, an exit code', async () => {
  sentinel('v');
  chmodSync(path, 0o707);
  const said = await cli.run(['doctor', 'mail1']);
  chmodSync(path, 0o700);
  const words = said.out.replaceAll(/\s+/g, ' ');
  expect(words).toMatch(/^mail1 \S+\/mail1 error Everybody may write in \S+ \(mode 0707\)/);
  expect(words).toContain(`→ chmod 0700 ${path}`);
  expect(words).toMatch(/well sentinel, .*behaves as a Maildir needs/);
  expect(words).toMatch(/1 volume: 1 error/);
  expect(said).toMatchObject({ code: 2, err: '' });
  expect((await cli.run(['doctor', 'mail1', '--verbose'])).out).toContain('speed: create');
});

test('[N-04] another volume at the path, and no sentinel', async () => {
  sentinel('other');
  const other = await cli.run(['doctor', 'mail1']);
  expect(other.out).toMatch(/holds volume "mail1", identity\s+other; mail1 has v/);
  expect(other.code).toBe(2);
  rmSync(join(path, '.mailfarm-volume'));
  const none = await cli.run(['doctor', '--path', path]);
  expect(none.out).toContain(`Nothing is mounted at ${path}`);
  expect(none.code).toBe(2);
});

test('colours are for terminals only', async () => {
  const colour = '\u001b[1;31merror';
  expect((await cli.run(['doctor', 'mail1'], { columns: 100 })).out).toContain(colour);
  expect((await cli.run(['doctor', 'mail1'])).out).not.toContain('\u001b');
  const plain = await cli.run(['doctor', 'mail1'], { columns: 100, env: { NO_COLOR: '1' } });
  expect(plain.out).not.toContain('\u001b');
});

test.each([
  [['doctor', 'nosuch'], 'there is no volume nosuch; there are mail1'],
  [['doctor', '--identity', 'x'], '--identity needs --path'],
  [['doctor', '--path', 'mail1'], 'does not begin with /'],
  [['doctor', 'mail1', '--path', '/mail1'], 'name volumes, or give --path; not both'],
  [['doctor', '--path', '/mail1', '--wait', 'long'], 'is not a whole number'],
])('%s is refused', async (words, said) => {
  const { code, err } = await cli.run(words);
  expect(err).toContain(said);
  expect(code).toBe(64);
});

test('[N-04] without the directory a path can be examined; the table cannot', async () => {
  const dead = cli.file(
    'dead.yaml',
    'name: n\ndata: /tmp\ndirectory:\n  urls: [ldap://127.0.0.1:9]\n  base: dc=x\n',
  );
  const env = { MAILFARM_CONFIG: dead };
  expect((await runCli(['doctor'], { env })).code).toBe(69);
  expect((await runCli(['doctor', '--path', path], { env })).out).toContain('mail1');
});
