import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { systemClock } from '../../base/clock.ts';
import { exitCode } from '../../config/exit.ts';
import { parseValue } from '../../config/values.ts';
import { CompileError, compileText } from '../../directory/snapshot/compile.ts';
import { readDirectory } from '../../directory/snapshot/farm.ts';
import { SnapshotError } from '../../directory/snapshot/format.ts';
import { readingToLdif } from '../../directory/snapshot/ldif.ts';
import { inspectSnapshot } from '../../directory/snapshot/open.ts';
import { COUNTED, type About } from '../../directory/snapshot/records.ts';
import { writeReading, writeSnapshot } from '../../directory/snapshot/write.ts';
import { directoryAccess } from '../../roles/directory.ts';
import { flagText, UsageError, type Call, type Command } from '../command.ts';
import { loadFile } from '../place.ts';

const clock = systemClock;
const on = (call: Call, name: string): boolean => call.flags[name] === true;

/** How long after a failure the next try is, where the interval is longer. */
const RETRY_MS = 60_000;
const LDIF_CHUNK = 65_536;

function output(call: Call): string {
  const path = flagText(call, 'output');
  if (path === undefined) throw new UsageError('name the snapshot with --output FILE');
  return path;
}

function tell(call: Call, path: string, about: About): void {
  if (call.json) return call.out.json({ file: path, ...about });
  const { users, lists, domains } = about.counts;
  call.out.line(`${path}: ${users} users, ${domains} domains, ${lists} lists`);
  tellFaults(call, about);
}

/** Entries that will be temporary failures. */
function tellFaults(call: Call, about: About): void {
  for (const fault of about.faults) call.out.note(`  ${fault}`);
  if (about.faultsMore > 0) call.out.note(`  and ${about.faultsMore} more`);
}

async function runExport(call: Call): Promise<number> {
  const every = interval(call);
  const file = await loadFile(call);
  if (file.directory.urls.length === 0) {
    throw new UsageError('this configuration names no directory.urls: nothing to export from');
  }
  const directory = { ...directoryAccess(file), clock };
  const withPasswords = on(call, 'with-passwords');
  if (on(call, 'ldif')) {
    if (every !== undefined) throw new UsageError('--ldif prints once: it goes without --every');
    if (withPasswords && flagText(call, 'output') === undefined && call.out.terminal) {
      throw new UsageError('password hashes are not printed to a terminal: give --output FILE');
    }
    return await guarded(call, async () => {
      await printLdif(call, readingToLdif(await readDirectory(directory, { withPasswords })));
    });
  }
  const options = { output: output(call), withPasswords, force: on(call, 'force') };
  const once = async (): Promise<void> =>
    tell(call, options.output, await writeSnapshot({ directory, ...options }));
  if (every === undefined) return await guarded(call, once);
  return await repeated(call, once, every);
}

/** @throws UsageError */
function interval(call: Call): number | undefined {
  const text = flagText(call, 'every');
  if (text === undefined) return undefined;
  const day = 86_400_000;
  const parsed = parseValue({ kind: 'duration', default: 0, min: 1_000, max: day, doc: '' }, text);
  if (parsed.ok) return Number(parsed.value);
  throw new UsageError(`--every: ${text} is not a duration such as 10m or 1h, at most 24h`);
}

async function guarded(call: Call, work: () => Promise<void>): Promise<number> {
  try {
    await work();
    return exitCode('ok');
  } catch (error) {
    if (!(error instanceof SnapshotError)) throw error;
    call.out.note(`mailfarm: ${error.message}`);
    return exitCode('unavailable');
  }
}

/** Until it is told to end. A failure leaves the file as it is and is tried again soon. */
async function repeated(call: Call, once: () => Promise<void>, everyMs: number): Promise<number> {
  const ending = new AbortController();
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.once(signal, () => ending.abort());
  }
  while (!ending.signal.aborted) {
    const code = await guarded(call, once);
    const pauseMs = code === exitCode('ok') ? everyMs : Math.min(everyMs, RETRY_MS);
    await clock.sleep(pauseMs, ending.signal).catch(() => {});
  }
  return exitCode('ok');
}

async function printLdif(call: Call, lines: Iterable<string>): Promise<void> {
  const path = flagText(call, 'output');
  if (path !== undefined) return writeLdif(path, lines);
  let chunk = '';
  for (const line of lines) {
    chunk += line;
    if (chunk.length < LDIF_CHUNK) continue;
    await call.out.raw(chunk);
    chunk = '';
  }
  await call.out.raw(chunk);
}

