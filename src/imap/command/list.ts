import type { FolderInfo } from '../../mailbox/mail.ts';
import { prefixOf, toClientText } from '../names.ts';
import { Refusal } from '../replies.ts';
import type { ImapSession } from '../session.ts';
import type { Authenticated, Selected } from '../state.ts';
import type { Args } from '../wire/args.ts';
import { matchesGlob } from '../wire/glob.ts';
import { quoted } from '../wire/text.ts';
import { readStatusItems, sayStatus, type StatusItem } from './status.ts';

type State = Authenticated | Selected;

/** A pattern, and patterns of one LIST. Each costs its length for every character of a name. */
const PATTERN_LENGTH_MAX = 1_000;
const PATTERNS_MAX = 50;
/** Characters compared with characters before others have their turn: some milliseconds. */
const COMPARED_MAX = 2_000_000;

interface Request {
  readonly patterns: readonly string[];
  readonly select: ReadonlySet<string>;
  readonly returns: ReadonlySet<string>;
  readonly status: readonly StatusItem[];
}

/**
 * LIST [(selection)] reference pattern|(patterns) [RETURN (options)] (RFC 9051 §6.3.9; RFC 5258,
 * RFC 5819, RFC 6154 for IMAP4rev1).
 */
export async function list(session: ImapSession, args: Args, state: State): Promise<void> {
  const request = readList(args);
  if (request === 'separator') {
    const separator = quoted(session.shared.values['imap.separator']);
    session.untagged(String.raw`LIST (\Noselect) ${separator} ""`);
    return session.ok('LIST completed');
  }
  const nodes = await nodesOf(session, state);
  for await (const node of matching(session, nodes.values(), request.patterns)) {
    if (!isListed(node, request)) continue;
    session.untagged(`LIST ${rowOf(session, node, request)}`);
    if (request.status.length === 0 || !node.exists) continue;
    await session.flowing();
    await statusIfThere(session, state, node.name, request.status);
  }
  session.ok('LIST completed');
}

/** A folder that cannot be read has no STATUS beside its LIST (RFC 5819 §2). */
async function statusIfThere(
  session: ImapSession,
  state: State,
  name: string,
  items: readonly StatusItem[],
): Promise<void> {
  try {
    await sayStatus(session, state, { name, items });
  } catch (error) {
    session.noteFailure(error, 'A folder has no STATUS in LIST');
  }
}

/** LSUB reference pattern (RFC 3501 §6.3.9). */
export async function lsub(session: ImapSession, args: Args, state: State): Promise<void> {
  args.space();
  const reference = args.listMailbox();
  args.space();
  const patterns = [pattern(args, reference)];
  args.end();
  const nodes = await nodesOf(session, state);
  const { values } = session.shared;
  for await (const node of matching(session, nodes.values(), patterns)) {
    const below = node.subscribedBelow && patterns[0]?.endsWith('%') === true;
    if (!node.subscribed && !below) continue;
    const attributes = node.subscribed ? '' : String.raw`\Noselect`;
    const separator = quoted(values['imap.separator']);
    session.untagged(`LSUB (${attributes}) ${separator} ${session.mailbox(node.name)}`);
  }
  session.ok('LSUB completed');
}

function readList(args: Args): Request | 'separator' {
  args.space();
  const select = args.peek() === '(' ? args.list(() => args.word()) : [];
  if (select.length > 0 || args.peek() === ' ') args.takes(' ');
  const unknown = select.find((word) => !SELECTIONS.has(word));
  if (unknown !== undefined) args.fail('A selection option is not known');
  if (select.includes('RECURSIVEMATCH') && !select.some((word) => BASES.has(word))) {
    args.fail('RECURSIVEMATCH goes with SUBSCRIBED or SPECIAL-USE');
  }
  const reference = args.listMailbox();
  args.space();
  const several = args.peek() === '(';
  const patterns = several ? args.list(() => pattern(args, reference)) : [pattern(args, reference)];
  if (patterns.length > PATTERNS_MAX) throw new Refusal('LIMIT', 'These are too many patterns');
  const { returns, status } = readReturns(args);
  args.end();
  if (!several && patterns[0] === reference && select.length === 0) return 'separator';
  return { patterns, select: new Set(select), returns, status };
}

const SELECTIONS = new Set(['SUBSCRIBED', 'REMOTE', 'RECURSIVEMATCH', 'SPECIAL-USE']);
const BASES = new Set(['SUBSCRIBED', 'SPECIAL-USE']);
const RETURNS = new Set(['SUBSCRIBED', 'CHILDREN', 'SPECIAL-USE']);

function pattern(args: Args, reference: string): string {
  const text = reference + args.listMailbox();
  if (text.length > PATTERN_LENGTH_MAX) throw new Refusal('LIMIT', 'The pattern is too long');
  return text;
}

