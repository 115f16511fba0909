/**
 * What a node is to do, from the directory: its listeners and the farm's settings, checked whole.
 * The last good answer is kept on the node's disk, so that a node starts while the directory is
 * away (DESIGN: everything but names and addresses of the directory is in the directory).
 */
import type { Clock } from '../base/clock.ts';
import { readLastGood, writeLastGood } from '../config/last-good.ts';
import type { NodeFile } from '../config/node-file.ts';
import { parseSettings } from '../config/settings.ts';
import { DirectoryUnavailable, type Directory, type NodeEntry } from '../directory/types.ts';
import type { Logger } from '../log/types.ts';
import { parseListen, type ListenAddress } from '../net/address.ts';
import { LISTENERS } from './services.ts';
import { TABLES } from './tables.ts';

/** All that a worker needs to begin; plain data, because it travels over IPC. */
export interface Plan {
  readonly file: NodeFile;
  readonly listen: readonly ListenAddress[];
  /** mwSetting of cn=farm as name and text, already checked. */
  readonly settings: readonly (readonly [name: string, value: string])[];
  /** 48 octets, hexadecimal: seal TLS session tickets of all workers of this node. */
  readonly ticketKeys: string;
}

/** The directory's part of a plan cannot be used; one sentence for each thing that is wrong. */
export class PlanError extends Error {
  readonly problems: readonly string[];
  constructor(problems: readonly string[]) {
    super(problems.join('; '));
    this.name = 'PlanError';
    this.problems = problems;
  }
}

export type Values = ReturnType<typeof parseSettings<typeof TABLES>>['values'];

/** The options of a plan, every one with its value. Wrong ones were refused before. */
export const valuesOf = (plan: Pick<Plan, 'settings'>): Values =>
  parseSettings(TABLES, plan.settings).values;

/** The name in greetings and Received fields. */
export const hostNameOf = (plan: Pick<Plan, 'file'>, values: Values): string =>
  values['farm.host-name'] || plan.file.name;

/** Everything wrong with listeners and settings, at once. */
export function checkDirectoryPart(part: {
  readonly node: string;
  readonly listen: readonly string[];
  readonly settings: Iterable<readonly [string, string]>;
}): { readonly listen: readonly ListenAddress[]; readonly problems: readonly string[] } {
  const problems = parseSettings(TABLES, part.settings).problems.map(
    (p) => `cn=farm: ${p.message}`,
  );
  const listen: ListenAddress[] = [];
  const seen = new Set<string>();
  if (part.listen.length === 0) problems.push(`node ${part.node} names no listener: MF-NODE-001`);
  for (const text of part.listen) {
    const parsed = parseListen(text);
    if (typeof parsed === 'string') {
      problems.push(`mwListen: ${parsed}`);
    } else if (!LISTENERS.includes(parsed.service)) {
      const known = LISTENERS.join(', ');
      problems.push(`mwListen: "${text}" names no service; there are ${known}`);
    } else if (seen.has(`${parsed.host} ${parsed.port}`)) {
      problems.push(`mwListen: "${text}" has an address that another listener has`);
    } else {
      seen.add(`${parsed.host} ${parsed.port}`);
      listen.push(parsed);
    }
  }
  return { listen, problems };
}

/** What the directory says. */
export type Settled = Pick<Plan, 'listen' | 'settings'>;

/** What a node runs: the listeners of its entry, else those of the farm (`node.listen`). */
export function listenersOf(
  entry: Pick<NodeEntry, 'listen'> | undefined,
  settings: Iterable<readonly [string, string]>,
): readonly string[] {
  if (entry && entry.listen.length > 0) return entry.listen;
  const texts = parseSettings(TABLES, settings).values['node.listen'].split(',');
  return texts.map((text) => text.trim()).filter((text) => text !== '');
}

/**
 * Asks the directory.
 * @param join adds the entry of a node that has none, given what it is to run
 * @throws DirectoryUnavailable; PlanError with everything that is wrong
 */
export async function askDirectory(
  directory: Directory,
  node: string,
  join?: (listen: readonly ListenAddress[]) => Promise<void>,
): Promise<Settled> {
  const [entry, settings] = await Promise.all([directory.node(node), directory.settings()]);
  const texts = listenersOf(entry, settings);
  if (!entry && (!join || texts.length === 0)) {
    throw new PlanError([`The directory has no node "${node}": MF-NODE-001`]);
  }
  const { listen, problems } = checkDirectoryPart({ node, listen: texts, settings });
  if (problems.length > 0) throw new PlanError(problems);
  if (!entry) await join?.(listen);
  return { listen, settings: [...settings].toSorted(([a], [b]) => (a < b ? -1 : 1)) };
}

/** Asks the directory, falling back to the last good answer while it is away. */
export async function loadSettled(parts: {
  readonly directory: Directory;
  readonly file: NodeFile;
  readonly logger: Logger;
  readonly clock: Clock;
  readonly join?: (listen: readonly ListenAddress[]) => Promise<void>;
}): Promise<Settled> {
  const { directory, file, logger, clock } = parts;
  try {
    const settled = await askDirectory(directory, file.name, parts.join);
    await keep(settled, parts);
    return settled;
  } catch (error) {
    if (!(error instanceof DirectoryUnavailable)) throw error;
    const last = await readLastGood(file.data);
    if (!last) throw error;
    const { listen, problems } = checkDirectoryPart({ node: file.name, ...last });
    if (problems.length > 0) throw error;
    const ageS = Math.round((clock.now() - last.savedAt) / 1000);
    logger.warn({ code: 'MF-NODE-004', ageS, err: error }, 'directory away, last good settings');
    return { listen, settings: [...last.settings] };
  }
}

/** Keeps the answer for a start without the directory. A disk that refuses costs only that. */
export async function keep(
  settled: Settled,
  parts: { readonly file: NodeFile; readonly logger: Logger; readonly clock: Clock },
): Promise<void> {
  const { file, logger, clock } = parts;
  const listen = settled.listen.map(formatListen);
  try {
    await writeLastGood(file.data, { settings: new Map(settled.settings), listen }, clock);
  } catch (error) {
    logger.warn({ data: file.data, err: error }, 'last good settings not kept');
  }
}

export const formatListen = (address: ListenAddress): string => {
  const host = address.host.includes(':') ? `[${address.host}]` : address.host;
  return `${address.service} ${host}:${address.port}`;
};
