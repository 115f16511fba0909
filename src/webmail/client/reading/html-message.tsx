import { useEffect, useRef, useState } from 'preact/hooks';

import type { BodyPart, FullEmail } from '../jmap/types.ts';
import { useApp, useText } from '../view/context.ts';
import { cleanerWith, type Picture } from './clean.ts';
import { fillFrame, followHeight, FRAME } from './frame.ts';
import { pictureAt } from './pictures.ts';

export interface HtmlMessageParts {
  readonly email: FullEmail;
  /** The part of type text/html. */
  readonly part: BodyPart;
  readonly html: string;
}

interface Remote {
  readonly count: number;
  readonly show: () => void;
}

/**
 * A part of a message that is HTML: cleaned, in a frame of its own, with pictures when asked for.
 */
export function HtmlMessage({ email, part, html }: HtmlMessageParts) {
  const app = useApp();
  const text = useText();
  const frame = useRef<HTMLIFrameElement>(null);
  const [page, setPage] = useState<Document>();
  const [remote, setRemote] = useState<Remote>();
  useEffect(() => {
    if (!page || !frame.current) return undefined;
    const shown = new Shown(app.browser.fetch);
    void shown.show(frame.current, page, html, {
      words: {
        quoted: text.say('message.quoted'),
        goesTo: (host) => text.say('message.goesTo', { host }),
      },
      embedded: (id) => {
        const found = email.attachments.find((one) => one.cid === id);
        return found && app.downloadUrl(found);
      },
      remote: (url) =>
        `/image?part=${encodeURIComponent(part.blobId ?? '')}&url=${encodeURIComponent(url)}`,
      onRemote: setRemote,
    });
    return () => shown.end();
  }, [page, html, email.id, text]);
  return (
    <>
      {remote && (
        <p class="message-remote">
          <span>{text.say('message.remote', { count: remote.count })}</span>
          <button
            type="button"
            class="text-button"
            onClick={() => {
              remote.show();
              setRemote(undefined);
            }}
          >
            {text.say('message.showRemote')}
          </button>
        </p>
      )}
      <iframe
        ref={frame}
        class="message-frame"
        sandbox={FRAME.sandbox}
        title={text.say('message.frame')}
        src={FRAME.src}
        onLoad={() => setPage(pageOf(frame.current))}
      />
    </>
  );
}

/** Undefined: something else than our empty page is there. */
function pageOf(frame: HTMLIFrameElement | null): Document | undefined {
  const page = frame?.contentDocument;
  return page?.location.pathname === FRAME.src ? page : undefined;
}

interface ShowParts {
  readonly words: Parameters<ReturnType<typeof cleanerWith>>[1];
  /** Where a part is by its Content-ID. */
  readonly embedded: (id: string) => string | undefined;
  /** Where our host gives what stands at an address. */
  readonly remote: (url: string) => string;
  readonly onRemote: (remote: Remote | undefined) => void;
}

/** The server takes a few more of a user, who may have two pages open. */
const REMOTE_AT_ONCE = 3;

/** What is shown in a frame until something else is. */
class Shown {
  readonly #fetch: (url: string, init: RequestInit) => Promise<Response>;
  readonly #urls: string[] = [];
  #unfollow: (() => void) | undefined;
  #isOver = false;

  constructor(fetch: (url: string, init: RequestInit) => Promise<Response>) {
    this.#fetch = fetch;
  }

  async show(
    frame: HTMLIFrameElement,
    page: Document,
    html: string,
    parts: ShowParts,
  ): Promise<void> {
    const { default: purifier } = await import('dompurify');
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
