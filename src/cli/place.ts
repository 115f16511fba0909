import { readNodeFile, type NodeFile } from '../config/node-file.ts';
import type { Call } from './command.ts';
import { flagText } from './command.ts';

/** Where a node's file or an administrator's file lies when nobody says otherwise. */
const DEFAULT_FILE = '/etc/mailfarm/mailfarm.yaml';

/** The configuration file cannot be used; one line for each problem. */
export class ConfigError extends Error {
  readonly problems: readonly string[];
  constructor(problems: readonly string[]) {
    super(problems.join('\n'));
    this.problems = problems;
  }
}

/** The file that --config, MAILFARM_CONFIG or the default names. */
export const filePath = (call: Call): string =>
  flagText(call, 'config') ?? call.env['MAILFARM_CONFIG'] ?? DEFAULT_FILE;

/** That file, checked whole. @throws ConfigError with every problem. */
export async function loadFile(call: Call): Promise<NodeFile> {
  const path = filePath(call);
  const read = await readNodeFile(path);
  if (read.ok) return read.value;
  throw new ConfigError(read.problems.map(({ line, message }) => `${path}:${line}: ${message}`));
}
