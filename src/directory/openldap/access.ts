/**
 * rights.ts as access rules of slapd.access(5). Both tables are read from above and the first row
 * that fits decides, so a row becomes one rule or two, in the same order.
 */
import { LEVEL_GROUPS, RIGHTS, type Actor, type Right, type RightsRow } from '../rights.ts';
import { attributeRow, type Layout } from '../schema.ts';

/** `access to WHAT by …`: one rule. */
export interface AccessRule {
  readonly to: string;
  readonly by: readonly string[];
  readonly doc: string;
}

/** All rules, in their order; the last one is for everything that no other names. */
export const accessRules = (names: Layout): readonly AccessRule[] =>
  RIGHTS.flatMap((row) =>
    targets(row, names).map(({ to, without }) => ({
      to,
      by: clauses(row, names, without),
      doc: row.doc,
    })),
  );

interface Target {
  readonly to: string;
  /** Rights that this rule does not give: `add` where there is a value already. */
  readonly without?: Right | undefined;
}

function targets(row: RightsRow, names: Layout): readonly Target[] {
  const filter = row.levelled ? ' filter=(mwLevel=*)' : '';
  if (row.place === 'everywhere') {
    return [{ to: row.of === 'all' ? '*' : `* attrs=${(row.of as readonly string[]).join(',')}` }];
  }
  const dn = names[row.place];
  if (row.of === 'entries') {
    return [
      { to: `dn.base="${dn}" attrs=children` },
      { to: `dn.onelevel="${dn}"${filter} attrs=entry` },
    ];
  }
  const what =
    row.kind === undefined
      ? `dn.${STYLES[row.place] ?? 'children'}="${dn}"`
      : `dn.regex="^cn=${row.kind}/[^,]+,${dn.toLowerCase().replace(/[.*+?()|]/g, '[$&]')}$"`;
  if (row.of === 'all') return [{ to: `${what}${filter}` }];
  const attrs = ` attrs=${row.of.join(',')}`;
  if (!Object.values(row.rights).includes('add') || row.of.every(isSingle)) {
    return [{ to: `${what}${filter}${attrs}` }];
  }
  // Nothing but the rule itself stops a second value; slapd reads it within the write transaction.
  const absent = row.of.map((name) => `(!(${name}=*))`).join('');
  const condition = row.levelled
    ? `(&(mwLevel=*)${absent})`
    : row.of.length > 1
      ? `(&${absent})`
      : absent;
  return [
    { to: `${what} filter=${condition}${attrs}` },
    { to: `${what}${filter}${attrs}`, without: 'add' },
  ];
}

/** The private subtree is private with its head; the others show that they are there. */
const STYLES: Readonly<Partial<Record<RightsRow['place'], string>>> = {
  rights: 'subtree',
  administrators: 'base',
  farm: 'base',
};

const isSingle = (name: string): boolean =>
  attributeRow(name)?.oid !== undefined && attributeRow(name)?.values === 'one';

/** Rights from strong to weak: of two clauses that fit somebody, slapd takes the first. */
const STRENGTH: readonly Right[] = ['write', 'put', 'take', 'drop', 'add', 'read', 'auth'];

function clauses(row: RightsRow, names: Layout, without: Right | undefined): readonly string[] {
  const given = (Object.entries(row.rights) as [Actor, Right][])
    .filter(([, right]) => right !== without)
    .toSorted(([a, x], [b, y]) => rank(a, x) - rank(b, y));
  const secret = Array.isArray(row.of) && row.of.includes('userPassword');
  const before = given.filter(([actor, right]) => isEarly(actor, right));
  const after = given.filter(([actor, right]) => !isEarly(actor, right));
  const write = ([actor, right]: [Actor, Right]): readonly string[] =>
    whoIs(actor, names).map((who) => `${who} ${privileges(right, secret)}`);
  return [
    ...before.flatMap(write),
    `dn.exact="${names.admin}" write`,
    `group.exact="${names.administrators}" ${privileges(row.chief ?? 'write', secret)}`,
    ...after.flatMap(write),
    '* none',
  ];
}

/** Who asks most comes first, so that no group is read for it; none of them is in a group. */
const isEarly = (actor: Actor, right: Right): boolean =>
  actor === 'anonymous' ||
  actor === 'frontend' ||
  (actor === 'self' && (right === 'write' || right === 'put'));

const rank = (actor: Actor, right: Right): number =>
  STRENGTH.indexOf(right) * 2 + (actor === 'self' ? 0 : 1);

function whoIs(actor: Actor, names: Layout): readonly string[] {
  if (actor === 'anonymous' || actor === 'self') return [actor];
  if (actor === 'sender') {
    return [`dn.onelevel="${names.nodes}" group.exact="${names.senders}"`];
  }
  if (actor === 'frontend') {
    return [`dn.exact="${names.frontend}"`, `dn.onelevel="${names.nodes}"`];
  }
  return [`group.exact="cn=${LEVEL_GROUPS[actor]},${names.rights}"`];
}

/** Exact privileges (`=`) where the level would include reading a password. */
function privileges(right: Right, secret: boolean): string {
  if (right === 'put') return '=xw';
  if (right === 'take') return '=zrscxd';
  if (right === 'drop') return '=z';
  return right === 'add' && secret ? '=a' : right;
}
