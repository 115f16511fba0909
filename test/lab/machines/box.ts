/**
 * How the machines and the program that holds them talk: files in a folder that all of them see
 * through hostfs, so that words get through whatever is cut. `box/NAME/ask/ID` holds a request for
 * NAME, `box/NAME/answer/ID` what it said. A file appears by rename, so it is whole; hostfs keeps
 * nothing of a file that nobody has open, so it is new. Polled: hostfs tells nothing of changes.
 */
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Host } from './hosts.ts';

const POLL_MS = 20;
/** The box of the program that holds the machines. */
export const OUTSIDE = 'outside';

export interface RunRequest {
  readonly do: 'run';
  readonly argv: readonly string[];
  readonly as: 'root' | 'mail';
  readonly input?: string;
  readonly env?: Readonly<Record<string, string>>;
}

/** Started and left running, with its output in log/NAME.log and its end in log/NAME.end. */
export interface StartRequest extends Omit<RunRequest, 'do' | 'input'> {
  readonly do: 'start';
  readonly name: string;
}

export type OutsideRequest =
  | { readonly do: 'restore' }
  | { readonly do: 'power-off' | 'power-on'; readonly host: Host }
  | { readonly do: 'cable'; readonly command: string };

export type Request = RunRequest | StartRequest | OutsideRequest;

export interface Answer {
  /** Of a command; 0 when nothing was run. */
  readonly code: number;
  readonly output: string;
  readonly pid?: number;
  /** Why there is no real answer. */
  readonly failed?: string;
}

const boxOf = (folder: string, name: string): { ask: string; answer: string } => ({
  ask: join(folder, 'box', name, 'ask'),
  answer: join(folder, 'box', name, 'answer'),
});

export function makeBox(folder: string, name: string): void {
  for (const path of Object.values(boxOf(folder, name))) mkdirSync(path, { recursive: true });
}

/** Writes a file that others may be waiting for: whole at once. */
export function writeWhole(path: string, text: string): void {
  const made = `${path}.making`;
  writeFileSync(made, text);
  renameSync(made, path);
}

export function readOrNothing(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/** Holds the number of the boot while the machine's agent answers; absent when it is dead. */
export const upFile = (folder: string, host: string): string => join(folder, 'box', host, 'up');

let asked = 0;

/** @throws Error when the machine is off, nobody answers in time, or there can be no answer */
export async function ask(
  folder: string,
  options: { readonly to: string; readonly from: string; readonly ms: number },
  request: Request,
): Promise<Answer> {
  const { to, from, ms } = options;
  const box = boxOf(folder, to);
  const id = `${from}-${process.pid}-${asked++}`;
  const until = performance.now() + ms;
  if (to !== OUTSIDE && readOrNothing(upFile(folder, to)) === undefined) {
    throw new Error(`${to} is off: ${JSON.stringify(request)}`);
  }
  writeWhole(join(box.ask, id), JSON.stringify(request));
  for (;;) {
    const text = readOrNothing(join(box.answer, id));
    if (text !== undefined) {
      rmSync(join(box.answer, id), { force: true });
      const answer = JSON.parse(text) as Answer;
      if (answer.failed === undefined) return answer;
      throw new Error(`${to}: ${answer.failed}: ${JSON.stringify(request)}`);
    }
    if (performance.now() > until) {
      rmSync(join(box.ask, id), { force: true });
      throw new Error(`${to} did not answer within ${ms} ms: ${JSON.stringify(request)}`);
    }
    await sleep(POLL_MS);
  }
}

/** Answers what comes into a box until stopped. */
export function serveBox(
  folder: string,
  name: string,
  perform: (request: Request) => Promise<Answer>,
): () => void {
  const box = boxOf(folder, name);
  const taken = new Set<string>();
  const serve = async (id: string): Promise<void> => {
    const text = readOrNothing(join(box.ask, id));
    if (text === undefined) return;
    const answer = await perform(JSON.parse(text) as Request).catch((error: unknown) => ({
      code: 127,
      output: '',
      failed: error instanceof Error ? error.message : String(error),
    }));
    writeWhole(join(box.answer, id), JSON.stringify(answer));
    rmSync(join(box.ask, id), { force: true });
    taken.delete(id);
  };
  const look = (): void => {
    for (const id of readdirSync(box.ask)) {
      if (id.endsWith('.making') || taken.has(id)) continue;
      taken.add(id);
      serve(id).catch((error: unknown) => {
        // The folder is away: the laboratory ends.
        if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
      });
    }
  };
  const timer = setInterval(look, POLL_MS);
  return () => clearInterval(timer);
}

/** For a machine that is dead: whoever waits for its answers is told, and nothing is left to do. */
export function refuseAll(folder: string, name: string, failed: string): void {
  const box = boxOf(folder, name);
  const answers = readdirSync(box.answer);
  for (const id of readdirSync(box.ask)) {
    if (!answers.includes(id) && !id.endsWith('.making')) {
      writeWhole(join(box.answer, id), JSON.stringify({ code: 128, output: '', failed }));
    }
    rmSync(join(box.ask, id), { force: true });
  }
}
