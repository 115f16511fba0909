/**
 * One letter over a connection: MAIL, RCPT for each, DATA, the message; a reply for each recipient.
 * With PIPELINING (RFC 2920) that is two round trips, the second for the message. A connection that
 * ends after the message began leaves it unknown whether it arrived: no reply, and a fault.
 */
import type { Channel } from './channel.ts';
import { WireContent } from './content.ts';
import type { SmtpClientOptions } from './options.ts';
import {
  isInternational,
  mailLine,
  rcptLine,
  sizeLimit,
  wireAddress,
  type Extensions,
} from './parameters.ts';
import type { PeerReply } from './replies.ts';
import {
  ClientFault,
  type ClientRecipient,
  type ClientReply,
  type ClientResult,
  type ClientTransaction,
  type Phase,
} from './types.ts';

export interface TransactionParts {
  readonly channel: Channel;
  readonly letter: ClientTransaction;
  readonly extensions: Extensions;
  readonly protocol: 'smtp' | 'lmtp';
  readonly options: SmtpClientOptions;
  /** The one before did not come to its end: RSET first. */
  readonly reset: boolean;
}

interface Addressee {
  readonly index: number;
  readonly wire: string;
  readonly recipient: ClientRecipient;
}

const ours = (code: number, enhanced: string, text: string): ClientReply => ({
  code,
  enhanced,
  text,
  ours: true,
});

export class Transaction {
  readonly #parts: TransactionParts;
  readonly #replies: (ClientReply | undefined)[];
  /** MAIL was said and neither the end of data nor RSET since. */
  #unfinished = false;
  #dsnPassedOn = false;

  constructor(parts: TransactionParts) {
    this.#parts = parts;
    this.#replies = parts.letter.recipients.map(() => undefined);
  }

  get unfinished(): boolean {
    return this.#unfinished;
  }

  /** Never rejects. */
  async run(): Promise<ClientResult> {
    const { channel } = this.#parts;
    try {
      await this.#converse();
      return { replies: this.#replies, dsnPassedOn: this.#dsnPassedOn, fault: channel.fault };
    } catch (error) {
      const fault = error instanceof ClientFault ? error : new ContentFault(error);
      channel.fail(fault);
      return { replies: this.#replies, dsnPassedOn: this.#dsnPassedOn, fault };
    }
  }

  async #converse(): Promise<void> {
    const { letter, extensions } = this.#parts;
    const sender = wireAddress(letter.sender);
    const refusal = this.#letterRefusal(sender);
    if (refusal !== undefined || sender === undefined) return this.#all(refusal);
    const addressees = this.#addressees();
    if (addressees.length === 0) return;
    const asked = letter.recipients.some(({ notify }) => notify !== undefined);
    this.#dsnPassedOn = asked && extensions.has('DSN');
    const lines = {
      mail: mailLine(sender, letter, extensions),
      rcpt: addressees.map(({ wire, recipient }) => rcptLine(wire, recipient, extensions)),
    };
    if (extensions.has('PIPELINING')) await this.#pipelined(lines, addressees);
    else await this.#stepwise(lines, addressees);
  }

  /** What the peer need not be asked, since its EHLO says it. */
  #letterRefusal(sender: string | undefined): ClientReply | undefined {
    const { letter, extensions } = this.#parts;
    if (sender === undefined) return ours(553, '5.1.7', 'The sender address cannot be sent');
    if (isInternational(sender) && !extensions.has('SMTPUTF8')) {
      return ours(553, '5.6.7', 'The sender address needs SMTPUTF8, which the host does not have');
    }
    const limit = sizeLimit(extensions);
    if (limit !== undefined && letter.wireOctets > limit) {
      const text = `The letter has ${letter.wireOctets} octets, the host takes ${limit}`;
      return ours(552, '5.3.4', text);
    }
    return undefined;
  }

