/** What other hosts wrote on a volume, and whether they see what we write. */
import { isErrno, type Fs } from '#maildir';
import type { Clock } from '../../base/clock.ts';
import type { Random } from '../../base/random.ts';
import {
  askName,
  BEAT_OCTETS_MAX,
  HOSTS_NAME,
  parseBeat,
  parseHostsName,
  type HostBeat,
} from '../hosts-file.ts';
import { BEAT_MS, writeWholeFile } from '../hosts.ts';
import type { HostsSeen, SeenBeat } from './types.ts';

export interface AskParts {
  readonly fs: Fs;
  readonly clock: Clock;
  readonly random: Random;
  /** The volume's mount point. */
  readonly root: string;
  readonly at: (call: string) => void;
  /** How long to wait for answers; 0: nobody is asked. */
  readonly waitMs: number;
  /** The server's clock less ours. */
  readonly skewMs: number;
}

const POLL_MS = 500;
/** A node that did not beat for so long is silent: nobody waits for it. */
export const SILENT_MS = 3 * BEAT_MS;

/** Reads the beats; asks and waits where that is wanted. */
export async function askHosts(parts: AskParts): Promise<HostsSeen> {
  const { waitMs, clock } = parts;
  const names = await list(parts);
  const beats = await readBeats(parts, names);
  if (waitMs === 0 || beats.length === 0) return { beats, waitedMs: 0 };
  const expected = beats.filter(({ ageMs }) => ageMs < SILENT_MS).map(({ beat }) => beat.node);
  const directory = `${parts.root}/${HOSTS_NAME}`;
  const id = Buffer.from(parts.random.bytes(8)).toString('hex');
  const began = clock.now();
  const now = (): number => clock.now();
  const ask = askName(id, Math.floor((began + parts.skewMs) / 1000));
  await writeWholeFile({ ...parts, directory, now }, ask, Buffer.from('\n'));
  const answers = new Map<string, number>();
  try {
    while (clock.now() - began < waitMs && expected.some((node) => !answers.has(node))) {
      await clock.sleep(POLL_MS);
      for (const name of await list(parts)) {
        const file = parseHostsName(name);
        if (file?.kind !== 'answer' || file.id !== id || answers.has(file.node)) continue;
        answers.set(file.node, clock.now() - began);
      }
    }
  } finally {
    await removeQuestion(parts, directory, id);
  }
  return { beats, answers, waitedMs: clock.now() - began };
}

async function removeQuestion(parts: AskParts, directory: string, id: string): Promise<void> {
  for (const name of await list(parts).catch(() => [])) {
    const file = parseHostsName(name);
    if (file === undefined || !('id' in file) || file.id !== id) continue;
    await parts.fs.unlink(`${directory}/${name}`).catch(() => {});
  }
}

async function list({ fs, root, at }: AskParts): Promise<readonly string[]> {
  at('reading what other hosts wrote');
  try {
    return await fs.list(`${root}/${HOSTS_NAME}`);
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return [];
    throw error;
  }
}

/** The newest beat of each node. */
async function readBeats(parts: AskParts, names: readonly string[]): Promise<readonly SeenBeat[]> {
  const newest = new Map<string, { readonly name: string; readonly epoch: number }>();
  for (const name of names) {
    const file = parseHostsName(name);
    if (file?.kind !== 'beat' || file.epoch < (newest.get(file.node)?.epoch ?? 0)) continue;
    newest.set(file.node, { name, epoch: file.epoch });
  }
  const beats: SeenBeat[] = [];
  for (const { name } of newest.values()) {
    const path = `${parts.root}/${HOSTS_NAME}/${name}`;
    const beat = await readBeat(parts.fs, path).catch(() => undefined); // Replaced meanwhile.
    if (beat === undefined) continue;
    const writtenAt = await parts.fs.modified(path).catch(() => undefined);
    if (writtenAt === undefined) continue;
    beats.push({ beat, writtenAt, ageMs: parts.clock.now() + parts.skewMs - writtenAt });
  }
  return beats;
}

async function readBeat(fs: Fs, path: string): Promise<HostBeat | undefined> {
  const fd = await fs.openRead(path);
  try {
    const bytes = Buffer.alloc(BEAT_OCTETS_MAX);
    return parseBeat(bytes.toString('utf8', 0, await fs.read(fd, bytes, 0)));
  } finally {
    await fs.close(fd);
  }
}
