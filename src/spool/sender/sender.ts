import type { Sender, SenderParts } from './types.ts';

/** A sender of this process. It takes nothing before `start`. */
export function createSender(parts: SenderParts): Sender {
  void parts;
  return { start: () => {}, drain: async () => {}, held: 0 };
}
