/**
 * HTML of a message made harmless: the first of two walls. The second is the frame it is shown in
 * (`../../message-frame.ts`), and each holds alone; the browser test takes one away at a time.
 *
 * DOMPurify takes out what runs; here what fetches and what leads elsewhere. The result is nodes
 * and never text again: text that is parsed twice may mean two things (mXSS).
 */
import type { DOMPurify } from 'dompurify';

import { cleanSheet, cleanStyle } from './css.ts';
import { linkOf, namesAnother } from './links.ts';

/** A picture without its address: it is given one when its content is here. */
export interface Picture {
  readonly image: HTMLImageElement;
  /** `embedded`: a part of the message by its Content-ID (RFC 2392). */
  readonly kind: 'embedded' | 'remote';
  /** Content-ID, or the address as the message has it. */
  readonly source: string;
}

export interface CleanMail {
  readonly body: HTMLElement;
  /** Style elements, in their order. */
  readonly styles: readonly HTMLStyleElement[];
  readonly pictures: readonly Picture[];
  /** It knows dark screens (`color-scheme`, CSS Color Adjustment §2). */
  readonly adapts: boolean;
}

/** What is written into a message beside what it says. */
export interface FrameWords {
  readonly quoted: string;
  readonly goesTo: (host: string) => string;
}

export type Cleaner = (html: string, words: FrameWords) => CleanMail;

const FORBIDDEN_TAGS = [
  'form',
  'input',
  'button',
  'select',
  'textarea',
  'option',
  'datalist',
].concat(
  ['output', 'fieldset', 'dialog', 'video', 'audio', 'source', 'track', 'template', 'slot', 'menu'],
  ['details', 'summary', 'marquee', 'meter', 'progress'],
);

/** Attributes with addresses, or that make an element act; links and pictures are looked at. */
const DROPPED_ATTRIBUTES = [
  'srcset',
  'sizes',
  'background',
  'poster',
  'ping',
  'cite',
  'longdesc',
].concat(
  ['action', 'formaction', 'usemap', 'popover', 'popovertarget', 'loading', 'fetchpriority'],
  ['autofocus', 'tabindex', 'accesskey', 'contenteditable', 'draggable', 'download', 'inert'],
  ['is', 'slot', 'part', 'integrity', 'crossorigin', 'attributionsrc', 'itemid', 'itemtype'],
);

/** A picture within the text itself: kinds that run nothing, whoever opens them. */
const DATA_PICTURE = /^data:image\/(?:png|jpeg|gif|webp|avif);base64,[A-Za-z0-9+/=\s]*$/;

/** The library's own pattern, for values of all kinds, with `cid:`; links are judged below. */
const ADDRESSES = /^(?:(?:https?|mailto|tel|cid):|data:image\/|[^a-z]|[a-z+.-]+(?:[^a-z+.\-:]|$))/i;

const ADAPTS = /<meta[^>]{1,200}(?:supported-)?color-schemes?[^>]{1,200}dark/i;

export const cleanerWith =
  (purify: DOMPurify): Cleaner =>
  (html, words) => {
    const root = purify.sanitize(html, {
      WHOLE_DOCUMENT: true,
      RETURN_DOM: true,
      USE_PROFILES: { html: true },
      FORBID_TAGS: FORBIDDEN_TAGS,
      FORBID_ATTR: DROPPED_ATTRIBUTES,
      ALLOW_DATA_ATTR: false,
      ALLOW_ARIA_ATTR: false,
      ADD_ATTR: ['type', 'text', 'link', 'hspace', 'vspace'],
      SANITIZE_NAMED_PROPS: true,
      ALLOWED_URI_REGEXP: ADDRESSES,
    }) as HTMLElement; // The whole document's element.
    const body = root.querySelector('body') ?? root;
    const styles = [...root.querySelectorAll('style')];
    for (const style of styles) {
      style.textContent = cleanSheet(style.textContent);
      for (const name of style.getAttributeNames()) style.removeAttribute(name);
      style.remove();
    }
    const pictures: Picture[] = [];
    for (const element of [body, ...body.querySelectorAll('*')]) {
      cleanAttributes(element);
      if (isImage(element)) takePicture(element, pictures);
    }
    for (const link of body.querySelectorAll('a, area')) cleanLink(link, words);
    foldQuotes(body, words);
    return { body, styles, pictures, adapts: ADAPTS.test(html) };
  };

const isImage = (element: Element): element is HTMLImageElement => element.localName === 'img';

function cleanAttributes(element: Element): void {
  const style = element.getAttribute('style');
  if (style !== null) {
    const clean = cleanStyle(style);
    if (clean === '') element.removeAttribute('style');
    else element.setAttribute('style', clean);
  }
  if (!isImage(element)) element.removeAttribute('src');
  if (element.localName !== 'a' && element.localName !== 'area') element.removeAttribute('href');
}

function takePicture(image: HTMLImageElement, pictures: Picture[]): void {
  const source = (image.getAttribute('src') ?? '').trim();
  if (DATA_PICTURE.test(source)) return;
  image.removeAttribute('src');
  const embedded = /^cid:(.+)$/is.exec(source)?.[1];
  if (embedded !== undefined) pictures.push({ image, kind: 'embedded', source: embedded });
  else if (/^(?:https?:)?\/\//i.test(source)) pictures.push({ image, kind: 'remote', source });
}

function cleanLink(element: Element, words: FrameWords): void {
  const href = element.getAttribute('href');
  element.removeAttribute('target');
  if (href === null) return;
  const link = linkOf(href);
  if (!link) {
    element.removeAttribute('href');
    return;
  }
  element.setAttribute('href', link.href);
  element.setAttribute('target', '_blank');
  element.setAttribute('rel', 'noopener noreferrer nofollow');
  element.setAttribute('title', link.href);
  if (element.localName !== 'a' || !namesAnother(element.textContent, link)) return;
  const goes = element.ownerDocument.createElement('span');
  goes.className = 'mailfarm-goes-to';
  goes.textContent = words.goesTo(link.host);
  element.after(goes);
}

/** What was said before is one click away; a fold needs no script. */
function foldQuotes(body: HTMLElement, { quoted }: FrameWords): void {
  const quotes = body.querySelectorAll('blockquote[type=cite], .gmail_quote, .yahoo_quoted');
  for (const quote of quotes) {
    if (quote.parentElement?.closest('details')) continue;
    const fold = body.ownerDocument.createElement('details');
    const summary = body.ownerDocument.createElement('summary');
    summary.className = 'mailfarm-quoted';
    summary.textContent = quoted;
    quote.replaceWith(fold);
    fold.append(summary, quote);
  }
}
