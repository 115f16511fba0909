/** `cyrus.index` and `cyrus.header` as Cyrus writes them, as far as they are read. */
export interface TestRecord {
  readonly uid: number;
  readonly flags: number;
  readonly user: readonly number[];
  readonly date: number;
}

/** Octets of header and record, by version: Cyrus IMAP's imap/index_file.c. */
const SIZES: Readonly<Record<number, readonly [number, number]>> = {
  9: [96, 80],
  10: [96, 88],
  12: [128, 96],
  13: [128, 104],
  14: [160, 104],
  20: [192, 144],
};

export function cyrusIndex(version: number, records: readonly TestRecord[]): Buffer {
  const [start, size] = SIZES[version] ?? [160, 112];
  const bytes = Buffer.alloc(start + size * records.length);
  const newest = version === 20;
  bytes.writeUInt32BE(version, 8);
  bytes.writeUInt32BE(start, 12);
  bytes.writeUInt32BE(size, 16);
  bytes.writeUInt32BE(records.length, 20);
  bytes.writeUInt32BE(9, newest ? 88 : 28);
  bytes.writeUInt32BE(1_400_000_000, newest ? 92 : 44);
  bytes.writeUInt32BE(1, version >= 19 ? 64 : 60);
  for (const [index, { uid, flags, user, date }] of records.entries()) {
    const at = start + index * size;
    bytes.writeUInt32BE(uid, at);
    if (newest) bytes.writeBigInt64BE(BigInt(date) * 1_000_000_000n, at + 8);
    else bytes.writeUInt32BE(date, at + 4);
    bytes.writeUInt32BE(flags, at + (newest ? 36 : 32));
    for (const flag of user) {
      const word = at + (newest ? 40 : 36) + 4 * (flag >> 5);
      bytes.writeUInt32BE((bytes.readUInt32BE(word) | (1 << (flag & 31))) >>> 0, word);
    }
  }
  return bytes;
}

export const CYRUS_HEADER = Buffer.from(
  '\xa1\x02\x8b\rCyrus mailbox header\n' +
    '"The best thing about this system was that it had lots of goals."\n' +
    '\t--Jim Morris on Andrew\n' +
    'user.carol\t4e2f0001\nWork $Later\ncarol\tlrswipkxtecda\t\n',
  'latin1',
);
