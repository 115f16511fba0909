import { dialogue } from '../net/dialogue.ts';
import type { FarmListener } from './own-farm.ts';

/** A relay that is up answers at once; nobody waits longer for one that is not. */
const TIMEOUT_MS = 10_000;

/** Tells a relay to send what it has for a domain, by itself. @throws Error with its answer */
export const tellRelay =
  (helo: string) =>
  async ({ node, host, port }: FarmListener, domain: string): Promise<void> => {
    const commands = [`EHLO ${helo}`, `ETRN #${domain}`, 'QUIT'];
    const replies = await dialogue({ host, port, timeoutMs: TIMEOUT_MS, commands });
    const [, , etrn = replies.at(-1) ?? 'nothing'] = replies;
    if (!etrn.startsWith('25')) throw new Error(`${node} said to ETRN: ${etrn}`);
  };
