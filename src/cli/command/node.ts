import { systemClock } from '../../base/clock.ts';
import { AdminError, type Admin } from '../../directory/admin/admin.ts';
import type { NodeEntry } from '../../directory/types.ts';
import { checkListeners, valuesOf } from '../../roles/plan.ts';
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

/** Undefined for whoever may not know it, and in a directory that has no such group. */
async function sendersOf(admin: Admin): Promise<readonly string[] | undefined> {
  try {
    return await admin.nodes.senders.names();
  } catch (error) {
    if (error instanceof AdminError && LESS.has(error.kind)) return undefined;
    throw error;
  }
}
const LESS: ReadonlySet<string> = new Set(['denied', 'not-found']);

interface Known {
  /** Time between two beats: then silent nodes are marked. */
  readonly everyMs?: number;
  /** Nodes that read secrets. */
  readonly senders?: readonly string[] | undefined;
}

function printNodes(call: Call, nodes: readonly NodeEntry[], known: Known = {}): void {
  const { everyMs, senders } = known;
  const sends = ({ name }: NodeEntry): boolean =>
    senders?.some((one) => one.toLowerCase() === name.toLowerCase()) === true;
  const now = (call.clock ?? systemClock).now();
  const silent = ({ beatAt: at }: NodeEntry): boolean =>
    everyMs !== undefined && isSilent({ at, now, everyMs });
  if (call.json) {
    return call.out.json(
      nodes.map((n) => ({
        ...n,
        ...(senders && { sends: sends(n) }),
        ...(everyMs !== undefined && { silent: silent(n) }),
      })),
    );
  }
  const header = [
    'node',
    { title: 'nid', align: 'right' },
    'server',
    'status',
    { title: 'beat', align: 'right' },
    'version',
    'sends',
    'listens',
  ] as const;
  const rows = nodes.map((n) => [
    n.name,
    String(n.nid),
    n.server,
    statusInWords(n.status),
    `${n.beatAt === undefined ? 'never' : humanAgo(n.beatAt, now)}${silent(n) ? ', silent' : ''}`,
    n.version ?? '',
    senders ? (sends(n) ? 'yes' : 'no') : '',
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
    const { problems, unknown } = checkListeners(word(call, 0), listen);
    const wrong = [...problems, ...unknown.map(({ message }) => message)];
    if (wrong.length > 0) throw new UsageError(wrong.join('\n'));
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
      const [nodes, settings, senders] = await withAdmin(call, async (admin) => [
        await admin.nodes.list(),
        [...(await admin.settings.all())],
        await sendersOf(admin),
      ]);
      const everyMs = beatMs(valuesOf({ settings }), nodes.length);
      printNodes(call, nodes, { everyMs, senders });
    },
  },
  'node set': {
    usage: 'NAME [--listen "SERVICE ADDRESS:PORT" …] [--server HOST] [--sends yes|no] [--new-key]',
    summary: 'Changes a node; it follows within node.settings.interval',
    examples: ['mailfarm node set front1 --sends yes', 'mailfarm node set front1 --new-key'],
    options: {
      ...NODE_FIELDS,
      sends: {
        type: 'string',
        choices: ['yes', 'no'],
        doc: 'Reads secrets: DKIM keys, passwords of relays. A node that joins does not',
      },
      'new-key': {
        type: 'boolean',
        doc: 'The node gives itself a new key (MF-NODE-006); it does not send then',
      },
    },
    args: [1, 1],
    run: async (call) => {
      const newKey = call.flags['new-key'] === true;
      const sends = flagText(call, 'sends');
      const values = {
        ...nodeValues(call),
        ...(newKey && { newKey }),
        ...(sends !== undefined && { sends: sends === 'yes' }),
      };
      if (newKey && sends === 'yes') {
        throw new UsageError(
          '--new-key and --sends yes exclude each other: start the node between',
        );
      }
      const [node, senders] = await withChange(call, async (admin) => [
        await admin.nodes.set(word(call, 0), values),
        await sendersOf(admin),
      ]);
      printNodes(call, [node], { senders });
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
