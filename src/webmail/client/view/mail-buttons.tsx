import { useApp, useText } from './context.ts';
import { IconButton } from './icon-button.tsx';

/** What can be done with the selected rows, or with what is open. */
export function MailButtons() {
  const app = useApp();
  const text = useText();
  const { folder, folders, deeds } = app;
  const isIn = (role: 'archive' | 'junk' | 'trash'): boolean =>
    folder !== undefined && folder === folders.ofRole(role)?.id;
  const subject = app.selection.emails[0] ?? app.rowAt(app.cursor)?.email ?? '';
  const isRead = app.emails.get(subject)?.keywords['$seen'] === true;
  return (
    <div class="mail-buttons">
      {!isIn('archive') && (
        <IconButton
          icon="archive"
          label={text.say('do.archive')}
          onClick={() => deeds.do({ kind: 'archive' })}
        />
      )}
      <IconButton
        icon="trash"
        label={text.say(isIn('trash') ? 'do.destroy' : 'do.trash')}
        onClick={() => deeds.do({ kind: 'trash' })}
      />
      <IconButton
        icon={isIn('junk') ? 'inbox' : 'junk'}
        label={text.say(isIn('junk') ? 'do.notJunk' : 'do.junk')}
        onClick={() => deeds.do({ kind: isIn('junk') ? 'not-junk' : 'junk' })}
      />
      <IconButton
        icon={isRead ? 'unread' : 'read'}
        label={text.say(isRead ? 'do.unread' : 'do.read')}
        onClick={() => deeds.do({ kind: isRead ? 'unread' : 'read' })}
      />
      <IconButton
        icon="move"
        label={text.say('do.move')}
        onClick={() => app.show({ kind: 'move' })}
      />
    </div>
  );
}
