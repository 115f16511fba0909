import { AdminError, type Admin } from '../../directory/admin/admin.ts';
import { isKind } from '../../directory/admin/error.ts';
import type { NodeEntry, VolumeEntry } from '../../directory/types.ts';
import type { Wanted } from './wanted.ts';

/** What the directory has of what is wanted; tables that nobody asks for stay empty. */
export interface There {
  readonly settings: ReadonlyMap<string, string>;
  /** By name in lower case: the directory finds names in any case. */
  readonly nodes: ReadonlyMap<string, NodeEntry>;
  /** Nodes that send, in lower case. */
  readonly senders: ReadonlySet<string>;
  readonly volumes: ReadonlyMap<string, VolumeEntry>;
  readonly domains: ReadonlySet<string>;
}

/** Reads the tables that are wanted, each once. @throws AdminError */
export async function readFarm(admin: Admin, wanted: Wanted): Promise<There> {
  const away = new Set(wanted.absent.map(({ kind }) => kind));
  const { nodes, volumes, domains } = wanted;
  const sending = [...nodes.values()].some(({ sends }) => sends !== undefined);
  return {
    settings: wanted.settings.size > 0 || wanted.cookie ? await admin.settings.all() : new Map(),
    nodes: byName(nodes.size > 0 || away.has('node') ? await admin.nodes.list() : []),
    senders: new Set(sending ? await sendersOf(admin) : []),
    volumes: byName(volumes.size > 0 || away.has('volume') ? await admin.volumes.list() : []),
    domains: new Set(domains.length > 0 || away.has('domain') ? await admin.domains.list() : []),
  };
}

/** None in a directory that has no such group yet. @throws AdminError denied */
async function sendersOf(admin: Admin): Promise<readonly string[]> {
  try {
    return (await admin.nodes.senders.names()).map((name) => name.toLowerCase());
  } catch (error) {
    if (error instanceof AdminError && isKind(error, 'not-found')) return [];
    throw error;
  }
}

const byName = <T extends { readonly name: string }>(all: readonly T[]): ReadonlyMap<string, T> =>
  new Map(all.map((one) => [one.name.toLowerCase(), one]));
