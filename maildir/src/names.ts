import { hash } from 'node:crypto';
import type { Clock, Random } from './types.ts';

/**
 * Message names: `<key>[,S=<octets>][,W=<wire octets>][,U=<uidl>][:2,<flags>]`.
 *
 * The key is everything before the first comma or colon. It never changes: flags, sizes and the
 * move from new/ to cur/ change what follows. So a message is the same message when its key is,
 * whoever renamed it. The base is everything before the colon.
 *
 * Rejected: the base as identity (writing W= into the name of a foreign message would make it
 * another message); inode numbers (a restore changes them, NFS servers reuse them).
 *
 * Standards: https://cr.yp.to/proto/maildir.html, Maildir++ (S=), Dovecot (W=)
 */
const COMMA = 0x2c;
const COLON = 0x3a;

/** Octets of a node token: names must stay below 70 octets to serve as UIDL (RFC 1939 §7). */
const NODE_TOKEN_OCTETS_MAX = 12;
/** What file systems allow. */
export const FILE_NAME_OCTETS_MAX = 255;

export interface NameParts {
  /** Before the first comma or colon: the identity. */
  readonly key: string;
  /** Before the colon. */
  readonly base: string;
  /** From `S=`: octets as stored. */
  readonly octets: number | undefined;
  /** From `W=`: octets with CRLF line ends. */
  readonly wireOctets: number | undefined;
  /** From `U=`: the UIDL that an import brought along, decoded. */
  readonly uidl: string | undefined;
  /** Letters after `:2,`, sorted as they stand there; '' without. */
  readonly flags: string;
}

/** Length of the key within `name`. */
export function keyLength(name: string): number {
  const comma = name.indexOf(',');
  const colon = name.indexOf(':');
  if (comma < 0) return colon < 0 ? name.length : colon;
  return colon < 0 || comma < colon ? comma : colon;
}

/** The identity of a message: its name before the first comma or colon. */
export const nameKey = (name: string): string => name.slice(0, keyLength(name));

/** Whether `name` is a name of the message with this key. */
export function hasKey(name: string, key: string): boolean {
  if (!name.startsWith(key)) return false;
  if (name.length === key.length) return true;
  const next = name.charCodeAt(key.length);
  return next === COMMA || next === COLON;
}

/**
 * A key that this engine makes: `<seconds>.M<micros>P<pid>Q<count>R<64 random bits>.<node>`. Before
 * the node a link of a message has `F` when another program wrote what is in it, and after a move
 * `I<email id>`, so that the message is still the same one to who knows it by that.
 */
const OWN_KEY = /^\d{1,12}\.M\d{1,6}P\d+Q\d+R([0-9a-f]{16})(F?)(?:I([eh][\w-]{16}))?\.[\w-]{1,12}$/;
/** Of 256 bits; 17 characters with the letter before them. */
const HASH_CHARACTERS = 16;

/**
 * Ids that were hashed lately, and before: a list of 100,000 messages asks for each id four times,
 * and a hash takes 3 µs. Whoever keeps ids has one string of each in this way.
 */
let hashed = new Map<string, string>();
let hashedBefore = new Map<string, string>();
const HASHED_MAX = 131_072;

function hashedId(key: string): string {
  const known = hashed.get(key);
  if (known !== undefined) return known;
  const id =
    hashedBefore.get(key) ?? `h${hash('sha256', key, 'base64url').slice(0, HASH_CHARACTERS)}`;
  if (hashed.size >= HASHED_MAX) {
    hashedBefore = hashed;
    hashed = new Map();
  }
  hashed.set(key, id);
  return id;
}

/**
 * EMAILID (RFC 8474 §5.1, RFC 8621 §4.1.1) of the message with this key: 17 of A-Z a-z 0-9 - _,
 * the first a letter. The same after a move to another folder of the Maildir; that of a copy is
 * another. Computed from the key alone: for names of this engine without hashing.
 */
export function emailIdOf(key: string): string {
  const match = OWN_KEY.exec(key);
  if (match === null) return hashedId(key);
  return match[3] ?? `e${match[1] as string}`;
}

/** Whether this engine wrote what is in the file with this key, under whatever name it began. */
export function isOwnKey(key: string): boolean {
  const match = OWN_KEY.exec(key);
  return match !== null && match[2] === '';
}

/** Letters and what precedes them take no more of a name. */
const INFO_OCTETS_MAX = 60;

/**
 * The base of a link of a message in another folder. Its key is `unique`, a new one, with the
 * seconds of the message's own. `moved`: it stays the same email; `copied`: it is another. Where
 * the name would be too long for a file system, it loses the UIDL that an import gave it.
 */
export function linkBase(unique: string, name: string, how: 'moved' | 'copied'): string {
  const key = nameKey(name);
  const seconds = /^\d{1,12}(?=\.)/.exec(key)?.[0];
  const timed = seconds === undefined ? unique : unique.replace(/^\d+/, seconds);
  const foreign = isOwnKey(key) ? '' : 'F';
  const tokens = how === 'moved' ? `${foreign}I${emailIdOf(key)}` : foreign;
  const fields = nameBase(name).slice(key.length);
  const base = timed.replace(/(?=\.[\w-]*$)/, tokens) + fields;
  const isLong = Buffer.byteLength(base) > FILE_NAME_OCTETS_MAX - INFO_OCTETS_MAX;
  return isLong ? base.replace(/,U=[^,]*/, '') : base;
}