/** In the place of what is there, with nobody's mode but its own: there may be hashes in it. */
function writeLdif(path: string, lines: Iterable<string>): void {
  const beside = `${path}.new`;
  rmSync(beside, { force: true });
  try {
    writeFileSync(beside, [...lines].join(''), { mode: 0o600, flag: 'wx', flush: true });
    renameSync(beside, path);
  } catch (error) {
    rmSync(beside, { force: true });
    throw new SnapshotError(`${path} cannot be written: ${(error as Error).message}`, {
      cause: error,
    });
  }
}

async function runCompile(call: Call): Promise<number> {
  const [source = ''] = call.args;
  const path = output(call);
  const text = source === '-' ? await call.readInput() : readFileSync(source, 'utf8');
  const suffix = flagText(call, 'suffix');
  try {
    const reading = compileText(text, {
      source,
      createdAt: clock.now(),
      ...(suffix === undefined ? {} : { suffix }),
    });
    const options = { output: path, withPasswords: on(call, 'with-passwords') };
    return await guarded(call, async () => tell(call, path, await writeReading(reading, options)));
  } catch (error) {
    if (!(error instanceof CompileError)) throw error;
    if (call.json) call.out.json({ problems: error.faults });
    else
      for (const { line, message } of error.faults) call.out.line(`${source}:${line}: ${message}`);
    return exitCode('data');
  }
}

async function runInspect(call: Call): Promise<number> {
  const [path = ''] = call.args;
  return await guarded(call, async () => {
    const { createdAt, withPasswords, bytes, about } = await inspectSnapshot(path);
    const ageS = Math.round((clock.now() - createdAt) / 1000);
    if (call.json) {
      return call.out.json({ file: path, createdAt, ageS, withPasswords, bytes, ...about });
    }
    const rows = [
      ['age', `${(ageS / 3600).toFixed(1)} h (${new Date(createdAt).toISOString()})`],
      ['password hashes', withPasswords ? 'yes' : 'none'],
      ['octets', String(bytes)],
      ['from', about.source],
      ['contextCSN', about.contextCsn.join(' ') || 'unknown'],
      ['suffix', about.suffix],
      ...COUNTED.map((name) => [name, String(about.counts[name])]),
      ['deferred', String(about.faults.length + about.faultsMore)],
    ];
    call.out.table(['snapshot', path], rows);
    tellFaults(call, about);
  });
}

const OUTPUT = { type: 'string', value: 'FILE', doc: 'Where the snapshot is to be' } as const;
const PASSWORDS = {
  type: 'boolean',
  doc: 'With password hashes, for nodes that serve logins; never for an MX or a relay',
} as const;

export const SNAPSHOT_COMMANDS: Readonly<Record<string, Command>> = {
  'directory export': {
    usage: '--output FILE [--every 1h] [--with-passwords] [--force] | --ldif [--output FILE]',
    summary: 'Writes a snapshot of the live directory that nodes can run on by themselves',
    examples: [
      'mailfarm directory export --output /var/lib/mailfarm/directory.snapshot --every 1h',
      'mailfarm directory export --ldif > farm.ldif',
    ],
    options: {
      output: OUTPUT,
      every: { type: 'string', value: 'TIME', doc: 'Again and again, until it is told to end' },
      'with-passwords': PASSWORDS,
      force: { type: 'boolean', doc: 'Replaces a newer one, or one with more users by a tenth' },
      ldif: { type: 'boolean', doc: 'Prints what is read as LDIF in place of a snapshot' },
    },
    args: [0, 0],
    run: runExport,
  },
  'directory compile': {
    usage: 'TEXT --output FILE [--with-passwords] [--suffix DN]',
    summary: 'Makes a snapshot from LDIF, or from lines user@domain:server[:port]',
    examples: [
      'slapcat | mailfarm directory compile - --output directory.snapshot',
      'mailfarm directory compile popmap --output directory.snapshot',
    ],
    options: {
      output: OUTPUT,
      'with-passwords': PASSWORDS,
      suffix: {
        type: 'string',
        value: 'DN',
        doc: 'Suffix of the tree, where cn=farm is not in it',
      },
    },
    args: [1, 1],
    run: runCompile,
  },
  'directory inspect': {
    usage: 'FILE',
    summary: 'Checks a snapshot and shows how old it is and what is in it',
    examples: ['mailfarm directory inspect /var/lib/mailfarm/directory.snapshot'],
    args: [1, 1],
    run: runInspect,
  },
};
