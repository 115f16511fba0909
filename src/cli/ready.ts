import type { Call } from './command.ts';

/** Says that the process serves: to people, and to the process that started it, if it listens. */
export function sayReady(call: Call, text: string): void {
  call.out.line(text);
  if (process.connected) process.send?.({ ready: true });
}
