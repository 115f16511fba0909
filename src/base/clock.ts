/** Time is a parameter, so that timeouts, schedules and names are table tests. */
export interface Clock {
  /** Milliseconds since 1970-01-01T00:00:00Z, with a fraction where the source has one. */
  now(): number;
  /** Resolves after `ms`; rejects with the signal's reason when it aborts first. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

/** The machine's clock. The only place of `src/` that reads it. */
export const systemClock: Clock = {
  now: () => performance.timeOrigin + performance.now(),
  sleep: (ms, signal) =>
    new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(asError(signal.reason));
      const timer = setTimeout(finish, ms);
      const onAbort = (): void => {
        clearTimeout(timer);
        reject(asError(signal?.reason));
      };
      function finish(): void {
        signal?.removeEventListener('abort', onAbort);
        resolve();
      }
      signal?.addEventListener('abort', onAbort, { once: true });
    }),
};

const asError = (reason: unknown): Error =>
  reason instanceof Error ? reason : new Error(String(reason));
