import { hash } from 'node:crypto';
import type { Route } from './outbound.ts';

/**
 * The lane of a route: the name of the directory in which its letters wait, and what limits and
 * rests are kept by. Domains come from strangers: what is not plainly a name is hashed, so that no
 * text of theirs is ever a path. The envelope has the route itself.
 */
export function laneOf(route: Route): string {
  if (route.kind === 'farm') return FARM_LANE;
  const text = textOf(route);
  return LANE.test(text) ? text : `#${hash('sha256', text, 'hex').slice(0, LANE_HASH_DIGITS)}`;
}

/** To any MX of this farm. */
export const FARM_LANE = '@farm';

/** Whether a name can be a lane's: what else lies in the tree is not ours. */
export const isOutboundLane = (name: string): boolean =>
  name === FARM_LANE || LANE.test(name) || /^#[0-9a-f]{32}$/.test(name);

/** A domain, `[192.0.2.1]`, `host=<name>=<port>=<protocol>`; short enough for any file system. */
const LANE = /^[a-z0-9[][a-z0-9.:_=\][-]{0,159}$/;
const LANE_HASH_DIGITS = 32;

function textOf(route: Exclude<Route, { readonly kind: 'farm' }>): string {
  if (route.kind === 'mx') return route.domain.toLowerCase().replace(/\.$/, '');
  return `host=${route.host.toLowerCase()}=${route.port}=${route.protocol}`;
}
