import { useEffect } from 'preact/hooks';

import { LANGUAGES } from '../i18n/text.ts';
import type { App } from '../model/app.ts';
import { AppContext, useWatch } from './context.ts';
import { SheetFrame } from './sheet.tsx';
import { Shell } from './shell.tsx';
import { Mark, SignInForm, SignInPage } from './sign-in.tsx';

/** Everything. Draws again when anything changes: there is never much on the screen. */
export function Root({ app }: { app: App }) {
  useWatch(app);
  usePageSettings(app);
  return (
    <AppContext.Provider value={app}>
      <Page app={app} />
    </AppContext.Provider>
  );
}

function Page({ app }: { app: App }) {
  const { text } = app;
  if (!text) return null;
  const isOut = app.connection.link.kind === 'signed-out';
  if (!app.isReady) {
    if (isOut) return <SignInPage />;
    return (
      <main class="splash" aria-busy="true">
        <Mark />
        <h1 class="for-ears">{text.say('app.name')}</h1>
        <p role="status" dir="auto">
          {splashText(app)}
        </p>
        {app.connection.link.kind !== 'well' && (
          <button type="button" class="button" onClick={() => app.connection.wake()}>
            {text.say('do.retry')}
          </button>
        )}
      </main>
    );
  }
  return (
    <>
      <Shell />
      {isOut && (
        <SheetFrame title={text.say('signIn.again')} onClose={() => undefined} firm>
          <p class="sheet-text">{text.say('signIn.againText')}</p>
          <SignInForm />
        </SheetFrame>
      )}
    </>
  );
}

function splashText(app: App): string | undefined {
  const { link } = app.connection;
  if (link.kind === 'trouble') return link.text;
  return app.text?.say(link.kind === 'away' ? 'link.away' : 'app.loading');
}

/** What of the choices stands at the root of the document. */
function usePageSettings(app: App): void {
  const { theme, density, direction } = app.settings.choices;
  const language = app.text?.language ?? 'en';
  const dir = direction === 'auto' ? LANGUAGES[language].direction : direction;
  const unread = app.isReady ? app.unread(app.folders.ofRole('inbox')?.id ?? '') : 0;
  const name = app.text?.say('app.name') ?? '';
  useEffect(() => {
    const root = document.documentElement;
    root.lang = language;
    root.dir = dir;
    root.dataset['theme'] = theme;
    root.dataset['density'] = density;
  }, [language, dir, theme, density]);
  useEffect(() => {
    document.title = unread > 0 ? `(${unread}) ${name}` : name;
  }, [unread, name]);
}
