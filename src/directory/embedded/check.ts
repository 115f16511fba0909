import { addressKey, addressSpellings, domainKey } from '../address.ts';
import { dnKey, parseDn } from '../dn.ts';
import { APP_PASSWORDS_MAX, RECOVERY_CODES_MAX } from '../factors.ts';
import { secretOfEntry } from '../secret-name.ts';
import { attributeRow, CLASSES, comparable, type ClassRow, type Layout } from '../schema.ts';
import { printedName, type Entry } from './entry.ts';
import { LdapFailure } from './result.ts';
import type { Tree } from './tree.ts';
import { isWhole, wrongValue } from './values.ts';

/**
 * What an entry of ours must be; says plainly what is wrong. Values that were there before are
 * left alone: somebody who changes one thing is not to mend another.
 * @param before the entry as it was; undefined for a new one
 * @throws LdapFailure
 */
export function checkEntry(
  entry: Entry,
  context: { readonly tree: Tree; readonly layout: Layout; readonly before?: Entry | undefined },
): void {
  const { tree, layout, before } = context;
  if (entry.get('objectclass').length === 0) {
    throw new LdapFailure('objectClassViolation', 'The entry has no objectClass');
  }
  checkName(entry);
  for (const [name, values] of Object.entries(entry.attributes)) {
    if (before && sameValues(before.get(name), values)) continue;
    checkValues({ name, values, entry });
  }
  checkClasses(entry);
  const moved = !before || before.parent !== entry.parent;
  const changed = (name: string): boolean =>
    moved || !sameValues(before.get(name), entry.get(name));
  if (entry.isA('mwUser')) checkUser(entry, layout);
  if (entry.isA('mwUser') && changed('uid')) checkUnique({ entry, tree }, 'uid', 'mwUser');
  if (changed('cn') || changed('mailalias')) checkAddresses(entry, tree, layout);
  if (entry.isA('mwDomain') && !domainKey(entry.get('cn')[0] ?? '')) {
    throw new LdapFailure('constraintViolation', 'cn is not a domain');
  }
  checkSecret(entry, layout);
  if (entry.isA('mwNode') || isBelow(entry, layout.nodes)) checkNode(entry, layout);
  if (entry.isA('mwNode') && changed('nid')) checkUnique({ entry, tree }, 'nid', 'mwNode');
}

const sameValues = (a: readonly string[], b: readonly string[]): boolean =>
  a === b || (a.length === b.length && a.every((value, index) => value === b[index]));

/** The values of the RDN are values of the entry (RFC 4512 §2.3). */
function checkName(entry: Entry): void {
  for (const [name, value] of parseDn(entry.dn)[0] ?? []) {
    if (entry.has(name.toLowerCase(), value)) continue;
    throw new LdapFailure('namingViolation', `The entry is named by ${name}, but does not have it`);
  }
}

/** Attributes of other people's schemas, which only our classes bound to one value. */
const SHARED: ReadonlySet<string> = new Set(['cn', 'uid']);

function checkValues(given: { name: string; values: readonly string[]; entry: Entry }): void {
  const { name, values, entry } = given;
  const shown = printedName(name);
  const single = attributeRow(name)?.values === 'one';
  if (single && values.length > 1 && (!SHARED.has(name) || structuralOf(entry).length > 0)) {
    throw new LdapFailure('constraintViolation', `${shown} takes one value`);
  }
  if (new Set(values.map((value) => comparable(name, value))).size < values.length) {
    throw new LdapFailure('attributeOrValueExists', `${shown} has one value twice`);
  }
  for (const value of values) {
    const wrong = wrongValue(name, value);
    if (wrong === undefined) continue;
    throw new LdapFailure('constraintViolation', `${shown} ${wrong}`);
  }
}

const structuralOf = (entry: Entry): readonly string[] =>
  CLASS_ROWS.filter(([name, { kind }]) => kind === 'structural' && entry.isA(name)).map(
    ([name]) => name,
  );

const CLASS_ROWS: readonly (readonly [name: string, row: ClassRow])[] = Object.entries(CLASSES);

/** Classes that make no entry by themselves. */
const AUXILIARY: ReadonlySet<string> = new Set([
  'top',
  'extensibleobject',
  'simplesecurityobject',
  ...CLASS_ROWS.filter(([, { kind }]) => kind === 'auxiliary').map(([name]) => name.toLowerCase()),
]);

/** What others' classes require that stand in our tree (RFC 4519 §3.5). */
const FOREIGN: readonly (readonly [string, readonly string[]])[] = [
  ['groupOfNames', ['cn', 'member']],
];

function checkClasses(entry: Entry): void {
  const structural = structuralOf(entry);
  if (structural.length > 1) {
    const all = structural.join(' and ');
    throw new LdapFailure('objectClassViolation', `An entry is one thing, not ${all}`);
  }
  if (entry.get('objectclass').every((name) => AUXILIARY.has(name.toLowerCase()))) {
    throw new LdapFailure('objectClassViolation', 'The entry has no structural objectClass');
  }
  const required = [...CLASS_ROWS.map(([name, { must }]) => [name, must] as const), ...FOREIGN];
  for (const [name, musts] of required) {
    const missing = entry.isA(name) && musts.find((must) => !entry.get(must.toLowerCase()).length);
    if (!missing) continue;
    throw new LdapFailure('objectClassViolation', `${name} requires ${missing}`);
  }
}

