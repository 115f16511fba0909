import { dnKey, parseDn } from '../dn.ts';
import { LEVEL_GROUPS, LEVELS, RIGHTS } from '../rights.ts';
import type { Actor, Level, Place, Right, RightsRow } from '../rights.ts';
import { attributeRow, type Layout } from '../schema.ts';
import { ATTRIBUTE_ENTRY, type Entry } from './entry.ts';
import { isDear, isHashed } from './password.ts';
import type { AttributeValues, Change } from './request.ts';
import { LdapFailure } from './result.ts';
import type { Tree } from './tree.ts';

/** Who asks. An administrator may do everything and stands in no row of the table. */
export interface Identity {
  /** Key of the bound entry; undefined is nobody. */
  readonly key: string | undefined;
  readonly administrator: boolean;
  /** Columns of rights.ts, but for `self`, which depends on the entry. */
  readonly actors: readonly Actor[];
}

/** Adding and removing what stands below an entry; `ATTRIBUTE_ENTRY` is the entry itself. */
const CHILDREN = '@children';
const PASSWORD = 'userpassword';
/** With it a new entry would take somebody's mailbox; what else it brings takes nothing. */
const PATH = 'mwpath';
const PASSWORD_BYTES_MAX = 1_024;

const FRONTEND: readonly Actor[] = ['frontend'];
const SENDER: readonly Actor[] = ['frontend', 'sender'];
/** Attributes that administrators write and do not read. */
const KEPT_FROM_ALL: ReadonlySet<string> = new Set(
  RIGHTS.flatMap(({ chief, of }) =>
    chief === undefined || typeof of === 'string' ? [] : of.map((name) => name.toLowerCase()),
  ),
);

/** Kinds of secrets that have rows of their own. */
const KINDS = [...new Set(RIGHTS.flatMap(({ kind }) => kind ?? []))];

/** From strong to weak: of two columns that fit somebody, the stronger counts. */
const STRENGTH: readonly Right[] = ['write', 'put', 'take', 'drop', 'add', 'read', 'auth'];
const READS: ReadonlySet<Right | undefined> = new Set<Right>(['read', 'add', 'take', 'write']);
const ADDS: ReadonlySet<Right | undefined> = new Set<Right>(['add', 'put', 'write']);
const REMOVES: ReadonlySet<Right | undefined> = new Set<Right>(['drop', 'take', 'put', 'write']);

/** Where an entry stands, as far as the table can tell entries apart. */
interface Situation {
  /** The entry itself is the head of a branch, or one that has a place of its own. */
  readonly at: Place | undefined;
  /** The branch it lies below. */
  readonly below: Place | undefined;
  readonly direct: boolean;
  readonly levelled: boolean;
  /** Of a secret, where some row asks for it. */
  readonly kind: RightsRow['kind'];
}

const HEADS = ['farm', 'administrators'] as const satisfies readonly Place[];
const BRANCHES = [
  'users',
  'removed',
  'domains',
  'lists',
  'volumes',
  'nodes',
  'sites',
  'rules',
  'rights',
  'claims',
  'secrets',
] as const satisfies readonly Place[];

/**
 * Evaluates the table of rights.ts on the tree as it is now, so that a right can be taken: the
 * first row whose entry and attribute fit decides, as slapd.access(5) does with the same rows.
 */
export class Access {
  readonly #tree: Tree;
  readonly #keys: Readonly<Record<(typeof BRANCHES)[number] | (typeof HEADS)[number], string>>;
  readonly #heads: ReadonlyMap<string, Place>;
  readonly #branches: ReadonlyMap<string, (typeof BRANCHES)[number]>;
  readonly #admin: string;
  readonly #frontend: string;
  readonly #senders: string;
  /** Keys of the groups, from the highest level down. */
  readonly #groups: readonly (readonly [level: Level, key: string])[];
  readonly #members = new WeakMap<Entry, ReadonlySet<string>>();
  /** By group of entries that are alike: rights by attribute. */
  readonly #decided = new Map<string, Map<string, Right | undefined>>();

  constructor(tree: Tree, layout: Layout) {
    const key = (dn: string): string => dnKey(parseDn(dn));
    this.#tree = tree;
    this.#admin = key(layout.admin);
    this.#frontend = key(layout.frontend);
    this.#senders = key(layout.senders);
    const places = [...BRANCHES, ...HEADS].map((place) => [place, key(layout[place])] as const);
    this.#keys = Object.fromEntries(places) as Record<(typeof places)[number][0], string>;
    this.#heads = new Map(places.map(([place, dn]) => [dn, place]));
    this.#branches = new Map(BRANCHES.map((place) => [this.#keys[place], place]));
    this.#groups = (Object.keys(LEVELS) as Level[])
      .toSorted((a, b) => LEVELS[b] - LEVELS[a])
      .map((level) => [level, key(`cn=${LEVEL_GROUPS[level]},${layout.rights}`)] as const);
  }