function readReturns(args: Args): Pick<Request, 'returns' | 'status'> {
  const returns = new Set<string>();
  let status: readonly StatusItem[] = [];
  if (!args.takes(' ')) return { returns, status };
  if (!args.takesWord('RETURN')) args.fail('RETURN expected');
  args.space();
  args.list(() => {
    const word = args.word();
    if (word === 'STATUS') {
      args.space();
      status = readStatusItems(args);
    } else if (RETURNS.has(word)) returns.add(word);
    else args.fail('A return option is not known');
  });
  return { returns, status };
}

/** A folder, or a name above one that is none itself, or one that is only subscribed to. */
interface Node {
  readonly name: string;
  /** In Unicode, as the client sees it. */
  readonly shown: string;
  readonly exists: boolean;
  readonly subscribed: boolean;
  readonly use: FolderInfo['use'];
  children: boolean;
  subscribedBelow: boolean;
  useBelow: boolean;
}

async function nodesOf(session: ImapSession, { mail }: State): Promise<Map<string, Node>> {
  const { values } = session.shared;
  const nodes = new Map<string, Node>();
  const add = (info: FolderInfo, exists: boolean): void => {
    const shown = toClientText(values, info.name);
    const none = { children: false, subscribedBelow: false, useBelow: false };
    nodes.set(info.name, { ...info, shown, exists, ...none });
  };
  for (const info of await mail.folders()) add(info, true);
  for (const name of await mail.subscriptions()) {
    if (!nodes.has(name)) add({ name, use: undefined, subscribed: true }, false);
  }
  for (const node of nodes.values()) {
    const { name } = node;
    for (let at = name.lastIndexOf('/'); at > 0; at = name.lastIndexOf('/', at - 1)) {
      const above = name.slice(0, at);
      if (!nodes.has(above)) add({ name: above, use: undefined, subscribed: false }, false);
      const parent = nodes.get(above) as Node;
      if (node.exists) parent.children = true;
      if (node.subscribed) parent.subscribedBelow = true;
      if (node.use !== undefined) parent.useBelow = true;
    }
  }
  if (prefixOf(values) !== '') (nodes.get('INBOX') as Node).children = nodes.size > 1;
  return nodes;
}

/** What comes after LIST. */
function rowOf(session: ImapSession, node: Node, request: Request): string {
  const separator = quoted(session.shared.values['imap.separator']);
  const attributes = attributesOf(node, request).join(' ');
  const name = session.mailbox(node.name);
  return `(${attributes}) ${separator} ${name}${childInfo(node, request)}`;
}

/** Is it what is asked for, patterns aside? With RECURSIVEMATCH also what has such below it. */
function isListed(node: Node, { select }: Request): boolean {
  const bySubscription = select.has('SUBSCRIBED');
  const byUse = select.has('SPECIAL-USE');
  if (!bySubscription && !byUse) return node.exists || node.children;
  const itself = (!bySubscription || node.subscribed) && (!byUse || node.use !== undefined);
  if (itself || !select.has('RECURSIVEMATCH')) return itself;
  return (!bySubscription || node.subscribedBelow) && (!byUse || node.useBelow);
}

function attributesOf(node: Node, { select, returns }: Request): string[] {
  const attributes: string[] = [];
  if (!node.exists) attributes.push(String.raw`\NonExistent`, String.raw`\Noselect`);
  if (node.subscribed && (select.has('SUBSCRIBED') || returns.has('SUBSCRIBED'))) {
    attributes.push(String.raw`\Subscribed`);
  }
  attributes.push(node.children ? String.raw`\HasChildren` : String.raw`\HasNoChildren`);
  if (node.use !== undefined) attributes.push(`\\${node.use}`);
  return attributes;
}

/** RFC 9051 §6.3.9.6. */
function childInfo(node: Node, { select }: Request): string {
  if (!select.has('RECURSIVEMATCH')) return '';
  const found: string[] = [];
  if (select.has('SUBSCRIBED') && node.subscribedBelow) found.push('"SUBSCRIBED"');
  if (select.has('SPECIAL-USE') && node.useBelow) found.push('"SPECIAL-USE"');
  return found.length === 0 ? '' : ` ("CHILDINFO" (${found.join(' ')}))`;
}

/** Those whose name one of the patterns matches; others have their turn between. */
async function* matching(
  session: ImapSession,
  nodes: Iterable<Node>,
  patterns: readonly string[],
): AsyncGenerator<Node> {
  const separator = session.shared.values['imap.separator'];
  const cost = patterns.reduce((sum, text) => sum + text.length, 0);
  let compared = 0;
  for (const node of nodes) {
    if (patterns.some((text) => matchesGlob(text, node.shown, separator))) yield node;
    compared += cost * node.shown.length;
    if (compared < COMPARED_MAX) continue;
    compared = 0;
    await session.turnOfOthers();
  }
}
