import { systemClock } from '../../base/clock.ts';
import type { NodeEntry } from '../../directory/types.ts';
import { checkDirectoryPart } from '../../roles/plan.ts';
import { withAdmin, withChange } from '../administration.ts';
import {
  done,
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

function printNodes(call: Call, nodes: readonly NodeEntry[]): void {
  if (call.json) return call.out.json(nodes);
  const now = (call.clock ?? systemClock).now();
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
    n.status,
    n.beatAt === undefined ? 'never' : humanAgo(n.beatAt, now),
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
