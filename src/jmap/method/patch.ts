/** Patch objects (RFC 8620 §5.3). */
import type { Args } from '../types.ts';
import { isRecord } from '../wire/values.ts';
import { SetRefusal } from './standard.ts';

const invalidPatch = (description: string): SetRefusal =>
  new SetRefusal({ type: 'invalidPatch', description });

/**
 * An object with a patch applied; the object stays as it is. Paths are JSON pointers (RFC 6901)
 * without the first slash. Null takes away.
 *
 * @throws SetRefusal invalidPatch
 */
export function patched(object: Args, patch: Args): Args {
  const paths = Object.keys(patch);
  for (const one of paths) {
    const inside = paths.find((other) => other.startsWith(`${one}/`));
    if (inside !== undefined) throw invalidPatch(`${inside} is within ${one}`);
  }
  let whole = object;
  for (const path of paths) whole = set(whole, pointer(path), patch[path]);
  return whole;
}

const pointer = (path: string): readonly string[] =>
  path.split('/').map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'));

function set(object: Args, [first = '', ...rest]: readonly string[], value: unknown): Args {
  const entries = new Map(Object.entries(object));
  if (rest.length === 0) entries.set(first, value);
  else {
    const inner = entries.get(first);
    if (!isRecord(inner)) throw invalidPatch(`There is nothing at ${first}`);
    const changed = set(inner, rest, value);
    // Within a property null takes a member away; a property itself is set to it.
    const kept = Object.entries(changed).filter(([, one]) => one !== null);
    entries.set(first, rest.length === 1 ? Object.fromEntries(kept) : changed);
  }
  return Object.fromEntries(entries);
}
