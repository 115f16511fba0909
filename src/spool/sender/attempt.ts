/**
 * One try of one letter: over a connection that is free, else over the hosts of its route in their
 * order, until a peer has said something to each recipient. The next host is asked when one cannot
 * be reached or drops the connection before the message was whole; behind that point it may have
 * arrived, so it is tried again later, not at once.
 */
import type { Clock } from '../../base/clock.ts';
import type { ClientReply, ClientResult, ClientTransaction } from '../../smtp/client/types.ts';
import type { OutboundClaim, OutboundRecipient } from '../outbound.ts';
import type { ConnectFault, Connection } from './connect.ts';
import type { Targets, Verdict } from './hosts.ts';
import type { SenderParts } from './types.ts';

/** What became of one recipient. */
export interface RecipientResult {
  readonly recipient: OutboundRecipient;
  readonly kind: 'sent' | 'failed' | 'later';
  readonly status: string;
  /** As the peer said it, code first. */
  readonly reply: string | undefined;
  readonly text: string;
  readonly remote: { readonly host: string; readonly address: string | undefined } | undefined;
  /** The peer tells of success itself. */
  readonly dsnPassedOn: boolean;
  /** What an operator is told beside. */
  readonly code: string | undefined;
  /** Our own trouble: the text names files and hosts of the farm, and goes to no sender. */
  readonly inside?: boolean | undefined;
}

export interface Attempt {
  readonly results: readonly RecipientResult[];
  /** A host was reached; it may have said no. */
  readonly reached: boolean;
  /** It has enough of us: 421, or a connection that broke. */
  readonly overloaded: boolean;
  /** Nothing was tried: no connection was to be had there. */
  readonly busy: boolean;
  /** The connection, if it is still good. */
  readonly connection: Connection | undefined;
  /** The last one that there was, for the log. */
  readonly last: Connection | undefined;
}

export interface AttemptParts {
  readonly claim: OutboundClaim;
  readonly clock: Clock;
  readonly sign: SenderParts['sign'];
  /** A connection of the lane that is free. */
  readonly idle: () => Connection | undefined;
  readonly connect: (targets: Targets) => AsyncGenerator<Connection | ConnectFault, Verdict, void>;
  readonly targets: () => Targets;
  /** Which connection it has now, so that it can be cut off. */
  readonly onConnection: (connection: Connection | undefined) => void;
}

const RECIPIENTS_MAX = 1000;
const READ_BYTES = 65_536;

/** The message of a letter is not there. */
export class MessageGoneError extends Error {}

/** @throws MessageGoneError, StoreError, what `sign` throws: our own trouble */
export async function attempt(parts: AttemptParts): Promise<Attempt> {
  return new Try(parts).run();
}

class Try {
  readonly #parts: AttemptParts;
  readonly #results = new Map<OutboundRecipient, RecipientResult>();
  #pending: readonly OutboundRecipient[];
  #header: Uint8Array | undefined;
  #reached = false;
  #overloaded = false;
  #busy = false;
  #last: Connection | undefined;

  constructor(parts: AttemptParts) {
    this.#parts = parts;
    this.#pending = parts.claim.envelope.recipients;
  }

  async run(): Promise<Attempt> {
    if (this.#pending.length === 0) return this.#end(undefined);
    const idle = this.#parts.idle();
    if (idle) {
      const good = await this.#over(idle);
      if (this.#pending.length === 0) return this.#end(good);
    }
    const found = this.#parts.connect(this.#parts.targets());
    let worst: ConnectFault | undefined;
    for (;;) {
      const next = await found.next();
      if (next.done === true) return this.#nobody(next.value, worst);
      if (!('client' in next.value)) {
        if (next.value.kind === 'fail') {
          await found.return(next.value);
          return this.#atOurselves(next.value, worst);
        }
        worst = next.value;
        continue;
      }
      const good = await this.#over(next.value);
      if (this.#pending.length === 0) return this.#end(good);
    }
  }

  /** Nobody behind it is asked; the letter waits for a host in front of it, where there is one. */
  #atOurselves(own: ConnectFault, before: ConnectFault | undefined): Attempt {
    const { better } = own.target;
    return better ? this.#nobody(better, before) : this.#nobody(own, own);
  }

  /** No target is left: what was seen last, or why there was none. */
  #nobody(verdict: Verdict, fault: ConnectFault | undefined): Attempt {
    const why = fault !== undefined && verdict.kind === 'later' ? fault : verdict;
    this.#busy = verdict.busy === true && fault === undefined && this.#results.size === 0;
    const remote = fault && { host: fault.target.host, address: fault.target.address };
    for (const recipient of this.#pending) {
      // A peer that broke off said more than one that was not there.
      if (this.#results.has(recipient)) continue;
      this.#results.set(recipient, {
        recipient,
        kind: why.kind === 'fail' ? 'failed' : 'later',
        status: why.status,
        reply: fault === why ? fault.reply : undefined,
        text: why.text,
        remote: fault === why ? remote : undefined,
        dsnPassedOn: false,
        code: why.code,
      });
    }
    return this.#end(undefined);
  }

  #end(connection: Connection | undefined): Attempt {
    const { recipients } = this.#parts.claim.envelope;
    this.#parts.onConnection(undefined);
    return {
      results: recipients.flatMap((recipient) => this.#results.get(recipient) ?? []),
      reached: this.#reached,
      overloaded: this.#overloaded,
      busy: this.#busy,
      connection,
      last: this.#last,
    };
  }

