/**
 * What searches found out of texts, for those that ask the same again: for each text and each
 * message of a folder whether it is there. What a message says never changes, so an answer is true
 * for ever; flags, dates and sizes are none of it. With it a search that was ended by its time goes
 * on, when it is asked again, where the last one ended, whatever else is or is not kept. Of 100,000
 * messages a text takes 25 KB; the texts asked for longest ago are forgotten first.
 */
import type { Query } from './query.ts';
import { foldedText } from './search-evaluate.ts';

/** UIDs of a block, four in an octet. */
const BLOCK = 512;
const BLOCK_OCTETS = BLOCK / 4;
/** What a block takes beside its octets, and a text. */
const MORE_OCTETS = 150;
const NO = 1;
const YES = 2;

export type TextQuery = Extract<Query, { readonly text: string }>;

/** Of one text in one folder, by UID. */
export class Answers {
  readonly #blocks = new Map<number, Uint8Array>();

  get octets(): number {
    return MORE_OCTETS + this.#blocks.size * (BLOCK_OCTETS + MORE_OCTETS);
  }

  get(uid: number): boolean | undefined {
    const block = this.#blocks.get(Math.floor(uid / BLOCK));
    if (block === undefined) return undefined;
    const at = uid % BLOCK;
    const bits = ((block[at >> 2] as number) >> (2 * (at & 3))) & 3;
    return bits === 0 ? undefined : bits === YES;
  }

  set(uid: number, answer: boolean): void {
    const number = Math.floor(uid / BLOCK);
    let block = this.#blocks.get(number);
    if (block === undefined) this.#blocks.set(number, (block = new Uint8Array(BLOCK_OCTETS)));
    const at = uid % BLOCK;
    const bits = (answer ? YES : NO) << (2 * (at & 3));
    block[at >> 2] = (block[at >> 2] as number) | bits;
  }
}

/** Of all texts and folders of a process, within a bound. */
export class AllAnswers {
  readonly #octetsMax: number;
  /** The one asked for last at the end. */
  readonly #known = new Map<string, Answers>();

  constructor(octetsMax: number) {
    this.#octetsMax = octetsMax;
  }

  /** @param folder Of one journal: UIDs of another are other messages. */
  of(folder: string, query: TextQuery): Answers {
    const field = query.kind === 'header' ? query.field.toLowerCase() : '';
    const id = `${folder}\0${query.kind}\0${field}\0${foldedText(query)}`;
    const answers = this.#known.get(id) ?? new Answers();
    this.#known.delete(id);
    this.#known.set(id, answers);
    return answers;
  }

  /** That they take in memory, about. */
  get octets(): number {
    let octets = 0;
    for (const [id, answers] of this.#known) octets += id.length + answers.octets;
    return octets;
  }

  /** Forgets what is too much. */
  bound(): void {
    let { octets } = this;
    for (const [id, answers] of this.#known) {
      if (octets <= this.#octetsMax) return;
      octets -= id.length + answers.octets;
      this.#known.delete(id);
    }
  }
}
