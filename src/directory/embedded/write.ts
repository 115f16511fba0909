import { randomUUID } from 'node:crypto';
import type { Clock } from '../../base/clock.ts';
import { dnKey, formatDn, formatRdn, parseDn, type Rdn } from '../dn.ts';
import { comparable, OPERATIONAL, type Layout } from '../schema.ts';
import { checkEntry } from './check.ts';
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
}

type Of<K extends Operation['kind']> = Extract<Operation, { kind: K }>;

/** RFC 4517 §3.3.13 generalizedTime of now. */
const timestamp = (clock: Clock): string =>
  `${new Date(clock.now()).toISOString().replace(/[-:T]/g, '').slice(0, 14)}Z`;

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
  const { tree, layout, clock } = context;
  const attributes: Record<string, string[]> = {};
  for (const { name, values } of operation.attributes) {
    const lower = rememberSpelling(name);
    refuseReserved(lower);
    if (values.length === 0) throw new LdapFailure('protocolError', `${name} has no value`);
    attributes[lower] = [...(ownValues(attributes, lower) ?? []), ...values];
  }
  const now = timestamp(clock);
  attributes['entryuuid'] = [randomUUID()];
  attributes['createtimestamp'] = [now];
  attributes['modifytimestamp'] = [now];
  const entry = placed(operation.dn.rdns, attributes);
  if (tree.get(entry.key)) throw new LdapFailure('entryAlreadyExists', `${entry.dn} exists`);
  requireParent(entry, context);
  checkEntry(entry, tree, layout);
  return [{ kind: 'put', entry }];
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
  const { tree, layout, clock } = context;
  const before = find(tree, operation.dn);
  const attributes: Record<string, readonly string[]> = { ...before.attributes };
  for (const change of operation.changes) applyChange(attributes, change);
  for (const [name, value] of parseDn(before.dn)[0] ?? []) {
    if (before.with(attributes).has(name.toLowerCase(), value)) continue;
    throw new LdapFailure('notAllowedOnRdn', `${name} names the entry; rename it instead`);
  }
  attributes['modifytimestamp'] = [timestamp(clock)];
  const entry = before.with(attributes);
  checkEntry(entry, tree, layout);
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
  const same = (a: string, b: string): boolean => comparable(name, a) === comparable(name, b);
  const shown = printedName(name);
  switch (change.operation) {
    case 'replace':
      return values;
    case 'add': {
      if (values.length === 0) throw new LdapFailure('protocolError', `${shown} has no value`);
      const twice = values.find((value) => current.some((stored) => same(stored, value)));
      if (twice !== undefined) {
        throw new LdapFailure('attributeOrValueExists', `${shown} has that value already`);
      }
      return [...current, ...values];
    }
    case 'delete': {
      const missing =
        current.length === 0 ||
        values.some((value) => !current.some((stored) => same(stored, value)));
      if (missing) throw new LdapFailure('noSuchAttribute', `${shown} does not have that value`);
      if (values.length === 0) return [];
      return current.filter((stored) => !values.some((value) => same(stored, value)));
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
  return [{ kind: 'delete', entry }, ...memberships(entry, undefined, tree)];
}

/** The changes that a rename makes; the entry keeps its entryUUID. @throws LdapFailure */
export function planRename(
  operation: Of<'rename'>,
  context: WriteContext,
): readonly StoredChange[] {
  const { tree, layout, clock } = context;
  const before = find(tree, operation.dn);
  if (tree.hasChildren(before.key)) {
    throw new LdapFailure('notAllowedOnNonLeaf', 'Entries stand below this one');
  }
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
  attributes['modifytimestamp'] = [timestamp(clock)];
  const dn = [formatRdn(newRdn), ...above.map(formatRdn)].join(',');
  const after = new Entry({
    dn,
    key: dnKey([newRdn, ...above]),
    parent: dnKey(above),
    attributes,
  });
  if (after.key !== before.key && tree.get(after.key)) {
    throw new LdapFailure('entryAlreadyExists', `${dn} exists`);
  }
  requireParent(after, context);
  checkEntry(after, tree, layout);
  const groups = memberships(before, after.dn, tree);
  return [{ kind: 'delete', entry: before }, { kind: 'put', entry: after }, ...groups];
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
function memberships(entry: Entry, renamed: string | undefined, tree: Tree): StoredChange[] {
  return tree.with('member', entry.dn).map((group) => {
    const wanted = comparable('member', entry.dn);
    const kept = group.get('member').filter((dn) => comparable('member', dn) !== wanted);
    const member = renamed === undefined ? kept : [...kept, renamed];
    return { kind: 'put', entry: group.with({ ...group.attributes, member }) };
  });
}
