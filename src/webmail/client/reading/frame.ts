/** A message in its frame: filled from outside, measured from outside, never running anything. */
import type { CleanMail } from './clean.ts';

/** Where the frame's empty page is, and what a page in it may not do whatever its policy says. */
export const FRAME = {
  src: '/message-frame',
  // `allow-same-origin` lets us in, to fill and to measure; nothing in there can get out, because
  // nothing in there runs: there is no `allow-scripts`, and with both there would be no frame.
  sandbox: 'allow-same-origin allow-popups allow-popups-to-escape-sandbox',
} as const;

/** Pixels; what is longer is scrolled within the frame. */
export const HEIGHT_MAX = 30_000;

/** Pictures that come and folds that open change the height; what still changes it follows us. */
const CHANGES_MAX = 300;

/** Attributes of a message's `body` that its frame's gets. */
const BODY_ATTRIBUTES = ['style', 'class', 'dir', 'lang', 'bgcolor', 'text', 'link'] as const;

/**
 * Frames within the frame, which a cleaned message has none of. Chromium connects to where one
 * leads before it asks the policy whether it may, so that the policy alone does not hold.
 */
const NESTED = 'iframe, frame, object, embed, fencedframe, portal';

/** Puts a message in the place of what was there. */
export function fillFrame(page: Document, mail: CleanMail): void {
  page.documentElement.toggleAttribute('data-adapts', mail.adapts);
  for (const style of page.head.querySelectorAll('style[data-of-message]')) style.remove();
  for (const style of mail.styles) {
    style.setAttribute('data-of-message', '');
    page.head.append(style);
  }
  for (const name of BODY_ATTRIBUTES) {
    const value = mail.body.getAttribute(name);
    if (value === null) page.body.removeAttribute(name);
    else page.body.setAttribute(name, value);
  }
  for (const nested of mail.body.querySelectorAll(NESTED)) nested.remove();
  page.body.replaceChildren(...mail.body.childNodes);
}

/** Keeps the frame as high as what is in it. @returns what ends that */
export function followHeight(frame: HTMLIFrameElement, page: Document): () => void {
  const { documentElement, body } = page;
  // A height in parts of the frame's would grow with it, and it with that.
  documentElement.style.setProperty('height', 'auto', 'important');
  documentElement.style.setProperty('min-height', '0', 'important');
  let changes = 0;
  const measure = (): void => {
    const wanted = Math.max(documentElement.offsetHeight, body.offsetHeight, body.scrollHeight);
    const height = Math.min(Math.ceil(wanted), HEIGHT_MAX);
    if (frame.clientHeight === height) return;
    changes += 1;
    const isFollowed = changes <= CHANGES_MAX;
    const overflow = isFollowed && wanted <= HEIGHT_MAX ? 'hidden' : 'auto';
    documentElement.style.setProperty('overflow-y', overflow, 'important');
    if (isFollowed) frame.style.blockSize = `${height}px`;
  };
  const observer = new ResizeObserver(measure);
  observer.observe(page.body);
  measure();
  return () => observer.disconnect();
}
