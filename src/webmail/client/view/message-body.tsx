import type { FullEmail } from '../jmap/types.ts';
import { HtmlMessage } from '../reading/html-message.tsx';
import { PlainMessage } from '../reading/plain-message.tsx';
import { useText } from './context.ts';

/**
 * What a message says, in the richest form that it has (RFC 8621 §4.1.4). HTML is never put into
 * this page: it is shown in a frame where nothing runs and nothing is fetched.
 */
export function MessageBody({ email }: { email: FullEmail }) {
  const text = useText();
  const shown = email.htmlBody.flatMap((part) => {
    const value = email.bodyValues[part.partId ?? ''];
    return value && value.value.trim() !== '' ? [{ part, value: value.value }] : [];
  });
  const isCut = Object.values(email.bodyValues).some((value) => value.isTruncated);
  return (
    <div class="message-body">
      {shown.map(({ part, value }) =>
        part.type === 'text/html' ? (
          <HtmlMessage key={part.partId} email={email} part={part} html={value} />
        ) : (
          <PlainMessage key={part.partId} words={value.trim()} />
        ),
      )}
      {shown.length === 0 && <p class="plain-text">{text.say('message.noText')}</p>}
      {isCut && <p class="message-cut">{text.say('message.truncated')}</p>}
    </div>
  );
}
