import { systemError, type ErrnoName } from '../../src/errno.ts';
import type { Call } from '../call-fs.ts';
import type { DirectoryNode, FileNode, ModelServer, Node } from './model-server.ts';

/**
 * One host's picture of the server, as Linux' NFS client has it (measured; see the README):
 *
 * - a listing is what the server has (opendir and readdir revalidate), and drops what was cached
 *   of that directory's names;
 * - a name once looked up is believed for CACHE_MS, found or not found: a file that is open by its
 *   cached name may be another one than lies there now, as long as the server still has it; a
 *   folder that was renamed is still reached by its old name; EEXIST may be of a name just removed;
 * - calls that change names go to the server with the directory and the name; only what is cached
 *   as absent is refused at home;
 * - attributes of a directory are believed as long;
 * - bytes reach the server when the file is closed or fsynced, and errors show only then.
 *
 * `none`: nothing is believed; `positive`: as mounted with lookupcache=positive; `all`: as mounted
 * without. A call is performed at once, by the explorer's order.
 */
export const CACHE_MS = 60_000;
export type Caches = 'none' | 'positive' | 'all';

interface Cached {
  readonly node: Node | undefined;
  readonly atMs: number;
}
interface Opened {
  readonly node: Node;
  dirty: Buffer | undefined;
}
/**
 * What a call meets: an error in place of its effect; or, for a listing, that names which came or
 * went between its first part and its last are not in it, or all are.
 */
export type Fault = ErrnoName | 'neither' | 'both';

const SEEN_FOR: readonly Call[] = ['modified', 'changed'];

export class ModelClient {
  readonly name: string;
  /** Names in log/, new/ and cur/ that a rename took from another file: never wanted. */
  readonly overwritten: string[] = [];
  readonly #server: ModelServer;
  readonly #caches: Caches;
  readonly #cached = new Map<string, Cached>();
  readonly #attributes = new Map<string, { readonly value: string; readonly atMs: number }>();
  readonly #open = new Map<number, Opened>();
  readonly #begun = new Map<string, ReadonlySet<string>>();
  #nextFd = 3;

  constructor(name: string, server: ModelServer, caches: Caches) {
    this.name = name;
    this.#server = server;
    this.#caches = caches;
  }

  get openFiles(): number {
    return this.#open.size;
  }

  /** What was written and not closed is lost. */
  crash(): void {
    this.#open.clear();
  }

  perform(call: Call, args: readonly unknown[], fault?: Fault): unknown {
    const path = String(args[0]);
    if (call === 'list') return this.#list(path, fault);
    if (fault !== undefined) {
      if (call === 'fsync' || call === 'close') this.#opened(args[0]).dirty = undefined;
      if (call === 'close') this.#open.delete(args[0] as number);
      throw systemError(fault as ErrnoName, call, path);
    }
    return this.#performers[call]?.(path, args);
  }

