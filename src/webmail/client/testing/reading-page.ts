/** A page for the test of hostile mail: shows many in frames, with either wall taken away. */
import createPurify from 'dompurify';

import { cleanerWith, type CleanMail, type FrameWords } from '../reading/clean.ts';
import { fillFrame, followHeight, FRAME } from '../reading/frame.ts';

export interface Walls {
  readonly cleaned: boolean;
  readonly framed: boolean;
}

const WORDS: FrameWords = { quoted: 'Quoted text', goesTo: (host) => `goes to ${host}` };

/** As the message is, scripts and all: they run where the frame lets them. */
function uncleaned(page: Document, html: string): CleanMail {
  const body = page.createElement('body');
  const range = page.createRange();
  range.selectNode(page.body);
  body.append(range.createContextualFragment(html));
  return { body, styles: [], pictures: [], adapts: false };
}

async function show(html: string, walls: Walls): Promise<void> {
  const frame = document.createElement('iframe');
  if (walls.framed) frame.setAttribute('sandbox', FRAME.sandbox);
  frame.src = walls.framed ? FRAME.src : '/open-frame';
  Object.assign(frame.style, { border: '0', inlineSize: '100%', display: 'block' });
  const loaded = new Promise((resolve) => frame.addEventListener('load', resolve, { once: true }));
  document.querySelector('#messages')?.append(frame);
  await loaded;
  const page = frame.contentDocument;
  const window = page?.defaultView;
  if (!page || !window) throw new Error('The frame has no page');
  const purify = createPurify(window);
  const mail = walls.cleaned ? cleanerWith(purify)(html, WORDS) : uncleaned(page, html);
  fillFrame(page, mail);
  followHeight(frame, page);
}

const ms = (n: number): Promise<unknown> => new Promise((resolve) => setTimeout(resolve, n));

/** Shows all, and lets them do what they do. @returns why some could not be shown */
async function showAll(htmls: readonly string[], walls: Walls): Promise<readonly string[]> {
  const ends = await Promise.allSettled(htmls.map((html) => show(html, walls)));
  await ms(400);
  return ends.flatMap((end, at) => (end.status === 'rejected' ? [`${at}: ${end.reason}`] : []));
}

/** What the page is beside its frames, and where those are. */
function outside(): { readonly page: string; readonly places: readonly string[] } {
  const frames = [...document.querySelectorAll('iframe')];
  // Of another site's page the place cannot be asked, and there is no document.
  const places = frames.map((frame) => frame.contentDocument?.location.href ?? 'elsewhere');
  const copy = document.documentElement.cloneNode(true) as Element;
  for (const frame of copy.querySelectorAll('iframe')) frame.remove();
  return { page: `${location.href} ${document.title} ${copy.outerHTML}`, places };
}

/** What stands in each frame. */
const inside = (): readonly string[] =>
  [...document.querySelectorAll('iframe')].map(
    (frame) => frame.contentDocument?.body.innerHTML ?? '',
  );

/** Pixels of each frame. */
const heights = (): readonly number[] =>
  [...document.querySelectorAll('iframe')].map((frame) => frame.offsetHeight);

const clear = (): void => document.querySelector('#messages')?.replaceChildren();

export const reading = { showAll, outside, inside, heights, clear };
Object.assign(globalThis, { reading });
