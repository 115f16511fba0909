import { systemClock as clock } from '../../base/clock.ts';
import { systemRandom as random } from '../../base/random.ts';
import { exitCode } from '../../config/exit.ts';
import { readNodeFile, type NodeFile } from '../../config/node-file.ts';
import { openAdmin } from '../../directory/admin/admin.ts';
import { DirectoryUnavailable, type Directory } from '../../directory/types.ts';
import { createResolver } from '../../dns/resolver.ts';
import { silentLogger as logger } from '../../log/types.ts';
import { directoryAccess, openDirectory, snapshotProblems } from '../../roles/directory.ts';
import { checkDirectoryPart, listenersOf, valuesOf } from '../../roles/plan.ts';
import { inspectVolume } from '../../volumes/make.ts';
import { flagText, type Call, type Command } from '../command.ts';
import { checkOwnAddresses, type Found } from '../own-addresses.ts';
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
    const farm = await ownAddresses(read.value, directory);
    const problems = [...part.problems, ...snapshot, ...faults, ...farm.problems];
    const unknown = part.unknown.map(({ message }) => `${message}: MF-NODE-009, left out`);
    return report(call, problems, [...unknown, ...farm.notes]);
  } catch (error) {
    if (!(error instanceof DirectoryUnavailable)) throw error;
    call.out.note(`the directory does not answer: ${error.message}`);
    return exitCode('unavailable');
  } finally {
    await directory.close();
  }
}

/** Domains whose MX are looked at: those of a large farm have the same. */
const DOMAINS_MAX = 20;

async function ownAddresses(file: NodeFile, directory: Directory): Promise<Found> {
  const values = valuesOf({ settings: [...(await directory.settings())] });
  const options = { ...values, 'dns.timeout': Math.min(values['dns.timeout'], 2_000) };
  const resolver = createResolver({
    options: { ...options, 'dns.tries': 1 },
    clock,
    random,
    logger,
  });
  try {
    return await checkOwnAddresses({
      nodes: await directory.nodes(),
      cookie: values['farm.cookie'],
      addresses: values['farm.addresses'],
      domains: await ownDomains(file),
      resolver,
    });
  } finally {
    resolver.close();
  }
}

/** None where the node has only a snapshot. */
async function ownDomains(file: NodeFile): Promise<readonly string[]> {
  if (file.directory.urls.length === 0) return [];
  const admin = await openAdmin({ ...directoryAccess(file), clock });
  try {
    const domains = await admin.domains.find({ limit: 10 * DOMAINS_MAX });
    const own = domains.items.filter(({ transport }) => transport === undefined);
    return own.map(({ name }) => name).slice(0, DOMAINS_MAX);
  } finally {
    await admin.close();
  }
}

function report(call: Call, problems: readonly string[], notes: readonly string[] = []): number {
  if (!call.json) for (const note of notes) call.out.note(note);
  if (call.json) call.out.json({ problems, notes });
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
