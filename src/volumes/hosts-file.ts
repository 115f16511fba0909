/** The files in `.mailfarm-hosts` of a volume: their names and what is in them. Pure. */

export const HOSTS_NAME = '.mailfarm-hosts';

/** What tells one host from another, and one NFS client from another. */
export interface HostFacts {
  /** Of this start of the kernel: no two hosts have the same. */
  readonly bootId: string;
  readonly nodename: string;
  /** /sys/fs/nfs/net/nfs_client/identifier; '' where none is set. */
  readonly identifier: string;
  readonly kernel: string;
}

/** How a node sees a volume, in its own words. */
export interface HostBeat {
  readonly node: string;
  readonly host: HostFacts;
  /** `10.99.0.1:/mail1`; '' where the volume is no mount. */
  readonly source: string;
  /** `nfs4`, `ext4`, … */
  readonly type: string;
  /** The options that the kernel negotiated, as it writes them. */
  readonly options: string;
  /** Its clock when it wrote this, in ms since 1970. */
  readonly clock: number;
  readonly release: string;
  readonly uid: number;
}

export type HostsFile =
  | { readonly kind: 'beat'; readonly node: string; readonly epoch: number }
  | { readonly kind: 'ask'; readonly id: string; readonly epoch: number }
  | { readonly kind: 'answer'; readonly id: string; readonly epoch: number; readonly node: string }
  /** On its way to another name. */
  | { readonly kind: 'draft'; readonly epoch: number };

const NODE = '[A-Za-z0-9_-][A-Za-z0-9._-]{0,62}';
const FORMS = {
  beat: new RegExp(`^beat\\.(?<node>${NODE})\\.(?<epoch>\\d{1,12})$`),
  ask: /^ask\.(?<id>[0-9a-z]{1,32})\.(?<epoch>\d{1,12})$/,
  answer: new RegExp(`^answer\\.(?<id>[0-9a-z]{1,32})\\.(?<epoch>\\d{1,12})\\.(?<node>${NODE})$`),
  draft: /^draft\.(?<id>[0-9a-z]{1,32})\.(?<epoch>\d{1,12})$/,
} as const;

/** What a name in the directory is; undefined: none of ours, left alone. */
export function parseHostsName(name: string): HostsFile | undefined {
  for (const [kind, form] of Object.entries(FORMS)) {
    const groups = form.exec(name)?.groups;
    if (groups) return { kind, ...groups, epoch: Number(groups['epoch']) } as HostsFile;
  }
  return undefined;
}

/** A node's name as it can stand in a file's. */
export const nodeInName = (node: string): string =>
  node
    .replaceAll(/[^A-Za-z0-9._-]/g, '_')
    .replace(/^\./, '_')
    .slice(0, 63);

export const beatName = (node: string, epoch: number): string => `beat.${node}.${epoch}`;
export const askName = (id: string, epoch: number): string => `ask.${id}.${epoch}`;
export const answerName = (id: string, epoch: number, node: string): string =>
  `answer.${id}.${epoch}.${node}`;
export const draftName = (id: string, epoch: number): string => `draft.${id}.${epoch}`;

/** More than this is no beat of ours. */
export const BEAT_OCTETS_MAX = 4096;
const TEXT_MAX = 1000;

export const formatBeat = (beat: HostBeat): string => `${JSON.stringify(beat)}\n`;

/** Whoever can write on the volume wrote this: undefined when it is not wholly a beat. */
export function parseBeat(text: string): HostBeat | undefined {
  if (!text.endsWith('\n')) return undefined;
  let given: Record<string, unknown>;
  try {
    given = JSON.parse(text) as Record<string, unknown>;
  } catch {
    return undefined;
  }
  if (typeof given !== 'object' || given === null) return undefined;
  const host = given['host'] as Record<string, unknown> | null | undefined;
  if (typeof host !== 'object' || host === null) return undefined;
  const texts = [given['node'], given['source'], given['type'], given['options'], given['release']];
  const ofHost = [host['bootId'], host['nodename'], host['identifier'], host['kernel']];
  if (![...texts, ...ofHost].every((v) => typeof v === 'string' && v.length <= TEXT_MAX)) {
    return undefined;
  }
  const numbers = [given['clock'], given['uid']];
  if (!numbers.every((v) => typeof v === 'number' && Number.isFinite(v))) return undefined;
  return given as unknown as HostBeat;
}
