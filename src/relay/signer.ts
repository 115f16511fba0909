import type { Clock } from '../base/clock.ts';
import { domainKey } from '../directory/address.ts';
import { dkimSignatures } from '../message/dkim/sign.ts';
import { addressesOf } from '../message/head-addresses.ts';
import { HeadCollector, valueOf } from '../message/head.ts';
import { HEAD_OCTETS_MAX, pieces, type Original } from '../message/original.ts';
import type { SenderParts } from '../spool/sender/types.ts';
import type { DkimKeys } from './dkim-keys.ts';

/**
 * Signs a letter for the domain of its author, or with no From that can be read, of its envelope
 * sender. What it throws makes the letter wait: a key of ours that cannot be used, a directory that
 * is away.
 */
export const createSigner =
  (keys: Pick<DkimKeys, 'of'>, clock: Clock): NonNullable<SenderParts['sign']> =>
  async (envelope, message) => {
    const letter: Original = {
      octets: envelope.octets,
      read: (offset, length) => message.read(offset, length),
    };
    const [author] = addressesOf((await fromOf(letter)) ?? '') ?? [];
    const domain = domainOf(author ?? '') ?? domainOf(envelope.sender);
    const found = domain === undefined ? [] : await keys.of(domain);
    return dkimSignatures(found, letter, clock.now());
  };

/** The value of From; undefined where the header is too long to look at, or there is none. */
async function fromOf(letter: Original): Promise<string | undefined> {
  const collector = new HeadCollector({ octetsMax: HEAD_OCTETS_MAX });
  for await (const piece of pieces(letter)) {
    if (piece === undefined) return undefined;
    const step = collector.push(piece);
    if (step.kind === 'head') return valueOf(step.head, 'from');
    if (step.kind === 'too-long') return undefined;
  }
  return valueOf(collector.end().head, 'from');
}

function domainOf(address: string): string | undefined {
  const at = address.lastIndexOf('@');
  return at < 0 ? undefined : domainKey(address.slice(at + 1));
}
