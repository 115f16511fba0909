import type { FullEmail } from '../jmap/types.ts';
import type { App } from '../model/app.ts';
import { distinct, letterAbout, letterOfDraft, newLetter } from './letter.ts';
import type { Beginning, Letter, LetterKind } from './letter.ts';

/** What a letter begins with; HTML is cleaned by what is loaded only where there is any. */
export async function beginningOf(
  app: App,
  email: FullEmail | undefined,
  kind: LetterKind,
): Promise<Beginning> {
  const { browser, text, formats, settings } = app;
  const needsHtml = email?.htmlBody.some((part) => part.type === 'text/html') ?? false;
  const clean = needsHtml ? (await import('./clean.ts')).cleanHtml : undefined;
  const url = (cid: string): string | undefined => {
    const part = email?.attachments.find((one) => one.cid === cid);
    return part && app.downloadUrl(part);
  };
  const sender = email?.from?.[0];
  const name = sender?.name ?? sender?.email ?? '';
  const date = email ? formats.full(email.sentAt ?? email.receivedAt) : '';
  const subject = email?.subject ?? '';
  const names = distinct(email?.to ?? []).map((one) => one.email);
  const values = { name, date, subject, to: names.join(', '), email: sender?.email ?? '' };
  const key = kind === 'forward' ? 'compose.forwardHead' : 'compose.quoteHead';
  return {
    id: browser.newId(),
    identities: app.letters.identities,
    isPlain: settings.choices.plain,
    quoteHead: text?.say(key, values) ?? '',
    clean: (html) => clean?.(html, url) ?? '',
  };
}

export function begunAs(kind: LetterKind, email: FullEmail | undefined, begin: Beginning): Letter {
  if (email === undefined || kind === 'new') return newLetter(begin);
  return kind === 'edit' ? letterOfDraft(email, begin) : letterAbout(kind, email, begin);
}
