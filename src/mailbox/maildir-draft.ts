import type { StagedMessage } from '#maildir';
import { MailError, type Draft, type DraftOptions } from './mail.ts';
import type { Placed } from './shared-folder.ts';
import { StoredForm } from './stored-form.ts';

/**
 * A message that a client is writing into a folder: it goes to the folder's tmp/ piece by piece,
 * so that of a large one no more than a piece is in memory. A small one is kept until the end: one
 * operation on the volume, and none for what is given up. Of many that come together only the
 * first are kept so; the others go to tmp/ when they are whole.
 */
const PIECE_OCTETS = 256 * 1024;
/** Octets of drafts of one APPEND that may be in memory. */
const KEPT_OCTETS = 4 * PIECE_OCTETS;
const SECOND = 1000;
/** Years that a name's seconds can say: 11 digits. */
const SECONDS_MAX = 99_999_999_999;

export class MaildirDraft implements Draft {
  readonly placed: Placed;
  readonly #options: DraftOptions;
  readonly #base: string;
  readonly #max: number;
  readonly #form = new StoredForm();
  #state: 'open' | 'staged' | 'over' = 'open';
  /** Not on the volume yet. */
  #held: Buffer[] = [];
  #heldOctets = 0;
  #stagedOctets = 0;
  #givenOctets = 0;

  /** @param max octets in wire form */
  constructor(placed: Placed, options: DraftOptions & { readonly now: number }, max: number) {
    this.placed = placed;
    this.#options = options;
    this.#max = max;
    const at = Math.floor((options.date ?? options.now) / SECOND);
    const seconds = Math.min(Math.max(0, at), SECONDS_MAX);
    const unique = placed.mailbox.volume.uniqueName();
    this.#base = `${seconds}${unique.slice(unique.indexOf('.'))}`;
  }

  get octets(): number {
    return this.#form.octets;
  }

  async write(piece: Uint8Array): Promise<void> {
    if (this.#state !== 'open') throw new TypeError('the draft was used up');
    const bytes = this.#form.convert(piece);
    this.#givenOctets += piece.length;
    if (this.#form.wireOctets > this.#max) throw tooLarge(this.#max);
    this.#hold(bytes);
    if (this.#heldOctets >= PIECE_OCTETS || this.#isOneOfMany()) await this.#stage(false);
  }

  #isOneOfMany(): boolean {
    const { before = 0, octets = 0 } = this.#options;
    return before >= KEPT_OCTETS && this.#givenOctets >= octets && this.#heldOctets > 0;
  }

  /** Makes it durable in tmp/. @throws StoreError */
  async finish(): Promise<StagedMessage> {
    if (this.#state !== 'open') throw new TypeError('the draft was used up');
    this.#hold(this.#form.end());
    this.#state = 'staged';
    await this.#stage(true);
    const { letters, keywords } = this.#options;
    const { octets, wireOctets } = this.#form;
    return { base: this.#base, octets, wireOctets, letters, keywords };
  }

  /** It is in the folder, or nobody knows: nothing is to be removed. */
  added(): void {
    this.#state = 'over';
  }

  async discard(): Promise<void> {
    if (this.#state === 'over') return;
    this.#state = 'over';
    this.#held = [];
    if (this.#stagedOctets === 0) return;
    const { volume } = this.placed.mailbox;
    await volume.discard({ maildir: folderPath(this.placed), base: this.#base });
  }

  #hold(bytes: Buffer): void {
    if (bytes.length === 0) return;
    this.#held.push(bytes);
    this.#heldOctets += bytes.length;
  }

  async #stage(last: boolean): Promise<void> {
    const [only] = this.#held;
    const bytes = this.#held.length === 1 && only ? only : Buffer.concat(this.#held);
    const offset = this.#stagedOctets;
    this.#held = [];
    this.#heldOctets = 0;
    this.#stagedOctets = Math.max(1, offset + bytes.length); // Also a part of it may be there.
    const maildir = folderPath(this.placed);
    const { volume } = this.placed.mailbox;
    await volume.stage({ maildir, base: this.#base, offset, bytes, last });
  }
}

/** The Maildir of a folder. */
export const folderPath = ({ ref: { maildir, folder } }: Placed): string =>
  folder === '' ? maildir : `${maildir}/.${folder}`;

export const tooLarge = (max: number): MailError =>
  new MailError('too-large', `A message may have ${max} octets`);
