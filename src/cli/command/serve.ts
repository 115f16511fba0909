import { exitCode } from '../../config/exit.ts';
import { createLogger } from '../../log/logger.ts';
import { supervise } from '../../roles/supervisor.ts';
import { flagText, type Call, type Command } from '../command.ts';
import { sayReady } from '../ready.ts';
import { loadFile } from '../place.ts';

async function run(call: Call): Promise<number> {
  const file = await loadFile(call);
  const bindings = { node: file.name, pid: process.pid };
  const logger = createLogger({ level: file.log.level, time: file.log.time, bindings });
  const roles = flagText(call, 'roles')?.split(',');
  const name = await supervise({
    file,
    logger,
    ...(roles === undefined ? {} : { roles }),
    onReady: (listen) => {
      logger.info({ listen }, 'serving');
      sayReady(call, 'mailfarm is ready');
    },
  });
  return exitCode(name);
}

export const serve: Command = {
  usage: '[--roles a,b]',
  summary: 'Runs this node: what its entry in the directory says',
  examples: [
    'mailfarm serve --config /etc/mailfarm/mailfarm.yaml',
    'mailfarm serve --roles pop3,pop3s,health',
  ],
  options: { roles: { type: 'string' } },
  args: [0, 0],
  run,
};
