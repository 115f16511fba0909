/**
 * Signatures of RFC 6376, relaxed/relaxed, with RSA-SHA256 and Ed25519-SHA256 (RFC 8463).
 *
 * The letter is read once, in pieces: its header is held, its body hashed as it passes. Signatures
 * of several keys share the body's hash and the choice of fields.
 *
 * Which fields: those that say who wrote what to whom, one time more often than they are there
 * ("oversigned", §5.4.2, §8.15), so that a second From or Subject, put in on the way, breaks the
 * signature. Fields that lists and resenders add lawfully are signed where they are.
 *
 * Signing is done at once, not in the thread pool: there it would wait behind calls on a volume
 * that hangs. It takes half a millisecond with RSA of 2,048 bits.
 */
import { createHash, sign as signData } from 'node:crypto';
import { pieces, type Original } from '../original.ts';
import { BodyHash, relaxedField } from './canonical.ts';
import { dkimKeyProblem, type DkimKey } from './keys.ts';

/** Signed once more than they are there, absent ones too. */
const OVERSIGNED = [
  'from',
  'to',
  'cc',
  'subject',
  'date',
  'message-id',
  'reply-to',
  'mime-version',
  'content-type',
  'content-transfer-encoding',
] as const;
/** Oversigned where there is one: absent, they are often added on the way. */
const OVERSIGNED_WHERE_PRESENT = ['sender', 'in-reply-to', 'references'] as const;
/** Signed where they are: another hop may add its own. */
const SIGNED = [
  'resent-from',
  'resent-to',
  'resent-cc',
  'resent-date',
  'resent-message-id',
  'list-id',
  'list-post',
  'list-unsubscribe',
  'list-unsubscribe-post',
  'auto-submitted',
] as const;

/** A longer header is not signed: nobody takes such a letter anyway. */
const HEAD_OCTETS_MAX = 1_048_576;
/** More fields of one name than this are not all signed. */
const SAME_MAX = 50;
const COLUMNS = 76;

/**
 * The `DKIM-Signature` fields to put before a letter, in stored form (LF), one for each key.
 * Empty without keys, and for a letter with no header or one over 1 MiB.
 * @throws Error when the letter is gone or shorter than it was, or a key cannot sign
 */
export async function dkimSignatures(
  keys: readonly DkimKey[],
  letter: Original,
  atMs: number,
): Promise<Buffer> {
  if (keys.length === 0) return Buffer.alloc(0);
  const body = new BodyHash();
  const head = await readLetter(letter, body);
  if (head === undefined || head === '') return Buffer.alloc(0);
  const { names, data } = chosen(head);
  const bodyHash = body.end();
  const lines = keys.map((key) => signature(key, { names, data, bodyHash, atMs }));
  return Buffer.from(lines.join(''), 'latin1');
}

/** The header as latin1, without the empty line; undefined when it is too long. */
async function readLetter(letter: Original, body: BodyHash): Promise<string | undefined> {
  let head: string | undefined;
  let held = Buffer.alloc(0);
  for await (const stored of pieces(letter)) {
    if (stored === undefined) throw new Error('the letter to be signed ended too soon');
    const piece = asSent(stored);
    if (head !== undefined) {
      body.push(piece);
      continue;
    }
    held = Buffer.concat([held, piece]);
    const end = held[0] === 0x0a ? 0 : held.indexOf('\n\n') + 1;
    if (end === 0 && held[0] !== 0x0a) {
      if (held.length > HEAD_OCTETS_MAX) return undefined;
      continue;
    }
    head = held.toString('latin1', 0, end);
    body.push(held.subarray(end + 1));
  }
  return head ?? held.toString('latin1');
}

const CR = 0x0d;
const SPACE = 0x20;

/** A CR that stands alone goes out as a space (smtp/client/content.ts): that is what is signed. */
function asSent(stored: Uint8Array): Uint8Array {
  return stored.includes(CR) ? stored.map((octet) => (octet === CR ? SPACE : octet)) : stored;
}

interface Chosen {
  /** For `h=`. */
  readonly names: readonly string[];
  /** The fields in relaxed form, each with CRLF. */
  readonly data: string;
}

/** Of several fields with one name the last counts first (§5.4.2). */
function chosen(head: string): Chosen {
  const byName = new Map<string, string[]>();
  for (const raw of head.split(/\n(?![ \t])/)) {
    const name = /^([!-9;-~]+)[ \t]*:/.exec(raw)?.[1]?.toLowerCase();
    if (name === undefined) continue;
    const same = byName.get(name);
    if (same) same.push(raw);
    else byName.set(name, [raw]);
  }
  const names: string[] = [];
  let data = '';
  const take = (name: string, more: number): void => {
    const fields = byName.get(name) ?? [];
    for (let i = 0; i < Math.min(fields.length + more, SAME_MAX); i++) {
      const field = fields[fields.length - 1 - i];
      names.push(name);
      if (field !== undefined) data += `${relaxedField(field)}\r\n`;
    }
  };
  for (const name of OVERSIGNED) take(name, 1);
  for (const name of OVERSIGNED_WHERE_PRESENT) take(name, byName.has(name) ? 1 : 0);
  for (const name of SIGNED) take(name, 0);
  return { names, data };
}

interface Signed extends Chosen {
  readonly bodyHash: string;
  readonly atMs: number;
}

function signature(one: DkimKey, signed: Signed): string {
  const problem = dkimKeyProblem(one.key);
  if (problem !== undefined) {
    throw new Error(`the key ${one.selector}._domainkey.${one.domain} cannot sign: ${problem}`);
  }
  const isRsa = one.key.asymmetricKeyType === 'rsa';
  const unsigned =
    `DKIM-Signature: v=1; a=${isRsa ? 'rsa' : 'ed25519'}-sha256; c=relaxed/relaxed;\n` +
    ` d=${one.domain};\n s=${one.selector}; t=${Math.floor(signed.atMs / 1000)};\n` +
    `${namesFolded(signed.names)};\n bh=${signed.bodyHash};\n b=`;
  const data = Buffer.from(signed.data + relaxedField(unsigned), 'latin1');
  const value = isRsa
    ? signData('sha256', data, one.key)
    : // RFC 8463 §3: the hash is what is signed.
      signData(null, createHash('sha256').update(data).digest(), one.key);
  const rows = value.toString('base64').match(new RegExp(`.{1,${COLUMNS - 4}}`, 'g')) ?? [];
  return `${unsigned}${rows.join('\n ')}\n`;
}

function namesFolded(names: readonly string[]): string {
  const rows: string[] = [];
  let row = ' h=';
  names.forEach((name, at) => {
    const text = at === names.length - 1 ? name : `${name}:`;
    if (row.length + text.length > COLUMNS) {
      rows.push(row);
      row = ' ';
    }
    row += text;
  });
  return [...rows, row].join('\n');
}
