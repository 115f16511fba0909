import { useState } from 'preact/hooks';

import type { Scope } from '../model/app.ts';
import { useApp, useText } from './context.ts';
import { Icon } from './icon.tsx';
import { folderIcon, folderName } from './names.ts';
import { SheetFrame } from './sheet.tsx';

/** A folder is chosen by the first letters of its name. */
export function MoveSheet({ scope }: { scope: Scope }) {
  const app = useApp();
  const text = useText();
  const [typed, setTyped] = useState('');
  const wanted = typed.trim().toLocaleLowerCase();
  const found = app.folders
    .tree(new Set(), text.language)
    .map(({ mailbox }) => ({
      mailbox,
      path: app.folders
        .path(mailbox.id)
        .map((one) => folderName(one, text))
        .join(' / '),
    }))
    .filter(({ mailbox, path }) => {
      return mailbox.id !== app.folder && path.toLocaleLowerCase().includes(wanted);
    });
  const move = (folder: string): void => {
    app.show(undefined);
    app.deeds.do({ kind: 'move', folder }, scope);
  };
  return (
    <SheetFrame title={text.say('folder.moveTo')} onClose={() => app.show(undefined)}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          const first = found[0];
          if (first) move(first.mailbox.id);
        }}
      >
        <label class="field">
          <span>{text.say('folder.filter')}</span>
          <input
            type="text"
            autoFocus
            autoComplete="off"
            dir="auto"
            value={typed}
            onInput={(event) => setTyped(event.currentTarget.value)}
          />
        </label>
      </form>
      <ul class="choices">
        {found.map(({ mailbox, path }, at) => (
          <li key={mailbox.id}>
            <button
              type="button"
              class={at === 0 && wanted !== '' ? 'choice is-first' : 'choice'}
              onClick={() => move(mailbox.id)}
            >
              <Icon name={folderIcon(mailbox)} />
              <bdi>{path}</bdi>
            </button>
          </li>
        ))}
      </ul>
      {found.length === 0 && <p role="status">{text.say('folder.none')}</p>}
    </SheetFrame>
  );
}
