import { useApp, useText } from './context.ts';
import { IconButton } from './icon-button.tsx';

/** The last thing that happened, told to those who see and those who listen. */
export function NoticeBar() {
  const app = useApp();
  const text = useText();
  const { notice } = app.notices;
  return (
    <div
      class="notice-place"
      role={notice?.kind === 'failed' ? 'alert' : 'status'}
      onMouseEnter={() => app.notices.hold()}
      onMouseLeave={() => notice && app.notices.release()}
      onFocusIn={() => app.notices.hold()}
      onFocusOut={() => notice && app.notices.release()}
    >
      {notice && (
        <div class={`notice notice-${notice.kind}`}>
          <p dir="auto">{text.say(notice.key, notice.values)}</p>
          {notice.undo && (
            <button type="button" class="notice-undo" onClick={() => app.notices.undo()}>
              {text.say('do.undo')}
            </button>
          )}
          {notice.retry && (
            <button type="button" class="notice-undo" onClick={() => app.notices.retry()}>
              {text.say('do.retry')}
            </button>
          )}
          <IconButton
            icon="close"
            label={text.say('do.close')}
            onClick={() => app.notices.dismiss()}
          />
        </div>
      )}
    </div>
  );
}
