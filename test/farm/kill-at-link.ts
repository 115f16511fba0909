/**
 * Preloaded into a restore (`node --import`): ends its process by SIGKILL behind the Nth message
 * that it links to its name, before the program hears of it. A test that looks on from outside is
 * too late on a busy machine.
 */
import fs, { type NoParamCallback, type PathLike } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';

const last = Number(process.env['KILL_AT_LINK']);
const link = fs.link;
let made = 0;

const deadly = (existing: PathLike, added: PathLike, done: NoParamCallback): void =>
  link(existing, added, (error) => {
    const isPut = error === null && String(added).includes('.restored');
    if (isPut && ++made === last) process.kill(process.pid, 'SIGKILL');
    done(error);
  });
fs.link = Object.assign(deadly, { __promisify__: link.__promisify__ });
syncBuiltinESMExports();
