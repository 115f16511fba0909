import { stat } from 'node:fs/promises';
import { createServer } from 'node:net';

/**
 * One process serves a data directory. The lock is a socket in Linux's abstract name space, named
 * by the directory's device and inode: the kernel gives it back when its holder dies, however it
 * dies, so that a restart after kill -9 waits for nothing. A lock file would have to go stale.
 * @returns how to let go, or undefined when another process holds it.
 */
export async function lockDirectory(path: string): Promise<(() => Promise<void>) | undefined> {
  const { dev, ino } = await stat(path, { bigint: true });
  const server = createServer((socket) => socket.destroy());
  const held = await new Promise<boolean>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRINUSE') resolve(false);
      else reject(error);
    });
    server.listen(`\0mailfarm-directory-${dev}-${ino}`, () => resolve(true));
  });
  if (!held) return undefined;
  server.unref();
  return () => new Promise((resolve) => server.close(() => resolve()));
}
