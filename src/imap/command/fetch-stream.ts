/**
 * Sends octets of a message as a literal (RFC 9051 §4.3). The literal's length is said first, so
 * what fails after that ends the connection: a client must never take a part for the whole.
 *
 * Clients fetch a large message in pieces, `<0.65536>`, `<65536.65536>` and so on. Octets are
 * counted in wire form, the file is in stored form, and where the one lies in the other only
 * reading tells. So the place where the last piece ended is remembered, in both forms: the next
 * begins there, and fetching a message so is not quadratic. The place is the begin of a line.
 * Stored octets are wire octets less one for each line end, in files of our own and in those of
 * others that have no CRLF; in files that have only CRLF they are the same; a mixed file is read
 * from its begin each time.
 */
import { lineEndsOf } from '../../mailbox/wire.ts';
import type { Folder, Numbered } from '../../mailbox/mail.ts';
import type { Extent, MimePart } from '../../message/mime/types.ts';
import { BrokenAnswer, ConnectionLost } from '../../net/line-transport.ts';
import type { ImapSession } from '../session.ts';
import type { View } from '../view.ts';
import type { Partial } from '../wire/body-section.ts';

/** Octets to come, and how many. */
export interface Stream {
  readonly octets: number;
  readonly pieces: AsyncIterator<Buffer>;
  /** The first, which was asked for before anything was said. */
  readonly first: IteratorResult<Buffer>;
}

/** Begins to read, so that what the store refuses is refused before the literal. */
export async function beginStream(octets: number, pieces: AsyncIterable<Buffer>): Promise<Stream> {
  const iterator = pieces[Symbol.asyncIterator]();
  return { octets, pieces: iterator, first: await iterator.next() };
}

/** @throws BrokenAnswer when it is not as many octets as said; ConnectionLost */
export async function sendStream(session: ImapSession, stream: Stream): Promise<void> {
  const { pieces, octets } = stream;
  let next = stream.first;
  let left = octets;
  try {
    while (next.done !== true) {
      const piece = next.value;
      if (piece.length > left) throw new Error(`more than ${octets} octets came`);
      left -= piece.length;
      const full = session.send(piece);
      if (full !== undefined) await full;
      next = await pieces.next();
    }
    if (left > 0) throw new Error(`${left} of ${octets} octets are missing`);
  } catch (error) {
    if (error instanceof ConnectionLost) throw error;
    throw new BrokenAnswer('the message broke off', { cause: error });
  } finally {
    if (next.done !== true) await pieces.return?.(); // Lets go of the file.
  }
  session.sentOctets += octets;
}

/** How stored octets are counted from those of the wire. */
type Mapping = 'less-line-ends' | 'same' | 'unknown';

/** The begin of a line, where the last partial fetch came to. */
interface Place {
  readonly uid: number;
  readonly offset: number; // Of the extent.
  readonly wire: number; // From the extent's begin.
  readonly stored: number; // In the file.
  readonly mapping: Mapping;
}

const places = new WeakMap<View, Place>();

/** Less than this is read again rather than remembered. */
const REMEMBERED_OCTETS_MIN = 16_384;

export interface PartialRequest {
  readonly folder: Folder;
  readonly view: View;
  readonly message: Numbered;
  readonly extent: Extent;
  /** Within the extent. */
  readonly partial: Partial;
  /** Asked for where the file's name does not tell how it ends its lines. */
  readonly structure: () => Promise<MimePart | undefined>;
}

/** A partial fetch of an extent; `octets` of it are there (`octetsOf`). */
export async function* readPartial(request: PartialRequest): AsyncGenerator<Buffer> {
  const { folder, view, message, extent, partial } = request;
  const from = await placeFor(request);
  const skip = partial.offset - from.wire;
  const count = octetsOf(extent, partial);
  // Wire form is never shorter than what is stored: that much is enough.
  const end = Math.min(extent.end, from.stored + skip + count);
  const marks = new LineMarks(from);
  let at = from.wire;
  let left = skip + count;
  for await (const piece of folder.read(message, { offset: from.stored, end })) {
    const used = Math.min(piece.length, left);
    marks.pass(piece, used, at);
    const begin = Math.max(0, partial.offset - at);
    if (begin < used) yield piece.subarray(begin, used);
    at += used;
    left -= used;
    if (left === 0) break;
  }
  if (from.mapping !== 'unknown' && at >= REMEMBERED_OCTETS_MIN) places.set(view, marks.last());
}

/** How many octets a partial fetch gives. */
export const octetsOf = (
  { wireOctets }: { readonly wireOctets: number },
  partial: Partial,
): number => Math.max(0, Math.min(partial.count, wireOctets - partial.offset));

async function placeFor(request: PartialRequest): Promise<Place> {
  const { view, message, extent, partial } = request;
  const known = places.get(view);
  const same = known?.uid === message.uid && known.offset === extent.offset;
  if (same && known.wire <= partial.offset) return known;
  const begin = { uid: message.uid, offset: extent.offset, wire: 0, stored: extent.offset };
  if (lineEndsOf(message.entry.name) === 'every-lf') return { ...begin, mapping: 'less-line-ends' };
  if (partial.offset < REMEMBERED_OCTETS_MIN) return { ...begin, mapping: 'unknown' };
  return foreignPlace(begin, request);
}

/**
 * In a file of another tool only the line ends of the body are counted, so a place there is the
 * first that can be told.
 */
async function foreignPlace(
  begin: Omit<Place, 'mapping'>,
  { extent, partial, structure }: PartialRequest,
): Promise<Place> {
  const root = await structure();
  if (root === undefined) return { ...begin, mapping: 'unknown' };
  const mapping = mappingOf(root);
  if (extent.offset >= root.body.offset) return { ...begin, mapping };
  const { wireOctets, end } = root.header;
  if (partial.offset < wireOctets) return { ...begin, mapping: 'unknown' };
  return { ...begin, wire: wireOctets, stored: end, mapping };
}

/** Are the line ends of the body all of one kind? `lines` counts a last line without an end too. */
function mappingOf({ body, lines }: MimePart): Mapping {
  const grown = body.wireOctets - (body.end - body.offset);
  if (grown === 0) return 'same';
  return grown === lines ? 'less-line-ends' : 'unknown';
}

const LF = 10;

/** Counts line ends of what passes. */
class LineMarks {
  readonly #from: Place;
  #wire: number;
  #lines = 0;

  constructor(from: Place) {
    this.#from = from;
    this.#wire = from.wire;
  }

  /** The first `used` octets of a piece that begins at `at`. */
  pass(piece: Buffer, used: number, at: number): void {
    const last = used === 0 ? -1 : piece.lastIndexOf(LF, used - 1);
    if (last < 0) return;
    for (let lf = piece.indexOf(LF); lf >= 0 && lf <= last; lf = piece.indexOf(LF, lf + 1)) {
      this.#lines += 1;
    }
    this.#wire = at + last + 1;
  }

  /** The begin of the last line. */
  last(): Place {
    const passed = this.#wire - this.#from.wire;
    const less = this.#from.mapping === 'less-line-ends' ? this.#lines : 0;
    return { ...this.#from, wire: this.#wire, stored: this.#from.stored + passed - less };
  }
}
