/**
 * Tests of the storage engine clean up behind themselves while a late call of theirs may still hold
 * a file. On a local disk that is nobody's business; an NFS client keeps the file under a `.nfs…`
 * name, and the directory cannot be removed. What is left ends with the laboratory.
 */
import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';

const BUSY = new Set(['EBUSY', 'ENOTEMPTY']);
const { rmSync } = fs;
const { rm } = fs.promises;

function tolerate(error: unknown, path: fs.PathLike): void {
  const held = String(path).startsWith('/mnt/') && fs.existsSync(path);
  const { code = '', message } = error as NodeJS.ErrnoException;
  if (!held || !(BUSY.has(code) || message.includes('resource busy'))) throw error;
}

fs.rmSync = (path, options) => {
  try {
    rmSync(path, options);
  } catch (error) {
    tolerate(error, path);
  }
};
fs.promises.rm = async (path, options) => {
  try {
    await rm(path, options);
  } catch (error) {
    tolerate(error, path);
  }
};
syncBuiltinESMExports();
