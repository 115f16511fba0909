import { useApp, useText } from './context.ts';
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
        <span class="selected-count" role="status" dir="auto">
          {text.say('list.selected', { count: selection.size })}
        </span>
        <IconButton
          icon="check"
          label={text.say('list.selectAll')}
          onClick={() => app.selectAll()}
        />
        <MailButtons scope="selection" />
      </div>
    );
  }
  const folder = app.folders.get(app.folder ?? '');
  const count = app.list?.rows.known ? app.list.rows.length : undefined;
  return (
    <div class="list-head">
      <h2 dir="auto">{folder ? folderName(folder, text) : text.say('list.results')}</h2>
      {count !== undefined && (
        <span class="list-count" role="status" dir="auto">
          {text.say(app.list?.threads ? 'list.count' : 'list.emails', { count })}
        </span>
      )}
      {!app.deeds.jobs.here && (
        <IconButton
          icon="check"
          label={text.say('list.selectAll')}
          onClick={() => app.selectAll()}
        />
      )}
    </div>
  );
}
