import * as node from 'node:fs';
import { constants } from 'node:fs';
import type { Fs } from '#maildir';

const CREATE = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL;
const READ = constants.O_RDONLY | constants.O_NONBLOCK;

/** The engine's file system by synchronous calls, for a thread that does one thing at a time. */
export const syncFs: Fs = {
  create: async (path) => node.openSync(path, CREATE, 0o600),
  openWrite: async (path) => node.openSync(path, constants.O_WRONLY),
  openRead: async (path) => node.openSync(path, READ),
  write: async (fd, bytes, position) => node.writeSync(fd, bytes, 0, bytes.byteLength, position),
  read: async (fd, into, position) => node.readSync(fd, into, 0, into.byteLength, position),
  size: async (fd) => node.fstatSync(fd).size,
  fsync: async (fd) => node.fsyncSync(fd),
  close: async (fd) => node.closeSync(fd),
  rename: async (from, to) => node.renameSync(from, to),
  link: async (existing, added) => node.linkSync(existing, added),
  unlink: async (path) => node.unlinkSync(path),
  mkdir: async (path) => void node.mkdirSync(path, 0o700),
  rmdir: async (path) => node.rmdirSync(path),
  list: async (directory) => node.readdirSync(directory),
  changed: async (directory) => {
    const { dev, ino, ctimeMs } = node.statSync(directory);
    return `${dev}:${ino}:${ctimeMs}`;
  },
  identity: async (path) => String(node.statSync(path, { bigint: true }).ino),
  modified: async (path) => node.statSync(path).mtimeMs,
};
