/**
 * Parts that are large when decoded (RFC 3516 §4.2). How many octets that will be, and where a
 * piece of them begins, only decoding from the begin tells. A client that fetches a part in pieces
 * asks for one after the other: so a decoder that has come to the end of a piece is kept, with
 * their number, and fetching a part so is not quadratic. A few are kept in the process; whoever
 * loses his begins anew.
 */
import type { View } from '../view.ts';
import type { Partial } from '../wire/body-section.ts';

/** Each may hold a megabyte of buffers. */
const KEPT_MAX = 8;

/** Which part: of a view, by UID and place. */
export interface PartKey {
  readonly view: View;
  readonly uid: number;
  readonly offset: number;
}

interface Decoding {
  readonly uid: number;
  readonly offset: number;
  readonly octets: number;
  /** Where its next octet is. */
  readonly at: number;
  /** Decoded and not yet given. */
  readonly rest: Buffer;
  readonly pieces: AsyncIterator<Buffer>;
}

const kept = new Map<View, Decoding>();

function find({ view, uid, offset }: PartKey): Decoding | undefined {
  const found = kept.get(view);
  return found?.uid === uid && found.offset === offset ? found : undefined;
}

/** How many octets the part has, decoded. */
export async function decodedCount(
  key: PartKey,
  decode: () => AsyncIterable<Buffer>,
): Promise<number> {
  const known = find(key)?.octets;
  if (known !== undefined) return known;
  let octets = 0;
  for await (const piece of decode()) octets += piece.length;
  return octets;
}

/** The part's octets within `window`, of `octets` in all. */
export async function* decodedPieces(
  key: PartKey,
  request: { readonly octets: number; readonly window: Partial },
  decode: () => AsyncIterable<Buffer>,
): AsyncGenerator<Buffer> {
  const { octets, window } = request;
  const known = find(key);
  const goesOn = known !== undefined && known.at <= window.offset;
  if (goesOn) kept.delete(key.view);
  const pieces = goesOn ? known.pieces : decode()[Symbol.asyncIterator]();
  let { at, rest } = goesOn ? known : { at: 0, rest: NOTHING };
  let isWhole = false;
  try {
    for (let left = window.count; left > 0;) {
      if (rest.length === 0) {
        const next = await pieces.next();
        if (next.done === true) return;
        rest = next.value;
      }
      const skipped = Math.min(rest.length, window.offset - at);
      const used = skipped > 0 ? skipped : Math.min(rest.length, left);
      const piece = rest.subarray(0, used);
      rest = rest.subarray(used);
      at += used;
      if (skipped > 0) continue;
      left -= used;
      yield piece;
    }
    isWhole = true;
  } finally {
    const { uid, offset } = key;
    // A piece may be used until the next is asked for: what is left is ours.
    if (isWhole) keep(key.view, { uid, offset, octets, at, rest: Buffer.from(rest), pieces });
    else await pieces.return?.();
  }
}

const NOTHING = Buffer.alloc(0);

function keep(view: View, decoding: Decoding): void {
  kept.delete(view);
  kept.set(view, decoding);
  const [oldest] = kept;
  if (kept.size <= KEPT_MAX || oldest === undefined) return;
  kept.delete(oldest[0]);
  void oldest[1].pieces.return?.();
}
