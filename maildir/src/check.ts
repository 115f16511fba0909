import { systemError } from './errno.ts';
import type { Entry } from './types.ts';

/**
 * Names come from uniqueName() and from listings, so these checks cost two searches and find only
 * mistakes of the caller; but a mistake here would be a path out of the mailbox.
 */
const isLeaf = (name: string): boolean =>
  name !== '' && !name.startsWith('.') && !name.includes('/') && !name.includes('\0');

/** @throws EINVAL when `base` could be anything but a message's name. */
export function checkName<T extends { readonly base: string }>(request: T): T {
  const { base } = request;
  if (!isLeaf(base) || base.includes(',') || base.includes(':')) {
    throw systemError('EINVAL', 'name', base);
  }
  return request;
}

/** @throws EINVAL when the entry could be anything but a listed one. */
export function checkEntry<T extends { readonly entry: Entry }>(request: T): T {
  const { directory, name } = request.entry;
  if (!isLeaf(name) || (directory !== 'new' && directory !== 'cur')) {
    throw systemError('EINVAL', 'entry', name);
  }
  return request;
}

/** @throws EINVAL for a flag that is not a letter. */
export function checkFlags<T extends { readonly add: string; readonly remove: string }>(
  request: T,
): T {
  const letters = request.add + request.remove;
  if (!/^[A-Za-z]*$/.test(letters)) throw systemError('EINVAL', 'flags', letters);
  return request;
}