  /** Who is behind a bound key now. An entry that is gone is nobody. */
  who(bound: string | undefined): Identity {
    const entry = bound === undefined ? undefined : this.#tree.get(bound);
    if (!entry) return { key: undefined, administrator: false, actors: ['anonymous'] };
    if (entry.key === this.#admin) return { key: bound, administrator: true, actors: [] };
    if (entry.key === this.#frontend || entry.parent === this.#keys.nodes) {
      const sends = entry.key !== this.#frontend && this.#membersOf(this.#senders).has(entry.key);
      return { key: bound, administrator: false, actors: sends ? SENDER : FRONTEND };
    }
    const level = this.#level(entry.key);
    const administrator = level === 'administrator';
    return { key: bound, administrator, actors: level && !administrator ? [level] : [] };
  }

  /** The highest level whose group names the entry. */
  #level(key: string): Level | undefined {
    return this.#groups.find(([, group]) => this.#membersOf(group).has(key))?.[0];
  }

  #membersOf(key: string): ReadonlySet<string> {
    const group = this.#tree.get(key);
    if (!group) return new Set();
    let members = this.#members.get(group);
    if (!members) {
      members = new Set(group.get('member').map(safeKey));
      this.#members.set(group, members);
    }
    return members;
  }

  /** Whether attributes (also `ATTRIBUTE_ENTRY`: that it exists) may be read and searched for. */
  reader(who: Identity, entry: Entry): (attribute: string) => boolean {
    if (who.administrator) return (attribute) => !KEPT_FROM_ALL.has(attribute);
    const rights = this.#rights(who, entry.key, entry);
    return (attribute) => READS.has(rights(attribute)) && attribute !== PASSWORD;
  }

  /** Whether a bind as this entry may succeed at all: users who were removed have no `auth`. */
  mayBind(entry: Entry): boolean {
    const who: Identity = { key: undefined, administrator: false, actors: ['anonymous'] };
    return this.#rights(who, entry.key, entry)(PASSWORD) !== undefined;
  }

  /** @throws LdapFailure unless the identity may add this entry where it is */
  mayAdd(who: Identity, entry: Entry): void {
    if (who.administrator) return;
    const [above, here] = [this.#rights(who, entry.parent), this.#rights(who, entry.key, entry)];
    const mayPlace = entry.get(PATH).length === 0 || ADDS.has(here(PATH));
    if (ADDS.has(above(CHILDREN)) && ADDS.has(here(ATTRIBUTE_ENTRY)) && mayPlace) return;
    throw denied('This identity may not add entries here');
  }

  /** @throws LdapFailure unless the identity may delete the entry */
  mayDelete(who: Identity, entry: Entry): void {
    if (who.administrator || this.#removes(who, entry)) return;
    throw denied('This identity may not delete this entry');
  }

  #removes(who: Identity, entry: Entry): boolean {
    const [above, here] = [this.#rights(who, entry.parent), this.#rights(who, entry.key, entry)];
    return above(CHILDREN) === 'write' && here(ATTRIBUTE_ENTRY) === 'write';
  }

  /** @throws LdapFailure unless the identity may give the entry this name and place */
  mayRename(who: Identity, before: Entry, after: Entry): void {
    if (who.administrator) return;
    const naming = parseDn(after.dn)[0] ?? [];
    const rights = this.#rights(who, before.key, before);
    const names = naming.every(([name]) => rights(name.toLowerCase()) === 'write');
    if (names && this.#removes(who, before) && this.#removes(who, after)) return;
    throw denied('This identity may not rename this entry');
  }

  /** @throws LdapFailure unless the identity may make these changes to this entry */
  mayModify(who: Identity, entry: Entry, changes: readonly Change[]): void {
    if (who.administrator) return;
    const rights = this.#rights(who, entry.key, entry);
    for (const change of changes) {
      const name = change.name.toLowerCase();
      const right = rights(name);
      const gives = change.operation !== 'delete' && change.values.length > 0;
      const removes = change.operation !== 'add';
      const allowed = (!gives || ADDS.has(right)) && (!removes || REMOVES.has(right));
      // One value is seen to by the schema; where there may be several, by this.
      const second =
        right === 'add' && attributeRow(name)?.values !== 'one' && entry.get(name).length > 0;
      if (allowed && !second) continue;
      throw denied(`This identity may not make that change of ${change.name}`);
    }
  }

  /**
   * A stored password costs us work with every login from then on, a wrong one as well: a hundred
   * values, or a hash that wants a GiB and 64 passes, would hold up the logins of all. So who is
   * no administrator gives one value; users give themselves one in the clear, and the hashes that
   * nodes and helpdesks give have bounds. Asked before values are hashed. @throws LdapFailure
   */
  mayGivePassword(who: Identity, entry: Entry, changes: readonly Change[]): void {
    if (who.administrator) return;
    const [change, ...others] = changes.filter(({ name }) => name.toLowerCase() === PASSWORD);
    if (!change) return;
    const [value = ''] = change.values;
    const own = entry.key === who.key && entry.parent !== this.#keys.nodes;
    const first = change.operation === 'add' && entry.get(PASSWORD).length === 0;
    const one = others.length === 0 && change.values.length === 1;
    const fits = own ? !isHashed(value) : !isDear(value);
    const asks = change.operation === 'replace' || (first && !own);
    if (one && fits && asks && Buffer.byteLength(value) <= PASSWORD_BYTES_MAX) return;
    throw new LdapFailure(
      'constraintViolation',
      own
        ? `userPassword is replaced by one value in the clear of at most ${PASSWORD_BYTES_MAX} octets`
        : 'userPassword is replaced by one value, in the clear or as a hash of moderate cost',
    );
  }

  /** The same for passwords of new entries. @throws LdapFailure */
  mayGivePasswords(who: Identity, attributes: readonly AttributeValues[]): void {
    if (who.administrator) return;
    const values = attributes
      .filter(({ name }) => name.toLowerCase() === PASSWORD)
      .flatMap((given) => given.values);
    if (values.length <= 1 && !values.some(isDear)) return;
    throw new LdapFailure(
      'constraintViolation',
      'userPassword is one value, in the clear or as a hash of moderate cost',
    );
  }

  /** RFC 4511 has no better word for "bind first"; slapd says it so too. @throws LdapFailure */
  requireSomebody(who: Identity): void {
    if (who.key !== undefined) return;
    throw new LdapFailure('strongerAuthRequired', 'Changes need a bind');
  }

  /**
   * The right to each attribute of an entry. What was decided is remembered: entries that the
   * table cannot tell apart share it, so that a listing of all users costs little.
   * @param entry the entry, where there is one
   */
  #rights(who: Identity, key: string, entry?: Entry): (attribute: string) => Right | undefined {
    const situation = this.#situation(key, entry);
    const actors: readonly Actor[] = key === who.key ? ['self', ...who.actors] : who.actors;
    const { at, below, direct, levelled, kind } = situation;
    const group = `${at} ${below} ${direct} ${levelled} ${kind} ${actors.join('+')}`;
    const decided = this.#decided.get(group) ?? new Map<string, Right | undefined>();
    this.#decided.set(group, decided);
    return (attribute) => {
      if (decided.has(attribute)) return decided.get(attribute);
      const row = RIGHTS.find((candidate) => rowFits(candidate, situation, attribute));
      const given = actors.map((actor) => row?.rights[actor]);
      const right = STRENGTH.find((strength) => given.includes(strength));
      // Attribute names come from clients: a memory of them must not grow.
      if (decided.size < DECIDED_MAX) decided.set(attribute, right);
      return right;
    };
  }

  #situation(key: string, entry: Entry | undefined): Situation {
    const at = this.#heads.get(key);
    const parent = key.slice(key.indexOf(',') + 1);
    const direct = this.#branches.get(parent);
    const below = direct ?? BRANCHES.find((place) => parent.endsWith(`,${this.#keys[place]}`));
    // Membership counts as well: a group that was changed by hand leaves no hole.
    const levelled =
      (below === 'users' || below === 'removed') &&
      ((entry?.get('mwlevel').length ?? 0) > 0 || this.#level(key) !== undefined);
    const kind =
      direct === 'secrets' ? KINDS.find((one) => key.startsWith(`cn=${one}/`)) : undefined;
    return { at, below, direct: direct !== undefined, levelled, kind };
  }
}

/** Attributes remembered of one group of entries. */
const DECIDED_MAX = 200;

function rowFits(row: RightsRow, situation: Situation, attribute: string): boolean {
  const { at, below, direct, levelled } = situation;
  if (row.levelled && !levelled) return false;
  if (row.kind !== undefined && row.kind !== situation.kind) return false;
  if (row.of === 'entries') {
    return (
      (attribute === CHILDREN && at === row.place) ||
      (attribute === ATTRIBUTE_ENTRY && below === row.place && direct)
    );
  }
  const inPlace =
    row.place === 'everywhere' ||
    (row.place === 'rights' && (at === 'rights' || below === 'rights')) ||
    (row.place === 'administrators' || row.place === 'farm'
      ? at === row.place
      : below === row.place);
  return inPlace && (row.of === 'all' || row.of.some((name) => name.toLowerCase() === attribute));
}

function safeKey(dn: string): string {
  try {
    return dnKey(parseDn(dn));
  } catch {
    return '';
  }
}

const denied = (what: string): LdapFailure => new LdapFailure('insufficientAccessRights', what);
