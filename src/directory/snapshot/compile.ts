import type { Entry } from 'ldapts';
import { addressKey, domainKey, keyText } from '../address.ts';
import { toAccount, toDomain, toList, toRule, valuesOf } from '../client/entries.ts';
import { DnError, dnKey, parseDn } from '../dn.ts';
import { MAPS } from '../map.ts';
import { layout } from '../schema.ts';
import { idsSelectedBy } from './filter.ts';
import { passwordsOf } from './passwords.ts';
import type { Reading } from './records.ts';

/** Something wrong with a text, and where. */
export interface TextFault {
  /** 1 is the first line. */
  readonly line: number;
  readonly message: string;
}

/** A text that no snapshot is made of, with everything that is wrong with it. */
export class CompileError extends Error {
  readonly faults: readonly TextFault[];
  constructor(faults: readonly TextFault[]) {
    super(faults.map(({ line, message }) => `line ${line}: ${message}`).join('\n'));
    this.name = 'CompileError';
    this.faults = faults.toSorted((a, b) => a.line - b.line);
  }
}

export interface CompileOptions {
  /** Where the text comes from, for `inspect`. */
  readonly source: string;
  /** Time the text speaks of, in ms since 1970. */
  readonly createdAt: number;
  /** Suffix of the tree; without it, that of the entry cn=farm. */
  readonly suffix?: string;
}

interface Located {
  readonly line: number;
  readonly entry: Entry;
}

/**
 * A reading from LDIF (RFC 2849), as `mailfarm directory export --ldif` or slapcat prints it, or
 * from lines `user@domain:server[:port]` (a popmap), which become rules that hand the addresses to
 * those hosts.
 * @throws CompileError with every fault
 */
export function compileText(text: string, options: CompileOptions): Reading {
  const faults: TextFault[] = [];
  const ldif = /^(?:version:|dn:|changetype:)/m.test(text);
  const reading = ldif
    ? compileLdif(readEntries(text, faults), options, faults)
    : compilePopmap(text, options, faults);
  if (faults.length > 0) throw new CompileError(faults);
  return reading;
}

const LDIF_LINE = /^([A-Za-z0-9.;-]+):(:|<)? *(.*)$/su;
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

/** Records of an LDIF text; what is wrong goes to `faults`. */
function readEntries(text: string, faults: TextFault[]): readonly Located[] {
  const entries: Located[] = [];
  let entry: Entry | undefined;
  let bad = false;
  for (const { line, text: content } of unfolded(text)) {
    if (content === '') {
      entry = undefined;
      bad = false;
      continue;
    }
    if (bad || content.startsWith('#')) continue;
    const [, name = '', kind, rest = ''] = LDIF_LINE.exec(content) ?? [];
    const fault = lineFault({ name, kind, rest, first: entry === undefined });
    if (fault === 'skip') continue;
    if (fault !== undefined) {
      faults.push({ line, message: fault });
      bad = entry === undefined; // Without its dn the rest of a record means nothing.
      continue;
    }
    const value = kind === ':' ? Buffer.from(rest, 'base64').toString('utf8') : rest;
    if (entry === undefined) {
      entry = { dn: value };
      entries.push({ line, entry });
    } else entry[name] = [...valuesOf(entry, name), value];
  }
  return entries;
}

function lineFault(given: {
  readonly name: string;
  readonly kind: string | undefined;
  readonly rest: string;
  readonly first: boolean;
}): string | undefined {
  const { name, kind, rest, first } = given;
  if (name === '') return 'neither an attribute nor a comment (RFC 2849)';
  if (kind === '<') return `${name} is taken from a URL, which is not done`;
  if (kind === ':' && !BASE64.test(rest)) return `${name} is no base64`;
  if (first && name === 'version') return 'skip';
  if (first && name !== 'dn') return 'a record begins with dn';
  if (name === 'changetype') return rest === 'add' ? 'skip' : 'changes are not entries';
  return undefined;
}

/** Lines without their continuations, each with the number of its first. */
function* unfolded(text: string): Generator<{ line: number; text: string }> {
  let pending: { line: number; text: string } | undefined;
  for (const [index, raw] of text.split('\n').entries()) {
    const current = raw.endsWith('\r') ? raw.slice(0, -1) : raw;
    if (pending && current.startsWith(' ')) pending.text += current.slice(1);
    else {
      if (pending) yield pending;
      pending = { line: index + 1, text: current };
    }
  }
  if (pending) yield pending;
}

