/** One attempt to send a letter to one front end, and what may be concluded from its end. */
import { now } from './options.ts';
import { Lost, Wire } from './wire.ts';

export interface Recipient {
  readonly login: string;
  readonly address: string;
}

/** How an attempt went for one recipient. */
export interface Told {
  readonly end: 'acked' | 'temporary' | 'unclear' | 'permanent' | 'unreached';
  /** The end of the data was sent, or may have been. */
  readonly dot: boolean;
  readonly reply: string;
  readonly at: number;
}

export interface Attempt {
  readonly frontEnd: string;
  readonly lmtp: boolean;
  readonly sender: string;
  readonly to: readonly Recipient[];
  /** Dots doubled, with the final dot. */
  readonly content: Buffer;
  readonly connectMs: number;
  readonly answerMs: number;
  readonly dotMs: number;
  /** Cut the connection ourselves: amid the data, or after its end without waiting. */
  readonly cut: 'data' | 'dot' | undefined;
  /** Awaited before the end of the data may leave: the attempt has to be durable by then. */
  readonly beforeDot: (to: readonly Recipient[]) => Promise<void>;
}

/** A reply that ends the attempt. */
class Refused extends Error {}

/** @returns what each recipient was told. Never rejects for what the server or the net does. */
export async function attempt(options: Attempt): Promise<Map<string, Told>> {
  const told = new Map<string, Told>();
  let wire: Wire | undefined;
  try {
    wire = await Wire.open(options.frontEnd, options.connectMs);
    await transact(wire, options, told);
  } catch (error) {
    if (!(error instanceof Lost) && !(error instanceof Refused)) throw error;
    for (const { login } of options.to) {
      if (told.has(login)) continue;
      const end = error instanceof Refused ? endOf(error.message) : 'unreached';
      told.set(login, { end, dot: false, reply: error.message, at: now() });
    }
  } finally {
    wire?.close();
  }
  return told;
}

const endOf = (reply: string): Told['end'] => {
  if (reply.startsWith('4')) return 'temporary';
  return reply.startsWith('5') ? 'permanent' : 'unclear';
};

async function transact(wire: Wire, options: Attempt, told: Map<string, Told>): Promise<void> {
  const expect = async (good: string, text?: string): Promise<string> => {
    if (text !== undefined) wire.write(`${text}\r\n`);
    const reply = await wire.reply(options.answerMs);
    if (!reply.startsWith(good)) throw new Refused(reply);
    return reply;
  };
  await expect('220');
  await expect('250', `${options.lmtp ? 'LHLO' : 'EHLO'} witness.example`);
  await expect('250', `MAIL FROM:<${options.sender}> BODY=8BITMIME`);
  const accepted: Recipient[] = [];
  for (const one of options.to) {
    wire.write(`RCPT TO:<${one.address}>\r\n`);
    const reply = await wire.reply(options.answerMs);
    if (reply.startsWith('25')) accepted.push(one);
    else told.set(one.login, { end: endOf(reply), dot: false, reply, at: now() });
  }
  if (accepted.length === 0) {
    wire.write('QUIT\r\n');
    await wire.flushed(options.answerMs);
    return;
  }
  await expect('354', 'DATA');
  const { content } = options;
  if (options.cut === 'data') {
    wire.write(content.subarray(0, Math.floor((content.length - 5) / 2)));
    await wire.flushed(options.answerMs);
    throw new Lost('cut by the witness amid the data');
  }
  await options.beforeDot(accepted);
  await finish(wire, options, accepted, told);
}

/** From here on, nothing but a reply tells whether it is there. */
async function finish(
  wire: Wire,
  options: Attempt,
  accepted: readonly Recipient[],
  told: Map<string, Told>,
): Promise<void> {
  const ended = (one: Recipient, end: Told['end'], reply: string): unknown =>
    told.set(one.login, { end, dot: true, reply, at: now() });
  let reply = '';
  try {
    wire.write(options.content);
    await wire.flushed(options.answerMs);
    if (options.cut === 'dot') throw new Lost('cut by the witness after the data');
    for (const [i, one] of accepted.entries()) {
      if (options.lmtp || i === 0) reply = await wire.reply(options.dotMs);
      ended(one, reply.startsWith('250') ? 'acked' : endOf(reply), reply);
    }
    wire.write('QUIT\r\n');
    await wire.flushed(options.answerMs);
  } catch (error) {
    if (!(error instanceof Lost)) throw error;
    for (const one of accepted) {
      if (!told.has(one.login)) ended(one, 'unclear', error.message);
    }
  }
}
