import type { FullEmail } from '../jmap/types.ts';
import type { AnswerKind } from '../model/app.ts';
import { useApp, useText } from './context.ts';
import { Icon, type IconName } from './icon.tsx';

const ANSWERS: readonly { readonly kind: AnswerKind; readonly icon: IconName }[] = [
  { kind: 'reply', icon: 'reply' },
  { kind: 'replyAll', icon: 'replyAll' },
  { kind: 'forward', icon: 'forward' },
];

/** What the reader writes next. */
export function MessageActions({ email }: { email: FullEmail }) {
  const app = useApp();
  const text = useText();
  const { composer } = app;
  if (email.keywords['$draft'] === true) {
    return (
      <div class="message-actions">
        <button type="button" class="button button-main" onClick={() => composer('edit', email)}>
          <Icon name="compose" />
          {text.say('compose.edit')}
        </button>
      </div>
    );
  }
  const others = (email.to?.length ?? 0) + (email.cc?.length ?? 0);
  return (
    <div class="message-actions">
      {ANSWERS.filter(({ kind }) => kind !== 'replyAll' || others > 1).map(({ kind, icon }) => (
        <button key={kind} type="button" class="button" onClick={() => composer(kind, email)}>
          <Icon name={icon} />
          {text.say(`do.${kind}`)}
        </button>
      ))}
    </div>
  );
}
