import { addressKey, domainKey } from '../address.ts';
import { dnKey, parseDn } from '../dn.ts';
import { attributeRow, CLASSES, comparable, type Layout } from '../schema.ts';
import { ACCOUNT_SERVICES, VOLUME_STATES } from '../types.ts';
import { printedName, type Entry } from './entry.ts';
import { unverifiable } from './password.ts';
import { LdapFailure } from './result.ts';
import type { Tree } from './tree.ts';

/** What an entry of ours must be; says plainly what is wrong. @throws LdapFailure */
export function checkEntry(entry: Entry, tree: Tree, layout: Layout): void {
  if (entry.get('objectclass').length === 0) {
    throw new LdapFailure('objectClassViolation', 'The entry has no objectClass');
  }
  checkName(entry);
  for (const [name, values] of Object.entries(entry.attributes)) checkValues(name, values);
  for (const [name, row] of Object.entries(CLASSES)) {
    if (!entry.isA(name)) continue;
    for (const must of row.must) {
      if (entry.get(must.toLowerCase()).length > 0) continue;
      throw new LdapFailure('objectClassViolation', `${name} requires ${must}`);
    }
  }
  if (entry.isA('mwUser')) checkUser(entry, tree, layout);
  if (entry.isA('mwDomain') && !domainKey(entry.get('cn')[0] ?? '')) {
    throw new LdapFailure('constraintViolation', 'cn is not a domain');
  }
  if (entry.isA('mwNode')) checkUnique(entry, tree, 'nid');
}

/** The values of the RDN are values of the entry (RFC 4512 §2.3). */
function checkName(entry: Entry): void {
  for (const [name, value] of parseDn(entry.dn)[0] ?? []) {
    if (entry.has(name.toLowerCase(), value)) continue;
    throw new LdapFailure('namingViolation', `The entry is named by ${name}, but does not have it`);
  }
}

function checkValues(name: string, values: readonly string[]): void {
  const row = attributeRow(name);
  const shown = printedName(name);
  if (row?.values === 'one' && values.length > 1) {
    throw new LdapFailure('constraintViolation', `${shown} takes one value`);
  }
  if (new Set(values.map((value) => comparable(name, value))).size < values.length) {
    throw new LdapFailure('attributeOrValueExists', `${shown} has one value twice`);
  }
  for (const value of values) {
    const wrong = value === '' ? 'is empty' : VALUES.get(name)?.(value);
    if (wrong === undefined) continue;
    throw new LdapFailure('constraintViolation', `${shown} ${wrong}`);
  }
}

const oneOf =
  (allowed: readonly string[]) =>
  (value: string): string | undefined =>
    allowed.includes(value.toLowerCase()) ? undefined : `is one of ${allowed.join(', ')}`;

const whole = (value: string): string | undefined =>
  /^\d{1,15}$/.test(value) ? undefined : 'is a whole number';

const absolute = (value: string): string | undefined =>
  value.startsWith('/') && !/\p{Cc}/u.test(value) && !value.split('/').includes('..')
    ? undefined
    : 'is an absolute path without ".."';

/** Checks by attribute, whatever the class. */
const VALUES: ReadonlyMap<string, (value: string) => string | undefined> = new Map(
  Object.entries({
    uid: whole,
    nid: whole,
    mwquota: whole,
    mwweight: whole,
    mwpath: absolute,
    mwmountpath: absolute,
    mwsuspended: oneOf(ACCOUNT_SERVICES),
    mwstate: oneOf(VOLUME_STATES),
    mailalias: (value) =>
      addressKey(value) !== undefined ? undefined : 'is not an address that can be looked up',
    mwsetting: (value) => (/^[a-z][a-z0-9.-]*=/.test(value) ? undefined : 'is NAME=VALUE'),
    userpassword: unverifiable,
  }),
);

function checkUser(entry: Entry, tree: Tree, layout: Layout): void {
  const cn = entry.get('cn')[0] ?? '';
  if (!addressKey(cn)) {
    throw new LdapFailure('constraintViolation', 'cn is not a name that can log in');
  }
  if (!entry.key.endsWith(`,${dnKey(parseDn(layout.users))}`)) {
    throw new LdapFailure('namingViolation', `Users stand below ${layout.users}`);
  }
  checkUnique(entry, tree, 'uid');
  for (const address of [cn, ...entry.get('mailalias')]) {
    const holder = [...tree.with('cn', address), ...tree.with('mailalias', address)].find(
      (other) => other.key !== entry.key && other.isA('mwUser') && !sameIdentity(other, entry),
    );
    if (!holder) continue;
    throw new LdapFailure('constraintViolation', `${address} already belongs to ${holder.dn}`);
  }
}

function checkUnique(entry: Entry, tree: Tree, attribute: 'uid' | 'nid'): void {
  const value = entry.get(attribute)[0] ?? '';
  const holder = tree
    .with(attribute, value)
    .find((other) => other.key !== entry.key && !sameIdentity(other, entry));
  if (!holder) return;
  throw new LdapFailure(
    'constraintViolation',
    `${attribute} ${value} already belongs to ${holder.dn}`,
  );
}

/** During a rename the entry stands in the tree under its former name. */
const sameIdentity = (a: Entry, b: Entry): boolean =>
  a.get('entryuuid')[0] === b.get('entryuuid')[0];
