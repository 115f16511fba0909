/** Sends a corpus through the farm with many programs and fetches it with many others. */
import { createHash } from 'node:crypto';
import type { CorpusMessage } from '../fixtures/corpus.ts';
import type { Farm } from '../harness/farm.ts';
import { DEMO_PASSWORD } from '../harness/farm.ts';
import type { Fetcher } from '../harness/fetchers.ts';
import { saidBy } from '../harness/process.ts';
import type { ClientTls, Sender } from '../harness/senders.ts';

/** Commands run at once: more than the machine's cores, less than the farm's limits. */
const LANES = 4;

/** A message on its way: what must come out at the other end. */
export interface Sent {
  /** Who sent which message: what a failure shows. */
  readonly name: string;
  readonly wire: Buffer;
}

/**
 * The header lines that final delivery puts before a message: Return-Path, Delivered-To for a
 * single recipient, Received up to its date (RFC 5321 §4.4). A message may begin with white
 * space, which would read as one more line of Received: the date is the end.
 */
const TRACE = new RegExp(
  [
    /^Return-Path: <[^\n]*>\r?\n/,
    /(?:Delivered-To: [^\n]*\r?\n)?/,
    /Received: from [^\n]*\r?\n(?:[\t ][^\n]*\r?\n)*?[\t ]/,
    /[A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} \+0000\r?\n/,
  ]
    .map((part) => part.source)
    .join(''),
);

/** What follows the trace headers, or undefined when they are not what they should be. */
export function afterTrace(message: Buffer): Buffer | undefined {
  const trace = TRACE.exec(message.subarray(0, 8192).toString('latin1'))?.[0];
  return trace === undefined ? undefined : message.subarray(trace.length);
}

const lfForm = (bytes: Buffer): Buffer =>
  Buffer.from(bytes.toString('latin1').replaceAll('\r\n', '\n'), 'latin1');
const hash = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');

/**
 * Sends every message with the next program that can carry it, in turn plain and by STARTTLS.
 * @returns what was accepted. @throws Error with the program's words when one was not.
 */
export async function sendAll(options: {
  readonly farm: Farm;
  readonly senders: readonly Sender[];
  readonly messages: readonly CorpusMessage[];
  readonly to: readonly string[];
  readonly directory: string;
}): Promise<Sent[]> {
  const { farm, senders, to, directory } = options;
  const sent: Sent[] = [];
  const one = async (message: CorpusMessage, at: number): Promise<void> => {
    const able = senders.filter((sender) => sender.carried(message.wire) !== undefined);
    const sender = able[at % able.length];
    if (sender === undefined) throw new Error(`no program can send ${message.name}`);
    const secure = at % 3 === 0 && sender.tls.includes('starttls');
    const tls: ClientTls = { mode: 'starttls', authority: farm.authority };
    const result = await sender.send({
      port: farm.ports.smtp,
      ...(secure ? { tls } : {}),
      from: 'sender@client.example',
      to,
      wire: message.wire,
      directory,
    });
    const name = `${message.name} by ${sender.name}${secure ? ' with STARTTLS' : ''}`;
    if (result.code !== 0) {
      throw new Error(`${name}: exit ${result.code}\n${saidBy(result)}`);
    }
    sent.push({ name, wire: sender.carried(message.wire) ?? message.wire });
  };
  const queue = [...options.messages.entries()];
  const lane = async (): Promise<void> => {
    for (let next = queue.shift(); next; next = queue.shift()) await one(next[1], next[0]);
  };
  await Promise.all(Array.from({ length: LANES }, lane));
  return sent;
}

export interface Verdict {
  readonly fetched: number;
  /** Fetched with another hash by a program that rewrites such messages. */
  readonly rewritten: number;
  /** Sent, but not fetched with the same SHA-256. */
  readonly missing: readonly string[];
  /** Fetched with a hash that nobody sent, beyond `rewritten`; or without trace headers. */
  readonly strange: readonly string[];
}

/** Fetches all with one program and compares SHA-256 of what follows the trace headers. */
export async function fetchAll(options: {
  readonly farm: Farm;
  readonly fetcher: Fetcher;
  readonly sent: readonly Sent[];
  readonly user: string;
  readonly mode?: ClientTls['mode'];
  readonly directory: string;
}): Promise<Verdict> {
  const { farm, fetcher, mode } = options;
  const { messages, result } = await fetcher.fetch({
    port: mode === 'implicit' ? farm.ports.pop3s : farm.ports.pop3,
    ...(mode === undefined ? {} : { tls: { mode, authority: farm.authority } }),
    user: options.user,
    password: DEMO_PASSWORD,
    directory: options.directory,
  });
  if (result.code !== 0) throw new Error(`${fetcher.name}: ${saidBy(result)}`);
  const expected = new Map<string, string[]>();
  const rewrites: string[] = [];
  for (const { name, wire } of options.sent) {
    if (!fetcher.exact(wire)) rewrites.push(name);
    const key = hash(fetcher.form === 'lf' ? lfForm(wire) : wire);
    expected.set(key, [...(expected.get(key) ?? []), name]);
  }
  const strange: string[] = [];
  for (const message of messages) {
    const rest = afterTrace(message);
    const known = rest === undefined ? undefined : expected.get(hash(rest));
    if (known?.pop() !== undefined) continue;
    const start = message.subarray(0, 400).toString('latin1');
    strange.push(`${message.length} octets: ${JSON.stringify(start)}`);
  }
  const left = [...expected.values()].flat();
  const missing = left.filter((name) => !rewrites.includes(name));
  const rewritten = left.length - missing.length;
  // Each message that a program rewrote took one place among the strange ones.
  return { fetched: messages.length, rewritten, missing, strange: strange.slice(rewritten) };
}
