/** Mailbox/query and Mailbox/queryChanges (RFC 8621 §2.3, §2.4). */
import { fold } from '../../mailbox/search-fold.ts';
import type { FolderView, MailVersion } from '../../mailbox/view.ts';
import { roleOf, sortOrderOf, standings, type Standing } from '../wire/mailbox.ts';
import { MethodError, type Args, type JmapContext } from '../types.ts';
import { isRecord } from '../wire/values.ts';
import { checkCollation, invalid, Reader, readerFor } from './arguments.ts';
import { orderedIds, pageArguments, pageOf } from './query-page.ts';
import { currentVersion } from './standard.ts';

interface Row {
  readonly view: FolderView;
  readonly standing: Standing;
}
type Test = (row: Row) => boolean;
type Compare = (a: Row, b: Row) => number;

interface Asked {
  readonly test: Test;
  readonly compare: Compare;
  readonly sortAsTree: boolean;
  readonly filterAsTree: boolean;
}

const DEPTH_MAX = 20;

/** @throws MethodError */
const askedFrom = (reader: Reader): Asked => ({
  test: readTest(reader.value('filter') ?? {}, 0),
  compare: readCompare(reader.objects('sort') ?? []),
  sortAsTree: reader.boolean('sortAsTree'),
  filterAsTree: reader.boolean('filterAsTree'),
});

function readTest(value: unknown, depth: number): Test {
  if (!isRecord(value)) return invalid('filter is an object');
  if (depth > DEPTH_MAX) throw new MethodError('unsupportedFilter', 'The filter is too deep');
  const reader = new Reader(value);
  if (!Object.hasOwn(value, 'operator')) return readCondition(value, reader);
  const operator = reader.string('operator');
  const conditions = reader.objects('conditions') ?? invalid('An operator has conditions');
  const tests = conditions.map((one) => readTest(one, depth + 1));
  if (operator === 'AND') return (row) => tests.every((test) => test(row));
  if (operator === 'OR') return (row) => tests.some((test) => test(row));
  if (operator === 'NOT') return (row) => !tests.some((test) => test(row));
  return invalid('operator is AND, OR or NOT');
}

function readCondition(condition: Args, reader: Reader): Test {
  const tests = Object.entries(condition).map(([name, value]): Test => {
    switch (name) {
      case 'parentId': {
        const id = reader.string(name) ?? null;
        return ({ standing }) => standing.parentId === id;
      }
      case 'name': {
        const text = fold(reader.string(name) ?? '');
        return ({ standing }) => fold(standing.name).includes(text);
      }
      case 'role': {
        const role = reader.string(name) ?? null;
        return ({ view }) => roleOf(view.info) === role;
      }
      case 'hasAnyRole': {
        const wanted = reader.boolean(name);
        return ({ view }) => (roleOf(view.info) !== null) === wanted;
      }
      case 'isSubscribed': {
        const wanted = reader.boolean(name);
        return ({ view }) => view.info.subscribed === wanted;
      }
      default:
        void value;
        throw new MethodError('unsupportedFilter', `There is no condition ${name.slice(0, 60)}`);
    }
  });
  return (row) => tests.every((test) => test(row));
}

const COMPARES: Readonly<Record<string, Compare>> = {
  sortOrder: (a, b) => sortOrderOf(a.view.info) - sortOrderOf(b.view.info),
  name: (a, b) => texts(fold(a.standing.name), fold(b.standing.name)),
  parentId: (a, b) => texts(a.standing.parentId ?? '', b.standing.parentId ?? ''),
};

const texts = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

function readCompare(comparators: readonly Args[]): Compare {
  const compares = comparators.map((one): Compare => {
    const reader = new Reader(one);
    const property = reader.string('property') ?? invalid('A comparator has a property');
    const compare = Object.hasOwn(COMPARES, property) ? COMPARES[property] : undefined;
    if (compare === undefined) {
      throw new MethodError('unsupportedSort', `Nothing is sorted by ${property.slice(0, 60)}`);
    }
    checkCollation(reader);
    const sign = (reader.value('isAscending') ?? true) === true ? 1 : -1;
    return (a, b) => sign * compare(a, b);
  });
  return (a, b) => {
    for (const compare of compares) {
      const order = compare(a, b);
      if (order !== 0) return order;
    }
    return texts(a.view.id, b.view.id);
  };
}

