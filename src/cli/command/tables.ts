import { realpath } from 'node:fs/promises';
import { systemRandom as random } from '../../base/random.ts';
import type { NodeEntry, VolumeEntry } from '../../directory/types.ts';
import { checkDirectoryPart } from '../../roles/plan.ts';
import { makeVolume } from '../../volumes/make.ts';
import { withAdmin, withChange } from '../administration.ts';
import { flagList, flagText, UsageError, type Call, type Command } from '../command.ts';

const word = (call: Call, index: number): string => call.args[index] ?? '';

function printVolumes(call: Call, volumes: readonly VolumeEntry[]): void {
  if (call.json) return call.out.json(volumes);
  const header = ['volume', 'path', 'state', 'weight', 'identity'];
  const rows = volumes.map((v) => [v.name, v.path, v.state, String(v.weight), v.identity]);
  call.out.table(header, rows);
}

function printNodes(call: Call, nodes: readonly NodeEntry[]): void {
  if (call.json) return call.out.json(nodes);
  const rows = nodes.map((n) => [n.name, String(n.nid), n.server, n.status, n.listen.join(', ')]);
  call.out.table(['node', 'nid', 'server', 'status', 'listens'], rows);
}

const count = (call: Call, name: string): number | undefined => {
  const text = flagText(call, name);
  if (text === undefined) return undefined;
  if (!/^\d{1,9}$/.test(text)) throw new UsageError(`--${name}: "${text}" is not a whole number`);
  return Number(text);
};

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
      : await makeVolume({
          path: await realpath(path),
          name,
          random,
          ...(given === undefined ? {} : { identity: given }),
        });
  const weight = count(call, 'weight');
  const state = flagText(call, 'state');
  const volume = await withChange(call, (admin) =>
    admin.volumes.add(name, {
      path,
      identity,
      ...(weight === undefined ? {} : { weight }),
      ...(state === undefined ? {} : { state }),
    }),
  );
  printVolumes(call, [volume]);
}

async function setVolume(call: Call): Promise<void> {
  const values = {
    path: flagText(call, 'path'),
    weight: count(call, 'weight'),
    state: flagText(call, 'state'),
  };
  printVolumes(call, [await withChange(call, (admin) => admin.volumes.set(word(call, 0), values))]);
}

/** What a node could not start with is refused here: it would notice at its next start only. */
function nodeValues(call: Call): { listen?: readonly string[]; nid?: number; server?: string } {
  const listen = flagList(call, 'listen');
  if (call.flags['listen'] !== undefined) {
    const { problems } = checkDirectoryPart({ node: word(call, 0), listen, settings: [] });
    if (problems.length > 0) throw new UsageError(problems.join('\n'));
  }
  const nid = count(call, 'nid');
  const server = flagText(call, 'server');
  return {
    ...(call.flags['listen'] === undefined ? {} : { listen }),
    ...(nid === undefined ? {} : { nid }),
    ...(server === undefined ? {} : { server }),
  };
}

async function printDomains(call: Call): Promise<void> {
  const domains = await withAdmin(call, (admin) => admin.domains.list());
  if (call.json) return call.out.json(domains);
  call.out.table(
    ['domain'],
    domains.map((domain) => [domain]),
  );
}

const done = (call: Call, what: object, text: string): void =>
  call.json ? call.out.json(what) : call.out.line(text);

const NODE_FIELDS = {
  listen: { type: 'string', multiple: true },
  nid: { type: 'string' },
  server: { type: 'string' },
} as const;

export const DOMAIN_COMMANDS: Readonly<Record<string, Command>> = {
  'domain add': {
    usage: 'DOMAIN',
    summary: 'Makes a domain local',
    args: [1, 1],
    run: async (call) => {
      const domain = await withChange(call, (admin) => admin.domains.add(word(call, 0)));
      done(call, { domain }, `${domain} is local`);
    },
  },
  'domain list': { usage: '', summary: 'Lists local domains', args: [0, 0], run: printDomains },
  'domain remove': {
    usage: 'DOMAIN',
    summary: 'Makes a domain foreign again; refused while users or aliases are in it',
    args: [1, 1],
    run: async (call) => {
      await withChange(call, (admin) => admin.domains.remove(word(call, 0)));
      done(call, { removed: word(call, 0) }, `${word(call, 0)} is not local any more`);
    },
  },
};

