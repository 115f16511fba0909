/**
 * Which three characters in a row a text has, as a Bloom filter with one hash: so that a search
 * reads only messages that may have what it looks for. It never says no where the text is there;
 * where it says yes, the message is read.
 *
 * With four bits for each group one in five that is not there seems to be. A word of six letters
 * has four groups: one message in 500 is read in vain. A signature takes half an octet for each
 * different group: 500 octets for a letter of 3,000.
 */
const OCTETS_MIN = 16;
const OCTETS_MAX = 16_384;
const GROUP = 3;

/** Collects the groups of a text that comes in pieces. */
export class GroupCollector {
  readonly #seen = new Set<number>();

  /** Pieces overlap by two characters, or more. */
  add(text: string): void {
    if (this.#seen.size > OCTETS_MAX * 4) return;
    for (let at = 0; at + GROUP <= text.length; at++) this.#seen.add(hashAt(text, at));
  }

  /** One octet that says yes to everything, for a text with too many. */
  signature(): Buffer {
    const groups = this.#seen.size;
    if (groups > OCTETS_MAX * 4) return Buffer.of(0xff);
    let octets = OCTETS_MIN;
    while (octets * 2 < groups) octets *= 2;
    const bits = Buffer.alloc(octets);
    const mask = octets * 8 - 1;
    for (const hash of this.#seen) {
      const bit = hash & mask;
      bits[bit >> 3] = (bits[bit >> 3] as number) | (1 << (bit & 7));
    }
    return bits;
  }
}

/** Whether a text may be in what the signature is of; false is certain. */
export function mayContain(signature: Uint8Array, text: string): boolean {
  const mask = signature.length * 8 - 1;
  for (let at = 0; at + GROUP <= text.length; at++) {
    const bit = hashAt(text, at) & mask;
    if (((signature[bit >> 3] as number) & (1 << (bit & 7))) === 0) return false;
  }
  return true;
}

function hashAt(text: string, at: number): number {
  const first = Math.imul(text.charCodeAt(at), 0x9e3779b1);
  const second = Math.imul(first ^ text.charCodeAt(at + 1), 0x85ebca77);
  const third = Math.imul(second ^ (second >>> 15) ^ text.charCodeAt(at + 2), 0xc2b2ae3d);
  return (third ^ (third >>> 13)) >>> 2; // A small integer for V8.
}
