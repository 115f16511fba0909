import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stringify } from 'yaml';
import type { SeedEntry } from '../../directory/frame.ts';
import {
  startTestDirectory,
  type TestDirectory,
  type TestServerKind,
} from '../../directory/testing.ts';
import { runCommandLine } from '../run.ts';

/** What a command line said. */
export interface Said {
  readonly code: number;
  readonly out: string;
  /** Standard output as it is. */
  readonly bytes: Buffer;
  readonly err: string;
}

export interface Around {
  readonly input?: string | Buffer;
  readonly env?: NodeJS.ProcessEnv;
  /** Width of the terminal that standard output is. */
  readonly columns?: number;
  /** Whether standard error is a terminal. */
  readonly live?: boolean;
  readonly secret?: string;
  /** What a person at the terminal answers; without one there is no terminal. */
  readonly yes?: boolean;
}

/** The command line over a real directory. */
export interface TestCli {
  readonly directory: TestDirectory;
  /** A folder of this test; the volumes are in it. */
  readonly dir: string;
  readonly config: string;
  run(words: readonly string[], around?: Around): Promise<Said>;
  /** As `run`; the JSON it printed. @throws when it failed */
  json<T = never>(words: readonly string[], around?: Around): Promise<T>;
  /** Writes a file into the folder. @returns its path */
  file(name: string, content: string | Buffer): string;
  close(): Promise<void>;
}

export async function runCli(words: readonly string[], around: Around = {}): Promise<Said> {
  const out: Buffer[] = [];
  let err = '';
  const code = await runCommandLine(words, {
    out: {
      write: (text, done) => {
        out.push(Buffer.from(text));
        done?.();
      },
      isTTY: around.columns !== undefined,
      columns: around.columns,
    },
    err: { write: (text) => void (err += text.toString()), isTTY: around.live === true },
    env: around.env ?? {},
    readBytes: async () => Buffer.from(around.input ?? ''),
    askSecret: async () => around.secret,
    confirm: async () => around.yes,
  });
  const bytes = Buffer.concat(out);
  return { code, out: bytes.toString('utf8'), bytes, err };
}

export async function startTestCli(given: {
  readonly server: TestServerKind;
  readonly entries?: readonly SeedEntry[];
}): Promise<TestCli> {
  const directory = await startTestDirectory(given);
  const dir = mkdtempSync(join(tmpdir(), 'mailfarm-cli-'));
  const { urls, suffix, bindDn, bindPassword } = directory.admin;
  const file = (name: string, content: string | Buffer): string => {
    const path = join(dir, name);
    writeFileSync(path, content, { mode: 0o600 });
    return path;
  };
  const secret = file('secret', bindPassword);
  const access = { urls, base: suffix, 'bind-dn': bindDn, 'password-file': secret };
  const config = file('admin.yaml', stringify({ name: 'n', data: dir, directory: access }));
  const run = (words: readonly string[], around: Around = {}): Promise<Said> =>
    runCli(words, { ...around, env: { MAILFARM_CONFIG: config, ...around.env } });
  return {
    directory,
    dir,
    config,
    run,
    json: async (words, around) => {
      const said = await run([...words, '--json'], around);
      if (said.code !== 0) throw new Error(said.err);
      return JSON.parse(said.out) as never;
    },
    file,
    close: async () => {
      await directory.close();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}
