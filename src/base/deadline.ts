/** An operation did not finish in its time. Its result is unknown: it may still happen. */
export class DeadlineError extends Error {
  readonly what: string;
  readonly afterMs: number;
  constructor(what: string, afterMs: number) {
    super(`${what} did not answer within ${afterMs} ms`);
    this.name = 'DeadlineError';
    this.what = what;
    this.afterMs = afterMs;
  }
}

/**
 * Waits for `work` at most `ms` milliseconds.
 * The work itself goes on: `onLate` receives its late success, to dispose of it.
 * @throws DeadlineError when the time is over; else whatever `work` rejects with.
 */
export function withDeadline<T>(
  work: Promise<T>,
  options: { readonly ms: number; readonly what: string; readonly onLate?: (value: T) => void },
): Promise<T> {
  return new Promise((resolve, reject) => {
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      reject(new DeadlineError(options.what, options.ms));
    }, options.ms);
    work.then(
      (value) => {
        clearTimeout(timer);
        if (late) options.onLate?.(value);
        else resolve(value);
      },
      (error: unknown) => {
        clearTimeout(timer);
        if (!late) reject(error instanceof Error ? error : new Error(String(error)));
      },
    );
  });
}
