/**
 * The state of a replica: contextCSN (OpenLDAP: on the entry of the suffix), one change sequence
 * number for each server that ever took a change: the newest of that server's this replica has.
 *
 *     20261122030303.123456Z#000000#001#000000        time # count # server id # part
 *
 * Numbers of one server compare as text. States compare by server: in mirror mode each of two
 * replicas may have what the other has not.
 */
export type ServerState = ReadonlyMap<string, string>;

const CSN = /^\d{14}(?:\.\d{6})?Z#[0-9a-f]{6}#([0-9a-f]{2,3})#[0-9a-f]{6}$/i;

/** The state that contextCSN's values say; undefined when there is none. */
export function serverState(values: readonly string[]): ServerState | undefined {
  const state = new Map<string, string>();
  for (const value of values) {
    const server = CSN.exec(value)?.[1];
    const known = server === undefined ? undefined : state.get(server);
    if (server !== undefined && (known === undefined || known < value)) state.set(server, value);
  }
  return state.size > 0 ? state : undefined;
}

/** Whether a replica in this state has every change up to another state. */
export function covers(state: ServerState, other: ServerState): boolean {
  for (const [server, csn] of other) {
    const own = state.get(server);
    if (own === undefined || own < csn) return false;
  }
  return true;
}

/** All that either state has; one of the two itself where it has everything. */
export function together(one: ServerState, two: ServerState): ServerState {
  if (covers(one, two)) return one;
  if (covers(two, one)) return two;
  const state = new Map(one);
  for (const [server, csn] of two) {
    const own = state.get(server);
    if (own === undefined || own < csn) state.set(server, csn);
  }
  return state;
}
