import { useLayoutEffect, useState } from 'preact/hooks';

import { useApp, useText } from './context.ts';
import { Icon } from './icon.tsx';
import { IconButton } from './icon-button.tsx';

export function SearchField() {
  const app = useApp();
  const text = useText();
  const asked = app.route.kind === 'search' ? app.route.text : '';
  const [typed, setTyped] = useState(asked);
  // At once: a later effect would overwrite what was typed since, on a busy machine.
  useLayoutEffect(() => setTyped(asked), [asked]);
  return (
    <form
      class="search"
      role="search"
      onSubmit={(event) => {
        event.preventDefault();
        app.search(typed);
      }}
    >
      <Icon name="search" />
      <input
        id="search"
        type="search"
        enterKeyHint="search"
        autoComplete="off"
        spellcheck={false}
        dir="auto"
        aria-label={text.say('search.label')}
        aria-describedby="search-help"
        placeholder={text.say('search.hint')}
        title={text.say('search.help')}
        value={typed}
        onInput={(event) => setTyped(event.currentTarget.value)}
        onKeyDown={(event) => {
          if (event.key !== 'Escape') return;
          event.currentTarget.blur();
          document.querySelector<HTMLElement>('#list [tabindex="0"]')?.focus();
        }}
      />
      <span id="search-help" hidden>
        {text.say('search.help')}
      </span>
      {typed !== '' && (
        <IconButton
          icon="close"
          label={text.say('search.clear')}
          onClick={() => {
            setTyped('');
            app.search('');
          }}
        />
      )}
    </form>
  );
}
