import { createHash, timingSafeEqual } from 'node:crypto';

/**
 * crypt(3) with SHA-256 (`$5$`) and SHA-512 (`$6$`), after Ulrich Drepper's specification: the
 * form that /etc/shadow, Dovecot and `{CRYPT}` in OpenLDAP have in common (S0-35).
 */
const ALPHABET = './0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
const ROUNDS_MAX = 1_000_000;
const PASSWORD_BYTES_MAX = 1_024;
/** Rounds between two turns of the event loop. */
const SLICE = 2_000;

/** Octet order of the printed digest, three at a time. */
const ORDER_256 = [
  [0, 10, 20], [21, 1, 11], [12, 22, 2], [3, 13, 23], [24, 4, 14],
  [15, 25, 5], [6, 16, 26], [27, 7, 17], [18, 28, 8], [9, 19, 29], [-1, 31, 30],
] as const; // prettier-ignore
const ORDER_512 = [
  [0, 21, 42], [22, 43, 1], [44, 2, 23], [3, 24, 45], [25, 46, 4], [47, 5, 26],
  [6, 27, 48], [28, 49, 7], [50, 8, 29], [9, 30, 51], [31, 52, 10], [53, 11, 32],
  [12, 33, 54], [34, 55, 13], [56, 14, 35], [15, 36, 57], [37, 58, 16], [59, 17, 38],
  [18, 39, 60], [40, 61, 19], [62, 20, 41], [-1, -1, 63],
] as const; // prettier-ignore

/** Whether `password` gives the crypt string `stored` (with its `$5$` or `$6$`). */
export async function shaCrypt(password: Buffer, stored: string): Promise<boolean> {
  const form = /^\$([56])\$(?:rounds=(\d{1,9})\$)?([^$:\n]{0,16})[^$:\n]*\$([./0-9A-Za-z]+)$/;
  const found = form.exec(stored);
  if (!found || password.length > PASSWORD_BYTES_MAX) return false;
  const [, kind, roundsText, salt, printed] = found;
  const rounds = Math.max(1_000, Number(roundsText ?? 5_000));
  if (rounds > ROUNDS_MAX) return false;
  const algorithm = kind === '5' ? 'sha256' : 'sha512';
  const digest = await compute({ algorithm, password, salt: Buffer.from(salt ?? ''), rounds });
  const computed = Buffer.from(print(digest, kind === '5' ? ORDER_256 : ORDER_512));
  const wanted = Buffer.from(printed ?? '');
  return computed.length === wanted.length && timingSafeEqual(computed, wanted);
}

async function compute(input: {
  algorithm: 'sha256' | 'sha512';
  password: Buffer;
  salt: Buffer;
  rounds: number;
}): Promise<Buffer> {
  const { algorithm, password, salt, rounds } = input;
  const hash = (...pieces: readonly Buffer[]): Buffer => {
    const state = createHash(algorithm);
    for (const piece of pieces) state.update(piece);
    return state.digest();
  };
  const repeat = (digest: Buffer, length: number): Buffer =>
    Buffer.alloc(length, length > 0 ? digest : 0);
  const b = hash(password, salt, password);
  const pieces = [password, salt, repeat(b, password.length)];
  for (let bits = password.length; bits > 0; bits >>= 1) pieces.push(bits & 1 ? b : password);
  let digest = hash(...pieces);
  const dp = hash(...Array.from({ length: password.length }, () => password));
  const p = repeat(dp, password.length);
  const ds = hash(...Array.from({ length: 16 + (digest[0] ?? 0) }, () => salt));
  const s = repeat(ds, salt.length);
  for (let round = 0; round < rounds; round += 1) {
    const odd = round % 2 === 1;
    const middle = [...(round % 3 ? [s] : []), ...(round % 7 ? [p] : [])];
    digest = hash(odd ? p : digest, ...middle, odd ? digest : p);
    if (round % SLICE === SLICE - 1) await new Promise(setImmediate);
  }
  return digest;
}

function print(digest: Buffer, order: readonly (readonly [number, number, number])[]): string {
  let out = '';
  for (const triple of order) {
    let bits = 0;
    for (const index of triple) bits = (bits << 8) | (index < 0 ? 0 : (digest[index] ?? 0));
    const absent = triple.filter((index) => index < 0).length;
    for (let n = 0; n < 4 - absent; n += 1) {
      out += ALPHABET[bits & 63];
      bits >>= 6;
    }
  }
  return out;
}
