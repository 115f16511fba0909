import { systemError } from '../src/errno.ts';
import type { Fs } from '../src/index.ts';

/**
 * A file system in memory that can lose power. Metadata changes form a journal, as on ext4 and
 * XFS: a power cut keeps some prefix of it that reaches at least to the last fsync of a
 * directory. File contents survive only as far as fsync of the file took them: more strictly
 * than real systems, fsync of a file promises nothing about its name.
 */
interface FileNode {
  readonly kind: 'file';
  readonly inode: number;
  bytes: Buffer;
  durable: Buffer;
  modifiedMs: number;
}
interface DirectoryNode {
  readonly kind: 'directory';
  readonly inode: number;
  readonly names: Map<string, Node>;
  modifiedMs: number;
}
type Node = FileNode | DirectoryNode;
interface Slot {
  readonly directory: DirectoryNode;
  readonly name: string;
  readonly node: Node | undefined;
}

let inodes = 0;

export class MemoryFs implements Fs {
  /** The server's own time; tests set it apart from any local clock. */
  serverNow: () => number = () => 0;
  readonly #root: DirectoryNode = newDirectory(0);
  readonly #open = new Map<number, Node>();
  readonly #journal: (() => void)[] = [];
  #committed = 0;
  #nextFd = 3;

  /** How many metadata changes a power cut now could lose. */
  get atRisk(): number {
    return this.#journal.length - this.#committed;
  }

  /** Open descriptors: none may be left when an operation has ended. */
  get openFiles(): number {
    return this.#open.size;
  }

