import { type Clock, systemClock } from './clock.ts';

/** Time that a test moves; timers run by the real one. */
export class TestClock implements Clock {
  /** By so many milliseconds. */
  ahead = 0;
  now = (): number => systemClock.now() + this.ahead;
  sleep = (ms: number, signal?: AbortSignal): Promise<void> => systemClock.sleep(ms, signal);
}
