/**
 * Letters by number: the same number gives the same octets, so that a letter can be sent again,
 * and compared octet by octet, without being kept.
 */
import { createHash } from 'node:crypto';
import { chance, pick, type Chance } from './chance.ts';

export interface LetterKind {
  readonly seed: number;
  readonly large: number;
  readonly octetsMax: number;
  readonly octets: 'any' | 'text';
}

export interface LetterText {
  readonly id: string;
  /** Header and body with CRLF line ends, dots as they are. */
  readonly payload: Buffer;
  readonly hash: string;
  /** Hash of what follows the header: tells when a letter has the body of another. */
  readonly body: string;
}

const MARK = 'X-Witness: ';
const CR = 13;
const LF = 10;
const DOT = 0x2e;
const POOL_OCTETS = 65_536;

export const hashOctets = (octets: Uint8Array): string =>
  createHash('sha256').update(octets).digest('hex');

const pools = new Map<string, Buffer>();

/** Octets of chance, made once; bodies are put together from pieces of it. */
function poolOf(kind: LetterKind): Buffer {
  const key = `${kind.seed} ${kind.octets}`;
  const had = pools.get(key);
  if (had) return had;
  const random = chance(key);
  const pool = Buffer.alloc(POOL_OCTETS);
  for (let i = 0; i < POOL_OCTETS; i++) {
    if (kind.octets === 'text') {
      pool[i] = 0x20 + Math.floor(random() * 95);
      continue;
    }
    const octet = Math.floor(random() * 256);
    pool[i] = octet === LF ? 0 : octet;
  }
  pools.set(key, pool);
  return pool;
}

export function makeLetter(kind: LetterKind, id: string): LetterText {
  const random = chance(`${kind.seed}/${id}`);
  const header = `${MARK}${id}\r\nFrom: <witness@world.example>\r\nSubject: letter ${id}\r\n\r\n`;
  const body = makeBody(kind, random, sizeOf(kind, random));
  const payload = Buffer.concat([Buffer.from(header, 'latin1'), body]);
  return { id, payload, hash: hashOctets(payload), body: hashOctets(body).slice(0, 16) };
}

/** Most are small, some tiny, some large, as mail is. */
function sizeOf(kind: LetterKind, random: Chance): number {
  const sort = random();
  const least = Math.min(100_000, kind.octetsMax);
  if (sort < kind.large) return Math.floor(least + random() * (kind.octetsMax - least));
  if (sort < kind.large + 0.1) return 1 + Math.floor(random() * 4);
  return Math.min(kind.octetsMax, Math.floor(20 * 1000 ** random()));
}

function makeBody(kind: LetterKind, random: Chance, octets: number): Buffer {
  const pool = poolOf(kind);
  const body = Buffer.alloc(octets + 2);
  let at = 0;
  while (at < octets) {
    const length = Math.min(lineLength(kind, random), octets - at);
    if (length > 0) {
      const from = Math.floor(random() * (POOL_OCTETS - length));
      pool.copy(body, at, from, from + length);
      if (random() < 0.2) body.fill(DOT, at, at + Math.min(length, 1 + Math.floor(random() * 3)));
      at += length;
    }
    body[at++] = CR;
    body[at++] = LF;
  }
  return body.subarray(0, at);
}

function lineLength(kind: LetterKind, random: Chance): number {
  const sort = random();
  if (sort < 0.05) return 0;
  if (sort < 0.1) return pick(random, [1, 2, 3]);
  if (kind.octets === 'text' || sort < 0.9) return 1 + Math.floor(random() * 76);
  if (sort < 0.97) return 994 + Math.floor(random() * 10); // RFC 5322 §2.1.1: 998 at most.
  return Math.floor(random() * 40_000);
}

/** As it goes over the wire after DATA: dots doubled, with the final one. */
export function dotted(payload: Buffer): Buffer {
  const pieces: Buffer[] = [];
  let from = 0;
  if (payload[0] === DOT) pieces.push(Buffer.from('.'));
  for (let at = payload.indexOf('\r\n.'); at >= 0; at = payload.indexOf('\r\n.', at + 2)) {
    pieces.push(payload.subarray(from, at + 3));
    from = at + 2;
  }
  pieces.push(payload.subarray(from), Buffer.from('.\r\n'));
  return Buffer.concat(pieces);
}

const TRACE = /^(return-path|delivered-to|received|x-original-to|envelope-to|delivery-date)$/;

/** Which letter a message says it is, and its octets without the trace fields on top. */
export function identify(message: Buffer): { id: string | undefined; payload: Buffer } {
  const payload = message.subarray(traceEnd(message));
  if (payload.subarray(0, MARK.length).toString('latin1') === MARK) {
    return { id: markAt(payload, 0), payload };
  }
  // Not where it has to be: still worth knowing which letter was spoiled.
  const at = message.indexOf(MARK);
  return { id: at < 0 ? undefined : markAt(message, at), payload };
}

function markAt(message: Buffer, at: number): string | undefined {
  const end = message.indexOf('\r\n', at);
  const id = message.toString('latin1', at + MARK.length, end < 0 ? undefined : end);
  return /^[\w.-]{1,80}$/.test(id) ? id : undefined;
}

/** Where the trace fields, with their folded lines, end. */
function traceEnd(message: Buffer): number {
  let at = 0;
  let inTrace = false;
  for (;;) {
    const end = message.indexOf('\r\n', at);
    if (end < 0) return at;
    const folded = message[at] === 0x20 || message[at] === 0x09;
    if (!(folded && inTrace)) {
      const colon = message.indexOf(':', at);
      const name = message.toString('latin1', at, Math.min(colon < 0 ? at : colon, at + 40));
      if (!TRACE.test(name.toLowerCase())) return at;
      inTrace = true;
    }
    at = end + 2;
  }
}

export const bodyHash = (payload: Buffer): string => {
  const at = payload.indexOf('\r\n\r\n');
  return at < 0 ? '' : hashOctets(payload.subarray(at + 4)).slice(0, 16);
};

/** In words, how what came differs from what was sent. */
export function difference(sent: Buffer, came: Buffer): string {
  const length = Math.min(sent.length, came.length);
  let at = 0;
  while (at < length && sent[at] === came[at]) at++;
  if (at === length && came.length < sent.length) {
    return `ends after ${came.length} of ${sent.length} octets`;
  }
  const show = (octets: Buffer): string => octets.subarray(at, at + 12).toString('hex') || 'end';
  return `octet ${at} of ${sent.length} is ${show(came)}, was sent as ${show(sent)}`;
}
