import { createContext } from 'preact';
import { useContext, useLayoutEffect, useState } from 'preact/hooks';

import type { Text } from '../i18n/text.ts';
import type { App } from '../model/app.ts';
import type { Observable } from '../observable.ts';

export const AppContext = createContext<App | undefined>(undefined);

/** @throws Error outside of the page's root */
export function useApp(): App {
  const app = useContext(AppContext);
  if (!app) throw new Error('No App in this tree');
  return app;
}

/** What says things to the user. */
export function useText(): Text {
  const { text } = useApp();
  if (!text) throw new Error('No language is loaded yet');
  return text;
}

/**
 * Draws again whenever it says that it has changed. Listening begins with the first drawing, not
 * after it: on a slow machine what changed between would never be seen.
 */
export function useWatch(observable: Observable): void {
  const [, draw] = useState(0);
  useLayoutEffect(() => observable.subscribe(() => draw((n) => n + 1)), [observable]);
}
