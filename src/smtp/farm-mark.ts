import { createHash } from 'node:crypto';

/** EHLO keyword by which the servers of one farm know each other behind any translation (N-12). */
export const FARM_KEYWORD = 'XMAILFARM';

/**
 * What stands behind the keyword: the first 16 hexadecimal digits of the SHA-256 of the farm's
 * cookie (setting `farm.cookie`). Undefined where the farm has none.
 */
export function farmMark(cookie: string): string | undefined {
  if (cookie === '') return undefined;
  return createHash('sha256').update(cookie, 'utf8').digest('hex').slice(0, 16);
}
