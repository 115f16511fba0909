/**
 * The file server of the model: the truth that every client sees a picture of.
 *
 * Names and attributes are durable at once, as an NFS server has them; bytes are visible when their
 * writer closed or fsynced, durable when it fsynced. It keeps a digest of all it holds, so that the
 * explorer knows a state it has been in: two orders of calls that do not touch the same thing end
 * in the same digest, hence nodes are named by who made them and not by when.
 */
export interface FileNode {
  readonly kind: 'file';
  readonly id: string;
  bytes: Buffer;
  /** What a power cut of the server leaves. */
  durable: Buffer;
  links: number;
  modifiedMs: number;
}
export interface DirectoryNode {
  readonly kind: 'directory';
  readonly id: string;
  /** Of this number another directory may have been made before, and removed. */
  readonly inode: string;
  readonly names: Map<string, Node>;
  removed: boolean;
  modifiedMs: number;
  /** Change attribute. */
  changes: number;
}
export type Node = FileNode | DirectoryNode;

/** Two halves of a digest in which the order of what was put in does not matter. */
class Digest {
  #low = 0;
  #high = 0;

  constructor(low = 0, high = 0) {
    this.#low = low;
    this.#high = high;
  }

  /** Puts in what is not in it, takes out what is. */
  toggle(text: string): void {
    const [low, high] = hashes(text);
    this.#low ^= low;
    this.#high ^= high;
  }

  copy(): Digest {
    return new Digest(this.#low, this.#high);
  }

  toString(): string {
    return `${this.#low.toString(36)}.${this.#high.toString(36)}`;
  }
}

/** Two hashes of 32 bits each (after cyrb53, public domain). */
export function hashes(text: string, seed = 0): [number, number] {
  let low = 0xdeadbeef ^ seed;
  let high = 0x41c6ce57 ^ seed;
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index);
    low = Math.imul(low ^ code, 2654435761);
    high = Math.imul(high ^ code, 1597334677);
  }
  low = Math.imul(low ^ (low >>> 16), 2246822507) ^ Math.imul(high ^ (high >>> 13), 3266489909);
  high = Math.imul(high ^ (high >>> 16), 2246822507) ^ Math.imul(low ^ (low >>> 13), 3266489909);
  return [low | 0, high | 0];
}

export const hashOf = (text: string): string => hashes(text).join('/');

export class ModelServer {
  nowMs = 1_700_000_000_000;
  /** `bytes`: no content can be written; `all`: no name can be made either. */
  full: 'no' | 'bytes' | 'all' = 'no';
  #digest = new Digest();
  #root: DirectoryNode = newDirectory('root', 'root', 0);
  #made = new Map<string, number>();
  /** Inode numbers of removed directories, for the next one to be made. */
  #free: string[] = [];

  get root(): DirectoryNode {
    return this.#root;
  }

  get digest(): string {
    return `${this.#digest.toString()} ${this.nowMs} ${this.full}`;
  }

  /** A server in the same state, which changes on its own. */
  clone(): ModelServer {
    const copy = new ModelServer();
    const known = new Map<Node, Node>();
    copy.nowMs = this.nowMs;
    copy.full = this.full;
    copy.#digest = this.#digest.copy();
    copy.#made = new Map(this.#made);
    copy.#free = [...this.#free];
    copy.#root = cloneNode(this.#root, known) as DirectoryNode;
    return copy;
  }

  newFile(by: string): FileNode {
    const bytes = Buffer.alloc(0);
    const id = this.#nextId(by);
    return { kind: 'file', id, bytes, durable: bytes, links: 0, modifiedMs: this.nowMs };
  }

