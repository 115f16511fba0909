import type { DOMPurify } from 'dompurify';

import { cleanerWith, type FrameWords, type Picture } from './clean.ts';
import { fillFrame, followHeight } from './frame.ts';
import { pictureAt } from './pictures.ts';

export interface Remote {
  readonly count: number;
  readonly show: () => void;
}

export interface ShowParts {
  readonly words: FrameWords;
  /** Where a part is by its Content-ID. */
  readonly embedded: (id: string) => string | undefined;
  /** Where our host gives what stands at an address. */
  readonly remote: (url: string) => string;
  readonly onRemote: (remote: Remote | undefined) => void;
}

/** The server takes a few more of a user, who may have two pages open. */
const REMOTE_AT_ONCE = 3;

/** Code that is fetched when the first message of HTML is opened. */
export type LoadPurifier = () => Promise<(window: Window & typeof globalThis) => DOMPurify>;

/** What is shown in a frame until something else is. */
export class Shown {
  readonly #load: LoadPurifier;
  readonly #fetch: (url: string, init: RequestInit) => Promise<Response>;
  readonly #urls: string[] = [];
  #unfollow: (() => void) | undefined;
  #isOver = false;

  constructor(fetch: (url: string, init: RequestInit) => Promise<Response>, load: LoadPurifier) {
    this.#fetch = fetch;
    this.#load = load;
  }

  /**
   * Nothing of the message is in the frame unless all of it was cleaned.
   *
   * @returns why it is not shown; undefined: it is, or nobody wants it any more
   */
  async show(
    frame: HTMLIFrameElement,
    page: Document,
    html: string,
    parts: ShowParts,
  ): Promise<string | undefined> {
    try {
      await this.#put(frame, page, html, parts);
      return undefined;
    } catch (error) {
      if (this.#isOver) return undefined;
      return error instanceof Error ? error.message : String(error);
    }
  }

  async #put(
    frame: HTMLIFrameElement,
    page: Document,
    html: string,
    parts: ShowParts,
  ): Promise<void> {
    const purifier = await this.#load();
    const window = page.defaultView;
    if (this.#isOver || !window) return;
    // In the frame's own window: what is parsed there may have styles, and is never in our page.
    const purify = purifier(window);
    const mail = cleanerWith(purify)(html, parts.words);
    fillFrame(page, mail);
    this.#unfollow = followHeight(frame, page);
    const far = mail.pictures.filter(({ kind }) => kind === 'remote');
    for (const picture of mail.pictures) {
      const url = picture.kind === 'embedded' ? parts.embedded(picture.source) : undefined;
      if (url !== undefined) void this.#fill(picture, url);
    }
    const show = (): void => {
      const waiting = far.values();
      for (let n = 0; n < REMOTE_AT_ONCE; n += 1) void this.#fillAll(waiting, parts.remote);
    };
    parts.onRemote(far.length > 0 ? { count: far.length, show } : undefined);
  }

  end(): void {
    this.#isOver = true;
    this.#unfollow?.();
    for (const url of this.#urls) URL.revokeObjectURL(url);
  }

  async #fillAll(waiting: Iterable<Picture>, at: (url: string) => string): Promise<void> {
    for (const picture of waiting) {
      if (this.#isOver) return;
      await this.#fill(picture, at(picture.source));
    }
  }

  async #fill({ image }: Picture, from: string): Promise<void> {
    const url = await pictureAt(from, this.#fetch);
    if (url === undefined) return;
    if (this.#isOver) return URL.revokeObjectURL(url);
    this.#urls.push(url);
    image.src = url;
  }
}
