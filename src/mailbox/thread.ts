/**
 * THREAD (RFC 5256 §3): functions of what is known of messages, made in turns. Iterative where the
 * depth of a thread counts: a thread may be as deep as a folder is long, and whoever writes one out
 * must not use the stack either.
 */
import { idsOf } from '../message/mime/envelope.ts';
import { fold } from './search-fold.ts';
import { sentDate, type SortRow } from './sort.ts';
import { baseSubject } from './sort-subject.ts';
import { inTurns, sortInTurns, type Turns } from './turns.ts';

export interface Thread {
  /** Undefined: a message that is not here holds its answers together. It has at least two. */
  readonly uid: number | undefined;
  readonly children: readonly Thread[];
}

/** Rows, and nodes, that are looked at in one turn. */
const ROWS_AT_ONCE = 512;
const NODES_AT_ONCE = 4096;

/** Threads of messages with the same subject: the oldest, with all others as its children. */
export const threadsBySubject = (rows: readonly SortRow[]): Promise<readonly Thread[]> =>
  inTurns(bySubject(rows));

function* bySubject(rows: readonly SortRow[]): Turns<readonly Thread[]> {
  const groups = new Map<string, Dated[]>();
  let done = 0;
  for (const row of rows) {
    if (++done % ROWS_AT_ONCE === 0) yield;
    const subject = fold(baseSubject(row.head?.envelope.subject).text);
    const group = groups.get(subject);
    const message = { uid: row.uid, date: sentDate(row) };
    if (group) group.push(message);
    else groups.set(subject, [message]);
  }
  const threads: (readonly Dated[])[] = [];
  for (const group of groups.values()) {
    threads.push(group.length === 1 ? group : yield* sortInTurns(group, byDate));
    if (threads.length % NODES_AT_ONCE === 0) yield;
  }
  const sorted = yield* sortInTurns(threads, byFirst);
  return sorted.map(([first, ...others]) => ({
    uid: first?.uid,
    children: others.map(({ uid }) => ({ uid, children: [] })),
  }));
}

interface Dated {
  readonly uid: number;
  readonly date: number;
}
const byDate = (a: Dated, b: Dated): number => a.date - b.date || a.uid - b.uid;
const byFirst = (a: readonly Dated[], b: readonly Dated[]): number =>
  byDate(a[0] as Dated, b[0] as Dated);

/** A message, or the place of one that is not here. */
class Node {
  row: SortRow | undefined;
  uid: number | undefined;
  date = 0;
  parent: Node | undefined;
  children: Node[] = [];
}

/** Steps that all looks for loops may take together; a link that would need more is left out. */
const STEPS_MAX = 20_000_000;

/** Threads by References and In-Reply-To, then by subject. */
export const threadsByReferences = (rows: readonly SortRow[]): Promise<readonly Thread[]> =>
  inTurns(byReferences(rows));

function* byReferences(rows: readonly SortRow[]): Turns<readonly Thread[]> {
  const roots = yield* withoutEmpty(yield* linked(rows));
  yield* dateAll(roots);
  const gathered = yield* gatherSubjects(yield* sortInTurns(roots, byNodeDate));
  yield* dateAll(gathered);
  return yield* finished(gathered);
}

/** Step 1: @returns all nodes that have no parent. */
function* linked(rows: readonly SortRow[]): Turns<Node[]> {
  const byId = new Map<string, Node>();
  const all: Node[] = [];
  const budget = { steps: STEPS_MAX };
  const nodeOf = (id: string): Node => {
    const known = byId.get(id);
    if (known) return known;
    const node = new Node();
    byId.set(id, node);
    all.push(node);
    return node;
  };
  let done = 0;
  for (const row of rows) {
    if (++done % ROWS_AT_ONCE === 0) yield;
    const id = idsOf(row.head?.envelope.messageId)[0];
    let node = id === undefined ? undefined : nodeOf(id);
    if (node === undefined || node.row) {
      // Without an id, or with one of another message: it stands alone.
      node = new Node();
      all.push(node);
    }
    node.row = row;
    node.uid = row.uid;
    node.date = sentDate(row);
    const parent = chain(row, nodeOf, budget);
    if (parent === node.parent || parent === node) continue;
    if (parent && reaches(parent, node, budget)) continue;
    // What another message said of its parent does not count: this one knows (step 1 B).
    node.parent = parent;
  }
  yield;
  for (const node of all) node.parent?.children.push(node);
  yield;
  return all.filter(({ parent }) => parent === undefined);
}

