import { realpath } from 'node:fs/promises';
import { systemRandom as random } from '../../base/random.ts';
import { VOLUME_STATES, VOLUME_USES, type VolumeEntry } from '../../directory/types.ts';
import { makeVolume } from '../../volumes/make.ts';
import { withAdmin, withChange } from '../administration.ts';
import {
  done,
  flagCount,
  flagText,
  UsageError,
  word,
  type Call,
  type Group,
  type OptionRows,
} from '../command.ts';

function printVolumes(call: Call, volumes: readonly VolumeEntry[]): void {
  if (call.json) return call.out.json(volumes);
  const header = [
    'volume',
    'path',
    'use',
    'state',
    { title: 'weight', align: 'right' },
    'identity',
  ] as const;
  const rows = volumes.map((v) => [v.name, v.path, v.use, v.state, String(v.weight), v.identity]);
  call.out.table(header, rows);
}

const FIELDS = {
  path: { type: 'string', value: 'DIR', doc: 'Where every node mounts it' },
  weight: { type: 'string', value: 'N', doc: 'Its share of new users beside others' },
  state: { type: 'string', choices: VOLUME_STATES, doc: 'closed takes no new users' },
  use: { type: 'string', choices: VOLUME_USES, doc: 'spool holds mail that waits, no mailboxes' },
} as const satisfies OptionRows;

/** Makes what is mounted there a volume, or finds that it is one. @returns its identity */
export const sentinelAt = async (path: string, name: string, identity?: string): Promise<string> =>
  await makeVolume({
    path: await realpath(path),
    name,
    random,
    ...(identity === undefined ? {} : { identity }),
  });

/** The path is made a volume first: an entry without a sentinel would only defer mail. */
async function addVolume(call: Call): Promise<void> {
  const path = flagText(call, 'path');
  if (path === undefined)
    throw new UsageError('volume add needs --path, where every node mounts it');
  const name = word(call, 0);
  const given = flagText(call, 'identity');
  const identity =
    given !== undefined && call.flags['no-init'] === true
      ? given
      : await sentinelAt(path, name, given);
  const weight = flagCount(call, 'weight');
  const state = flagText(call, 'state');
  const use = flagText(call, 'use');
  const volume = await withChange(call, (admin) =>
    admin.volumes.add(name, {
      path,
      identity,
      ...(weight === undefined ? {} : { weight }),
      ...(state === undefined ? {} : { state }),
      ...(use === undefined ? {} : { use }),
    }),
  );
  printVolumes(call, [volume]);
}

async function setVolume(call: Call): Promise<void> {
  const values = {
    path: flagText(call, 'path'),
    weight: flagCount(call, 'weight'),
    state: flagText(call, 'state'),
    use: flagText(call, 'use'),
  };
  printVolumes(call, [await withChange(call, (admin) => admin.volumes.set(word(call, 0), values))]);
}

export const VOLUME_COMMANDS: Group = {
  'volume add': {
    usage:
      'NAME --path DIR [--use mail|spool] [--weight N] [--state active|closed|offline] ' +
      '[--identity ID] [--no-init]',
    summary: 'Adds a mounted volume and writes its sentinel',
    examples: [
      'mailfarm volume add mail3 --path /mail3',
      'mailfarm volume add spool1 --path /spool1 --use spool',
    ],
    options: {
      ...FIELDS,
      identity: { type: 'string', value: 'ID', doc: 'What its sentinel says; else a new one' },
      'no-init': { type: 'boolean', doc: 'The volume is not mounted here; needs --identity' },
    },
    args: [1, 1],
    run: addVolume,
  },
  'volume list': {
    usage: '',
    summary: 'Lists volumes',
    examples: ['mailfarm volume list --json'],
    args: [0, 0],
    run: async (call) => printVolumes(call, await withAdmin(call, (admin) => admin.volumes.list())),
  },
  'volume show': {
    usage: 'NAME',
    summary: 'Shows a volume',
    examples: ['mailfarm volume show mail1'],
    args: [1, 1],
    run: async (call) =>
      printVolumes(call, [await withAdmin(call, (admin) => admin.volumes.show(word(call, 0)))]),
  },
  'volume set': {
    usage: 'NAME [--state active|closed|offline] [--weight N] [--path DIR] [--use mail|spool]',
    summary: 'Changes a volume',
    options: FIELDS,
    examples: ['mailfarm volume set mail1 --state closed'],
    args: [1, 1],
    run: setVolume,
  },
  'volume remove': {
    usage: 'NAME',
    summary: 'Takes a volume out of the table; refused while users are on it',
    examples: ['mailfarm volume remove mail1'],
    args: [1, 1],
    run: async (call) => {
      await withChange(call, (admin) => admin.volumes.remove(word(call, 0)));
      done(call, { removed: word(call, 0) }, `${word(call, 0)} is not in the table any more`);
    },
  },
};
