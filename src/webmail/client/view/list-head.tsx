import { useApp, useText } from './context.ts';
import { Icon } from './icon.tsx';
import { IconButton } from './icon-button.tsx';
import { MailButtons } from './mail-buttons.tsx';
import { folderName } from './names.ts';

/** Where we are, or what can be done with what is selected. */
export function ListHead() {
  const app = useApp();
  const text = useText();
  const { selection } = app;
  if (selection.size > 0) {
    return (
      <div class="list-head is-selecting" role="toolbar" aria-label={text.say('list.select')}>
        <IconButton
          icon="close"
          label={text.say('list.selectNone')}
          onClick={() => {
            selection.clear();
            app.touch();
          }}
        />
        <span class="selected-count" role="status">
          {text.say('list.selected', { count: selection.size })}
        </span>
        <button type="button" class="text-button" onClick={() => app.selectAll()}>
          {text.say('list.selectAll')}
        </button>
        <MailButtons />
      </div>
    );
  }
  const folder = app.folders.get(app.folder ?? '');
  const count = app.list?.rows.known ? app.list.rows.length : undefined;
  return (
    <div class="list-head">
      <h2 dir="auto">{folder ? folderName(folder, text) : text.say('list.results')}</h2>
      {count !== undefined && (
        <span class="list-count" role="status">
          {text.say(app.list?.threads ? 'list.count' : 'list.emails', { count })}
        </span>
      )}
      <button
        type="button"
        class="icon-button"
        aria-label={text.say('list.selectAll')}
        title={text.say('list.selectAll')}
        onClick={() => app.selectAll()}
      >
        <Icon name="check" />
      </button>
    </div>
  );
}
