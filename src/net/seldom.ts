/** Log lines about a flood must not be a flood: one a reason and ten seconds, with the count. */
import type { Clock } from '../base/clock.ts';

const PAUSE_MS = 10_000;

/**
 * Counts an event. @returns how many there were since the last time it said so, when it is time to
 * say so again; undefined when not. The first one is said at once.
 */
export type Seldom = (kind: string) => number | undefined;

/** `kind` is a word of the program, never a peer's text. */
export function createSeldom(clock: Clock): Seldom {
  const kinds = new Map<string, { count: number; saidAt: number }>();
  return (kind) => {
    const state = kinds.get(kind) ?? { count: 0, saidAt: -Infinity };
    kinds.set(kind, state);
    state.count++;
    if (clock.now() - state.saidAt < PAUSE_MS) return undefined;
    const { count } = state;
    kinds.set(kind, { count: 0, saidAt: clock.now() });
    return count;
  };
}
