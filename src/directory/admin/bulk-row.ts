import { parseValue } from '../../config/values.ts';
import { AdminError } from './error.ts';
import * as names from './names.ts';
import type { NewValues } from './session.ts';
import * as values from './values.ts';

/** A user as a file has it: attributes as the directory spells them, `password` in the clear. */
export interface BulkRow {
  readonly line: number;
  readonly values: ReadonlyMap<string, readonly string[]>;
}

/** A row that could stand in the directory. */
export interface CheckedRow {
  readonly line: number;
  readonly login: string;
  /** Login and aliases. */
  readonly addresses: readonly string[];
  readonly uid: number | undefined;
  /** In the clear, or a hash with its scheme in front. */
  readonly password: { readonly text: string; readonly hashed: boolean } | undefined;
  readonly objectClass: readonly string[];
  /** Everything else, as it would be written. */
  readonly values: NewValues;
}

const SCHEME = /^\{[A-Za-z0-9-]{1,20}\}./;
const UID_MAX = 2_147_483_647;
/** Given by commands of their own, which know what belongs to them. */
const NOT_FROM_FILES: ReadonlySet<string> = new Set([
  'mwremoved',
  'mwformerlogin',
  'mwformeralias',
  'mwformersuspended',
  'mwformerbranch',
  'mwlevel',
]);

const bad = (text: string): AdminError => new AdminError('invalid', text);

const CHECKS: Readonly<Record<string, (given: readonly string[]) => NewValues[string]>> = {
  mailAlias: values.addresses,
  mailForward: values.forwards,
  mwForwardKeep: (given) => keep(one('mwForwardKeep', given)),
  mwQuota: (given) => octets(one('mwQuota', given)),
  mwSuspended: names.checkedServices,
  mwVolume: (given) => names.checkedName(one('mwVolume', given), 'volume'),
  mwPath: (given) => names.checkedPath(one('mwPath', given)),
  customerID: (given) => names.checkedText(one('customerID', given), 'A customer id'),
  mwSite: (given) => names.checkedName(one('mwSite', given), 'site').toLowerCase(),
};

/** @throws AdminError invalid */
export function checkedRow(row: BulkRow): CheckedRow {
  const { line } = row;
  const login = names.checkedLogin(one('login', row.values.get('cn') ?? [])).text;
  const written: Record<string, NewValues[string]> = {};
  for (const [name, given] of row.values) {
    if (given.length === 0 || OWN.has(name)) continue;
    if (NOT_FROM_FILES.has(name.toLowerCase())) throw bad(`${name} is not taken from files`);
    const check = Object.hasOwn(CHECKS, name) ? CHECKS[name] : undefined;
    written[name] = check ? check(given) : given.map((text) => plain(name, text));
  }
  const aliases = (written['mailAlias'] ?? []) as readonly string[];
  const addresses = [...new Set([login, ...aliases])];
  const classes = row.values.get('objectClass') ?? [];
  const uid = row.values.get('uid') ?? [];
  return {
    line,
    login,
    addresses,
    uid: uid.length === 0 ? undefined : number(one('uid', uid)),
    password: passwordOf(row),
    objectClass: [...new Set(classes.length > 0 ? classes : ['top', 'mwUser'])],
    values: written,
  };
}

const OWN: ReadonlySet<string> = new Set(['cn', 'uid', 'password', 'userPassword', 'objectClass']);

function one(name: string, given: readonly string[]): string {
  const [text] = given;
  if (text === undefined) throw bad(`There is no ${name}`);
  if (given.length > 1) throw bad(`${name} has one value, not ${given.length}`);
  return text;
}

function passwordOf({ values: given }: BulkRow): CheckedRow['password'] {
  const [clear] = given.get('password') ?? [];
  const stored = given.get('userPassword') ?? [];
  if (clear !== undefined && stored.length > 0)
    throw bad('password and userPassword are both given');
  if (clear !== undefined) return { text: names.checkedPassword(clear), hashed: false };
  if (stored.length === 0) return undefined;
  const text = names.checkedPassword(names.unpadded(one('userPassword', stored)));
  return { text, hashed: SCHEME.test(text) };
}

function plain(name: string, text: string): string {
  if (!text.includes('\0') && text.isWellFormed()) return text;
  throw bad(`${name} has a NUL or is not well-formed Unicode`);
}

function number(text: string): number {
  if (/^\d{1,10}$/.test(text) && Number(text) > 0 && Number(text) <= UID_MAX) return Number(text);
  throw bad(`"${names.printable(text)}" is not a uid: a whole number from 1 to ${UID_MAX}`);
}

function octets(text: string): number {
  const row = { kind: 'bytes', default: 0, min: 0, max: Number.MAX_SAFE_INTEGER, doc: '' } as const;
  const parsed = parseValue(row, text);
  if (parsed.ok) return parsed.value as number;
  throw bad(`"${names.printable(text)}" is not ${parsed.expected}`);
}

function keep(text: string): 'TRUE' | 'FALSE' {
  const yes = /^(true|yes|1)$/i.test(text);
  if (yes || /^(false|no|0)$/i.test(text)) return yes ? 'TRUE' : 'FALSE';
  throw bad(`"${names.printable(text)}" is not TRUE or FALSE`);
}
