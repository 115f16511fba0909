import { systemClock } from '../../base/clock.ts';
import type { NodeEntry } from '../../directory/types.ts';
import { checkDirectoryPart, valuesOf } from '../../roles/plan.ts';
import { beatMs, isSilent, statusInWords } from '../../roles/status.ts';
import { freeNumber } from '../../directory/registration.ts';
import { withAdmin, withChange } from '../administration.ts';
import { removing } from '../collection.ts';
import {
  flagCount,
  flagList,
  flagText,
  UsageError,
  word,
  type Call,
  type Group,
  type OptionRows,
} from '../command.ts';
import { humanAgo } from '../human.ts';

/** @param everyMs time between two beats, where it is known: then silent nodes are marked */
function printNodes(call: Call, nodes: readonly NodeEntry[], everyMs?: number): void {
  const now = (call.clock ?? systemClock).now();
  const silent = ({ beatAt: at }: NodeEntry): boolean =>
    everyMs !== undefined && isSilent({ at, now, everyMs });
  if (call.json) {
    return call.out.json(
      everyMs === undefined ? nodes : nodes.map((n) => ({ ...n, silent: silent(n) })),
    );
  }
  const header = [
    'node',
    { title: 'nid', align: 'right' },
    'server',
    'status',
    { title: 'beat', align: 'right' },
    'version',
    'listens',
  ] as const;
  const rows = nodes.map((n) => [
    n.name,
    String(n.nid),
    n.server,
    statusInWords(n.status),
    `${n.beatAt === undefined ? 'never' : humanAgo(n.beatAt, now)}${silent(n) ? ', silent' : ''}`,
    n.version ?? '',
    n.listen.join(', '),
  ]);
  call.out.table(header, rows);
}

const NODE_FIELDS = {
  listen: { type: 'string', multiple: true, value: 'LISTEN', doc: 'SERVICE ADDRESS:PORT' },
  nid: { type: 'string', value: 'N', doc: 'Its number; else the next free one' },
  server: { type: 'string', value: 'HOST', doc: 'Its host name' },
} as const satisfies OptionRows;

/** What a node could not start with is refused here: it would notice at its next start only. */
function nodeValues(call: Call): { listen?: readonly string[]; nid?: number; server?: string } {
  const listen = flagList(call, 'listen');
  if (call.flags['listen'] !== undefined) {
    const { problems } = checkDirectoryPart({ node: word(call, 0), listen, settings: [] });
    if (problems.length > 0) throw new UsageError(problems.join('\n'));
  }
  const nid = flagCount(call, 'nid');
  const server = flagText(call, 'server');
  return {
    ...(call.flags['listen'] === undefined ? {} : { listen }),
    ...(nid === undefined ? {} : { nid }),
    ...(server === undefined ? {} : { server }),
  };
}

export const NODE_COMMANDS: Group = {
  'node add': {
    usage: 'NAME --listen "SERVICE ADDRESS:PORT" … [--nid N] [--server HOST]',
    summary: 'Adds a node: what it serves and where',
    examples: ['mailfarm node add front1 --listen "mx *:25" --listen "pop3s *:995"'],
    options: NODE_FIELDS,
    args: [1, 1],
    run: async (call) => {
      const values = nodeValues(call);
      const node = await withChange(call, async (admin) => {
        const nid = freeNumber((await admin.nodes.list()).map((known) => known.nid));
        const name = word(call, 0);
        return admin.nodes.add(name, { nid, server: name, status: 'spm', ...values });
      });
      printNodes(call, [node]);
    },
  },
  'node list': {
    usage: '',
    summary: 'Lists nodes: upper case letters are up, lower case are down',
    examples: ['mailfarm node list'],
    args: [0, 0],
    run: async (call) => {
      const [nodes, settings] = await withAdmin(call, async (admin) => [
        await admin.nodes.list(),
        [...(await admin.settings.all())],
      ]);
      printNodes(call, nodes, beatMs(valuesOf({ settings }), nodes.length));
    },
  },
  'node set': {
    usage: 'NAME [--listen "SERVICE ADDRESS:PORT" …] [--server HOST] [--new-key]',
    summary: 'Changes a node; it follows within node.settings.interval',
    examples: ['mailfarm node set front1 --new-key'],
    options: {
      ...NODE_FIELDS,
      'new-key': { type: 'boolean', doc: 'The node gives itself a new key (MF-NODE-006)' },
    },
    args: [1, 1],
    run: async (call) => {
      const newKey = call.flags['new-key'] === true;
      const values = { ...nodeValues(call), ...(newKey && { newKey }) };
      printNodes(call, [await withChange(call, (admin) => admin.nodes.set(word(call, 0), values))]);
    },
  },
  'node remove': {
    usage: 'NAME',
    summary: 'Removes a node’s entry',
    examples: ['mailfarm node remove front1'],
    args: [1, 1],
    run: removing((admin) => admin.nodes),
  },
};