  /** Cuts the power: all but the first `kept` metadata changes at risk are undone. */
  powerCut(kept: number): void {
    while (this.#journal.length > this.#committed + kept) this.#journal.pop()?.();
    this.#open.clear();
    this.#eachFile(this.#root, (file) => {
      file.bytes = Buffer.from(file.durable);
    });
    this.#committed = this.#journal.length;
  }

  /** Content by path, for inspection: does not count as a call. */
  content(path: string): Buffer | undefined {
    const { node } = this.#slot('open', path);
    return node?.kind === 'file' ? node.bytes : undefined;
  }

  /** What was written to an open file and not yet fsynced is gone, as after a failed write-back. */
  lose(fd: number): void {
    const node = this.#open.get(fd);
    if (node?.kind === 'file') node.bytes = node.durable;
  }

  async create(path: string): Promise<number> {
    const slot = this.#slot('open', path);
    if (slot.node !== undefined) throw systemError('EEXIST', 'open', path);
    const bytes = Buffer.alloc(0);
    const inode = ++inodes;
    const modifiedMs = this.serverNow();
    const node: FileNode = { kind: 'file', inode, bytes, durable: bytes, modifiedMs };
    this.#set(slot.directory, slot.name, node);
    return this.#opened(node);
  }

  async openWrite(path: string): Promise<number> {
    return this.#opened(this.#existing('open', path));
  }

  async openRead(path: string): Promise<number> {
    return this.#opened(this.#existing('open', path));
  }

  async write(fd: number, bytes: Uint8Array, position: number): Promise<number> {
    const file = this.#file(fd);
    const size = Math.max(file.bytes.length, position + bytes.byteLength);
    const grown = Buffer.alloc(size);
    file.bytes.copy(grown);
    grown.set(bytes, position);
    file.bytes = grown;
    file.modifiedMs = this.serverNow();
    return bytes.byteLength;
  }

  async read(fd: number, into: Uint8Array, position: number): Promise<number> {
    const piece = this.#file(fd).bytes.subarray(position, position + into.byteLength);
    into.set(piece);
    return piece.length;
  }

  async size(fd: number): Promise<number> {
    return this.#file(fd).bytes.length;
  }

  async fsync(fd: number): Promise<void> {
    const node = this.#open.get(fd);
    if (node === undefined) throw new Error('fsync of a descriptor that is not open');
    if (node.kind === 'file') node.durable = node.bytes;
    else this.#committed = this.#journal.length;
  }

  async close(fd: number): Promise<void> {
    if (!this.#open.delete(fd)) throw new Error('close of a descriptor that is not open');
  }

  async rename(from: string, to: string): Promise<void> {
    const source = this.#slot('rename', from);
    const target = this.#slot('rename', to);
    if (source.node === undefined) throw systemError('ENOENT', 'rename', from);
    if (source.node === target.node) return; // Two names of one file: POSIX does nothing.
    // Facts are replaced; of anything else that is never asked for.
    const isFact = /\/mailfarm\/(?!log\/|last\/)/.test(to);
    if (target.node !== undefined && !isFact) throw new Error(`Overwritten: ${to}`);
    this.#set(target.directory, target.name, source.node);
    this.#set(source.directory, source.name, undefined);
    this.#joinLast(2);
  }

  async link(existing: string, added: string): Promise<void> {
    const source = this.#slot('link', existing);
    const target = this.#slot('link', added);
    if (source.node === undefined) throw systemError('ENOENT', 'link', existing);
    if (target.node !== undefined) throw systemError('EEXIST', 'link', added);
    this.#set(target.directory, target.name, source.node);
  }

  async unlink(path: string): Promise<void> {
    const { directory, name, node } = this.#slot('unlink', path);
    if (node === undefined) throw systemError('ENOENT', 'unlink', path);
    if (node.kind === 'directory') throw systemError('EISDIR', 'unlink', path);
    this.#set(directory, name, undefined);
  }

  async mkdir(path: string): Promise<void> {
    const { directory, name, node } = this.#slot('mkdir', path);
    if (node !== undefined) throw systemError('EEXIST', 'mkdir', path);
    this.#set(directory, name, newDirectory(this.serverNow()));
  }

  async rmdir(path: string): Promise<void> {
    const { directory, name, node } = this.#slot('rmdir', path);
    if (node === undefined) throw systemError('ENOENT', 'rmdir', path);
    if (node.kind === 'file') throw systemError('ENOTDIR', 'rmdir', path);
    if (node.names.size > 0) throw systemError('ENOTEMPTY', 'rmdir', path);
    this.#set(directory, name, undefined);
  }

  async list(path: string): Promise<string[]> {
    const node = this.#existing('scandir', path);
    if (node.kind === 'file') throw systemError('ENOTDIR', 'scandir', path);
    return [...node.names.keys()].toSorted();
  }

  async changed(path: string): Promise<string> {
    return String(this.#existing('stat', path).modifiedMs);
  }

  async modified(path: string): Promise<number> {
    return this.#existing('stat', path).modifiedMs;
  }

  async identity(path: string): Promise<string> {
    return String(this.#existing('stat', path).inode);
  }

  #opened(node: Node): number {
    this.#open.set(this.#nextFd, node);
    return this.#nextFd++;
  }

  #file(fd: number): FileNode {
    const node = this.#open.get(fd);
    if (node?.kind !== 'file') throw new Error('Not an open file');
    return node;
  }

  #existing(call: string, path: string): Node {
    const { node } = path === '' || path === '/' ? { node: this.#root } : this.#slot(call, path);
    if (node === undefined) throw systemError('ENOENT', call, path);
    return node;
  }

  #slot(call: string, path: string): Slot {
    const parts = path.split('/').slice(1);
    const name = parts.pop() ?? '';
    let directory = this.#root;
    for (const part of parts) {
      const next = directory.names.get(part);
      if (next === undefined) throw systemError('ENOENT', call, path);
      if (next.kind === 'file') throw systemError('ENOTDIR', call, path);
      directory = next;
    }
    return { directory, name, node: directory.names.get(name) };
  }

  #set(directory: DirectoryNode, name: string, node: Node | undefined): void {
    const before = directory.names.get(name);
    const put = (value: Node | undefined): void => {
      if (value === undefined) directory.names.delete(name);
      else directory.names.set(name, value);
    };
    put(node);
    directory.modifiedMs = this.serverNow();
    this.#journal.push(() => put(before));
  }

  /** The last `count` changes happen together or not at all. */
  #joinLast(count: number): void {
    const undo = this.#journal.splice(-count).toReversed();
    this.#journal.push(() => {
      for (const step of undo) step();
    });
  }

  #eachFile(directory: DirectoryNode, visit: (file: FileNode) => void): void {
    for (const node of directory.names.values()) {
      if (node.kind === 'file') visit(node);
      else this.#eachFile(node, visit);
    }
  }
}

const newDirectory = (modifiedMs: number): DirectoryNode => ({
  kind: 'directory',
  inode: ++inodes,
  names: new Map(),
  modifiedMs,
});
