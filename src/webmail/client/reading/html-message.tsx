import { useEffect, useRef, useState } from 'preact/hooks';

import type { BodyPart, FullEmail } from '../jmap/types.ts';
import { useApp, useText } from '../view/context.ts';
import { FRAME } from './frame.ts';
import { Shown, type Remote } from './shown.ts';

export interface HtmlMessageParts {
  readonly email: FullEmail;
  /** The part of type text/html. */
  readonly part: BodyPart;
  readonly html: string;
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
  const [trouble, setTrouble] = useState<string>();
  const [hasRetried, setRetried] = useState(false);
  const fail = (why: string): void => {
    setPage(undefined);
    setTrouble(why);
  };
  useEffect(() => {
    if (!page || !frame.current) return undefined;
    const shown = new Shown(app.browser.fetch, async () => (await import('dompurify')).default);
    const showing = shown.show(frame.current, page, html, {
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
    void showing.then((why) => why !== undefined && fail(why));
    return () => shown.end();
  }, [page, html, email.id, text]);
  useEffect(() => {
    setTrouble(undefined);
    setRetried(false);
  }, [html, email.id]);
  if (trouble !== undefined) {
    const retry = (): void => {
      // Some browsers remember that code could not be loaded, and a new release has other names.
      if (hasRetried) app.browser.reload();
      setRetried(true);
      setTrouble(undefined);
    };
    return <NotShown why={trouble} onRetry={retry} />;
  }
  return (
    <>
      {remote && <RemotePictures remote={remote} onShown={() => setRemote(undefined)} />}
      <iframe
        ref={frame}
        class="message-frame"
        sandbox={FRAME.sandbox}
        title={text.say('message.frame')}
        src={FRAME.src}
        onLoad={() => {
          const loaded = pageOf(frame.current);
          if (loaded) setPage(loaded);
          else fail(FRAME.src);
        }}
      />
    </>
  );
}

function RemotePictures({ remote, onShown }: { remote: Remote; onShown: () => void }) {
  const text = useText();
  return (
    <p class="message-remote">
      <span>{text.say('message.remote', { count: remote.count })}</span>
      <button
        type="button"
        class="text-button"
        onClick={() => {
          remote.show();
          onShown();
        }}
      >
        {text.say('message.showRemote')}
      </button>
    </p>
  );
}

/** Never an empty frame: that would be read as an empty message. */
function NotShown({ why, onRetry }: { why: string; onRetry: () => void }) {
  const text = useText();
  return (
    <p class="message-remote" role="alert">
      <span>{text.say('message.failed', { why })}</span>
      <button type="button" class="text-button" onClick={onRetry}>
        {text.say('do.retry')}
      </button>
    </p>
  );
}

/** Undefined: something else than our empty page is there. */
function pageOf(frame: HTMLIFrameElement | null): Document | undefined {
  const page = frame?.contentDocument;
  return page?.location.pathname === FRAME.src ? page : undefined;
}
