/** Time and waiting, so that tests own them. */
export interface Clock {
  /** Milliseconds since 1970. */
  now(): number;
  /** Runs once, after so many milliseconds. @returns what calls it off */
  after(ms: number, run: () => void): () => void;
}

export const browserClock: Clock = {
  now: () => performance.timeOrigin + performance.now(),
  after(ms, run) {
    const timer = setTimeout(run, ms);
    return () => clearTimeout(timer);
  },
};