  /** Each call of Fs, but for `list`. */
  readonly #performers: Record<string, (path: string, args: readonly unknown[]) => unknown> = {
    create: (path) => this.#create(path),
    openWrite: (path) => this.#opening(this.#existing('open', path)),
    openRead: (path) => this.#opening(this.#existing('open', path)),
    write: (_, [fd, bytes, at]) => this.#write(this.#opened(fd), bytes as Uint8Array, Number(at)),
    read: (_, [fd, into, at]) => {
      const { node, dirty } = this.#opened(fd);
      const piece = (dirty ?? fileOf(node).bytes).subarray(Number(at));
      return piece.copy(into as Uint8Array);
    },
    size: (_, [fd]) => fileOf(this.#opened(fd).node).bytes.length,
    fsync: (_, [fd]) => {
      const opened = this.#opened(fd);
      if (opened.node.kind === 'directory') return;
      this.#flush('fsync', opened);
      this.#server.setBytes(opened.node, opened.node.bytes, true);
    },
    close: (_, [fd]) => {
      const opened = this.#opened(fd);
      this.#open.delete(fd as number);
      this.#flush('close', opened);
    },
    rename: (path, [, to]) => this.#rename(path, String(to)),
    link: (path, [, added]) => this.#link(path, String(added)),
    unlink: (path) => this.#unlink(path),
    mkdir: (path) => {
      const { directory, name } = this.#place('mkdir', path);
      if (this.#taken(path, directory, name)) throw systemError('EEXIST', 'mkdir', path);
      if (this.#server.full === 'all') throw systemError('ENOSPC', 'mkdir', path);
      this.#set(path, directory, name, this.#server.newDirectory(this.name));
    },
    rmdir: (path) => {
      const { directory, name } = this.#place('rmdir', path);
      const node = directory.names.get(name);
      if (node === undefined) throw systemError('ENOENT', 'rmdir', path);
      if (node.kind === 'file') throw systemError('ENOTDIR', 'rmdir', path);
      if (node.names.size > 0) throw systemError('ENOTEMPTY', 'rmdir', path);
      this.#server.removeDirectory(directory, name, node);
      this.#cached.delete(path);
    },
    modified: (path) => Number(this.#attribute('modified', path)),
    changed: (path) => this.#attribute('changed', path),
    identity: (path) => {
      const node = this.#existing('stat', path);
      return node.kind === 'directory' ? node.inode : node.id;
    },
  };

  /** The first part of a listing, of which the rest comes later. */
  beginList(path: string): void {
    const node = this.#existing('scandir', path);
    if (node.kind === 'directory') this.#begun.set(path, new Set(node.names.keys()));
  }

  #list(asked: string, fault: Fault | undefined): string[] {
    const path = asked === '/' ? '' : asked;
    if (fault !== undefined && fault !== 'neither' && fault !== 'both') {
      throw systemError(fault, 'scandir', path);
    }
    const node = this.#existing('scandir', path);
    if (node.kind === 'file') throw systemError('ENOTDIR', 'scandir', path);
    for (const name of this.#cached.keys()) {
      if (name.startsWith(`${path}/`) && !name.slice(path.length + 1).includes('/')) {
        this.#cached.delete(name);
      }
    }
    for (const kind of SEEN_FOR) this.#attributes.delete(`${kind} ${path}`);
    const names = new Set(node.names.keys());
    const first = this.#begun.get(path) ?? names;
    this.#begun.delete(path);
    if (fault === 'both') return [...new Set([...names, ...first])].toSorted();
    return [...names].filter((name) => first.has(name)).toSorted();
  }

  #create(path: string): number {
    const { directory, name } = this.#place('open', path);
    if (this.#taken(path, directory, name)) throw systemError('EEXIST', 'open', path);
    if (this.#server.full === 'all') throw systemError('ENOSPC', 'open', path);
    const node = this.#server.newFile(this.name);
    this.#set(path, directory, name, node);
    return this.#opening(node);
  }

  #write(opened: Opened, bytes: Uint8Array, position: number): number {
    const had = opened.dirty ?? fileOf(opened.node).bytes;
    const grown = Buffer.alloc(Math.max(had.length, position + bytes.byteLength));
    had.copy(grown);
    grown.set(bytes, position);
    opened.dirty = grown;
    return bytes.byteLength;
  }

  #flush(call: 'fsync' | 'close', opened: Opened): void {
    const { dirty } = opened;
    if (dirty === undefined) return;
    opened.dirty = undefined;
    if (this.#server.full !== 'no') throw systemError('ENOSPC', call, '');
    this.#server.setBytes(fileOf(opened.node), dirty, false);
  }

  #rename(from: string, to: string): void {
    const source = this.#place('rename', from);
    const target = this.#place('rename', to);
    if (this.#absentAtHome(from)) throw systemError('ENOENT', 'rename', from);
    const node = source.directory.names.get(source.name);
    this.#cached.delete(from);
    if (node === undefined) throw systemError('ENOENT', 'rename', from);
    const there = target.directory.names.get(target.name);
    if (there === node) return; // Two names of one file: POSIX does nothing.
    if (there?.kind === 'directory' && there.names.size > 0) {
      throw systemError('ENOTEMPTY', 'rename', to);
    }
    if (there?.kind === 'file' && /\/(?:log|new|cur)\/[^/]+$/.test(to)) this.overwritten.push(to);
    this.#server.set(source.directory, source.name, undefined);
    if (node.kind === 'directory') this.#forgetBelow(from);
    this.#set(to, target.directory, target.name, node);
  }

  #link(existing: string, added: string): void {
    const node = this.#existing('link', existing);
    const { directory, name } = this.#place('link', added);
    if (this.#taken(added, directory, name)) throw systemError('EEXIST', 'link', added);
    if (this.#server.full === 'all') throw systemError('ENOSPC', 'link', added);
    this.#set(added, directory, name, fileOf(node));
  }

  #unlink(path: string): void {
    const { directory, name } = this.#place('unlink', path);
    if (this.#absentAtHome(path)) throw systemError('ENOENT', 'unlink', path);
    const node = directory.names.get(name);
    this.#cached.delete(path);
    if (node === undefined) throw systemError('ENOENT', 'unlink', path);
    if (node.kind === 'directory') throw systemError('EISDIR', 'unlink', path);
    this.#server.set(directory, name, undefined);
    this.#remember(path, undefined);
  }

  #set(path: string, directory: DirectoryNode, name: string, node: Node): void {
    this.#server.set(directory, name, node);
    this.#remember(path, node);
  }

  /** Whether the name is there, by what is cached or by the server. */
  #taken(path: string, directory: DirectoryNode, name: string): boolean {
    return this.#believed(path)?.node !== undefined || directory.names.has(name);
  }

  #absentAtHome(path: string): boolean {
    const believed = this.#believed(path);
    return believed !== undefined && believed.node === undefined;
  }

