import { useEffect, useState } from 'preact/hooks';

import { useApp, useText } from './context.ts';
import { Icon } from './icon.tsx';

/** Says that nothing goes out, why, and what the user can do: the rest of the page goes on. */
export function LinkBanner() {
  const app = useApp();
  const text = useText();
  const { link } = app.connection;
  const isDown = link.kind === 'away' || link.kind === 'trouble';
  const retryAt = isDown ? link.retryAt : 0;
  const [seconds, setSeconds] = useState(0);
  useEffect(() => {
    if (retryAt === 0) return undefined;
    const { clock } = app.browser;
    let callOff: () => void;
    const count = (): void => {
      setSeconds(Math.max(0, Math.ceil((retryAt - clock.now()) / 1000)));
      callOff = clock.after(1000, count);
    };
    count();
    return () => callOff();
  }, [retryAt]);
  const waiting = new Set(app.actions?.pending.map(({ job, id }) => job?.id ?? id)).size;
  return (
    <div class="banner-place" role="status">
      {isDown && (
        <div class="banner">
          <Icon name="offline" />
          <p dir="auto">
            {link.kind === 'trouble' ? link.text : text.say('link.away')}
            {waiting > 0 && ` (${text.say('link.waiting', { count: waiting })})`}
          </p>
          <span class="banner-count" aria-hidden="true" dir="auto">
            {seconds > 0 && text.say('link.retry', { count: seconds })}
          </span>
          <button type="button" class="button" onClick={() => app.connection.wake()}>
            {text.say('do.retry')}
          </button>
        </div>
      )}
    </div>
  );
}
