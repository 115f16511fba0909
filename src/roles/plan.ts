/**
 * What a node is to do, from the directory: its listeners and the farm's settings, checked whole.
 * The last good answer is kept on the node's disk, so that a node starts while the directory is
 * away (DESIGN: everything but names and addresses of the directory is in the directory).
 */
import type { Clock } from '../base/clock.ts';
import { readLastGood, writeLastGood, type LastGood } from '../config/last-good.ts';
import type { NodeFile } from '../config/node-file.ts';
import { parseSettings, quote } from '../config/settings.ts';
import { DirectoryUnavailable, type Directory, type NodeEntry } from '../directory/types.ts';
import type { Logger } from '../log/types.ts';
import { parseListen, type ListenAddress } from '../net/address.ts';
import { isServiceName, LISTENERS } from './services.ts';
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

/**
 * A setting or a listener that this release has no name for. Nodes of several releases read one
 * directory (decision 27): an older one goes on without what only a newer one knows, and says so.
 */
export interface Unknown {
  /** The name of the setting, or the listener as it is written. */
  readonly name: string;
  /** The whole sentence. */
  readonly message: string;
}

/** What is wrong keeps a node from starting, what is unknown does not. */
export interface Checked {
  readonly listen: readonly ListenAddress[];
  readonly problems: readonly string[];
  readonly unknown: readonly Unknown[];
}

/** Everything wrong with listeners and settings, at once. */
export function checkDirectoryPart(part: {
  readonly node: string;
  readonly listen: readonly string[];
  readonly settings: Iterable<readonly [string, string]>;
}): Checked {
  const found = parseSettings(TABLES, part.settings).problems.map(
    ({ name, message, isUnknown }) => ({ name, message: `cn=farm: ${message}`, isUnknown }),
  );
  const { listen, problems, unknown } = checkListeners(part.node, part.listen);
  const wrong = found.filter(({ isUnknown }) => !isUnknown).map(({ message }) => message);
  const strange = found.filter(({ isUnknown }) => isUnknown);
  return {
    listen,
    problems: [...wrong, ...problems],
    unknown: [...strange.map(({ name, message }) => ({ name, message })), ...unknown],
  };
}

/** The same for listeners alone. Who serves nothing that it knows has a problem. */
export function checkListeners(node: string, texts: readonly string[]): Checked {
  const problems: string[] = [];
  const unknown: Unknown[] = [];
  const listen: ListenAddress[] = [];
  const seen = new Set<string>();
  if (texts.length === 0) problems.push(`node ${node} names no listener: MF-NODE-001`);
  for (const text of texts) {
    const parsed = parseListen(text);
    if (typeof parsed === 'string') {
      problems.push(`mwListen: ${parsed}`);
    } else if (!LISTENERS.includes(parsed.service)) {
      const known = LISTENERS.join(', ');
      const message = `mwListen: ${quote(text)} names no service; there are ${known}`;
      unknown.push({ name: text, message });
    } else if (seen.has(`${parsed.host} ${parsed.port}`)) {
      problems.push(`mwListen: "${text}" has an address that another listener has`);
    } else {
      seen.add(`${parsed.host} ${parsed.port}`);
      listen.push(parsed);
    }
  }
  const serves = listen.some(({ service }) => isServiceName(service));
  if (serves || unknown.length === 0) return { listen, problems, unknown };
  return { listen, problems: [...problems, ...unknown.map(({ message }) => message)], unknown: [] };
}

type Pairs = readonly (readonly [name: string, value: string])[];

/** What the directory says: of it this release runs what it knows. */
export interface Settled extends Pick<Plan, 'listen' | 'settings'> {
  /** All of it: another release that starts from the last good answer may know more. */
  readonly said: { readonly listen: readonly string[]; readonly settings: Pairs };
  readonly unknown: readonly Unknown[];
}

/** @throws PlanError with everything that is wrong */
function settle(node: string, listen: readonly string[], settings: Pairs): Settled {
  const checked = checkDirectoryPart({ node, listen, settings });
  if (checked.problems.length > 0) throw new PlanError(checked.problems);
  const strange = new Set(checked.unknown.map(({ name }) => name));
  return {
    listen: checked.listen,
    settings: settings.filter(([name]) => !strange.has(name)),
    said: { listen, settings },
    unknown: checked.unknown,
  };
}

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
  const pairs = [...settings].toSorted(([a], [b]) => (a < b ? -1 : 1));
  const settled = settle(node, texts, pairs);
  if (!entry) await join?.(settled.listen);
  return settled;
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
    const settled = settledBefore(file.name, last);
    if (!settled) throw error;
    const ageS = Math.round((clock.now() - last.savedAt) / 1000);
    logger.warn({ code: 'MF-NODE-004', ageS, err: error }, 'directory away, last good settings');
    return settled;
  }
}

/** The last good answer as this release takes it; undefined where it cannot run it. */
function settledBefore(node: string, last: LastGood): Settled | undefined {
  try {
    return settle(node, last.listen, [...last.settings]);
  } catch (error) {
    if (error instanceof PlanError) return undefined;
    throw error;
  }
}

/** Keeps the answer for a start without the directory. A disk that refuses costs only that. */
export async function keep(
  settled: Settled,
  parts: { readonly file: NodeFile; readonly logger: Logger; readonly clock: Clock },
): Promise<void> {
  const { file, logger, clock } = parts;
  const { listen, settings } = settled.said;
  try {
    await writeLastGood(file.data, { settings: new Map(settings), listen }, clock);
  } catch (error) {
    logger.warn({ data: file.data, err: error }, 'last good settings not kept');
  }
}

export const formatListen = (address: ListenAddress): string => {
  const host = address.host.includes(':') ? `[${address.host}]` : address.host;
  return `${address.service} ${host}:${address.port}`;
};