function compileLdif(
  entries: readonly Located[],
  options: CompileOptions,
  faults: TextFault[],
): Reading {
  const keyed = entries.flatMap((located) => {
    const key = keyOfDn(located, faults);
    return key === undefined ? [] : [{ ...located, key }];
  });
  const suffix = options.suffix ?? suffixOf(keyed);
  if (suffix === undefined) {
    faults.push({ line: 1, message: 'no entry cn=farm: name the suffix with --suffix' });
  }
  const names = layout(suffix ?? 'dc=none');
  const below = (dn: string, classes: readonly string[]): readonly Located[] => {
    const end = `,${dnKey(parseDn(dn))}`;
    return keyed.filter((one) => one.key.endsWith(end) && classes.some((c) => isA(one.entry, c)));
  };
  const at = (dn: string): Entry | undefined =>
    keyed.find((one) => one.key === dnKey(parseDn(dn)))?.entry;
  const users = below(names.users, MAPS.mailfarm.classes);
  const domains = below(names.domains, ['mwDomain']);
  const lists = below(names.lists, ['mwList']);
  const rules = below(names.rules, ['mwRule']);
  const plain = (located: readonly Located[]): readonly Entry[] =>
    located.map(({ entry }) => entry);
  check(users, (entry) => toAccount(entry), faults);
  check(domains, (entry) => toDomain(valuesOf(entry, 'cn')[0] ?? '', [entry]), faults);
  check(lists, toList, faults);
  check(rules, toRule, faults);
  checkHolders(users, faults);
  const root = at(names.suffix);
  return {
    ...options,
    suffix: suffix ?? '',
    contextCsn: root ? valuesOf(root, 'contextCSN') : [],
    map: MAPS.mailfarm,
    users: plain(users),
    aliases: [],
    toUser: (entry) => toAccount(entry),
    passwordsOf,
    domains: plain(domains),
    sites: plain(below(names.sites, ['mwSite'])),
    lists: plain(lists),
    rules: plain(rules),
    volumes: plain(below(names.volumes, ['mwVolume'])),
    nodes: plain(below(names.nodes, ['mwNode'])),
    farm: at(names.farm),
    administrators: at(names.administrators),
    selected: selections(lists, plain(users), faults),
  };
}

const isA = (entry: Entry, objectClass: string): boolean =>
  valuesOf(entry, 'objectClass').some((name) => name.toLowerCase() === objectClass.toLowerCase());

function keyOfDn({ line, entry }: Located, faults: TextFault[]): string | undefined {
  try {
    return dnKey(parseDn(entry.dn));
  } catch (error) {
    if (!(error instanceof DnError)) throw error;
    faults.push({ line, message: error.message });
    return undefined;
  }
}

function suffixOf(keyed: readonly (Located & { readonly key: string })[]): string | undefined {
  const farm = keyed.find(({ entry }) => isA(entry, 'mwFarm'))?.entry.dn;
  return farm?.slice(farm.indexOf(',') + 1).trim();
}

function check(
  located: readonly Located[],
  read: (entry: Entry) => unknown,
  faults: TextFault[],
): void {
  for (const { line, entry } of located) {
    try {
      read(entry);
    } catch (error) {
      const hint = valuesOf(entry, 'entryUUID').length === 0 ? ` ${WITHOUT_IDENTITY}` : '';
      faults.push({ line, message: `${(error as Error).message}${hint}` });
    }
  }
}

const WITHOUT_IDENTITY = '(slapcat prints entryUUID; ldapsearch when it is asked for "*" and "+")';

/** A login outranks an alias, as everywhere; two of the same kind are a fault of the text. */
function checkHolders(users: readonly Located[], faults: TextFault[]): void {
  for (const attribute of ['cn', 'mailAlias']) {
    const held = new Map<string, number>();
    for (const { line, entry } of users) {
      for (const value of valuesOf(entry, attribute)) {
        const key = addressKey(value);
        const other = key && held.get(keyText(key));
        if (other !== undefined && other !== line) {
          faults.push({ line, message: `${value} is also ${attribute} at line ${other}` });
        } else if (key) held.set(keyText(key), line);
      }
    }
  }
}

