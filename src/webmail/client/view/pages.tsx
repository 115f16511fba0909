import type { ComponentType } from 'preact';
import { useEffect, useState } from 'preact/hooks';

import type { Route } from '../routes.ts';
import { useApp, useText } from './context.ts';
import { IconButton } from './icon-button.tsx';

export type PageRoute = Extract<Route, { kind: 'page' }>;
export type PageComponent = ComponentType<{ readonly route: PageRoute }>;

/**
 * Other pages of the client by the first word of their address (`#/settings/…`), loaded when they
 * are first opened: a row is all that a new page needs.
 */
export const PAGES: Readonly<Record<string, () => Promise<PageComponent>>> = {
  settings: async () => (await import('./settings-page.tsx')).default,
};

export function ExtraPage({ route }: { route: PageRoute }) {
  const app = useApp();
  const text = useText();
  const [Loaded, setLoaded] = useState<PageComponent | undefined>();
  const load = Object.hasOwn(PAGES, route.name) ? PAGES[route.name] : undefined;
  useEffect(() => {
    let isWanted = true;
    setLoaded(undefined);
    void load?.().then((component) => isWanted && setLoaded(() => component));
    return () => {
      isWanted = false;
    };
  }, [load]);
  return (
    <main class="extra-page" id="list" tabIndex={-1} aria-busy={load !== undefined && !Loaded}>
      <IconButton icon="back" label={text.say('do.back')} onClick={() => app.close()} />
      {Loaded && <Loaded route={route} />}
    </main>
  );
}
