/**
 * As much of ONC RPC (RFC 5531) and NFSv4 COMPOUND (RFC 7862, RFC 5661) as a proxy needs to know
 * which operation a record carries. Test tool of the laboratory; reads, and never changes a length.
 */

/** Operations by number, those that the Linux client uses. */
export const NFS_OPERATIONS = {
  3: 'ACCESS',
  4: 'CLOSE',
  5: 'COMMIT',
  6: 'CREATE',
  9: 'GETATTR',
  10: 'GETFH',
  11: 'LINK',
  12: 'LOCK',
  15: 'LOOKUP',
  16: 'LOOKUPP',
  18: 'OPEN',
  21: 'OPEN_DOWNGRADE',
  22: 'PUTFH',
  24: 'PUTROOTFH',
  25: 'READ',
  26: 'READDIR',
  27: 'READLINK',
  28: 'REMOVE',
  29: 'RENAME',
  31: 'RESTOREFH',
  32: 'SAVEFH',
  34: 'SETATTR',
  38: 'WRITE',
  41: 'BIND_CONN_TO_SESSION',
  42: 'EXCHANGE_ID',
  43: 'CREATE_SESSION',
  44: 'DESTROY_SESSION',
  45: 'FREE_STATEID',
  52: 'SECINFO_NO_NAME',
  53: 'SEQUENCE',
  55: 'TEST_STATEID',
  57: 'DESTROY_CLIENTID',
  58: 'RECLAIM_COMPLETE',
} as const;
export type NfsOperation = (typeof NFS_OPERATIONS)[keyof typeof NFS_OPERATIONS] | 'NULL' | 'OTHER';

const CALL = 0;
const NFS_PROGRAM = 100_003;
const COMPOUND = 1;
const LAST_FRAGMENT = 0x8000_0000;
const RECORD_OCTETS_MAX = 4 * 1024 * 1024;
const OPERATIONS_MAX = 64;

export interface NfsCall {
  readonly kind: 'call';
  readonly xid: number;
  /** The one that the others lead to: RENAME of SEQUENCE, PUTFH, SAVEFH, PUTFH, RENAME, GETATTR. */
  readonly operation: NfsOperation;
  /** Where EXCHANGE_ID has the client's name for itself, in the record. */
  readonly owner: { readonly start: number; readonly end: number } | undefined;
}

export interface NfsReply {
  readonly kind: 'reply';
  readonly xid: number;
}

/** Takes a stream apart into records, marks included, however it was cut. */
export class RecordReader {
  #rest: Buffer = Buffer.alloc(0);

  /** @throws Error when it is no stream of records */
  push(chunk: Buffer): Buffer[] {
    this.#rest = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    const records: Buffer[] = [];
    for (let end = endOfRecord(this.#rest); end !== undefined; end = endOfRecord(this.#rest)) {
      records.push(this.#rest.subarray(0, end));
      this.#rest = this.#rest.subarray(end);
    }
    return records;
  }
}

/** Where the first record ends; undefined while it is not whole. */
function endOfRecord(bytes: Buffer): number | undefined {
  for (let at = 0; at + 4 <= bytes.length;) {
    const mark = bytes.readUInt32BE(at);
    at += 4 + (mark & ~LAST_FRAGMENT);
    if (at > RECORD_OCTETS_MAX) throw new Error(`a record of more than ${at} octets`);
    if ((mark & LAST_FRAGMENT) !== 0) return at <= bytes.length ? at : undefined;
  }
  return undefined;
}

/** What a record is. Those of several fragments, which no Linux sends, are 'OTHER'. */
export function parseRecord(record: Buffer): NfsCall | NfsReply {
  const xdr = new Xdr(record, 4);
  const xid = xdr.number();
  if (xdr.number() !== CALL) return { kind: 'reply', xid };
  const other = { kind: 'call', xid, operation: 'OTHER', owner: undefined } as const;
  xdr.skip(4);
  const [program, , procedure] = [xdr.number(), xdr.number(), xdr.number()];
  if (program !== NFS_PROGRAM) return other;
  if (procedure !== COMPOUND) return { ...other, operation: 'NULL' };
  for (let part = 0; part < 2; part++) {
    xdr.skip(4); // Flavour of the credential, then of the verifier.
    xdr.opaque();
  }
  xdr.opaque(); // Tag.
  xdr.skip(4); // Minor version.
  return { ...other, ...mainOperation(xdr, Math.min(xdr.number(), OPERATIONS_MAX)) };
}

/** Operations that only lead to the one which is meant, and how long they are. */
const LEADING: Partial<Record<NfsOperation, (xdr: Xdr) => void>> = {
  SEQUENCE: (xdr) => xdr.skip(32),
  PUTFH: (xdr) => xdr.opaque(),
  PUTROOTFH: () => {},
  // Before CLOSE, and for itself when nothing follows.
  GETATTR: (xdr) => xdr.skip(4 * xdr.number()),
  SAVEFH: () => {},
  RESTOREFH: () => {},
};

function mainOperation(xdr: Xdr, count: number): Pick<NfsCall, 'operation' | 'owner'> {
  let operation: NfsOperation = 'OTHER';
  for (let i = 0; i < count; i++) {
    const number = xdr.number();
    operation = NFS_OPERATIONS[number as keyof typeof NFS_OPERATIONS] ?? 'OTHER';
    const skip = LEADING[operation];
    if (skip === undefined) break;
    skip(xdr);
  }
  if (operation !== 'EXCHANGE_ID') return { operation, owner: undefined };
  xdr.skip(8); // Verifier.
  return { operation, owner: xdr.opaque() };
}

class Xdr {
  readonly #bytes: Buffer;
  #at: number;

  constructor(bytes: Buffer, at: number) {
    this.#bytes = bytes;
    this.#at = at;
  }

  number(): number {
    const value = this.#bytes.readUInt32BE(this.#at);
    this.#at += 4;
    return value;
  }

  skip(octets: number): void {
    this.#at += octets;
  }

  opaque(): { readonly start: number; readonly end: number } {
    const length = this.number();
    const start = this.#at;
    this.#at += Math.ceil(length / 4) * 4;
    if (this.#at > this.#bytes.length) throw new RangeError('the record ends too early');
    return { start, end: start + length };
  }
}
