import { readFileSync } from 'node:fs';
import { serveEmbeddedDirectory } from '../../directory/embedded/server.ts';
import { createLogger } from '../../log/logger.ts';
import { parseListen } from '../../net/address.ts';
import { flagText, UsageError, type Call, type Command } from '../command.ts';
import { sayReady } from '../ready.ts';
import { SNAPSHOT_COMMANDS } from './snapshot.ts';

const secret = (path: string | undefined): string | undefined =>
  path === undefined ? undefined : readFileSync(path, 'utf8').replace(/\r?\n$/, '');

async function run(call: Call): Promise<void> {
  const data = flagText(call, 'data');
  if (data === undefined) throw new UsageError('directory serve needs --data DIR');
  const where = parseListen(`ldap ${flagText(call, 'listen') ?? '127.0.0.1:10389'}`);
  if (typeof where === 'string') throw new UsageError(`--listen: ${where}`);
  const adminPassword = secret(flagText(call, 'admin-password-file'));
  const frontendPassword = secret(flagText(call, 'frontend-password-file'));
  const suffix = flagText(call, 'suffix');
  const server = await serveEmbeddedDirectory({
    data,
    host: where.host,
    port: where.port,
    ...(suffix === undefined ? {} : { suffix }),
    logger: createLogger({
      level: 'info',
      time: 'iso',
      bindings: { pid: process.pid, role: 'directory' },
    }),
    firstStart: {
      ...(adminPassword === undefined ? {} : { adminPassword }),
      ...(frontendPassword === undefined ? {} : { frontendPassword }),
    },
  });
  sayReady(call, `mailfarm directory is ready at ${server.url}`);
  await new Promise<void>((resolve) => {
    process.once('SIGTERM', resolve);
    process.once('SIGINT', resolve);
    process.once('disconnect', resolve);
  });
  await server.close();
}

const serve: Command = {
  usage: '--data DIR [--listen ADDRESS:PORT] [--suffix DN]',
  summary: 'Runs the embedded LDAP directory alone',
  examples: [
    'mailfarm directory serve --data /var/lib/mailfarm/directory --admin-password-file admin.secret',
  ],
  options: {
    data: { type: 'string' },
    listen: { type: 'string' },
    suffix: { type: 'string' },
    'admin-password-file': { type: 'string' },
    'frontend-password-file': { type: 'string' },
  },
  args: [0, 0],
  run,
};

export const DIRECTORY_COMMANDS: Readonly<Record<string, Command>> = {
  'directory serve': serve,
  ...SNAPSHOT_COMMANDS,
};
