import type { FullEmail } from '../jmap/types.ts';
import { useText } from './context.ts';

/**
 * What a message says, as text. HTML is never put into this page: of a message that has nothing
 * else the words are taken by a parser that runs nothing and fetches nothing.
 */
export function MessageBody({ email }: { email: FullEmail }) {
  const text = useText();
  const parts = email.textBody.flatMap((part) => {
    const value = email.bodyValues[part.partId ?? ''];
    if (!value) return [];
    return [part.type === 'text/html' ? wordsOf(value.value) : value.value];
  });
  const words = parts.join('\n').trim();
  const isCut = Object.values(email.bodyValues).some((value) => value.isTruncated);
  return (
    <div class="message-body">
      <div class="plain-text" dir="auto">
        {words || text.say('message.noText')}
      </div>
      {isCut && <p class="message-cut">{text.say('message.truncated')}</p>}
    </div>
  );
}

function wordsOf(html: string): string {
  const parsed = new DOMParser().parseFromString(html, 'text/html');
  for (const element of parsed.querySelectorAll('style, script, title, head')) element.remove();
  for (const element of parsed.querySelectorAll('br, p, div, tr, li, h1, h2, h3')) {
    element.append('\n');
  }
  return parsed.body.textContent.replace(/[ \t]+/g, ' ').replace(/\s*\n\s*\n\s*/g, '\n\n');
}
