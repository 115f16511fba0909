import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { systemClock } from '../../base/clock.ts';
import { exitCode } from '../../config/exit.ts';
import { flagList, flagText, UsageError, type Call, type Command } from '../command.ts';
import { journal, logFile, type LogSource } from '../letter/log-lines.ts';
import { storiesOf, type Step, type Story } from '../letter/story.ts';

const UNIT = 'mailfarm.service';
const UNITS_MS = { m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

/** `2h` ago, or a time as RFC 3339 has it. @throws UsageError */
function sinceOf(call: Call): number | undefined {
  const text = flagText(call, 'since');
  if (text === undefined) return undefined;
  const [, count, unit] = /^(\d{1,4})([mhd])$/.exec(text) ?? [];
  if (count !== undefined && unit !== undefined) {
    const now = (call.clock ?? systemClock).now();
    return now - Number(count) * UNITS_MS[unit as keyof typeof UNITS_MS];
  }
  const at = Date.parse(text);
  if (Number.isNaN(at)) throw new UsageError('--since is as 30m, 2h, 3d or 2026-11-22T10:00:00Z');
  return at;
}

/** Folders stand for the files in them: what a playbook fetched from all nodes. */
function sourcesOf(call: Call, since: number | undefined): readonly LogSource[] {
  const places = flagList(call, 'log');
  if (places.length === 0 || places.includes('journal')) {
    return [journal(UNIT, since === undefined ? undefined : `@${Math.floor(since / 1000)}`)];
  }
  return places.flatMap((place) => {
    if (!statSync(place).isDirectory()) return [logFile(place)];
    const files = readdirSync(place, { recursive: true, withFileTypes: true });
    return files
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name))
      .toSorted()
      .map(logFile);
  });
}

const timeOf = (at: number): string => new Date(at).toISOString().replace('T', ' ');

function printStory(call: Call, { traces, messageIds, from, to, steps }: Story): void {
  const { out } = call;
  out.line(`from ${from === '' ? '<>' : from} to ${to.join(', ')}`);
  out.line(`trace ${traces.join(', ')}${messageIds.map((id) => `  Message-ID ${id}`).join('')}`);
  const width = Math.max(...steps.map(({ node }) => node.length));
  for (const { at, node, what, detail, isTrouble } of steps) {
    const text = isTrouble ? ({ text: what, style: 'yellow' } as const) : what;
    out.styled([`${timeOf(at)}  ${node.padEnd(width)}  `, text]);
    if (detail !== '') out.line(`${' '.repeat(width + 28)}${detail}`);
  }
}

const lastOf = (steps: readonly Step[]): string =>
  steps.findLast(({ what }) => !what.endsWith(' session'))?.what ?? '';

async function run(call: Call): Promise<number> {
  const [id] = call.args;
  const since = sinceOf(call);
  const wanted = { id, from: flagText(call, 'from'), to: flagText(call, 'to'), since };
  if (id === undefined && wanted.from === undefined && wanted.to === undefined) {
    throw new UsageError('mailfarm trace takes an id, --from or --to');
  }
  const stories = await storiesOf(sourcesOf(call, since), wanted);
  if (call.json) call.out.json(stories);
  else if (stories.length === 1 && stories[0]) printStory(call, stories[0]);
  else if (stories.length > 0) {
    const rows = stories.map(({ traces, from, to, steps }) => [
      timeOf(steps[0]?.at ?? 0),
      traces[0] ?? '',
      from,
      to.join(', '),
      lastOf(steps),
    ]);
    call.out.table(['first seen', 'trace', 'from', 'to', 'last'], rows);
  }
  if (stories.length > 0) return exitCode('ok');
  call.out.note('no such letter in these logs; --log names those of other nodes');
  return exitCode('no-input');
}

export const trace: Command = {
  usage: '[ID] [--from ADDRESS] [--to ADDRESS] [--since 2h] [--log FILE|DIR …]',
  summary: 'Tells the story of a letter over all nodes, from their logs',
  examples: [
    "mailfarm trace '<id@example.org>' --log /tmp/logs-of-all-nodes",
    'mailfarm trace --to bob@example.org --since 2h --log journal',
  ],
  options: {
    from: { type: 'string', value: 'ADDRESS', doc: 'Envelope sender, or part of it' },
    to: { type: 'string', value: 'ADDRESS', doc: 'A recipient, or part of one' },
    since: { type: 'string', value: 'TIME', doc: 'As 30m, 2h, 3d or 2026-11-22T10:00:00Z' },
    log: {
      type: 'string',
      multiple: true,
      value: 'FILE',
      doc: 'Logs of nodes, or folders of them; else the journal of this machine',
    },
  },
  args: [0, 1],
  run,
};