/** Read by every front end with every look-up of the user, who writes them. */
const COUNTED = [
  ['mwAppPassword', APP_PASSWORDS_MAX],
  ['mwRecoveryCode', RECOVERY_CODES_MAX],
] as const;

const isBelow = (entry: Entry, branch: string): boolean =>
  entry.key.endsWith(`,${dnKey(parseDn(branch))}`);

function checkUser(entry: Entry, layout: Layout): void {
  for (const [attribute, max] of COUNTED) {
    if (entry.get(attribute.toLowerCase()).length <= max) continue;
    throw new LdapFailure('constraintViolation', `${attribute} has at most ${max} values`);
  }
  if (!addressKey(entry.get('cn')[0] ?? '')) {
    throw new LdapFailure('constraintViolation', 'cn is not a name that can log in');
  }
  if (!isWhole(entry.get('uid')[0] ?? '')) {
    throw new LdapFailure('constraintViolation', 'uid is a whole number');
  }
  if (isBelow(entry, layout.users) || isBelow(entry, layout.removed)) return;
  throw new LdapFailure('namingViolation', `Users stand below ${layout.users}`);
}

/** Rights are by the attribute and by the place: neither stands without the other. */
function checkSecret(entry: Entry, layout: Layout): void {
  const isSecret = entry.isA('mwSecret');
  if (!isSecret && entry.get('mwsecretvalue').length > 0) {
    throw new LdapFailure('objectClassViolation', 'Only an mwSecret has an mwSecretValue');
  }
  if (isSecret && !isBelow(entry, layout.secrets)) {
    throw new LdapFailure('namingViolation', `Secrets stand below ${layout.secrets}`);
  }
  if (!isSecret || secretOfEntry(entry.get('cn')[0] ?? '')) return;
  throw new LdapFailure('constraintViolation', 'cn is not KIND/NAME of a secret');
}

const NODE_CLASSES: ReadonlySet<string> = new Set(['top', 'mwnode']);

/** A node is a front end by where it stands, and every bind as it verifies what it has. */
function checkNode(entry: Entry, layout: Layout): void {
  if (!isBelow(entry, layout.nodes)) {
    throw new LdapFailure('namingViolation', `Nodes stand below ${layout.nodes}`);
  }
  const other = entry.get('objectclass').find((name) => !NODE_CLASSES.has(name.toLowerCase()));
  if (other !== undefined) {
    throw new LdapFailure('constraintViolation', `${other} does not stand among nodes`);
  }
  if (entry.get('userpassword').length > 1) {
    throw new LdapFailure('constraintViolation', 'userPassword of a node is one value');
  }
}

const isUser = (entry: Entry): boolean => entry.isA('mwUser');
const isList = (entry: Entry): boolean => entry.isA('mwList');
const hasAliases = (entry: Entry): boolean => isUser(entry) || entry.isA('mwMailUser');

/** Addresses at which this entry gets mail. */
function addressesOf(entry: Entry): readonly string[] {
  return [
    ...(isUser(entry) || isList(entry) ? entry.get('cn') : []),
    ...(hasAliases(entry) ? entry.get('mailalias') : []),
  ];
}

/** An address has one holder; users who were removed hold none. */
function checkAddresses(entry: Entry, tree: Tree, layout: Layout): void {
  if (isBelow(entry, layout.removed)) return;
  for (const address of addressesOf(entry)) {
    const key = addressKey(address);
    if (!key) throw new LdapFailure('constraintViolation', 'cn is not an address');
    const holder = [...new Set([address, ...addressSpellings(key)])]
      .flatMap((spelling) => [
        ...tree.with('cn', spelling).filter((other) => isUser(other) || isList(other)),
        ...tree.with('mailalias', spelling).filter(hasAliases),
      ])
      .find((other) => !sameIdentity(other, entry) && !isBelow(other, layout.removed));
    if (!holder) continue;
    throw new LdapFailure('constraintViolation', `${address} already belongs to ${holder.dn}`);
  }
}

function checkUnique(
  { entry, tree }: { entry: Entry; tree: Tree },
  attribute: 'uid' | 'nid',
  objectClass: 'mwUser' | 'mwNode',
): void {
  const value = entry.get(attribute)[0] ?? '';
  const holder = tree
    .with(attribute, value)
    .find((other) => other.isA(objectClass) && !sameIdentity(other, entry));
  if (!holder) return;
  throw new LdapFailure(
    'constraintViolation',
    `${attribute} ${value} already belongs to ${holder.dn}`,
  );
}

/** Also during a rename, when the entry stands in the tree under its former name. */
const sameIdentity = (a: Entry, b: Entry): boolean =>
  a.key === b.key || a.get('entryuuid')[0] === b.get('entryuuid')[0];
