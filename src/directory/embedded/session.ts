import type { Socket } from 'node:net';
import type { Logger } from '../../log/types.ts';
import { embeddedRequests } from '../metrics.ts';
import { BerError, decodeBer, encode, encodeInteger, messageLength, SET, TAG } from './ber.ts';
import type { EmbeddedDirectory } from './directory.ts';
import { printedName, selection, selects, type Entry, type Selection } from './entry.ts';
import { openEnvelope, type Envelope, type Operation } from './request.ts';
import { LdapFailure, RESULT, type ResultName } from './result.ts';

/** Largest request of a peer that has not bound. */
export const UNBOUND_MESSAGE_BYTES_MAX = 65_536;
/** Requests read ahead of the one that runs; beyond it the socket is not read. */
const QUEUE_MAX = 64;
const WHO_AM_I = '1.3.6.1.4.1.4203.1.11.3'; // RFC 4532
const START_TLS = '1.3.6.1.4.1.1466.20037'; // RFC 4511 §4.14

export interface SessionOptions {
  readonly directory: EmbeddedDirectory;
  readonly messageBytesMax: number;
  readonly logger: Logger;
  /** Puts TLS over the connection; undefined where the server has no certificate. */
  readonly startTls: ((socket: Socket) => Socket) | undefined;
}

/** One client connection: frames, decodes, runs one request after the other, answers. */
export class LdapSession {
  #socket: Socket;
  readonly #options: SessionOptions;
  #pending: Buffer[] = [];
  #pendingBytes = 0;
  #wanted = 0;
  readonly #queue: Envelope[] = [];
  #running = false;
  #bound: string | undefined;
  #secure = false;

  constructor(socket: Socket, options: SessionOptions) {
    this.#socket = socket;
    this.#options = options;
    this.#listen();
  }

