import { randomBytes } from 'node:crypto';
import type { Socket } from 'node:net';
import type { Logger } from '../../log/types.ts';
import { dnKey, parseDn } from '../dn.ts';
import { embeddedRequests } from '../metrics.ts';
import { message, resultParts, rootDse, searchEntry } from './answer.ts';
import { BerError, decodeBer, encode, messageLength } from './ber.ts';
import { pageControl, type Controls } from './controls.ts';
import type { EmbeddedDirectory } from './directory.ts';
import { selection } from './entry.ts';
import { Pages, type Walk } from './pages.ts';
import { decodePasswordModify, openEnvelope } from './request.ts';
import type { Envelope, Operation, Request } from './request.ts';
import { LdapFailure } from './result.ts';
import type { BindThrottle } from './throttle.ts';

/** Largest request of a peer that has not bound. */
export const UNBOUND_MESSAGE_BYTES_MAX = 65_536;
/** Requests read ahead of the one that runs; beyond it the socket is not read. */
const QUEUE_MAX = 64;
const WHO_AM_I = '1.3.6.1.4.1.4203.1.11.3'; // RFC 4532
const MODIFY_PASSWORD = '1.3.6.1.4.1.4203.1.11.1'; // RFC 3062
const START_TLS = '1.3.6.1.4.1.1466.20037'; // RFC 4511 §4.14

export interface SessionOptions {
  readonly directory: EmbeddedDirectory;
  /** Who is at the other end: an IP address. */
  readonly address: string;
  readonly throttle: BindThrottle;
  readonly messageBytesMax: () => number;
  readonly logger: Logger;
  /** Puts TLS over the connection; undefined where the server has no certificate. */
  readonly startTls: ((socket: Socket) => Socket) | undefined;
}

type Of<K extends Operation['kind']> = Extract<Operation, { kind: K }>;

/** What ends an operation: LDAPResult with what its response adds, and response controls. */
interface Answer {
  readonly result: readonly Buffer[];
  readonly controls?: Buffer;
}

