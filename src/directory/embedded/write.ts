import { randomUUID } from 'node:crypto';
import type { Clock } from '../../base/clock.ts';
import { dnKey, formatDn, parseDn, type Rdn } from '../dn.ts';
import { comparable, OPERATIONAL, type Layout } from '../schema.ts';
import { checkEntry } from './check.ts';
import type { ChangeNumbers } from './csn.ts';
import { Entry, printedName, rememberSpelling, type Attributes } from './entry.ts';
import { hashPassword, isHashed, type HashScheme } from './password.ts';
import type { AttributeValues, Change, Dn, Operation } from './request.ts';
import { LdapFailure } from './result.ts';
import type { StoredChange } from './store.ts';
import type { Tree } from './tree.ts';

/** What planning a change needs; planning itself changes nothing. */
export interface WriteContext {
  readonly tree: Tree;
  readonly layout: Layout;
  readonly clock: Clock;
  readonly numbers: ChangeNumbers;
}

type Of<K extends Operation['kind']> = Extract<Operation, { kind: K }>;

/** RFC 4517 §3.3.13 generalizedTime of now. */
const timestamp = (clock: Clock): string =>
  `${new Date(clock.now()).toISOString().replace(/[-:T]/g, '').slice(0, 14)}Z`;

/** What every change leaves on its entry. */
const changeMarks = ({ clock, numbers }: WriteContext): Record<string, readonly string[]> => ({
  modifytimestamp: [timestamp(clock)],
  entrycsn: [numbers.next()],
});

/** Replaces passwords given in the clear by their hash, before anything else sees the request. */
export async function hashValues<T extends AttributeValues>(
  parts: readonly T[],
  scheme: HashScheme,
): Promise<readonly T[]> {
  return await Promise.all(
    parts.map(async (part) => {
      if (part.name.toLowerCase() !== 'userpassword') return part;
      const hash = async (value: string): Promise<string> =>
        value === '' || isHashed(value) ? value : await hashPassword(value, scheme);
      return { ...part, values: await Promise.all(part.values.map(hash)) };
    }),
  );
}

/** The changes that an add makes. @throws LdapFailure */
export function planAdd(operation: Of<'add'>, context: WriteContext): readonly StoredChange[] {
  const { tree, clock } = context;
  const entry = entryOf(operation, {
    entryuuid: [randomUUID()],
    createtimestamp: [timestamp(clock)],
  });
  const marked = entry.with({ ...entry.attributes, ...changeMarks(context) });
  if (tree.get(entry.key)) throw new LdapFailure('entryAlreadyExists', `${entry.dn} exists`);
  requireParent(entry, context);
  checkEntry(marked, context);
  return [{ kind: 'put', entry: marked }];
}

/** The entry that an add asks for. @throws LdapFailure */
export function entryOf(operation: Of<'add'>, more: Attributes = {}): Entry {
  const attributes: Record<string, string[]> = {};
  for (const { name, values } of operation.attributes) {
    const lower = rememberSpelling(name);
    refuseReserved(lower);
    if (values.length === 0) throw new LdapFailure('protocolError', `${name} has no value`);
    attributes[lower] = [...(ownValues(attributes, lower) ?? []), ...values];
  }
  return placed(operation.dn.rdns, { ...attributes, ...more });
}

const ownValues = (
  attributes: Readonly<Record<string, string[]>>,
  name: string,
): string[] | undefined => (Object.hasOwn(attributes, name) ? attributes[name] : undefined);

function placed(rdns: readonly Rdn[], attributes: Attributes): Entry {
  return new Entry({
    dn: formatDn(rdns),
    key: dnKey(rdns),
    parent: dnKey(rdns.slice(1)),
    attributes,
  });
}

function requireParent(entry: Entry, { tree, layout }: WriteContext): void {
  if (entry.key === dnKey(parseDn(layout.suffix)) || tree.get(entry.parent)) return;
  throw new LdapFailure('noSuchObject', 'The entry above does not exist');
}

/** Words of LDIF (RFC 2849): an attribute of that name could not be told from them. */
const LDIF_WORDS: ReadonlySet<string> = new Set(['dn', 'changetype', 'control', 'version']);

function refuseReserved(lower: string): void {
  if (LDIF_WORDS.has(lower)) {
    throw new LdapFailure('constraintViolation', `${lower} is a word of LDIF, no attribute`);
  }
  if (!OPERATIONAL.has(lower)) return;
  throw new LdapFailure('constraintViolation', `${printedName(lower)} is kept by the server`);
}

/** The entry of a DN. @throws LdapFailure noSuchObject with the nearest entry above */
export function find(tree: Tree, dn: Dn): Entry {
  const entry = tree.get(dnKey(dn.rdns));
  if (entry) return entry;
  for (let depth = 1; depth < dn.rdns.length; depth += 1) {
    const above = tree.get(dnKey(dn.rdns.slice(depth)));
    if (above) throw new LdapFailure('noSuchObject', 'No such entry', above.dn);
  }
  throw new LdapFailure('noSuchObject', 'No such entry');
}

/** The changes that a modify makes: all of it or none (RFC 4511 §4.6). @throws LdapFailure */
export function planModify(
  operation: Of<'modify'>,
  context: WriteContext,
): readonly StoredChange[] {
  const { tree } = context;
  const before = find(tree, operation.dn);
  const attributes: Record<string, readonly string[]> = { ...before.attributes };
  for (const change of operation.changes) applyChange(attributes, change);
  for (const [name, value] of parseDn(before.dn)[0] ?? []) {
    if (before.with(attributes).has(name.toLowerCase(), value)) continue;
    throw new LdapFailure('notAllowedOnRdn', `${name} names the entry; rename it instead`);
  }
  const entry = before.with({ ...attributes, ...changeMarks(context) });
  checkEntry(entry, { ...context, before });
  return [{ kind: 'put', entry }];
}