  #listen(): void {
    this.#socket.on('data', (chunk: Buffer) => this.#receive(chunk));
    this.#socket.on('error', () => this.#socket.destroy());
    this.#socket.on('timeout', () => this.#socket.destroy());
  }

  /** Collects octets until a whole message is there; copies each octet once. */
  #receive(chunk: Buffer): void {
    this.#pending.push(chunk);
    this.#pendingBytes += chunk.length;
    if (this.#pendingBytes < this.#wanted) return;
    let bytes = this.#pending.length === 1 ? chunk : Buffer.concat(this.#pending);
    try {
      for (;;) {
        const length = messageLength(bytes, this.#messageMax());
        if (length === undefined || length > bytes.length) {
          this.#wanted = length ?? bytes.length + 1;
          break;
        }
        this.#queue.push(openEnvelope(decodeBer(bytes.subarray(0, length))));
        bytes = bytes.subarray(length);
      }
    } catch (error) {
      return this.#hangUp(error);
    }
    this.#pending = bytes.length > 0 ? [bytes] : [];
    this.#pendingBytes = bytes.length;
    if (this.#queue.length > QUEUE_MAX) this.#socket.pause();
    void this.#run();
  }

  #messageMax(): number {
    const { messageBytesMax } = this.#options;
    return this.#bound === undefined ? UNBOUND_MESSAGE_BYTES_MAX : messageBytesMax;
  }

  /** Notice of disconnection (RFC 4511 §4.4.1), then the end. */
  #hangUp(error: unknown): void {
    embeddedRequests.inc('broken');
    const reason = error instanceof BerError ? error.message : 'Internal error';
    if (!(error instanceof BerError)) this.#options.logger.error({ err: error }, 'bug in LDAP');
    const name = encode(0x8a, '1.3.6.1.4.1.1466.20036');
    this.#socket.write(message(0, encode(0x78, ...resultParts('protocolError', reason), name)));
    this.#socket.removeAllListeners('data');
    this.#socket.destroySoon();
    this.#queue.length = 0;
  }

  async #run(): Promise<void> {
    if (this.#running) return;
    this.#running = true;
    for (let next = this.#queue.shift(); next; next = this.#queue.shift()) {
      await this.#answer(next);
      if (this.#socket.destroyed) break;
      if (this.#queue.length < QUEUE_MAX / 2) this.#socket.resume();
    }
    this.#running = false;
  }

  /** The one place where an operation's end becomes a result. */
  async #answer(envelope: Envelope): Promise<void> {
    let result: readonly Buffer[];
    try {
      result = await this.#perform(envelope.open(), envelope.id);
    } catch (error) {
      if (error instanceof LdapFailure) {
        result = resultParts(error.result, error.message, error.matched);
      } else {
        this.#options.logger.error({ err: error }, 'bug in an LDAP operation');
        result = resultParts('other', 'Internal error');
      }
    }
    if (envelope.response === 0) return;
    await this.#send(message(envelope.id, encode(envelope.response, ...result)));
  }

  async #perform(operation: Operation, id: number): Promise<readonly Buffer[]> {
    const { directory } = this.#options;
    if (operation.kind !== 'unbind' && operation.kind !== 'abandon') {
      embeddedRequests.inc(operation.kind);
    }
    switch (operation.kind) {
      case 'unbind':
        this.#socket.end();
        return [];
      case 'abandon': // Requests run in order: what could be abandoned is answered already.
        return [];
      case 'bind':
        this.#bound = undefined; // RFC 4511 §4.2.1: anonymous until this one succeeds.
        this.#bound = await directory.bind(operation);
        return resultParts('success');
      case 'search':
        return resultParts(await this.#search(operation, id));
      case 'compare': {
        const same = directory.compare(operation, directory.who(this.#bound));
        return resultParts(same ? 'compareTrue' : 'compareFalse');
      }
      case 'extended':
        return await this.#extended(operation.name, id);
      default:
        await directory.write(operation, () => directory.who(this.#bound));
        return resultParts('success');
    }
  }

  async #search(
    operation: Extract<Operation, { kind: 'search' }>,
    id: number,
  ): Promise<'success' | 'sizeLimitExceeded'> {
    const { directory } = this.#options;
    const wanted = selection(operation.attributes);
    if (operation.base.rdns.length === 0 && operation.scope === 'base') {
      await this.#send(message(id, rootDse(directory, wanted)));
      return 'success';
    }
    const { entries, hidden } = directory.search(operation, directory.who(this.#bound));
    let sent = 0;
    for (const entry of entries) {
      if (operation.sizeLimit > 0 && sent >= operation.sizeLimit) return 'sizeLimitExceeded';
      sent += 1;
      const body = searchEntry(entry, { wanted, hidden, typesOnly: operation.typesOnly });
      await this.#send(message(id, body));
      if (this.#socket.destroyed) break;
    }
    return 'success';
  }

  async #extended(name: string, id: number): Promise<readonly Buffer[]> {
    if (name === WHO_AM_I) {
      const dn = this.#bound === undefined ? '' : `dn:${this.#bound}`;
      return [...resultParts('success'), encode(0x8b, dn)];
    }
    if (name !== START_TLS || !this.#options.startTls || this.#secure) {
      throw new LdapFailure('protocolError', `Extended operation ${name} is not supported`);
    }
    // What came before the handshake was never protected and must not count (CVE-2011-0411).
    this.#queue.length = 0;
    this.#pending = [];
    this.#pendingBytes = 0;
    await this.#send(message(id, encode(0x78, ...resultParts('success'))));
    this.#socket.removeAllListeners('data');
    this.#socket = this.#options.startTls(this.#socket);
    this.#secure = true;
    this.#wanted = 0;
    this.#listen();
    return [];
  }

  /** Waits where the peer does not read, so that a large answer never lies in memory. */
  async #send(bytes: Buffer): Promise<void> {
    const socket = this.#socket;
    if (socket.destroyed || socket.write(bytes)) return;
    await new Promise<void>((resolve) => {
      const done = (): void => {
        socket.off('drain', done);
        socket.off('close', done);
        resolve();
      };
      socket.on('drain', done);
      socket.on('close', done);
    });
  }
}

const message = (id: number, body: Buffer): Buffer => encode(0x30, encodeInteger(id), body);

/** LDAPResult (RFC 4511 §4.1.9). */
function resultParts(result: ResultName, text = '', matched = ''): readonly Buffer[] {
  return [
    encodeInteger(RESULT[result], TAG.enumerated),
    encode(TAG.octets, matched),
    encode(TAG.octets, text),
  ];
}

function searchEntry(
  entry: Entry,
  show: { wanted: Selection; hidden: ReadonlySet<string>; typesOnly: boolean },
): Buffer {
  const attributes: Buffer[] = [];
  for (const [name, values] of Object.entries(entry.attributes)) {
    if (show.hidden.has(name) || !selects(show.wanted, name)) continue;
    attributes.push(attribute(printedName(name), show.typesOnly ? [] : values));
  }
  return encode(0x64, encode(TAG.octets, entry.dn), encode(0x30, ...attributes));
}

const attribute = (name: string, values: readonly string[]): Buffer =>
  encode(
    0x30,
    encode(TAG.octets, name),
    encode(SET, ...values.map((value) => encode(TAG.octets, value))),
  );

/** RFC 4512 §5.1: what a client may know before it binds. */
function rootDse(directory: EmbeddedDirectory, wanted: Selection): Buffer {
  const facts: Record<string, readonly string[]> = {
    objectClass: ['top'],
    namingContexts: [directory.layout.suffix],
    supportedLDAPVersion: ['3'],
    supportedExtension: [WHO_AM_I],
    vendorName: ['Mailfarm'],
  };
  const shown = Object.entries(facts).filter(
    ([name]) =>
      wanted.names.has(name.toLowerCase()) ||
      (name === 'objectClass' ? wanted.user : wanted.operational) === 'all',
  );
  const parts = shown.map(([name, values]) => attribute(name, values));
  return encode(0x64, encode(TAG.octets, ''), encode(0x30, ...parts));
}
