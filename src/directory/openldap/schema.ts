import { ATTRIBUTES, CLASSES, OID_ARC, type AttributeRow, type ClassRow } from '../schema.ts';

const DIRECTORY_STRING = '1.3.6.1.4.1.1466.115.121.1.15';
const INTEGER = '1.3.6.1.4.1.1466.115.121.1.27';

const MATCHING = {
  'case-ignore': `EQUALITY caseIgnoreMatch SUBSTR caseIgnoreSubstringsMatch SYNTAX ${DIRECTORY_STRING}`,
  'case-exact': `EQUALITY caseExactMatch SUBSTR caseExactSubstringsMatch SYNTAX ${DIRECTORY_STRING}`,
  integer: `EQUALITY integerMatch ORDERING integerOrderingMatch SYNTAX ${INTEGER}`,
} as const;

/** RFC 4512 §4.1: within a description a quote is `\27` and a backslash `\5C`. */
const quoted = (text: string): string =>
  `'${text
    .replaceAll('\\', '\\5C')
    .replace(/['’"]/g, '\\27')
    .replace(/[^\u0020-\u007e]/g, '?')}'`;

/** AttributeTypeDescription (RFC 4512 §4.1.2) of each attribute that is ours. */
export function attributeTypes(): readonly string[] {
  return Object.entries<AttributeRow>(ATTRIBUTES)
    .filter(([, row]) => row.oid !== undefined)
    .toSorted(([, a], [, b]) => (a.oid ?? 0) - (b.oid ?? 0))
    .map(([name, row]) => {
      if (row.match === 'octets') throw new Error(`${name}: no syntax for octets of our own`);
      const single = row.values === 'one' ? ' SINGLE-VALUE' : '';
      const described = `NAME '${name}' DESC ${quoted(row.doc)}`;
      return `( ${OID_ARC}.1.${row.oid} ${described} ${MATCHING[row.match]}${single} )`;
    });
}

/** ObjectClassDescription (RFC 4512 §4.1.1) of each class. */
export function objectClasses(): readonly string[] {
  const list = (word: string, names: readonly string[]): string =>
    names.length === 0 ? '' : ` ${word} ( ${names.join(' $ ')} )`;
  return Object.entries<ClassRow>(CLASSES).map(
    ([name, { oid, kind, must, may, doc }]) =>
      `( ${OID_ARC}.2.${oid} NAME '${name}' DESC ${quoted(doc)} SUP top ` +
      `${kind.toUpperCase()}${list('MUST', must)}${list('MAY', may)} )`,
  );
}

/** Attributes and what slapd keeps an index of: `cn` and `eq,sub`. */
export function indexes(): readonly (readonly [attribute: string, kinds: string])[] {
  return Object.entries<AttributeRow>(ATTRIBUTES).flatMap(([name, { index }]) =>
    index === undefined ? [] : [[name, index] as const],
  );
}