  #addressees(): readonly Addressee[] {
    const { letter, extensions } = this.#parts;
    const found: Addressee[] = [];
    for (const [index, recipient] of letter.recipients.entries()) {
      const wire = wireAddress(recipient.address);
      if (wire === undefined) {
        this.#replies[index] = ours(553, '5.1.3', 'The address cannot be sent');
      } else if (isInternational(wire) && !extensions.has('SMTPUTF8')) {
        const text = 'The address needs SMTPUTF8, which the host does not have';
        this.#replies[index] = ours(553, '5.6.7', text);
      } else found.push({ index, wire, recipient });
    }
    return found;
  }

  #all(reply: ClientReply | undefined): void {
    for (const index of this.#replies.keys()) this.#replies[index] ??= reply;
  }

  async #pipelined(lines: Lines, addressees: readonly Addressee[]): Promise<void> {
    const reset = this.#parts.reset ? 'RSET\r\n' : '';
    const asked = [
      ...(this.#parts.reset ? [this.#reply('mail')] : []),
      this.#reply('mail'),
      ...addressees.map(() => this.#reply('mail')),
      this.#reply('data'),
    ];
    // Whoever fails first ends the channel; the others then are not unhandled.
    for (const each of asked) each.catch(() => {});
    this.#parts.channel.write(`${reset}${lines.mail}${lines.rcpt.join('')}DATA\r\n`);
    this.#unfinished = true;
    if (this.#parts.reset) await asked.shift();
    const mail = (await asked.shift()) as PeerReply;
    const accepted: Addressee[] = [];
    for (const addressee of addressees) {
      const reply = (await asked.shift()) as PeerReply;
      this.#judge(addressee, mail.code >= 300 ? mail : reply, accepted);
    }
    await this.#afterData((await asked.shift()) as PeerReply, accepted);
  }

  async #stepwise(lines: Lines, addressees: readonly Addressee[]): Promise<void> {
    if (this.#parts.reset) await this.#ask('RSET\r\n', 'mail');
    const mail = await this.#ask(lines.mail, 'mail');
    this.#unfinished = mail.code < 300;
    const accepted: Addressee[] = [];
    for (const [at, addressee] of addressees.entries()) {
      const rcpt = lines.rcpt[at] ?? '';
      const reply = mail.code >= 300 ? mail : await this.#ask(rcpt, 'mail');
      this.#judge(addressee, reply, accepted);
    }
    if (accepted.length > 0) await this.#afterData(await this.#ask('DATA\r\n', 'data'), accepted);
  }

  /** A reply that accepts decides nothing yet. */
  #judge(addressee: Addressee, reply: PeerReply, accepted: Addressee[]): void {
    if (reply.code < 300) accepted.push(addressee);
    else this.#replies[addressee.index] = usable(reply, 'mail');
  }

  async #afterData(reply: PeerReply, accepted: readonly Addressee[]): Promise<void> {
    if (reply.code === 354) return this.#content(accepted);
    // With nobody accepted, `503` or `554` is what DATA has to get (RFC 2920 §3.1).
    for (const { index } of accepted) this.#replies[index] = usable(reply, 'data');
  }

  async #content(accepted: readonly Addressee[]): Promise<void> {
    const { channel, protocol, options } = this.#parts;
    const count = protocol === 'lmtp' ? accepted.length : 1;
    const ends = Array.from({ length: count }, () => channel.reply('end', 0));
    const state = { whole: accepted.length === 0, early: false };
    for (const end of ends) {
      end.then(
        () => (state.early ||= !state.whole),
        () => {},
      );
    }
    const nobody = accepted.length === 0; // Said 354 all the same: an empty message, for nobody.
    if (nobody) channel.write('.\r\n');
    else await this.#stream(state);
    if (state.early) return this.#tooEarly(ends[0], accepted);
    channel.limit(options['smtp.client.end.timeout']);
    if (nobody && protocol === 'smtp') await ends[0];
    for (const [at, { index }] of accepted.entries()) {
      const reply = await (ends[at] ?? ends[0]);
      if (reply) this.#replies[index] = usable(reply, 'end');
    }
    this.#unfinished = false;
  }

  /** A verdict before the whole was there: a yes to half a message is none. */
  async #tooEarly(
    end: Promise<PeerReply> | undefined,
    accepted: readonly Addressee[],
  ): Promise<void> {
    const reply = await end;
    const text = `the peer answered ${reply?.code} ${reply?.text} in the middle of the message`;
    if (reply && reply.code >= 400) for (const { index } of accepted) this.#replies[index] = reply;
    throw new ClientFault('protocol', 'data', text, reply);
  }

  async #stream(state: { whole: boolean; readonly early: boolean }): Promise<void> {
    const { channel, letter, options } = this.#parts;
    const wire = new WireContent();
    const ms = options['smtp.client.block.timeout'];
    let before: Uint8Array | undefined;
    for await (const piece of letter.content()) {
      if (before !== undefined && !channel.write(wire.encode(before, false))) {
        await channel.drained('data', ms).catch(() => {});
      }
      // A verdict counts also where the connection ended right behind it.
      if (state.early) return;
      if (channel.fault) throw channel.fault;
      before = piece;
    }
    state.whole = true; // From here on it may arrive.
    if (channel.write(wire.encode(before ?? NOTHING, true))) return;
    // Whether the peer said yes before it ended is for those who wait for its reply.
    await channel.drained('end', ms).catch(() => {});
  }

  #reply(phase: Phase): Promise<PeerReply> {
    const { channel, options } = this.#parts;
    const name = phase === 'data' ? 'smtp.client.data.timeout' : 'smtp.client.command.timeout';
    return channel.reply(phase, options[name]);
  }

  #ask(line: string, phase: Phase): Promise<PeerReply> {
    const reply = this.#reply(phase);
    this.#parts.channel.write(line);
    return reply;
  }
}

interface Lines {
  readonly mail: string;
  readonly rcpt: readonly string[];
}

const NOTHING = new Uint8Array(0);

/** Our own trouble in the middle of a message: the connection ends without the final dot. */
class ContentFault extends ClientFault {
  constructor(cause: unknown) {
    const text = cause instanceof Error ? cause.message : String(cause);
    super('closed', 'data', `the message could not be read: ${text}`);
    this.cause = cause;
  }
}

/** @throws ClientFault for a code that no such command has (334 to MAIL, 354 to the message) */
function usable(reply: PeerReply, phase: Phase): PeerReply {
  const kind = Math.floor(reply.code / 100);
  if (kind === 4 || kind === 5 || (kind === 2 && phase === 'end')) return reply;
  throw new ClientFault('protocol', phase, `the peer said ${reply.code} ${reply.text}`, reply);
}