/** Links what a message refers to, each to the one before. @returns the last, its parent. */
function chain(
  row: SortRow,
  nodeOf: (id: string) => Node,
  budget: { steps: number },
): Node | undefined {
  const references = row.head?.references ?? [];
  const ids = references.length > 0 ? references : idsOf(row.head?.envelope.inReplyTo).slice(0, 1);
  let before: Node | undefined;
  for (const id of ids) {
    const node = nodeOf(id);
    const free = before !== undefined && node !== before && node.parent === undefined;
    if (free && !reaches(before as Node, node, budget)) node.parent = before;
    before = node;
  }
  return before;
}

/** Whether `above` is `node` or has it above itself: linking them would make a circle. */
function reaches(node: Node, above: Node, budget: { steps: number }): boolean {
  for (let at: Node | undefined = node; at; at = at.parent) {
    if (at === above || --budget.steps < 0) return true;
  }
  return false;
}

/** All nodes, each after those below it. */
function* bottomUp(roots: readonly Node[]): Turns<Node[]> {
  const order: Node[] = [];
  const open = [...roots];
  for (let node = open.pop(); node; node = open.pop()) {
    order.push(node);
    if (order.length % NODES_AT_ONCE === 0) yield;
    for (const child of node.children) open.push(child);
  }
  return order.reverse();
}

/** Steps 2 and 3: places of messages that are not here go where nothing needs them. */
function* withoutEmpty(roots: readonly Node[]): Turns<Node[]> {
  const promoted = (nodes: readonly Node[]): Node[] =>
    nodes.flatMap((node) => (node.row ? [node] : node.children));
  for (const node of yield* bottomUp(roots)) {
    if (node.children.some(({ row }) => !row)) node.children = promoted(node.children);
  }
  return roots.flatMap((node) => (node.row || node.children.length > 1 ? [node] : node.children));
}

/** Step 4 and 6: children in order; a place without a message has the date of its first child. */
function* dateAll(roots: readonly Node[]): Turns<void> {
  let done = 0;
  for (const node of yield* bottomUp(roots)) {
    if (++done % NODES_AT_ONCE === 0) yield;
    if (node.children.length > 1) node.children = yield* sortInTurns(node.children, byNodeDate);
    const first = node.children[0];
    if (node.row || first === undefined) continue;
    node.date = first.date;
    node.uid = first.uid;
  }
}

const byNodeDate = (a: Node, b: Node): number => a.date - b.date || (a.uid ?? 0) - (b.uid ?? 0);

interface Gathered {
  readonly text: string;
  readonly isReply: boolean;
}

const subjectOf = (node: Node): Gathered => {
  const row = node.row ?? node.children[0]?.row;
  const { text, isReply } = baseSubject(row?.head?.envelope.subject);
  return { text: fold(text), isReply };
};

/** Step 5: threads of the same subject become one. */
function* gatherSubjects(roots: readonly Node[]): Turns<readonly Node[]> {
  const subjects = new Map<Node, Gathered>();
  for (const node of roots) {
    subjects.set(node, subjectOf(node));
    if (subjects.size % ROWS_AT_ONCE === 0) yield;
  }
  const table = new Map<string, Node>();
  for (const node of roots) {
    const { text, isReply } = subjects.get(node) as Gathered;
    const known = table.get(text);
    const better =
      known === undefined ||
      (!node.row && known.row !== undefined) ||
      (known.row !== undefined && subjects.get(known)?.isReply === true && !isReply);
    if (text !== '' && better) table.set(text, node);
  }
  yield;
  const kept = new Set(roots);
  for (const node of roots) {
    const { text, isReply } = subjects.get(node) as Gathered;
    const known = table.get(text);
    if (known === undefined || known === node) continue;
    kept.delete(node);
    if (!known.row) for (const one of node.row ? [node] : node.children) known.children.push(one);
    else if (isReply && subjects.get(known)?.isReply === false) known.children.push(node);
    else {
      const both = new Node();
      both.children = [known, node];
      kept.delete(known);
      kept.add(both);
      table.set(text, both);
    }
  }
  return [...kept];
}

/** Values, made from the leaves up. */
function* finished(roots: readonly Node[]): Turns<readonly Thread[]> {
  const made = new Map<Node, Thread>();
  for (const node of yield* bottomUp(roots)) {
    if (made.size % NODES_AT_ONCE === 0) yield;
    const children = node.children.map((child) => made.get(child) as Thread);
    made.set(node, { uid: node.row ? node.uid : undefined, children });
  }
  const sorted = yield* sortInTurns(roots, byNodeDate);
  return sorted.map((node) => made.get(node) as Thread);
}
