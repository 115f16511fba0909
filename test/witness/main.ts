/**
 * `npm run witness -- run …`, `npm run witness -- verify …`. Read from standard input while it
 * runs: `phase NAME`, `phase NAME parking`, `stop`.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import type { WitnessOptions, WitnessUser } from './options.ts';
import { reportText, type Report } from './report.ts';
import { verifyLedger, Witness, type FinishOptions } from './witness.ts';

const USAGE = `Usage: npm run witness -- run --ledger FILE --config FILE [options]
       npm run witness -- verify --ledger FILE [options]

  --ledger FILE    what is known; one that exists is carried on
  --config FILE    JSON: smtp, pop3, users and all other options (test/witness/options.ts)
  --smtp H:P       a front end that takes mail; again for each
  --pop3 H:P       a front end that gives mail; again for each
  --user G:L:P[:A] a user: group, login, password, address; again for each
  --seconds N      how long; without it until 'stop' on standard input or SIGTERM
  --seed N         repeats the choices
  --parking        the farm may acknowledge mail for a volume that is away
  --power-cuts     a server loses power meanwhile
  --land-seconds N how long the farm has, at the end, until all is there
  --json FILE      the report for programs ('-': standard output in place of the text)

Exit code 0: nothing lost, doubled or changed; 1: violations; 2: too little work to prove
anything; 64: wrong use; 70: the witness failed.`;

const OPTIONS = {
  ledger: { type: 'string' },
  config: { type: 'string' },
  smtp: { type: 'string', multiple: true },
  pop3: { type: 'string', multiple: true },
  user: { type: 'string', multiple: true },
  seconds: { type: 'string' },
  seed: { type: 'string' },
  parking: { type: 'boolean' },
  'power-cuts': { type: 'boolean' },
  'land-seconds': { type: 'string' },
  json: { type: 'string' },
  help: { type: 'boolean' },
} as const;

class Usage extends Error {}

const parse = (args: string[]) =>
  parseArgs({ args, options: OPTIONS, allowPositionals: true, strict: true });
type Values = ReturnType<typeof parse>['values'];

function numberOf(name: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const value = Number(text);
  if (text.trim() === '' || !Number.isFinite(value) || value < 0) {
    throw new Usage(`--${name} wants a number, not ${text}`);
  }
  return value;
}

function userOf(text: string): WitnessUser {
  const [group, login, password, address] = text.split(':');
  if (!group || !login || !password) throw new Usage(`--user ${text} is not group:login:password`);
  return { group, login, password, ...(address ? { address } : {}) };
}

function optionsOf(values: Values): Partial<WitnessOptions> {
  const { config, smtp, pop3, user, parking } = values;
  const given: Partial<WitnessOptions> =
    config === undefined
      ? {}
      : (JSON.parse(readFileSync(config, 'utf8')) as Partial<WitnessOptions>);
  const seed = numberOf('seed', values.seed);
  const land = numberOf('land-seconds', values['land-seconds']);
  return {
    ...given,
    ...(smtp && { smtp }),
    ...(pop3 && { pop3 }),
    ...(user && { users: user.map(userOf) }),
    ...(parking && { parking }),
    ...(values['power-cuts'] && { powerCuts: true }),
    ...(seed !== undefined && { seed }),
    ...(land !== undefined && { landMs: land * 1000 }),
  };
}

/** What of the options matters when nothing is sent any more. */
function finishOptions(values: Values): FinishOptions {
  const { pop3, landMs, maildirs } = optionsOf(values);
  return { ...(pop3 && { pop3 }), ...(landMs && { landMs }), ...(maildirs && { maildirs }) };
}

async function run(ledger: string, values: Values): Promise<Report> {
  const { smtp, pop3, users, ...more } = optionsOf(values);
  if (!smtp || !pop3 || !users) throw new Usage('say --smtp, --pop3 and --user, or --config');
  const seconds = numberOf('seconds', values.seconds);
  const witness = await Witness.start({ ...more, ledger, smtp, pop3, users });
  process.stderr.write('witness: sending\n');
  await new Promise<void>((resolve) => {
    process.once('SIGTERM', resolve);
    process.once('SIGINT', resolve);
    if (seconds !== undefined) setTimeout(resolve, seconds * 1000);
    const input = createInterface({ input: process.stdin });
    input.on('line', (line) => {
      const [word, name, flag] = line.trim().split(/\s+/);
      if (word === 'stop') resolve();
      else if (word === 'phase' && name) witness.phase(name, { parking: flag === 'parking' });
      else if (word) process.stderr.write(`witness: no such word: ${line}\n`);
    });
  });
  process.stdin.destroy();
  process.stderr.write('witness: sending ends, verifying\n');
  return witness.finish();
}

async function main(args: string[]): Promise<number> {
  let values: Values;
  let report: Report;
  try {
    const parsed = parse(args);
    ({ values } = parsed);
    const [command] = parsed.positionals;
    const known = command === 'run' || command === 'verify';
    if (values.help || !known || parsed.positionals.length > 1) throw new Usage(USAGE);
    if (values.ledger === undefined) throw new Usage('say --ledger FILE');
    if (command === 'run') report = await run(values.ledger, values);
    else report = await verifyLedger(values.ledger, finishOptions(values));
  } catch (error) {
    const wrong = error instanceof Usage || isParseError(error);
    process.stderr.write(`witness: ${wrong ? (error as Error).message : said(error)}\n`);
    return wrong ? 64 : 70;
  }
  const json = `${JSON.stringify(report, null, 2)}\n`;
  if (values.json !== undefined && values.json !== '-') writeFileSync(values.json, json);
  process.stdout.write(values.json === '-' ? json : reportText(report));
  if (report.violations.length > 0) return 1;
  return report.ok ? 0 : 2;
}

const isParseError = (error: unknown): boolean =>
  error instanceof Error &&
  ((error as NodeJS.ErrnoException).code ?? '').startsWith('ERR_PARSE_ARGS');

function said(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause ? `${error.message}: ${said(error.cause)}` : (error.stack ?? error.message);
}

process.exitCode = await main(process.argv.slice(2));
