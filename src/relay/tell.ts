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

/** One that was not told. */
export interface Missed {
  readonly node: string;
  readonly error: unknown;
}

/**
 * Relays that may have a spool of their own, each at the first of its addresses, all at once: what
 * ETRN at a node and `mailfarm queue wake` do beyond the volumes they reach. Never rejects.
 */
export async function tellRelays(
  relays: readonly FarmListener[],
  domains: readonly string[],
  tell: (relay: FarmListener, domain: string) => Promise<void>,
): Promise<readonly Missed[]> {
  const first = new Map(relays.toReversed().map((relay) => [relay.node, relay]));
  const asked = [...first.values()].map(async (relay): Promise<readonly Missed[]> => {
    try {
      for (const domain of domains) await tell(relay, domain);
      return [];
    } catch (error) {
      return [{ node: relay.node, error }];
    }
  });
  return (await Promise.all(asked)).flat();
}