  newDirectory(by: string): DirectoryNode {
    const id = this.#nextId(by);
    return newDirectory(id, this.#free.pop() ?? id, this.nowMs);
  }

  /** Gives `node` a name, or takes the name away. */
  set(directory: DirectoryNode, name: string, node: Node | undefined): void {
    const before = directory.names.get(name);
    if (before !== undefined) {
      this.#digest.toggle(`${directory.id}/${name}=${before.id}`);
      if (before.kind === 'file') before.links--;
    }
    if (node === undefined) directory.names.delete(name);
    else {
      directory.names.set(name, node);
      this.#digest.toggle(`${directory.id}/${name}=${node.id}`);
      if (node.kind === 'file') node.links++;
    }
    directory.modifiedMs = this.nowMs;
    directory.changes++;
  }

  removeDirectory(parent: DirectoryNode, name: string, node: DirectoryNode): void {
    this.set(parent, name, undefined);
    node.removed = true;
    this.#free.push(node.inode);
  }

  setBytes(file: FileNode, bytes: Buffer, durable: boolean): void {
    if (bytes !== file.bytes) file.modifiedMs = this.nowMs;
    this.#toggleBytes(file);
    file.bytes = bytes;
    if (durable) file.durable = bytes;
    this.#toggleBytes(file);
  }

  /** The server's own power is cut: what was not fsynced is empty, or half of it. */
  powerCut(leaves: 'nothing' | 'half'): void {
    eachFile(this.#root, (file) => {
      if (file.durable === file.bytes) return;
      const { bytes, durable } = file;
      const left = leaves === 'half' ? bytes.subarray(0, bytes.length >> 1) : durable;
      this.setBytes(file, left, true);
    });
  }

  /** As `cp -a` of a path to a name that is free, by the server's own hands: other inodes. */
  copy(from: string, to: string): void {
    const node = this.at(from);
    const cut = to.lastIndexOf('/');
    const parent = this.at(to.slice(0, cut));
    if (node === undefined || parent?.kind !== 'directory') throw new Error(`${from} to ${to}`);
    if (node.kind === 'file') {
      const file = this.newFile('copy');
      this.set(parent, to.slice(cut + 1), file);
      return this.setBytes(file, node.bytes, true);
    }
    this.set(parent, to.slice(cut + 1), this.newDirectory('copy'));
    for (const name of node.names.keys()) this.copy(`${from}/${name}`, `${to}/${name}`);
  }

  /** As `rm -r`. */
  remove(path: string): void {
    const node = this.at(path);
    const cut = path.lastIndexOf('/');
    const parent = this.at(path.slice(0, cut));
    if (node === undefined || parent?.kind !== 'directory') return;
    if (node.kind === 'file') return this.set(parent, path.slice(cut + 1), undefined);
    for (const name of node.names.keys()) this.remove(`${path}/${name}`);
    this.removeDirectory(parent, path.slice(cut + 1), node);
  }

  /** What lies at a path, as the server itself sees it. */
  at(path: string): Node | undefined {
    let node: Node | undefined = this.#root;
    for (const part of path.split('/').filter((name) => name !== '')) {
      if (node?.kind !== 'directory') return undefined;
      node = node.names.get(part);
    }
    return node;
  }

  /** Names in a directory; [] when there is none. */
  names(path: string): string[] {
    const node = this.at(path);
    return node?.kind === 'directory' ? [...node.names.keys()].toSorted() : [];
  }

  #nextId(by: string): string {
    const count = this.#made.get(by) ?? 0;
    this.#made.set(by, count + 1);
    return `${by}${count}`;
  }

  #toggleBytes(file: FileNode): void {
    const { id, bytes, durable } = file;
    this.#digest.toggle(`${id}:${durable === bytes ? 1 : 0}${bytes.toString('latin1')}`);
  }
}

const newDirectory = (id: string, inode: string, modifiedMs: number): DirectoryNode => ({
  kind: 'directory',
  id,
  inode,
  names: new Map(),
  removed: false,
  modifiedMs,
  changes: 0,
});

function cloneNode(node: Node, known: Map<Node, Node>): Node {
  const had = known.get(node);
  if (had !== undefined) return had;
  const names = new Map<string, Node>();
  const copy: Node = node.kind === 'file' ? { ...node } : { ...node, names };
  known.set(node, copy);
  if (node.kind === 'directory') {
    for (const [name, child] of node.names) names.set(name, cloneNode(child, known));
  }
  return copy;
}

function eachFile(directory: DirectoryNode, visit: (file: FileNode) => void): void {
  for (const node of directory.names.values()) {
    if (node.kind === 'file') visit(node);
    else eachFile(node, visit);
  }
}
