import { addressKey, keyText } from '../address.ts';
import { dnKey } from '../dn.ts';
import { comparable } from '../schema.ts';
import type { Operation } from './request.ts';

type Add = Extract<Operation, { kind: 'add' }>;

/** Attributes of which a value has one holder. */
const HELD_BY_ONE: ReadonlySet<string> = new Set(['cn', 'uid', 'nid', 'mailalias']);

/**
 * What an add takes for itself. Two adds with nothing in common cannot be in each other's way: each
 * can be planned against the tree as it is before both, and one write to the disk has them all.
 */
export function marksOf({ dn, attributes }: Add): readonly string[] {
  const held = attributes
    .filter(({ name }) => HELD_BY_ONE.has(name.toLowerCase()))
    .flatMap(({ name, values }) => values.map((value) => markOf(name.toLowerCase(), value)));
  return [`dn ${dnKey(dn.rdns)}`, ...held];
}

/** The entry above must be there before: an add that follows the one of its parent waits. */
export const markAbove = ({ dn }: Add): string => `dn ${dnKey(dn.rdns.slice(1))}`;

function markOf(name: string, value: string): string {
  if (name === 'uid' || name === 'nid') return `${name} ${comparable(name, value)}`;
  const key = addressKey(value);
  return `address ${key ? keyText(key) : comparable(name, value)}`;
}