  /** Gives it to a peer. @returns the connection, if it is good for another letter */
  async #over(connection: Connection): Promise<Connection | undefined> {
    this.#parts.onConnection(connection);
    this.#last = connection;
    try {
      this.#header ??= await this.#signature();
      for (;;) {
        const asked = this.#pending.slice(0, RECIPIENTS_MAX);
        const result = await connection.client.send(this.#transaction(asked));
        const cause = result.fault?.cause;
        if (cause instanceof Error) throw cause;
        const again = this.#note(connection, asked, result);
        if (!again || !connection.client.usable) break;
      }
    } catch (error) {
      connection.destroy('the letter cannot be read');
      const someHaveIt = [...this.#results.values()].some(({ kind }) => kind === 'sent');
      if (!someHaveIt) throw error;
      this.#putOff(error);
      return undefined;
    }
    connection.letters += 1;
    return connection.client.usable ? connection : undefined;
  }

  /** Our own trouble, when some have the letter: they must not get it again with the others. */
  #putOff(error: unknown): void {
    const text = error instanceof Error ? error.message : String(error);
    const why = { kind: 'later', status: '4.3.0', text, reply: undefined } as const;
    const nobody = { remote: undefined, dsnPassedOn: false, code: undefined, inside: true };
    for (const recipient of this.#pending) {
      this.#results.set(recipient, { recipient, ...why, ...nobody });
    }
    this.#pending = [];
  }

  /** @returns whether there is more to do over this connection */
  #note(
    connection: Connection,
    asked: readonly OutboundRecipient[],
    { replies, dsnPassedOn, fault }: ClientResult,
  ): boolean {
    const wasSent = replies.some((reply) => reply !== undefined && reply.code < 300);
    const left: OutboundRecipient[] = [];
    const gotFar = fault?.phase === 'data' || fault?.phase === 'end';
    this.#reached ||= gotFar || replies.some((reply) => reply !== undefined);
    // One that was free may have been closed in the meantime.
    const broke = fault !== undefined && (connection.letters === 0 || fault.phase === 'end');
    this.#overloaded ||= broke || replies.some((reply) => reply?.code === 421);
    for (const [at, recipient] of asked.entries()) {
      const reply = replies[at];
      const result = judge(recipient, connection, reply, fault?.message ?? 'the peer broke off');
      this.#results.set(recipient, { ...result, dsnPassedOn });
      // The others went: these were too many at a time (RFC 5321 §4.5.3.1.10).
      const wasTooMany = wasSent && isTooMany(reply, connection);
      const mayTryNext = reply === undefined && fault?.phase !== 'end';
      if (wasTooMany || mayTryNext) left.push(recipient);
    }
    this.#pending = [...left, ...this.#pending.slice(asked.length)];
    const goesOn = wasSent || left.length === 0;
    return this.#pending.length > 0 && fault === undefined && goesOn;
  }

  #transaction(recipients: readonly OutboundRecipient[]): ClientTransaction {
    const { envelope } = this.#parts.claim;
    const header = this.#header ?? NOTHING;
    return {
      sender: envelope.sender,
      recipients,
      wireOctets: envelope.wireOctets + wireLength(header),
      smtpUtf8: envelope.smtpUtf8,
      eightBit: true,
      ret: envelope.ret,
      envid: envelope.envid,
      content: () => this.#content(header),
    };
  }

  async #signature(): Promise<Uint8Array> {
    const { claim, sign } = this.#parts;
    if (!sign || !claim.envelope.sign) return NOTHING;
    return sign(claim.envelope, { read: (offset, length) => claim.read(offset, length) });
  }

  async *#content(header: Uint8Array): AsyncGenerator<Uint8Array> {
    const { claim } = this.#parts;
    const { octets, id } = claim.envelope;
    if (header.length > 0) yield header;
    for (let at = 0; at < octets;) {
      const piece = await claim.read(at, Math.min(READ_BYTES, octets - at));
      if (piece === undefined || piece.length === 0) {
        throw new MessageGoneError(`the message of ${id} ends at ${at} of ${octets} octets`);
      }
      yield piece;
      at += piece.length;
    }
  }
}

const NOTHING = new Uint8Array(0);
const LF = 0x0a;

/** Length with CR LF. */
function wireLength(header: Uint8Array): number {
  let length = header.length;
  for (const octet of header) if (octet === LF) length += 1;
  return length;
}

/** RCPT was refused for the number of them; over LMTP 452 may as well be a full mailbox. */
const isTooMany = (reply: ClientReply | undefined, { target }: Connection): boolean =>
  reply?.enhanced?.endsWith('.5.3') === true ||
  (target.protocol === 'smtp' && (reply?.code === 452 || reply?.code === 552));

function judge(
  recipient: OutboundRecipient,
  { target }: Connection,
  reply: ClientReply | undefined,
  fault: string,
): Omit<RecipientResult, 'dsnPassedOn'> {
  const remote = { host: target.host, address: target.address };
  const base = { recipient, remote, code: undefined } as const;
  if (reply === undefined) {
    return { ...base, kind: 'later', status: '4.4.2', reply: undefined, text: fault };
  }
  const kind = reply.code < 300 ? 'sent' : reply.code < 500 ? 'later' : 'failed';
  const plain = { sent: '2.0.0', later: '4.0.0', failed: '5.0.0' }[kind];
  const enhanced = reply.enhanced;
  const said = `${reply.code} ${enhanced === undefined ? '' : `${enhanced} `}${reply.text}`.trim();
  return {
    ...base,
    kind,
    status: enhanced ?? plain,
    reply: reply.ours === true ? undefined : said,
    text: reply.ours === true ? reply.text : `${target.host} said: ${said}`,
  };
}