function applyChange(attributes: Record<string, readonly string[]>, change: Change): void {
  const name = rememberSpelling(change.name);
  refuseReserved(name);
  const current = Object.hasOwn(attributes, name) ? (attributes[name] ?? []) : [];
  const next = changed(current, { ...change, name });
  if (next.length > 0) attributes[name] = next;
  else delete attributes[name];
}

function changed(current: readonly string[], change: Change): readonly string[] {
  const { name, values } = change;
  // By sets: a user may have many forwards, and comparing each with each would take minutes.
  const keys = (of: readonly string[]): ReadonlySet<string> =>
    new Set(of.map((value) => comparable(name, value)));
  const shown = printedName(name);
  switch (change.operation) {
    case 'replace':
      return values;
    case 'add': {
      if (values.length === 0) throw new LdapFailure('protocolError', `${shown} has no value`);
      const stored = keys(current);
      if (values.some((value) => stored.has(comparable(name, value)))) {
        throw new LdapFailure('attributeOrValueExists', `${shown} has that value already`);
      }
      return [...current, ...values];
    }
    case 'delete': {
      const [stored, gone] = [keys(current), keys(values)];
      if (current.length === 0 || [...gone].some((value) => !stored.has(value))) {
        throw new LdapFailure('noSuchAttribute', `${shown} does not have that value`);
      }
      if (values.length === 0) return [];
      return current.filter((value) => !gone.has(comparable(name, value)));
    }
  }
}

/** The changes that a delete makes. @throws LdapFailure */
export function planDelete(
  operation: Of<'delete'>,
  context: WriteContext,
): readonly StoredChange[] {
  const { tree, layout } = context;
  const entry = find(tree, operation.dn);
  if (tree.hasChildren(entry.key)) {
    throw new LdapFailure('notAllowedOnNonLeaf', 'Entries stand below this one');
  }
  if (entry.key === dnKey(parseDn(layout.farm))) {
    throw new LdapFailure('unwillingToPerform', 'Without cn=farm no node believes this directory');
  }
  context.numbers.next(); // A delete is a new state of the tree, though no entry carries it.
  return [{ kind: 'delete', entry }, ...memberships(entry, undefined, context)];
}

/** The changes that a rename makes; the entry keeps its entryUUID. @throws LdapFailure */
export function planRename(
  operation: Of<'rename'>,
  context: WriteContext,
): readonly StoredChange[] {
  const { tree, layout } = context;
  const before = find(tree, operation.dn);
  if (tree.hasChildren(before.key)) {
    throw new LdapFailure('notAllowedOnNonLeaf', 'Entries stand below this one');
  }
  if (before.key === dnKey(parseDn(layout.farm))) {
    throw new LdapFailure('unwillingToPerform', 'Without cn=farm no node believes this directory');
  }
  const renamed = renamedEntry(operation, before);
  if (renamed.key !== before.key && tree.get(renamed.key)) {
    throw new LdapFailure('entryAlreadyExists', `${renamed.dn} exists`);
  }
  const after = renamed.with({ ...renamed.attributes, ...changeMarks(context) });
  requireParent(after, context);
  checkEntry(after, { ...context, before });
  const groups = memberships(before, after.dn, context);
  return [{ kind: 'delete', entry: before }, { kind: 'put', entry: after }, ...groups];
}

/** The entry under its new name, with the values that the name wants. @throws LdapFailure */
export function renamedEntry(operation: Of<'rename'>, before: Entry): Entry {
  const oldRdns = parseDn(before.dn);
  const above = operation.newSuperior?.rdns ?? oldRdns.slice(1);
  const newRdn = operation.newRdn.rdns[0] ?? [];
  const attributes: Record<string, readonly string[]> = { ...before.attributes };
  for (const [name, value] of operation.deleteOldRdn ? (oldRdns[0] ?? []) : []) {
    takeOut(attributes, name.toLowerCase(), value);
  }
  for (const [name, value] of newRdn) {
    refuseReserved(name.toLowerCase());
    putIn(attributes, rememberSpelling(name), value);
  }
  return placed([newRdn, ...above], attributes);
}

function takeOut(attributes: Record<string, readonly string[]>, name: string, value: string): void {
  const values = Object.hasOwn(attributes, name) ? (attributes[name] ?? []) : [];
  const rest = values.filter((stored) => comparable(name, stored) !== comparable(name, value));
  if (rest.length > 0) attributes[name] = rest;
  else delete attributes[name];
}

function putIn(attributes: Record<string, readonly string[]>, name: string, value: string): void {
  const values = Object.hasOwn(attributes, name) ? (attributes[name] ?? []) : [];
  if (values.some((stored) => comparable(name, stored) === comparable(name, value))) return;
  attributes[name] = [...values, value];
}

/** Groups that name an entry follow its rename and forget it when it goes. */
function memberships(
  entry: Entry,
  renamed: string | undefined,
  context: WriteContext,
): StoredChange[] {
  const { tree, layout } = context;
  return tree.with('member', entry.dn).map((group) => {
    const wanted = comparable('member', entry.dn);
    const kept = group.get('member').filter((dn) => comparable('member', dn) !== wanted);
    const others = renamed === undefined ? kept : [...kept, renamed];
    // A group has a member (RFC 4519 §3.5); cn=admin may do everything anyway.
    const member = others.length > 0 ? others : [layout.admin];
    const attributes = { ...group.attributes, member, ...changeMarks(context) };
    return { kind: 'put', entry: group.with(attributes) };
  });
}
