/**
 * Who was in the farm when the directory told last, on the node's own disk beside its last good
 * settings: a node that starts while the directory is away knows its own farm by it, and sends.
 * A cache: whatever is wrong with the file, it is as if it were not there. Written beside and
 * renamed, by each worker of the node for itself; any of their files will do.
 */
import { open, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { NodeEntry } from '../directory/types.ts';

export interface KnownNodes {
  /** Undefined: nobody told yet. Never rejects. */
  read(): Promise<readonly NodeEntry[] | undefined>;
  /** @throws where the disk does not take it; only that is lost */
  write(nodes: readonly NodeEntry[]): Promise<void>;
}

const NAME = 'last-nodes.json';
const OCTETS_MAX = 16 * 1024 * 1024;

/** In the node's state folder. */
export function knownNodesIn(data: string): KnownNodes {
  const path = join(data, NAME);
  return {
    read: async () => {
      try {
        const file = await open(path, 'r');
        try {
          if ((await file.stat()).size > OCTETS_MAX) return undefined;
          return nodesOf(JSON.parse(await file.readFile('utf8')));
        } finally {
          await file.close();
        }
      } catch {
        return undefined;
      }
    },
    write: async (nodes) => {
      const beside = `${path}.${process.pid}.new`;
      try {
        const file = await open(beside, 'w', 0o600);
        try {
          await file.writeFile(`${JSON.stringify(nodes.map(plain))}\n`);
          await file.sync();
        } finally {
          await file.close();
        }
        await rename(beside, path);
      } catch (error) {
        await rm(beside, { force: true }).catch(() => {});
        throw error;
      }
    },
  };
}

/** What tells a node from others; no beat, which changes all the time. */
const plain = ({ name, nid, server, status, listen, addresses }: NodeEntry): object => ({
  name,
  nid,
  server,
  status,
  listen,
  addresses,
});

/** All of them or none: a farm with a hole is worse than none. */
function nodesOf(value: unknown): readonly NodeEntry[] | undefined {
  if (!Array.isArray(value) || value.length === 0) return undefined;
  return value.every(isNode)
    ? value.map((node) => ({ ...node, beatAt: undefined, version: undefined }))
    : undefined;
}

function isNode(value: unknown): value is NodeEntry {
  const { name, nid, server, status, listen, addresses } = (value ?? {}) as Partial<NodeEntry>;
  const texts = [name, server, status];
  return typeof nid === 'number' && texts.every(isText) && [listen, addresses].every(areTexts);
}

const isText = (value: unknown): value is string => typeof value === 'string';
const areTexts = (value: unknown): boolean => Array.isArray(value) && value.every(isText);
