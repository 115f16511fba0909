import { useEffect, useRef, useState } from 'preact/hooks';

import { LANGUAGES, isLanguage } from '../i18n/text.ts';
import { useApp, useText } from './context.ts';
import { IconButton } from './icon-button.tsx';
import { SearchField } from './search-field.tsx';
import { Mark } from './sign-in.tsx';

export function TopBar() {
  const app = useApp();
  const text = useText();
  return (
    <header class="top-bar">
      <div class="brand">
        <IconButton
          class="folders-button"
          icon="menu"
          label={text.say('folder.open')}
          expanded={app.foldersOpen}
          onClick={() => app.toggleFolders(!app.foldersOpen)}
        />
        <Mark />
        <h1>{text.say('app.name')}</h1>
      </div>
      <SearchField />
      <AccountMenu />
    </header>
  );
}

const THEMES = ['auto', 'light', 'dark'] as const;
const PAGES = ['contacts', 'settings'] as const;

/** Whose mail it is, and what is set without a page of its own. */
function AccountMenu() {
  const app = useApp();
  const text = useText();
  const [isOpen, setOpen] = useState(false);
  const frame = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (!isOpen) return undefined;
    const close = (event: Event): void => {
      const outside = !frame.current?.contains(event.target as Node);
      if (outside || (event instanceof KeyboardEvent && event.key === 'Escape')) setOpen(false);
    };
    addEventListener('pointerdown', close);
    addEventListener('keydown', close);
    addEventListener('focusin', close);
    return () => {
      removeEventListener('pointerdown', close);
      removeEventListener('keydown', close);
      removeEventListener('focusin', close);
    };
  }, [isOpen]);
  const login = app.connection.session.username;
  return (
    <div class="account" ref={frame}>
      <button
        type="button"
        class="account-button"
        aria-expanded={isOpen}
        aria-label={text.say('menu.account', { login })}
        title={login}
        onClick={() => setOpen(!isOpen)}
      >
        <span class="avatar hue-0" aria-hidden="true">
          {Array.from(login)[0]?.toLocaleUpperCase()}
        </span>
      </button>
      {isOpen && (
        <div class="menu">
          <p class="menu-title">{login}</p>
          <MenuChoices />
          <MenuLinks onChoose={() => setOpen(false)} />
        </div>
      )}
    </div>
  );
}

/** What is chosen so often that it has no page of its own. */
function MenuChoices() {
  const app = useApp();
  const text = useText();
  const { theme } = app.settings.choices;
  return (
    <>
      <label class="menu-field">
        <span>{text.say('menu.theme')}</span>
        <select
          value={theme}
          onChange={({ currentTarget: { value } }) => {
            const chosen = THEMES.find((one) => one === value);
            if (chosen) app.settings.choose({ theme: chosen });
          }}
        >
          {THEMES.map((one) => (
            <option key={one} value={one}>
              {text.say(`theme.${one}`)}
            </option>
          ))}
        </select>
      </label>
      <label class="menu-field">
        <span>{text.say('menu.language')}</span>
        <select
          value={text.language}
          onChange={({ currentTarget: { value } }) => {
            if (isLanguage(value)) app.settings.choose({ language: value });
          }}
        >
          {Object.entries(LANGUAGES).map(([id, { name }]) => (
            <option key={id} value={id} lang={id}>
              {name}
            </option>
          ))}
        </select>
      </label>
    </>
  );
}

function MenuLinks({ onChoose }: { onChoose: () => void }) {
  const app = useApp();
  const text = useText();
  const choose = (run: () => void) => () => {
    onChoose();
    run();
  };
  return (
    <>
      {PAGES.map((name) => (
        <button
          key={name}
          type="button"
          class="menu-item"
          onClick={choose(() => app.go({ kind: 'page', name, rest: [] }))}
        >
          {text.say(`${name}.title`)}
        </button>
      ))}
      <button type="button" class="menu-item" onClick={choose(() => app.show({ kind: 'help' }))}>
        {text.say('menu.help')}
      </button>
      <button type="button" class="menu-item" onClick={choose(() => void app.signOut())}>
        {text.say('menu.signOut')}
      </button>
    </>
  );
}
