/**
 * Lines of nodes' logs, from files or from a journal: the JSON object of each, whatever stands
 * before it. Files are read as often as asked, since a story is found by following names from line
 * to line; only the lines that were asked for are kept.
 *
 * Whoever can write into these files or journals can write a step of a letter: give `trace` the
 * lines of our unit only (`journalctl -u mailfarm`). A stranger cannot by SMTP: what he says stands
 * in a JSON string, with its quotes escaped.
 */
import { createReadStream } from 'node:fs';
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';

export interface LogLine {
  /** ms since 1970 */
  readonly at: number;
  readonly node: string;
  readonly message: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

/** Where lines come from: each call reads all of them again. */
export type LogSource = () => AsyncIterable<string>;

/** The object of a line; undefined: none of ours. */
export function parseLine(line: string): LogLine | undefined {
  const start = line.indexOf('{');
  if (start < 0) return undefined;
  let fields: Record<string, unknown>;
  try {
    fields = JSON.parse(line.slice(start)) as Record<string, unknown>;
  } catch {
    return undefined;
  }
  const { time, node, message } = fields;
  const at = typeof time === 'number' ? time : Date.parse(String(time));
  if (Number.isNaN(new Date(at).getTime()) || typeof message !== 'string') return undefined;
  return { at, message, node: typeof node === 'string' ? node : '?', fields };
}

const linesOf = (input: Readable): AsyncIterable<string> =>
  createInterface({ input, crlfDelay: Infinity });

/** @throws Error ENOENT, EACCES while it is read */
export const logFile =
  (path: string): LogSource =>
  () =>
    linesOf(createReadStream(path));

/** The journal of this machine, of a unit. @param since as journalctl takes it */
export const journal = (unit: string, since: string | undefined): LogSource =>
  async function* read() {
    const args = ['--unit', unit, '--output', 'cat', '--no-pager'];
    const child = spawn('journalctl', since === undefined ? args : [...args, '--since', since], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const failed = new Promise<never>((_, reject) => child.once('error', reject));
    failed.catch(() => {});
    const started = new Promise<void>((resolve) => child.once('spawn', resolve));
    await Promise.race([started, failed]);
    yield* linesOf(child.stdout);
  };
