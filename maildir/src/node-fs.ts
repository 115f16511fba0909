import {
  close,
  constants,
  fstat,
  fsync,
  link,
  mkdir,
  open,
  readdir,
  read,
  rename,
  rmdir,
  stat,
  unlink,
  write,
} from 'node:fs';
import type { BigIntStats, Stats } from 'node:fs';
import type { Fs } from './types.ts';

/**
 * The real file system: one system call a method, on the callback functions of node:fs with
 * plain descriptors.
 *
 * Rejected: fs.promises (a FileHandle, its finaliser and a second promise per call: measurable at
 * some thousand deliveries a second); the synchronous functions (one slow server would stop
 * every session of the process).
 */
const CREATE = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL;
/** Not blocking: opening a pipe that lies among the messages would hold a thread for ever. */
const READ = constants.O_RDONLY | constants.O_NONBLOCK;
const FILE_MODE = 0o600;
const DIRECTORY_MODE = 0o700;

type Done = (error: NodeJS.ErrnoException | null) => void;
type DoneWith<T> = (error: NodeJS.ErrnoException | null, value: T) => void;

const call = (start: (done: Done) => void): Promise<void> =>
  new Promise((resolve, reject) => start((error) => (error ? reject(error) : resolve())));

const ask = <T>(start: (done: DoneWith<T>) => void): Promise<T> =>
  new Promise((resolve, reject) =>
    start((error, value) => (error ? reject(error) : resolve(value))),
  );

export const nodeFs: Fs = {
  create: (path) => ask((done) => open(path, CREATE, FILE_MODE, done)),
  openWrite: (path) => ask((done) => open(path, constants.O_WRONLY, done)),
  openRead: (path) => ask((done) => open(path, READ, done)),
  write: (fd, bytes, position) =>
    ask((done) => write(fd, bytes, 0, bytes.byteLength, position, done)),
  read: (fd, into, position) => ask((done) => read(fd, into, 0, into.byteLength, position, done)),
  size: async (fd) => (await ask<{ size: number }>((done) => fstat(fd, done))).size,
  fsync: (fd) => call((done) => fsync(fd, done)),
  close: (fd) => call((done) => close(fd, done)),
  rename: (from, to) => call((done) => rename(from, to, done)),
  link: (existing, added) => call((done) => link(existing, added, done)),
  unlink: (path) => call((done) => unlink(path, done)),
  mkdir: (path) => call((done) => mkdir(path, DIRECTORY_MODE, done)),
  rmdir: (path) => call((done) => rmdir(path, done)),
  list: (directory) => ask((done) => readdir(directory, done)),
  changed: async (directory) => {
    const { dev, ino, ctimeMs } = await ask<Stats>((done) => stat(directory, done));
    return `${dev}:${ino}:${ctimeMs}`;
  },
  identity: async (path) =>
    String((await ask<BigIntStats>((done) => stat(path, { bigint: true }, done))).ino),
  modified: async (path) => (await ask<{ mtimeMs: number }>((done) => stat(path, done))).mtimeMs,
};