/** The name before its info part (`:2,…`). */
export function nameBase(name: string): string {
  const colon = name.indexOf(':');
  return colon < 0 ? name : name.slice(0, colon);
}

/** Flag letters of a name, '' when it has none. */
export function nameFlags(name: string): string {
  const info = name.indexOf(':2,');
  if (info < 0) return '';
  const more = name.indexOf(',', info + 3);
  return more < 0 ? name.slice(info + 3) : name.slice(info + 3, more);
}

/** `S=`: octets of the stored file, or undefined. */
export const nameOctets = (name: string): number | undefined => numberField(name, ',S=');

/** `W=`: octets with every line end as CRLF, or undefined. */
export const nameWireOctets = (name: string): number | undefined => numberField(name, ',W=');

/** `U=`: the UIDL that an import put into the name, decoded, or undefined. */
export function nameUidl(name: string): string | undefined {
  const at = name.indexOf(',U=');
  if (at < 0) return undefined;
  const base = nameBase(name);
  if (at >= base.length) return undefined;
  const comma = base.indexOf(',', at + 1);
  const value = base.slice(at + 3, comma < 0 ? base.length : comma);
  if (value === '' || /%(?![0-9A-F]{2})/.test(value)) return undefined;
  return value.replaceAll(/%(..)/g, (_, hex: string) => String.fromCharCode(parseInt(hex, 16)));
}

/** A UIDL as the value of `U=`: what a file name cannot carry is written %HH. */
export const encodeUidl = (uidl: string): string =>
  uidl.replaceAll(/[^!-~]|[%,/:]/g, (char) => {
    const code = char.charCodeAt(0) & 0xff;
    return `%${code.toString(16).toUpperCase().padStart(2, '0')}`;
  });

/** All parts of a name. For one part of many names the single functions are cheaper. */
export const parseName = (name: string): NameParts => ({
  key: nameKey(name),
  base: nameBase(name),
  octets: nameOctets(name),
  wireOctets: nameWireOctets(name),
  uidl: nameUidl(name),
  flags: nameFlags(name),
});

/** The base that publishing gives: `key,S=…,W=…`. */
export const publishedName = (key: string, octets: number, wireOctets: number): string =>
  `${key},S=${octets},W=${wireOctets}`;

/** `name` with sizes in place of those it has; other fields, flags and info stay. */
export function withSizes(name: string, octets: number, wireOctets: number): string {
  const key = nameKey(name);
  const base = nameBase(name);
  const fields = base.slice(key.length).split(',').slice(1);
  const others = fields.filter((field) => !/^[SW]=/.test(field)).map((field) => `,${field}`);
  return `${publishedName(key, octets, wireOctets)}${others.join('')}${name.slice(base.length)}`;
}

/** `name` with these flag letters added and removed, as a name in cur/. Letters get sorted. */
export function withFlags(name: string, add: string, remove: string): string {
  const had = nameFlags(name);
  const flags = new Set(had + add);
  for (const letter of remove) flags.delete(letter);
  const info = name.indexOf(':2,');
  const more = info < 0 ? '' : name.slice(info + 3 + had.length);
  return `${nameBase(name)}:2,${[...flags].toSorted().join('')}${more}`;
}

/** Whether a listed name is a message: those with a leading dot (`.nfs…`) are not. */
export const isMessageName = (name: string): boolean => name.charCodeAt(0) !== 0x2e;

/** The first label of a host name as a token for names: 1 to 12 of A-Z a-z 0-9 - _. */
export function nodeToken(node: string): string {
  const label = node.split('.', 1)[0] ?? '';
  const token = label.replaceAll(/[^A-Za-z0-9_-]/g, '_').slice(0, NODE_TOKEN_OCTETS_MAX);
  return token === '' ? 'node' : token;
}

export interface UniqueNameOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly node: string;
  readonly pid: number;
}

/**
 * A source of names that no other process on any host makes:
 * `<seconds>.M<microseconds>P<pid>Q<count>R<64 random bits>.<node>`, at most 67 octets.
 * Time, process and node are for people; the random bits alone suffice, the count makes two
 * names of one process differ even when chance is a test's.
 */
export function uniqueNames(options: UniqueNameOptions): () => string {
  const tail = nodeToken(options.node);
  let count = 0;
  return () => {
    const micros = Math.floor(options.clock.now() * 1000);
    const seconds = Math.floor(micros / 1_000_000);
    const bits = Buffer.from(options.random.bytes(8)).toString('hex');
    return `${seconds}.M${micros % 1_000_000}P${options.pid}Q${count++}R${bits}.${tail}`;
  };
}

function numberField(name: string, field: ',S=' | ',W='): number | undefined {
  const at = name.indexOf(field);
  if (at < 0) return undefined;
  const colon = name.indexOf(':');
  if (colon >= 0 && colon < at) return undefined;
  let value = 0;
  let index = at + 3;
  for (; index < name.length; index++) {
    const digit = name.charCodeAt(index) - 0x30;
    if (digit < 0 || digit > 9) break;
    value = value * 10 + digit;
  }
  const next = name.charCodeAt(index);
  const ended = index === name.length || next === COMMA || next === COLON;
  return ended && index > at + 3 && Number.isSafeInteger(value) ? value : undefined;
}
