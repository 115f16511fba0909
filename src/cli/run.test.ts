import { execFileSync, spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { allCommands } from './commands.ts';
import { helpFor } from './help.ts';
import { createOutput } from './output.ts';
import { editDistance, nearest } from './suggest.ts';
import { runCli } from './testing/cli.ts';
import { cutToWidth, padToWidth, textWidth } from './text-width.ts';
import { humanBytes, humanDuration } from './human.ts';

const commands = await allCommands();

test.each(Object.keys(commands))('help of %s has usage, summary and an example', async (name) => {
  const said = await runCli(['help', ...name.split(' ')]);
  expect(said).toMatchObject({ code: 0, err: '' });
  expect(said.out).toContain(`usage: mailfarm ${name}`);
  expect(said.out).toContain('examples:');
  expect(await runCli([...name.split(' '), '--help'])).toEqual(said);
});

test('[S0-06] one command for all of it; help of a group, of exit codes, of everything', async () => {
  expect((await runCli(['help', 'list'])).out).toMatch(/list member add +Adds members/);
  expect((await runCli(['help', 'exit-codes'])).out).toMatch(/67 {2}no-user +No such user/);
  expect((await runCli(['help'])).out).toMatch(/user purge/);
  expect(await runCli([])).toMatchObject({ code: 64, out: '' });
});

test.each([
  [['usr', 'list'], 'did you mean "mailfarm user"'],
  [['user', 'lst'], 'did you mean "mailfarm user list"'],
  [['list', 'member', 'ad', 'x'], 'mailfarm help list'],
  [['user'], 'user needs a command'],
  [['help', 'usr'], 'did you mean "mailfarm user"'],
  [['user', 'list', '--limti', '3'], 'there is no option "--limti"; did you mean "--limit"?'],
  [['user', 'list', 'x'], 'takes:'],
  [['user', 'list', '--limit', 'many'], '"many" is not a whole number'],
  [['completion', 'tcsh'], 'is not one of bash, zsh, fish'],
  [['__proto__'], 'no command'],
  [['user', '__proto__'], 'no command'],
  [['x'.repeat(10_000)], 'no command'],
])('%j is used wrongly: exit code and what to do', async (words, text) => {
  // Before there is a configuration: nothing of it is needed to see this.
  const said = await runCli(words, { env: { MAILFARM_CONFIG: '/nonexistent' } });
  expect(said).toMatchObject({ code: 64, out: '', err: expect.stringContaining(text) });
  expect(said.err.length).toBeLessThan(3_000);
});

test('the command itself, read by somebody who stops reading, ends well', () => {
  const mailfarm = join(import.meta.dirname, 'mailfarm');
  const piped = spawnSync('bash', [
    '-c',
    `set -o pipefail; '${mailfarm}' completion bash | head -1`,
  ]);
  expect(piped.stdout.toString()).toMatch(/^# bash completion of mailfarm/);
  expect(piped).toMatchObject({ status: 0, stderr: Buffer.of() });
  const wrong = spawnSync(mailfarm, ['usr']);
  expect(wrong).toMatchObject({ status: 64, stdout: Buffer.of() });
});

describe('completion', () => {
  const bash = (line: string): string[] => {
    const words = line.split(' ');
    const script = `
      eval "$MAILFARM_COMPLETION"
      COMP_WORDS=(${words.map((word) => `'${word}'`).join(' ')})
      COMP_CWORD=${words.length - 1}
      _mailfarm
      printf '%s\\n' "\${COMPREPLY[@]}"`;
    const env = { ...process.env, MAILFARM_COMPLETION: completionOf };
    return execFileSync('bash', ['-c', script], { env, encoding: 'utf8' })
      .split('\n')
      .filter(Boolean);
  };
  let completionOf = '';

  test('bash completes commands, options, their values and files', async () => {
    completionOf = (await runCli(['completion', 'bash'])).out;
    expect(bash('mailfarm us')).toEqual(['user']);
    expect(bash('mailfarm user re')).toEqual(['remove', 'rename', 'restore', 'resume']);
    expect(bash('mailfarm list member ')).toEqual(['add', 'remove']);
    expect(bash('mailfarm --config x.yaml user pu')).toEqual(['purge']);
    expect(bash('mailfarm user purge --o')).toEqual(['--older-than']);
    expect(bash('mailfarm user suspend a@b.test --service p')).toEqual(['pop3']);
    expect(bash('mailfarm domain set x.test --all m')).toEqual(['members']);
    expect(bash('mailfarm completion z')).toEqual(['zsh']);
    expect(bash('mailfarm help ad')).toEqual(['administrator']);
    const file = join(import.meta.dirname, 'run.te');
    expect(bash(`mailfarm user import ${file}`)).toEqual([`${file}st.ts`]);
    expect(bash(`mailfarm user list --config ${file}`)).toEqual([`${file}st.ts`]);
    expect(bash('mailfarm user show a')).toEqual([]);
  });

  test('every command is in it, and in that for fish', async () => {
    const fish = (await runCli(['completion', 'fish'])).out;
    for (const name of Object.keys(commands)) {
      const last = name.split(' ').at(-1) ?? '';
      expect(fish).toContain(last);
      expect(completionOf).toContain(`'${name}') flags=`);
    }
    for (const shell of ['zsh', 'fish']) {
      const ran = spawnSync(shell, ['-n'], { input: (await runCli(['completion', shell])).out });
      if (ran.error === undefined) expect(ran.status).toBe(0);
    }
  });
});

describe('output', () => {
  const table = (columns: number | undefined, env: NodeJS.ProcessEnv = {}): string => {
    let out = '';
    const sink = { write: (text: string) => void (out += text) };
    const shown = createOutput({
      out: { ...sink, isTTY: columns !== undefined, columns },
      err: sink,
      env,
    });
    shown.table(
      ['name', { title: 'size', align: 'right' }, 'note'],
      [
        ['漢字', '5', 'x'.repeat(80)],
        ['cafe\u0301\u001b[31m', '1,000', 'y'],
      ],
    );
    return out;
  };

  test('columns are aligned with wide letters, numbers at the right, nothing is obeyed', () => {
    const [header = '', wide = '', narrow = ''] = table(undefined).split('\n');
    expect(header).toBe('name        size  note');
    expect(wide).toBe(`漢字           5  ${'x'.repeat(80)}`);
    expect(narrow).toBe('cafe\u0301\ufffd[31m  1,000  y');
  });

  test('on a terminal no line is wider than it; bold only there, and not with NO_COLOR', () => {
    for (const line of table(60, { NO_COLOR: '1' }).trimEnd().split('\n')) {
      expect(textWidth(line)).toBeLessThanOrEqual(60);
    }
    expect(table(60)).toContain('\u001b[1mname');
    for (const env of [{ NO_COLOR: '1' }, { TERM: 'dumb' }]) {
      expect(table(60, env)).not.toContain('\u001b');
    }
    expect(table(undefined)).not.toContain('\u001b');
  });

  test('widths, sizes, times and near words', () => {
    expect([textWidth('e\u0301'), textWidth('👍'), textWidth('ｱ')]).toEqual([1, 2, 1]);
    expect(cutToWidth('漢字漢字', 5)).toBe('漢字…');
    expect(padToWidth('漢', 4, 'right')).toBe('  漢');
    expect([0, 999, 1_500, 999_999, 5e9, 123e9].map(humanBytes)).toEqual(
      '0 B,999 B,1.5 KB,1 MB,5 GB,123 GB'.split(','),
    );
    expect([0, 59_999, 3_600_000, 2 * 86_400_000].map(humanDuration)).toEqual(
      '0 s,59 s,1 h,2 d'.split(','),
    );
    expect(editDistance('lsit', 'list')).toBe(1);
    expect(nearest('zzz', ['list', 'add'])).toBeUndefined();
    expect(helpFor('x', { usage: '', summary: 's', args: [0, 0], run: async () => {} })).toBe(
      'usage: mailfarm x\n\ns',
    );
  });
});