  #attribute(kind: 'modified' | 'changed', path: string): string {
    const key = `${kind} ${path}`;
    const had = this.#attributes.get(key);
    const { nowMs } = this.#server;
    if (this.#caches !== 'none' && had !== undefined && nowMs - had.atMs < CACHE_MS)
      return had.value;
    const node = this.#existing('stat', path);
    const value =
      kind === 'modified' || node.kind === 'file'
        ? String(node.modifiedMs)
        : `1:${node.inode}:${node.changes}`;
    if (node.kind === 'directory') this.#attributes.set(key, { value, atMs: nowMs });
    return value;
  }

  #place(call: string, path: string): { directory: DirectoryNode; name: string } {
    const cut = path.lastIndexOf('/');
    const directory = cut <= 0 ? this.#server.root : this.#existing(call, path.slice(0, cut));
    if (directory.kind === 'file') throw systemError('ENOTDIR', call, path);
    this.#attributes.delete(`changed ${path.slice(0, cut)}`);
    this.#attributes.delete(`modified ${path.slice(0, cut)}`);
    return { directory, name: path.slice(cut + 1) };
  }

  /** What a path leads to, by what this client believes. @throws ENOENT */
  #existing(call: string, path: string): Node {
    let node: Node = this.#server.root;
    let at = '';
    for (const part of path.split('/').filter((name) => name !== '')) {
      if (node.kind === 'file') throw systemError('ENOTDIR', call, path);
      at += `/${part}`;
      const believed = this.#believed(at);
      const next: Node | undefined = believed === undefined ? node.names.get(part) : believed.node;
      if (believed === undefined) this.#remember(at, next);
      if (next === undefined) throw systemError('ENOENT', call, path);
      node = next;
    }
    return node;
  }

  #remember(path: string, node: Node | undefined): void {
    if (this.#caches === 'none' || (node === undefined && this.#caches === 'positive')) {
      this.#cached.delete(path);
    } else this.#cached.set(path, { node, atMs: this.#server.nowMs });
  }

  /** What is cached of a name, unless the server has removed the file since: then it is asked. */
  #believed(path: string): Cached | undefined {
    const cached = this.#cached.get(path);
    if (cached === undefined) return undefined;
    const { node, atMs } = cached;
    const gone = node?.kind === 'file' ? node.links === 0 : node?.removed === true;
    if (!gone && this.#server.nowMs - atMs < CACHE_MS) return cached;
    this.#cached.delete(path);
    return undefined;
  }

  #forgetBelow(path: string): void {
    for (const name of this.#cached.keys()) {
      if (name.startsWith(`${path}/`)) this.#cached.delete(name);
    }
  }

  #opening(node: Node): number {
    this.#open.set(this.#nextFd, { node, dirty: undefined });
    return this.#nextFd++;
  }

  #opened(fd: unknown): Opened {
    const opened = this.#open.get(fd as number);
    if (opened === undefined) throw systemError('EINVAL', 'fd', String(fd));
    return opened;
  }
}

function fileOf(node: Node): FileNode {
  if (node.kind === 'directory') throw systemError('EISDIR', 'open', node.id);
  return node;
}