const DONE: Answer = { result: resultParts('success') };

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
  readonly #pages = new Pages();
  #distrust: (() => void) | undefined;
  readonly #ended = new AbortController();

  constructor(socket: Socket, options: SessionOptions) {
    this.#socket = socket;
    this.#options = options;
    this.#listen();
    socket.on('close', () => {
      this.#ended.abort();
      this.#distrust?.();
    });
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
    const max = this.#options.messageBytesMax();
    return this.#bound === undefined ? UNBOUND_MESSAGE_BYTES_MAX : max;
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
    let answer: Answer;
    try {
      answer = await this.#perform(envelope.open(), envelope.id);
    } catch (error) {
      if (error instanceof LdapFailure) {
        answer = { result: resultParts(error.result, error.message, error.matched) };
      } else {
        this.#options.logger.error({ err: error }, 'bug in an LDAP operation');
        answer = { result: resultParts('other', 'Internal error') };
      }
    }
    if (answer.result.length === 0) return;
    const parts = [encode(envelope.response, ...answer.result)];
    if (answer.controls) parts.push(answer.controls);
    await this.#send(message(envelope.id, ...parts));
  }

  async #perform({ operation, controls }: Request, id: number): Promise<Answer> {
    const { directory } = this.#options;
    if (operation.kind !== 'unbind' && operation.kind !== 'abandon') {
      embeddedRequests.inc(operation.kind);
    }
    switch (operation.kind) {
      case 'unbind':
        this.#socket.end();
        return { result: [] };
      case 'abandon': // Requests run in order: what could be abandoned is answered already.
        return { result: [] };
      case 'bind':
        await this.#bind(operation);
        return DONE;
      case 'search':
        return await this.#search(operation, controls, id);
      case 'compare': {
        const who = directory.who(this.#bound);
        const same = directory.compare(operation, who, controls.assertion);
        return { result: resultParts(same ? 'compareTrue' : 'compareFalse') };
      }
      case 'extended':
        return await this.#extended(operation, id);
      default:
        await directory.write(operation, () => directory.who(this.#bound), controls);
        return DONE;
    }
  }

  async #bind(operation: Of<'bind'>): Promise<void> {
    const { directory, throttle, address } = this.#options;
    this.#bound = undefined; // RFC 4511 §4.2.1: anonymous until this one succeeds.
    this.#distrust?.();
    this.#distrust = undefined;
    this.#pages.clear();
    const bound = await this.#verified(dnKey(operation.dn.rdns), () => directory.bind(operation));
    this.#bound = bound;
    const { administrator, actors } = directory.who(bound);
    if (this.#socket.destroyed || !(administrator || actors.includes('frontend'))) return;
    this.#distrust = throttle.trust(address);
  }

  /** Verifies a password as often as the throttle lets this address do so. @throws LdapFailure */
  async #verified<T>(key: string, verify: () => Promise<T>): Promise<T> {
    const { throttle, address } = this.#options;
    const leave = throttle.enter(address);
    if (!leave) throw new LdapFailure('busy', 'Too many binds at once from this address');
    try {
      const verified = await verify();
      throttle.succeeded(address, key);
      return verified;
    } catch (error) {
      if (error instanceof LdapFailure && error.result === 'invalidCredentials') {
        await throttle.failed(address, key, this.#ended.signal);
      }
      throw error;
    } finally {
      leave();
    }
  }

  async #search(operation: Of<'search'>, controls: Controls, id: number): Promise<Answer> {
    const { directory } = this.#options;
    const wanted = selection(operation.attributes);
    if (operation.base.rdns.length === 0 && operation.scope === 'base') {
      const extensions = [WHO_AM_I, MODIFY_PASSWORD];
      if (this.#options.startTls) extensions.push(START_TLS);
      const { suffix } = directory.layout;
      await this.#send(message(id, rootDse({ suffix, extensions, wanted })));
      return DONE;
    }
    const who = directory.who(this.#bound);
    const { page } = controls;
    const walk = page?.cookie
      ? this.#pages.take(page.cookie, who)
      : this.#pages.begin(directory, { operation, who, assertion: controls.assertion });
    const end = page && page.size === 0 && page.cookie ? 0 : page?.size || Infinity;
    const result = await this.#sendEntries(walk, {
      id,
      count: end,
      typesOnly: operation.typesOnly,
    });
    if (!page) return { result: resultParts(result) };
    const more = end > 0 && result === 'success' && walk.next !== undefined;
    const cookie = more ? this.#pages.keep(walk) : '';
    return { result: resultParts(result), controls: pageControl(cookie) };
  }

  async #sendEntries(
    walk: Walk,
    how: { readonly id: number; readonly count: number; readonly typesOnly: boolean },
  ): Promise<'success' | 'sizeLimitExceeded'> {
    const { attributes, sizeLimit } = walk.operation;
    const wanted = selection(attributes);
    for (let sent = 0; sent < how.count && walk.next; sent += 1) {
      if (sizeLimit > 0 && walk.sent >= sizeLimit) return 'sizeLimitExceeded';
      const body = searchEntry(walk.next, { wanted, typesOnly: how.typesOnly });
      await this.#send(message(how.id, body));
      if (this.#socket.destroyed) break;
      walk.advance();
    }
    return 'success';
  }

  async #extended(operation: Of<'extended'>, id: number): Promise<Answer> {
    const { name, value } = operation;
    if (name === WHO_AM_I) {
      const dn = this.#bound === undefined ? '' : `dn:${this.#bound}`;
      return { result: [...resultParts('success'), encode(0x8b, dn)] };
    }
    if (name === MODIFY_PASSWORD) return await this.#modifyPassword(value);
    if (name !== START_TLS || !this.#options.startTls || this.#secure) {
      throw new LdapFailure('protocolError', `Extended operation ${name} is not supported`);
    }
    return await this.#startTls(this.#options.startTls, id);
  }

  /** RFC 3062 §2. */
  async #modifyPassword(value: Buffer | undefined): Promise<Answer> {
    const { directory } = this.#options;
    const bound = this.#bound;
    if (bound === undefined) {
      throw new LdapFailure('strongerAuthRequired', 'A change of password needs a bind');
    }
    const { dn, oldPassword, newPassword } = decodePasswordModify(value);
    const own = { text: bound, rdns: parseDn(bound) };
    if (oldPassword) await this.#checkOld(dn ? dnKey(dn.rdns) : bound, oldPassword);
    const password = newPassword ?? randomBytes(12).toString('base64url');
    await directory.setPassword(dn ?? own, password, () => directory.who(this.#bound));
    if (newPassword !== undefined) return DONE;
    const made = encode(0x30, encode(0x80, password));
    return { result: [...resultParts('success'), encode(0x8b, made)] };
  }

  /** @throws LdapFailure unwillingToPerform, which is slapd's word for it */
  async #checkOld(key: string, password: Buffer): Promise<void> {
    const { directory } = this.#options;
    const wrong = new LdapFailure('invalidCredentials', 'The old password is wrong');
    const verify = async (): Promise<void> => {
      if (!(await directory.verifies(key, password))) throw wrong;
    };
    await this.#verified(key, verify).catch((error: unknown) => {
      throw error === wrong ? new LdapFailure('unwillingToPerform', wrong.message) : error;
    });
  }

  async #startTls(over: (socket: Socket) => Socket, id: number): Promise<Answer> {
    // What came before the handshake was never protected and must not count (CVE-2011-0411).
    this.#queue.length = 0;
    this.#pending = [];
    this.#pendingBytes = 0;
    await this.#send(message(id, encode(0x78, ...resultParts('success'))));
    this.#socket.removeAllListeners('data');
    this.#socket = over(this.#socket);
    this.#secure = true;
    this.#wanted = 0;
    this.#listen();
    return { result: [] };
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