function selections(
  lists: readonly Located[],
  users: readonly Entry[],
  faults: TextFault[],
): ReadonlyMap<string, readonly string[]> {
  const selected = new Map<string, readonly string[]>();
  for (const { line, entry } of lists) {
    const filter = valuesOf(entry, 'mwMemberFilter')[0];
    const key = addressKey(valuesOf(entry, 'cn')[0] ?? '');
    if (filter === undefined || !key) continue;
    try {
      selected.set(keyText(key), idsSelectedBy(filter, users));
    } catch (error) {
      faults.push({ line, message: `mwMemberFilter: ${(error as Error).message}` });
    }
  }
  return selected;
}

const POPMAP_LINE = /^([^\s:]+@[^\s:]+)\s*:\s*(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::(\d{1,5}))?$/;
const SMTP_PORT = 25;
/** Rules are tried one by one: a map of many addresses belongs into LDIF. */
const POPMAP_LINES_MAX = 10_000;
const PATTERN_LENGTH_MAX = 900;

/** Lines `user@domain:server[:port]`; the domains are ours, the addresses handed on. */
function compilePopmap(text: string, options: CompileOptions, faults: TextFault[]): Reading {
  const byTarget = new Map<string, string[]>();
  const domains = new Set<string>();
  const seen = new Map<string, number>();
  for (const [index, raw] of text.split('\n').entries()) {
    const line = index + 1;
    const content = raw.trim();
    if (content === '' || content.startsWith('#')) continue;
    const [, user = '', server = '', port] = POPMAP_LINE.exec(content) ?? [];
    const key = addressKey(user);
    const number = Number(port ?? SMTP_PORT);
    const host = server.startsWith('[') ? server : domainKey(server);
    const fault =
      key?.domain === undefined || host === undefined || number < 1 || number > 65_535
        ? 'this is not user@domain:server[:port]'
        : seen.has(keyText(key)) && `${user} stands at line ${seen.get(keyText(key))} already`;
    if (fault !== false || !key?.domain) {
      faults.push({ line, message: fault || 'this is not user@domain:server[:port]' });
      continue;
    }
    seen.set(keyText(key), line);
    domains.add(key.domain);
    const target = `host:${host}:${number}`;
    byTarget.set(target, [...(byTarget.get(target) ?? []), keyText(key)]);
    if (seen.size > POPMAP_LINES_MAX) {
      faults.push({ line, message: `more than ${POPMAP_LINES_MAX} addresses: give LDIF` });
      break;
    }
  }
  if (seen.size === 0 && faults.length === 0)
    faults.push({ line: 1, message: 'the text is empty' });
  return popmapReading(options, domains, byTarget);
}

function popmapReading(
  options: CompileOptions,
  domains: ReadonlySet<string>,
  byTarget: ReadonlyMap<string, readonly string[]>,
): Reading {
  const rules = [...byTarget].flatMap(([target, addresses]) =>
    patterns(addresses).map((mwPattern) => ({ target, mwPattern })),
  );
  return {
    ...options,
    suffix: options.suffix ?? '',
    contextCsn: [],
    map: MAPS.mailfarm,
    users: [],
    aliases: [],
    toUser: (entry) => toAccount(entry),
    passwordsOf: () => [],
    domains: [...domains].map((cn) => ({ dn: `cn=${cn}`, cn, objectClass: 'mwDomain' })),
    sites: [],
    lists: [],
    rules: rules.map(({ target, mwPattern }, index) => ({
      dn: `cn=popmap-${index + 1}`,
      cn: `popmap-${index + 1}`,
      mwOrder: String(index + 1),
      mwPattern,
      mwTarget: target,
    })),
    volumes: [],
    nodes: [],
    farm: undefined,
    administrators: undefined,
    selected: new Map(),
  };
}

/** Expressions that match exactly these, none longer than a rule may be. */
function patterns(addresses: readonly string[]): readonly string[] {
  const out: string[] = [];
  for (const address of addresses) {
    const literal = address.replace(/[\\.+*?()|[\]{}^$]/g, String.raw`\$&`);
    const last = out.at(-1);
    if (last !== undefined && last.length + literal.length < PATTERN_LENGTH_MAX) {
      out[out.length - 1] = `${last}|${literal}`;
    } else out.push(literal);
  }
  return out.map((alternatives) => `(?:${alternatives})`);
}
