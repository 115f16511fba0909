/**
 * Letters that delivery writes itself (answers in absence, notices of success, what moderators are
 * asked): always with the null sender, so that nothing ever answers them, and through the same two
 * phases as everybody's.
 */
import type { Directory } from '../directory/types.ts';
import { placeElsewhere, placeOf, placesOf, together, type Places } from './places.ts';
import type { Delivery } from './types.ts';

export interface OwnLettersParts {
  readonly directory: Pick<Directory, 'resolve'>;
  readonly delivery: Pick<Delivery, 'begin'>;
  /** Whether anything can leave from here. */
  readonly leaves: boolean;
}

export interface OwnLetter {
  readonly to: string;
  /** Trace id of the letter that it is about. */
  readonly trace: string;
  readonly origin: 'notice' | 'vacation';
  /** Whose absence, if it is one. */
  readonly owner?: string;
  readonly login?: string;
  readonly smtpUtf8: boolean;
  readonly text: AsyncIterable<Uint8Array> | readonly Uint8Array[];
}

export class OwnLetters {
  readonly #parts: OwnLettersParts;

  constructor(parts: OwnLettersParts) {
    this.#parts = parts;
  }

  /**
   * Resolves when it is durable.
   * @returns false where the address leads to nobody
   * @throws whatever kept it from that
   */
  async send(letter: OwnLetter): Promise<boolean> {
    const places = await this.#placesOf(letter);
    return places !== undefined && (await this.put(letter, [places]));
  }

  /** The same, to places that are known. */
  async put(letter: Omit<OwnLetter, 'to'>, places: readonly Places[]): Promise<boolean> {
    const { recipients, leaving } = together(places);
    const going = this.#parts.leaves ? leaving : [];
    if (recipients.length + going.length === 0) return false;
    const incoming = this.#parts.delivery.begin({
      id: letter.trace,
      recipients,
      leaving: going,
      envelope: { sender: '', smtpUtf8: letter.smtpUtf8, sign: true },
      header: () => Buffer.from('Return-Path: <>\n'),
    });
    try {
      for await (const piece of letter.text) await incoming.write(piece);
    } catch (error) {
      await incoming.abort();
      throw error;
    }
    const results = [...(await incoming.commit()), ...incoming.left];
    const failed = results.find(({ error }) => error !== undefined)?.error;
    if (failed !== undefined) throw failed;
    return true;
  }

  async #placesOf({ to, origin, owner = '', login = '' }: OwnLetter): Promise<Places | undefined> {
    // RFC 3461 §4.1: of an answer or a notice nobody is told anything, whatever becomes of it.
    const rcpt = { address: to, sender: '', dsn: { notify: 'never' } } as const;
    const by = { origin, owner, login } as const;
    const resolution = await this.#parts.directory.resolve(to, { sender: '' });
    switch (resolution.kind) {
      case 'account':
        return placeOf(rcpt, resolution.account);
      case 'expanded':
        return placesOf(rcpt, resolution, by);
      case 'unknown-domain':
        return placeElsewhere(rcpt, by);
      case 'unknown-user':
      case 'refused':
        return undefined;
    }
  }
}
