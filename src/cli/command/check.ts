import { systemClock as clock } from '../../base/clock.ts';
import { exitCode } from '../../config/exit.ts';
import { readNodeFile } from '../../config/node-file.ts';
import { DirectoryUnavailable } from '../../directory/types.ts';
import { silentLogger as logger } from '../../log/types.ts';
import { openDirectory, snapshotProblems } from '../../roles/directory.ts';
import { checkDirectoryPart, listenersOf } from '../../roles/plan.ts';
import { inspectVolume } from '../../volumes/make.ts';
import { flagText, type Call, type Command } from '../command.ts';
import { filePath } from '../place.ts';

/** Everything wrong with the node's file, what the directory says about the node, the volumes. */
async function run(call: Call): Promise<number> {
  const path = filePath(call);
  const read = await readNodeFile(path);
  if (!read.ok) {
    return report(
      call,
      read.problems.map(({ line, message }) => `${path}:${line}: ${message}`),
    );
  }
  if (flagText(call, 'only') === 'file') return report(call, []);
  const directory = openDirectory({ file: read.value, logger, clock });
  try {
    const node = read.value.name;
    const [entry, settings] = [await directory.node(node), await directory.settings()];
    const listen = listenersOf(entry, settings);
    if (!entry && listen.length === 0) {
      return report(call, [`The directory has no node "${node}": MF-NODE-001`]);
    }
    const part = checkDirectoryPart({ node, listen, settings });
    const volumes = await Promise.all((await directory.volumes()).map(inspectVolume));
    const snapshot = await snapshotProblems(read.value, part.listen);
    const faults = volumes.flatMap((problem) => problem ?? []);
    return report(call, [...part.problems, ...snapshot, ...faults]);
  } catch (error) {
    if (!(error instanceof DirectoryUnavailable)) throw error;
    call.out.note(`the directory does not answer: ${error.message}`);
    return exitCode('unavailable');
  } finally {
    await directory.close();
  }
}

function report(call: Call, problems: readonly string[]): number {
  if (call.json) call.out.json({ problems });
  else for (const problem of problems) call.out.line(problem);
  if (problems.length > 0) return exitCode('config');
  if (!call.json) call.out.line('all is well; mailfarm doctor looks deeper into the volumes');
  return exitCode('ok');
}

export const check: Command = {
  usage: '[--only file]',
  summary: 'Lists everything wrong with the node’s file, its part of the directory and the volumes',
  examples: ['mailfarm check --config /etc/mailfarm/mailfarm.yaml', 'mailfarm check --only file'],
  options: { only: { type: 'string' } },
  args: [0, 0],
  run,
};
