/** A client that does things by chance, and writes down all that it asked and was told. */
import type { Connection } from '../../harness/chat.ts';
import { type Chance, chance, pick } from '../chance.ts';
import type { Exchange, FlagHow, Op } from './records.ts';
import { View } from './view.ts';
import { type Answer, ImapWire } from './wire.ts';

export interface ClientOptions {
  readonly name: string;
  readonly to: Connection;
  readonly user: string;
  readonly password: string;
  /** The folder that all work on, and one to which messages are moved away. */
  readonly folder: string;
  readonly aside: string;
  readonly seed: number;
}

const FLAGS = ['\\Seen', '\\Flagged', '\\Answered', '\\Draft', '$One', 'Two'] as const;
const HOWS: readonly FlagHow[] = ['add', 'add', 'remove', 'replace'];
const SIGNS = { add: '+FLAGS', remove: '-FLAGS', replace: 'FLAGS' } as const;
const ROWS = '(UID FLAGS MODSEQ BODY.PEEK[HEADER.FIELDS (X-SERIAL)])';
/** Above it more is taken away than put there. */
const MESSAGES_MAX = 40;

export class RandomClient {
  readonly exchanges: Exchange[] = [];
  readonly #options: ClientOptions;
  readonly #wire: ImapWire;
  readonly #random: Chance;
  // A client forgives everything; the judge reads the same again and does not.
  readonly #view = new View(() => undefined);
  #serials = 0;
  #final = false;

  private constructor(options: ClientOptions, wire: ImapWire) {
    this.#options = options;
    this.#wire = wire;
    this.#random = chance(`${options.seed} ${options.name}`);
  }

  /** Connects, logs in, selects and learns what is there. */
  static async open(options: ClientOptions): Promise<RandomClient> {
    const wire = await ImapWire.open(options.to);
    const client = new RandomClient(options, wire);
    await client.#good(`LOGIN "${options.user}" "${options.password}"`);
    await client.#good('ENABLE CONDSTORE');
    return client;
  }

  async #good(text: string): Promise<Answer> {
    const answer = await this.#wire.command(text);
    if (answer.status !== 'OK') throw new Error(`${text}: ${answer.status} ${answer.text}`);
    return answer;
  }

  async #do(op: Op, text: string, literal?: Buffer): Promise<Answer> {
    if (op.kind === 'select') this.#view.begin();
    const answer = await this.#wire.command(text, literal);
    for (const response of answer.untagged) this.#view.take(response, op);
    this.#view.end();
    const { name: client } = this.#options;
    this.exchanges.push({ client, op, answer, final: this.#final });
    return answer;
  }

  async select(): Promise<void> {
    await this.#do({ kind: 'select' }, `SELECT "${this.#options.folder}"`);
    await this.#learn();
  }

  /** Asks for rows that it does not know in whole. */
  async #learn(): Promise<void> {
    const { rows } = this.#view;
    const first = rows.findIndex((row) => row.uid === undefined || row.serial === undefined);
    if (first < 0) return;
    await this.#do({ kind: 'fetch', by: 'sequence' }, `FETCH ${first + 1}:* ${ROWS}`);
  }

  /** Messages that it is shown. */
  get count(): number {
    return this.#view.rows.length;
  }

  async noop(): Promise<void> {
    await this.#do({ kind: 'noop' }, 'NOOP');
    await this.#learn();
  }

  /** After all have stopped: what there is to know, and once more in a new session. */
  async last(): Promise<void> {
    this.#final = true;
    await this.#do({ kind: 'noop' }, 'NOOP');
    await this.#learn();
    await this.select();
    await this.#do({ kind: 'fetch', by: 'uid' }, `UID FETCH 1:* ${ROWS}`);
  }

  close(): void {
    this.#wire.close();
  }

  /** One thing by chance. */
  async step(): Promise<void> {
    const full = this.#view.rows.length > MESSAGES_MAX;
    const dice = this.#random() * 100;
    if (dice < 14) await (full ? this.#remove() : this.#append());
    else if (dice < 50) await this.#store();
    else if (dice < 60) await this.#remove();
    else if (dice < 65) await (full ? this.#away('move') : this.#away('copy'));
    else if (dice < 69) await this.#away('move');
    else if (dice < 77) await this.#fetch();
    else if (dice < 96) await this.#do({ kind: 'noop' }, 'NOOP');
    else await this.select();
    await this.#learn();
  }

  async #append(): Promise<void> {
    const serial = `${this.#options.name}-${++this.#serials}`;
    const flags = FLAGS.filter(() => this.#random() < 0.15);
    const text = `Subject: ${serial}\r\nX-Serial: ${serial}\r\n\r\nLetter ${serial}.\r\n`;
    const op: Op = { kind: 'append', serial, flags };
    const { folder } = this.#options;
    await this.#do(op, `APPEND "${folder}" (${flags.join(' ')})`, Buffer.from(text));
  }

  /** Some of those it knows. */
  #some(max: number): number[] {
    const { uids } = this.#view;
    if (uids.length === 0) return [];
    const count = 1 + Math.floor(this.#random() * max);
    const chosen = Array.from({ length: count }, () => pick(this.#random, uids));
    return [...new Set(chosen)].toSorted((a, b) => a - b);
  }

  async #store(): Promise<void> {
    const uids = this.#some(4);
    if (uids.length === 0) return;
    const how = pick(this.#random, HOWS);
    const several = FLAGS.filter(() => this.#random() < 0.25);
    const flags: string[] = several.length === 0 ? [pick(this.#random, FLAGS)] : several;
    if (this.#random() < 0.2) flags.push('\\Deleted');
    const by = this.#random() < 0.3 ? 'sequence' : 'uid';
    const op: Op = { kind: 'store', by, uids, how, flags };
    const change = `${SIGNS[how]} (${flags.join(' ')})`;
    if (by === 'uid') return void (await this.#do(op, `UID STORE ${uids.join()} ${change}`));
    const numbers = uids.map((uid) => this.#view.rows.findIndex((row) => row.uid === uid) + 1);
    await this.#do(op, `STORE ${numbers.join()} ${change}`);
  }

  async #remove(): Promise<void> {
    const uids = this.#some(3);
    if (uids.length > 0) {
      const op: Op = { kind: 'store', by: 'uid', uids, how: 'add', flags: ['\\Deleted'] };
      await this.#do(op, `UID STORE ${uids.join()} +FLAGS (\\Deleted)`);
    }
    if (this.#random() < 0.6) await this.#do({ kind: 'expunge' }, 'EXPUNGE');
    else if (uids.length > 0) {
      await this.#do({ kind: 'uid-expunge', uids }, `UID EXPUNGE ${uids.join()}`);
    }
  }

  async #away(kind: 'copy' | 'move'): Promise<void> {
    const uids = this.#some(2);
    if (uids.length === 0) return;
    const to = kind === 'copy' ? this.#options.folder : this.#options.aside;
    await this.#do({ kind, uids, to }, `UID ${kind.toUpperCase()} ${uids.join()} "${to}"`);
  }

  async #fetch(): Promise<void> {
    if (this.#view.rows.length === 0) return;
    const by = this.#random() < 0.5 ? 'sequence' : 'uid';
    const verb = by === 'uid' ? 'UID FETCH' : 'FETCH';
    await this.#do({ kind: 'fetch', by }, `${verb} 1:* (UID FLAGS MODSEQ)`);
  }
}
