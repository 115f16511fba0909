import type { Scope } from '../model/app.ts';
import type { Intent } from '../model/intents.ts';
import { useApp, useText } from './context.ts';
import { IconButton } from './icon-button.tsx';

/** What can be done with the selected rows, or with what is open. */
export function MailButtons({ scope }: { scope: Scope }) {
  const app = useApp();
  const text = useText();
  const { folder, folders, deeds } = app;
  const isIn = (role: 'archive' | 'junk' | 'trash'): boolean =>
    folder !== undefined && folder === folders.ofRole(role)?.id;
  const act = (intent: Intent): void => deeds.do(intent, scope);
  const selected = scope === 'selection' ? app.selection.emails[0] : undefined;
  const subject = selected ?? app.conversation?.emails.at(-1)?.id ?? '';
  const isRead = app.emails.get(subject)?.keywords['$seen'] === true;
  return (
    <div class="mail-buttons">
      {!isIn('archive') && (
        <IconButton
          icon="archive"
          label={text.say('do.archive')}
          onClick={() => act({ kind: 'archive' })}
        />
      )}
      <IconButton
        icon="trash"
        label={text.say(isIn('trash') ? 'do.destroy' : 'do.trash')}
        onClick={() => act({ kind: 'trash' })}
      />
      <IconButton
        icon={isIn('junk') ? 'inbox' : 'junk'}
        label={text.say(isIn('junk') ? 'do.notJunk' : 'do.junk')}
        onClick={() => act({ kind: isIn('junk') ? 'not-junk' : 'junk' })}
      />
      <IconButton
        icon={isRead ? 'unread' : 'read'}
        label={text.say(isRead ? 'do.unread' : 'do.read')}
        onClick={() => act({ kind: isRead ? 'unread' : 'read' })}
      />
      <IconButton
        icon="move"
        label={text.say('do.move')}
        onClick={() => app.show({ kind: 'move', scope })}
      />
    </div>
  );
}