export const VOLUME_COMMANDS: Readonly<Record<string, Command>> = {
  'volume add': {
    usage:
      'NAME --path DIR [--weight N] [--state active|closed|offline] [--identity ID] [--no-init]',
    summary: 'Adds a mounted volume and writes its sentinel',
    examples: ['mailfarm volume add mail3 --path /mail3'],
    options: {
      path: { type: 'string' },
      weight: { type: 'string' },
      state: { type: 'string' },
      identity: { type: 'string' },
      'no-init': { type: 'boolean' },
    },
    args: [1, 1],
    run: addVolume,
  },
  'volume list': {
    usage: '',
    summary: 'Lists volumes',
    args: [0, 0],
    run: async (call) => printVolumes(call, await withAdmin(call, (admin) => admin.volumes.list())),
  },
  'volume show': {
    usage: 'NAME',
    summary: 'Shows a volume',
    args: [1, 1],
    run: async (call) =>
      printVolumes(call, [await withAdmin(call, (admin) => admin.volumes.show(word(call, 0)))]),
  },
  'volume set': {
    usage: 'NAME [--state active|closed|offline] [--weight N] [--path DIR]',
    summary: 'Changes a volume',
    options: { path: { type: 'string' }, weight: { type: 'string' }, state: { type: 'string' } },
    args: [1, 1],
    run: setVolume,
  },
  'volume remove': {
    usage: 'NAME',
    summary: 'Takes a volume out of the table; refused while users are on it',
    args: [1, 1],
    run: async (call) => {
      await withChange(call, (admin) => admin.volumes.remove(word(call, 0)));
      done(call, { removed: word(call, 0) }, `${word(call, 0)} is not in the table any more`);
    },
  },
};

export const NODE_COMMANDS: Readonly<Record<string, Command>> = {
  'node add': {
    usage: 'NAME --listen "SERVICE ADDRESS:PORT" … [--nid N] [--server HOST]',
    summary: 'Adds a node: what it serves and where',
    examples: ['mailfarm node add front1 --listen "mx *:25" --listen "pop3s *:995"'],
    options: NODE_FIELDS,
    args: [1, 1],
    run: async (call) => {
      const values = nodeValues(call);
      const node = await withChange(call, async (admin) => {
        const numbers = (await admin.nodes.list()).map((known) => known.nid);
        const nid = Math.max(0, ...numbers) + 1;
        const name = word(call, 0);
        return admin.nodes.add(name, { nid, server: name, status: 'spm', ...values });
      });
      printNodes(call, [node]);
    },
  },
  'node list': {
    usage: '',
    summary: 'Lists nodes',
    args: [0, 0],
    run: async (call) => printNodes(call, await withAdmin(call, (admin) => admin.nodes.list())),
  },
  'node set': {
    usage: 'NAME [--listen "SERVICE ADDRESS:PORT" …] [--server HOST]',
    summary: 'Changes a node; it follows within node.settings.interval',
    options: NODE_FIELDS,
    args: [1, 1],
    run: async (call) => {
      const values = nodeValues(call);
      printNodes(call, [await withChange(call, (admin) => admin.nodes.set(word(call, 0), values))]);
    },
  },
  'node remove': {
    usage: 'NAME',
    summary: 'Removes a node’s entry',
    args: [1, 1],
    run: async (call) => {
      await withChange(call, (admin) => admin.nodes.remove(word(call, 0)));
      done(call, { removed: word(call, 0) }, `${word(call, 0)} is removed`);
    },
  },
};
