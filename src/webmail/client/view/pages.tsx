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
  contacts: async () => (await import('./contacts-page.tsx')).default,
  settings: async () => (await import('./settings-page.tsx')).default,
};

export function ExtraPage({ route }: { route: PageRoute }) {
  const app = useApp();
  const text = useText();
  const [Loaded, setLoaded] = useState<PageComponent | undefined>();
  const [why, setWhy] = useState<string | undefined>();
  const [tries, setTries] = useState(0);
  const load = Object.hasOwn(PAGES, route.name) ? PAGES[route.name] : undefined;
  useEffect(() => {
    let isWanted = true;
    setLoaded(undefined);
    setWhy(undefined);
    load?.().then(
      (component) => isWanted && setLoaded(() => component),
      (error: unknown) => isWanted && setWhy(String(error)),
    );
    return () => {
      isWanted = false;
    };
  }, [load, tries]);
  const retry = (): void => {
    // Some browsers remember that code could not be loaded, and a new release has other names.
    if (tries > 0) app.browser.reload();
    setTries(tries + 1);
  };
  const isBusy = load !== undefined && !Loaded && why === undefined;
  return (
    <main class="extra-page" id="list" tabIndex={-1} aria-busy={isBusy}>
      <IconButton icon="back" label={text.say('do.back')} onClick={() => app.close()} />
      {Loaded && <Loaded route={route} />}
      {why !== undefined && (
        <div class="reading-empty" role="alert">
          <p>{text.say('page.failed', { why })}</p>
          <button type="button" class="button" onClick={retry}>
            {text.say('do.retry')}
          </button>
        </div>
      )}
    </main>
  );
}
