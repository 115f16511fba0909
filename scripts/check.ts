/**
 * `npm run check`: everything that can be judged without running the product. `npm run check --
 * lint tidy` runs some of it. All checks run, and each says what is wrong where.
 */
import { spawn } from 'node:child_process';

import { checkGenerated } from './generate.ts';
import { checkLayers } from './layers.ts';
import { checkMutants } from './mutations.ts';
import { checkRfcs } from './rfc-index.ts';
import { checkStatements } from './statements.ts';
import { checkTidy } from './tidy.ts';
import { ROOT, show, tool, type Finding } from './tree.ts';

interface Check {
  readonly name: string;
  /** What is wrong, for people; empty when all is well. */
  run(): Promise<string>;
}

/** A tool's run in the tree at `root`: its output where it failed, '' where it did not. */
export function runTool(root: string, name: string, ...args: string[]): Promise<string> {
  const [command, ...before] = tool(name);
  return new Promise((resolve, reject) => {
    const child = spawn(command, [...before, ...args], {
      cwd: root,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let output = '';
    child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
    child.on('error', reject);
    child.on('close', (code) => resolve(code === 0 ? '' : output || `exit code ${code}`));
  });
}

const report = (findings: readonly Finding[]): string => findings.map(show).join('\n');

const CHECKS: readonly Check[] = [
  { name: 'types', run: () => runTool(ROOT, 'tsc', '-p', '.', '--pretty', 'false') },
  {
    name: 'browser',
    run: () => runTool(ROOT, 'tsc', '-p', 'src/webmail/client', '--pretty', 'false'),
  },
  { name: 'lint', run: () => runTool(ROOT, 'oxlint', '--format=unix') },
  { name: 'format', run: () => runTool(ROOT, 'oxfmt', '--check') },
  { name: 'layers', run: async () => report(checkLayers(ROOT)) },
  { name: 'tidy', run: async () => report(checkTidy(ROOT)) },
  { name: 'rfcs', run: async () => report(checkRfcs(ROOT)) },
  { name: 'statements', run: async () => report(checkStatements(ROOT)) },
  { name: 'mutants', run: async () => report(checkMutants(ROOT)) },
  { name: 'generated', run: async () => report(await checkGenerated(ROOT)) },
];

async function main(wanted: readonly string[]): Promise<number> {
  const unknown = wanted.filter((name) => !CHECKS.some((check) => check.name === name));
  if (unknown.length > 0) {
    const known = CHECKS.map((check) => check.name).join(', ');
    process.stderr.write(`no such check: ${unknown.join(', ')} (there are ${known})\n`);
    return 64;
  }
  const chosen = CHECKS.filter((check) => wanted.length === 0 || wanted.includes(check.name));
  const failed: string[] = [];
  const results = chosen.map((check) => ({ name: check.name, said: outcome(check) }));
  for (const { name, said } of results) {
    const text = await said;
    if (text === '') continue;
    failed.push(name);
    process.stdout.write(`\n${name}:\n${text.trimEnd()}\n`);
  }
  const passed = chosen.filter((check) => !failed.includes(check.name)).map((check) => check.name);
  process.stdout.write(`check: ${passed.join(', ') || 'nothing'} passed`);
  process.stdout.write(failed.length > 0 ? `; FAILED: ${failed.join(', ')}\n` : '\n');
  return failed.length > 0 ? 1 : 0;
}

/** A check that breaks has failed: it says so in its own place. */
async function outcome(check: Check): Promise<string> {
  try {
    return await check.run();
  } catch (error) {
    return error instanceof Error ? (error.stack ?? error.message) : String(error);
  }
}

if (import.meta.main) process.exitCode = await main(process.argv.slice(2));
