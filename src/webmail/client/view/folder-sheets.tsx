import { useState } from 'preact/hooks';

import { createFolder, removeFolder, renameFolder } from '../model/folder-changes.ts';
import { useApp, useText } from './context.ts';
import { SheetFrame } from './sheet.tsx';

export interface FolderSheetParts {
  /** The folder that gets a new name; undefined: a new one is made. */
  readonly folder?: string | undefined;
  readonly parent?: string | undefined;
}

/** Makes a folder, or renames one. */
export function FolderSheet({ folder, parent }: FolderSheetParts) {
  const app = useApp();
  const text = useText();
  const known = app.folders.get(folder ?? '');
  const [name, setName] = useState(known?.name ?? '');
  const [trouble, setTrouble] = useState('');
  const submit = async (event: Event): Promise<void> => {
    event.preventDefault();
    const wanted = name.trim();
    if (wanted === '') return;
    const why = known
      ? await renameFolder(app, known.id, wanted)
      : await createFolder(app, wanted, parent);
    if (why === undefined) app.show(undefined);
    else setTrouble(text.say('folder.failed', { why }));
  };
  const above = app.folders.get(parent ?? '');
  const title = known
    ? text.say('folder.rename')
    : above
      ? text.say('folder.newIn', { folder: above.name })
      : text.say('folder.new');
  return (
    <SheetFrame title={title} onClose={() => app.show(undefined)}>
      <form onSubmit={(event) => void submit(event)}>
        <label class="field">
          <span>{text.say('folder.name')}</span>
          <input
            type="text"
            required
            autoFocus
            autoComplete="off"
            dir="auto"
            maxLength={200}
            value={name}
            onInput={(event) => setName(event.currentTarget.value)}
          />
        </label>
        <p class="form-trouble" role="alert">
          {trouble}
        </p>
        <div class="sheet-buttons">
          {known && (
            <>
              <button
                type="button"
                class="text-button is-grave"
                onClick={() => app.show({ kind: 'remove-folder', folder: known.id })}
              >
                {text.say('folder.remove')}
              </button>
              <button
                type="button"
                class="text-button"
                onClick={() => app.show({ kind: 'new-folder', parent: known.id })}
              >
                {text.say('folder.new')}
              </button>
            </>
          )}
          <button type="submit" class="button button-main">
            {text.say(known ? 'folder.rename' : 'folder.create')}
          </button>
        </div>
      </form>
    </SheetFrame>
  );
}

export function RemoveFolderSheet({ folder }: { folder: string }) {
  const app = useApp();
  const text = useText();
  const [trouble, setTrouble] = useState('');
  const known = app.folders.get(folder);
  if (!known) return null;
  const remove = async (): Promise<void> => {
    const why = await removeFolder(app, folder);
    if (why === undefined) app.show(undefined);
    else setTrouble(text.say('folder.failed', { why }));
  };
  return (
    <SheetFrame title={text.say('folder.remove')} onClose={() => app.show(undefined)}>
      <p class="sheet-text">
        {text.say('folder.removeText', { folder: known.name, count: known.totalEmails })}
      </p>
      <p class="form-trouble" role="alert">
        {trouble}
      </p>
      <div class="sheet-buttons">
        <button type="button" class="text-button" onClick={() => app.show(undefined)}>
          {text.say('do.cancel')}
        </button>
        <button type="button" class="button button-grave" onClick={() => void remove()}>
          {text.say('folder.remove')}
        </button>
      </div>
    </SheetFrame>
  );
}
