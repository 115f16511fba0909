/**
 * `cyrus.index` and `cyrus.header` of Cyrus IMAP 2.3 to 3.12: versions 9 to 20 of the index without
 * 11, big-endian. A header, then records of one size. Records stay when a message is expunged, with
 * a mark. Before version 12 what the owner has read is in a database elsewhere.
 *
 * Standards: Cyrus IMAP's imap/index_file.c
 */
export interface CyrusIndex {
  readonly version: number;
  readonly uidValidity: number;
  readonly lastUid: number;
  /** UIDL is `<uidvalidity>.<uid>`, else the UID alone. */
  readonly newUidl: boolean;
  /** Whether \Seen is in the records. */
  readonly knowsSeen: boolean;
  readonly records: readonly CyrusRecord[];
  /** Records that the header promises and the file has not. */
  readonly missing: number;
}

export interface CyrusRecord {
  readonly uid: number;
  /** Seconds since 1970. */
  readonly internalDate: number;
  readonly letters: string;
  /** Numbers of names in cyrus.header. */
  readonly userFlags: readonly number[];
  readonly expunged: boolean;
}

const VERSIONS = [9, 10, 12, 13, 14, 15, 16, 17, 18, 19, 20];
const NEW_UIDL = 1;
const EXPUNGED = 0xc000_0000; // Unlinked or expunged.
const LETTERS = ['R', 'F', 'T', 'D', 'S'] as const; // Bits 0 to 4.
const USER_FLAGS = 128;
const HEADER_OCTETS_MIN = 96;
const RECORD_OCTETS_MIN = 56;
const NANOSECONDS = 1_000_000_000n;

interface Layout {
  readonly uidValidity: number;
  readonly lastUid: number;
  readonly options: number;
  readonly flags: number;
  readonly userFlags: number;
}

const OLD: Layout = { uidValidity: 44, lastUid: 28, options: 60, flags: 32, userFlags: 36 };
const layoutOf = (version: number): Layout => {
  if (version < 19) return OLD;
  if (version === 19) return { ...OLD, options: 64 };
  return { uidValidity: 92, lastUid: 88, options: 64, flags: 36, userFlags: 40 };
};

/** @returns the index, or what is wrong with it */
export function parseCyrusIndex(bytes: Buffer): CyrusIndex | string {
  if (bytes.length < HEADER_OCTETS_MIN) return 'it is too short for an index';
  const at = (offset: number): number => bytes.readUInt32BE(offset);
  const version = at(8);
  if (!VERSIONS.includes(version)) {
    return `its version is ${version}; ${VERSIONS[0]} to ${VERSIONS.at(-1)} without 11 can be read`;
  }
  const [start, size, count] = [at(12), at(16), at(20)];
  const ownSize = version === 20 ? 144 : RECORD_OCTETS_MIN;
  if (start < HEADER_OCTETS_MIN || size < ownSize || size > 4096) {
    return `its header speaks of records of ${size} octets from ${start} on, which cannot be`;
  }
  const layout = layoutOf(version);
  const whole = Math.max(0, Math.min(count, Math.floor((bytes.length - start) / size)));
  const records: CyrusRecord[] = [];
  for (let index = 0; index < whole; index++) {
    records.push(recordAt(bytes, start + index * size, { layout, version }));
  }
  return {
    version,
    uidValidity: at(layout.uidValidity),
    lastUid: at(layout.lastUid),
    newUidl: (at(layout.options) & NEW_UIDL) !== 0 || records.every(({ expunged }) => expunged),
    knowsSeen: version >= 12,
    records,
    missing: count - whole,
  };
}

function recordAt(
  bytes: Buffer,
  from: number,
  { layout, version }: { readonly layout: Layout; readonly version: number },
): CyrusRecord {
  const flags = bytes.readUInt32BE(from + layout.flags);
  const userFlags: number[] = [];
  for (let flag = 0; flag < USER_FLAGS; flag++) {
    const word = bytes.readUInt32BE(from + layout.userFlags + 4 * (flag >> 5));
    if (((word >>> (flag & 31)) & 1) === 1) userFlags.push(flag);
  }
  const letters = LETTERS.filter((_, bit) => ((flags >>> bit) & 1) === 1);
  return {
    uid: bytes.readUInt32BE(from),
    internalDate:
      version === 20
        ? Number(bytes.readBigInt64BE(from + 8) / NANOSECONDS)
        : bytes.readUInt32BE(from + 4),
    letters: letters.toSorted().join(''),
    userFlags,
    expunged: version >= 12 && (flags & EXPUNGED) !== 0,
  };
}

const MAGIC = 'Cyrus mailbox header\n';
const MAGIC_LINES = 3;

/**
 * Names of user flags, by number: the second line below the three that begin each header. Undefined
 * where the header is none, or written as newer versions do it (`%(…)`).
 */
export function parseCyrusFlags(bytes: Buffer): readonly string[] | undefined {
  const text = bytes.toString('latin1');
  if (text.indexOf(MAGIC) !== 4) return undefined;
  const [first = '', names] = text.split('\n').slice(MAGIC_LINES);
  if (first.startsWith('%') || names === undefined) return undefined;
  return names.split(' ');
}
