import { expect, it } from 'vitest';

import { Shown, type LoadPurifier, type ShowParts } from './shown.ts';

const PARTS: ShowParts = {
  words: { quoted: '', goesTo: (host) => host },
  embedded: () => undefined,
  remote: (url) => url,
  onRemote: () => undefined,
};
const noFetch = async (): Promise<Response> => Response.error();

/** A frame with nothing in it but its window: whoever puts something in meets an error. */
const PAGE = { defaultView: {} } as Document;
const FRAME = {} as HTMLIFrameElement;

const show = (shown: Shown): Promise<string | undefined> =>
  shown.show(FRAME, PAGE, '<p>Words', PARTS);

it('says that the cleaner could not be loaded, and loads it anew when asked again', async () => {
  let times = 0;
  const load: LoadPurifier = async () => {
    times += 1;
    throw new TypeError('Failed to fetch dynamically imported module');
  };
  for (const wanted of [1, 2]) {
    const why = await show(new Shown(noFetch, load));
    expect(why).toBe('Failed to fetch dynamically imported module');
    expect(times).toBe(wanted);
  }
});

it('says that a message could not be cleaned', async () => {
  const load: LoadPurifier = async () => () => {
    throw new Error('no such window');
  };
  expect(await show(new Shown(noFetch, load))).toBe('no such window');
});

it('says nothing of a message that was left meanwhile', async () => {
  const { promise, reject } = Promise.withResolvers<never>();
  const shown = new Shown(noFetch, () => promise);
  const showing = show(shown);
  shown.end();
  reject(new TypeError('network error'));
  expect(await showing).toBeUndefined();
});
