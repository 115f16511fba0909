import { useEffect, useRef } from 'preact/hooks';

import type { Conversation } from '../model/conversation.ts';
import { useApp, useText } from './context.ts';
import { IconButton } from './icon-button.tsx';
import { MailButtons } from './mail-buttons.tsx';
import { MessageCard } from './message-card.tsx';

export function ConversationPane() {
  const app = useApp();
  const text = useText();
  const { conversation } = app;
  return (
    <section class="reading-pane" aria-label={text.say('pane.message')}>
      {conversation ? (
        <Open key={conversation.key} conversation={conversation} />
      ) : (
        <p class="reading-empty">{text.say('message.empty')}</p>
      )}
    </section>
  );
}

function Open({ conversation }: { conversation: Conversation }) {
  const app = useApp();
  const text = useText();
  const scroller = useRef<HTMLDivElement>(null);
  const { emails, status } = conversation;
  const subject = emails[0]?.subject?.trim() ?? '';
  useEffect(() => {
    // The first that is unfolded is what the user came for, below older ones.
    if (status !== 'ready' || emails.length < 2) return;
    scroller.current?.querySelector('.message.is-unfolded')?.scrollIntoView({ block: 'nearest' });
  }, [status]);
  return (
    <>
      <div class="reading-head" role="toolbar" aria-label={text.say('pane.message')}>
        <IconButton
          class="back-button"
          icon="back"
          label={text.say('do.back')}
          onClick={() => app.close()}
        />
        <MailButtons scope="open" />
      </div>
      <div class="reading" ref={scroller} aria-busy={status === 'loading'}>
        {status === 'gone' || status === 'failed' ? (
          <Trouble conversation={conversation} />
        ) : (
          <>
            <h2 class="subject" dir="auto">
              {subject || (emails.length > 0 && text.say('list.noSubject'))}
            </h2>
            {emails.map((email) => (
              <MessageCard
                key={email.id}
                email={email}
                full={app.emails.full(email.id)}
                isUnfolded={conversation.unfolded.has(email.id) || emails.length === 1}
                onToggle={emails.length > 1 ? () => void conversation.toggle(email.id) : undefined}
              />
            ))}
          </>
        )}
      </div>
    </>
  );
}

function Trouble({ conversation }: { conversation: Conversation }) {
  const text = useText();
  if (conversation.status === 'gone') {
    return (
      <p class="reading-empty" role="status">
        {text.say('message.gone')}
      </p>
    );
  }
  return (
    <div class="reading-empty" role="alert">
      <p>{text.say('message.failed', { why: conversation.error ?? '' })}</p>
      <button type="button" class="button" onClick={() => void conversation.load()}>
        {text.say('do.retry')}
      </button>
    </div>
  );
}
