import type { Random } from '../base/random.ts';

/** The setting that tells a node its own farm, behind any address translation (N-12). */
export const FARM_COOKIE = 'farm.cookie';

const COOKIE_BYTES = 24;

/** A cookie that no other farm has. */
export const newFarmCookie = (random: Random): string =>
  Buffer.from(random.bytes(COOKIE_BYTES)).toString('base64url');