function resultOf(version: MailVersion, asked: Asked): readonly string[] {
  const all = standings(version);
  const rows = version.folders.map((view) => ({ view, standing: all.get(view.id) as Standing }));
  const children = new Map<string | null, Row[]>();
  for (const row of rows.toSorted(asked.compare)) {
    const { parentId } = row.standing;
    const siblings = children.get(parentId);
    if (siblings) siblings.push(row);
    else children.set(parentId, [row]);
  }
  const passes = new Set(rows.filter(asked.test).map(({ view }) => view.id));
  if (asked.filterAsTree) dropOrphans(children, passes);
  const order = asked.sortAsTree ? asTree(children) : rows.toSorted(asked.compare);
  return order.map(({ view }) => view.id).filter((id) => passes.has(id));
}

/** All below what does not match does not match (§2.3, `filterAsTree`). */
function dropOrphans(children: ReadonlyMap<string | null, Row[]>, passes: Set<string>): void {
  const open: (string | null)[] = [null];
  for (let parent = open.pop(); parent !== undefined; parent = open.pop()) {
    for (const { view } of children.get(parent) ?? []) {
      if (parent !== null && !passes.has(parent)) passes.delete(view.id);
      open.push(view.id);
    }
  }
}

/** Each with all below it (§2.3, `sortAsTree`). */
function asTree(children: ReadonlyMap<string | null, Row[]>): readonly Row[] {
  const order: Row[] = [];
  const open = (children.get(null) ?? []).toReversed();
  for (let row = open.pop(); row; row = open.pop()) {
    order.push(row);
    open.push(...(children.get(row.view.id) ?? []).toReversed());
  }
  return order;
}

/** RFC 8621 §2.3 */
export async function mailboxQuery(args: Args, context: JmapContext): Promise<Args> {
  const reader = readerFor(args, context);
  const asked = askedFrom(reader);
  const page = pageArguments(reader);
  reader.end();
  const version = await currentVersion(context);
  const ids = resultOf(version, asked);
  return {
    accountId: context.account.id,
    queryState: version.mailboxState,
    canCalculateChanges: !asked.sortAsTree && !asked.filterAsTree,
    ...(await pageOf(orderedIds(ids), page, context)),
  };
}

/** RFC 8621 §2.4: what changed is told as removed and, where it is in the result, as added. */
export async function mailboxQueryChanges(args: Args, context: JmapContext): Promise<Args> {
  const reader = readerFor(args, context);
  const asked = askedFrom(reader);
  const since = reader.string('sinceQueryState') ?? invalid('sinceQueryState is missing');
  const max = reader.count('maxChanges');
  reader.string('upToId');
  const calculateTotal = reader.boolean('calculateTotal');
  reader.end();
  const version = await currentVersion(context);
  const changed = context.view.mailboxChanges(since, version);
  const depends = asked.sortAsTree || asked.filterAsTree;
  if (changed === undefined || (depends && since !== version.mailboxState)) {
    throw new MethodError('cannotCalculateChanges', 'Ask for the result anew');
  }
  const ids = resultOf(version, asked);
  const { created, destroyed, countsOnly } = changed;
  // Counts are neither sorted nor filtered by.
  const updated = countsOnly ? [] : changed.updated;
  const moved = new Set([...created, ...updated]);
  const added = ids.flatMap((id, index) => (moved.has(id) ? [{ id, index }] : []));
  const removed = [...destroyed, ...updated];
  if (max !== undefined && removed.length + added.length > max) {
    throw new MethodError('tooManyChanges', `${removed.length + added.length} changes`);
  }
  return {
    accountId: context.account.id,
    oldQueryState: since,
    newQueryState: version.mailboxState,
    ...(calculateTotal && { total: ids.length }),
    removed,
    added,
  };
}
