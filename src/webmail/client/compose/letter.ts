/** A letter that is written, and how one begins. Nothing here needs a browser. */
import type { Address, BodyPart, FullEmail } from '../jmap/types.ts';
import { htmlOfText, quotedText, textOfHtml } from './html.ts';
import { markedBy } from './message-id.ts';

export type LetterKind = 'new' | 'reply' | 'replyAll' | 'forward' | 'edit';

export interface LetterFile {
  /** Ours, while the letter is open. */
  readonly id: string;
  readonly name: string;
  readonly type: string;
  /** Octets. */
  readonly size: number;
  /** Of a picture that stands in the text (RFC 2392). */
  readonly cid: string | undefined;
  /** undefined: not at the server yet. */
  readonly blobId: string | undefined;
}

export interface Letter {
  readonly id: string;
  /** The same for every state that its page saves, so that one is found again (`message-id.ts`). */
  readonly messageId: string;
  readonly identityId: string | undefined;
  readonly to: readonly Address[];
  readonly cc: readonly Address[];
  readonly bcc: readonly Address[];
  readonly subject: string;
  readonly isPlain: boolean;
  /** HTML of the few kinds that `clean.ts` lets through; text where `isPlain`. */
  readonly body: string;
  readonly files: readonly LetterFile[];
  readonly inReplyTo: readonly string[];
  readonly references: readonly string[];
  /** What it answers or forwards, and the keyword that says so (RFC 8621 §4.1.1). */
  readonly about: { readonly email: string; readonly keyword: string } | undefined;
  /** The saved state that is known. */
  readonly draft: string | undefined;
  /** A save was begun of which no answer came: there may be a saved state that is not known. */
  readonly isUnsettled: boolean;
}

export interface Identity {
  readonly id: string;
  readonly name: string;
  readonly email: string;
  readonly replyTo: readonly Address[] | null;
  readonly bcc: readonly Address[] | null;
  readonly textSignature: string;
  readonly htmlSignature: string;
  readonly mayDelete: boolean;
}

export interface Beginning {
  readonly id: string;
  readonly identities: readonly Identity[];
  readonly isPlain: boolean;
  /** `On …, … wrote:`; for a letter that is forwarded its head. */
  readonly quoteHead: string;
  /** HTML of strangers with nothing left in it that runs or fetches. */
  readonly clean: (html: string) => string;
}

/** More are cut in the middle, the first stays (RFC 5322 §3.6.4 leaves it to us). */
const REFERENCES_MAX = 30;

export function newLetter(begin: Beginning): Letter {
  const [identity] = begin.identities;
  return withBody(
    {
      ...empty(begin, identity),
      bcc: identity?.bcc ?? [],
    },
    { before: '', after: signatureOf(identity) },
  );
}

/** An answer, or what is sent on. */
export function letterAbout(kind: LetterKind, email: FullEmail, begin: Beginning): Letter {
  const identity = identityFor(email, begin.identities);
  const base: Letter = { ...empty(begin, identity), bcc: identity?.bcc ?? [] };
  const isForward = kind === 'forward';
  const own = new Set(begin.identities.map((one) => one.email.toLowerCase()));
  const [id] = email.messageId ?? [];
  const thread = id === undefined ? [] : referencesOf(email, id);
  const files = isForward ? filesOf(email) : filesOf(email).filter((one) => one.cid !== undefined);
  const parts = quoteOf(email, begin);
  const letter: Letter = {
    ...base,
    ...(isForward ? {} : recipientsOf(email, kind === 'replyAll', own)),
    subject: subjectOf(isForward ? 'Fwd' : 'Re', email.subject ?? ''),
    inReplyTo: id === undefined || isForward ? [] : [id],
    references: thread,
    about: { email: email.id, keyword: isForward ? '$forwarded' : '$answered' },
    files,
  };
  const made = withBody(letter, { before: signatureOf(identity), after: '', quote: parts });
  // Pictures that the quoted text no longer shows are not sent along.
  return { ...made, files: files.filter((one) => isShown(one, made)) };
}

/** A draft that is taken up again: what is saved replaces it, and nothing else. */
export function letterOfDraft(email: FullEmail, begin: Beginning): Letter {
  const identity = identityFor(email, begin.identities);
  const html = htmlOf(email);
  const text = textOf(email);
  const isPlain = html === undefined;
  return {
    ...empty(begin, identity),
    messageId: markedBy(email.messageId?.[0] ?? messageIdOf(begin.id, identity), begin.id),
    to: email.to ?? [],
    cc: email.cc ?? [],
    bcc: email.bcc ?? [],
    subject: email.subject ?? '',
    isPlain,
    body: isPlain ? text : begin.clean(html),
    files: filesOf(email),
    inReplyTo: email.inReplyTo ?? [],
    references: email.references ?? [],
    draft: email.id,
  };
}

/** As the other kind of text; what plain text cannot say is lost. */
export function asKind(letter: Letter, isPlain: boolean): Letter {
  if (letter.isPlain === isPlain) return letter;
  const body = isPlain ? textOfHtml(letter.body) : htmlOfText(letter.body);
  const files = isPlain ? letter.files.map((one) => ({ ...one, cid: undefined })) : letter.files;
  return { ...letter, isPlain, body, files };
}

/**
 * As of another sender: its signature takes the place of the former one where that still stands as
 * it was put; what the user made of it stays.
 */
export function asSender(letter: Letter, from: Identity | undefined, to: Identity): Letter {
  const changed = { ...letter, identityId: to.id };
  const before = signatureOf(from);
  const after = signatureOf(to);
  const form = letter.isPlain ? (text: string) => text : htmlOfText;
  if (before === '') return signed(changed, after);
  // Quoted ones come after our own, but for a new letter, which quotes nothing.
  const put = form(before);
  const isAsPut = letter.body.includes(put);
  // The browser's editor writes quotation marks as they are.
  const stands = isAsPut ? put : put.replaceAll('&quot;', '"');
  return { ...changed, body: letter.body.replace(stands, () => form(after)) };
}

/** How a letter began before it was known who writes, and how it would begin now. */
export interface Begun {
  readonly letter: Letter;
  readonly again: (identities: readonly Identity[]) => Letter;
}

/**
 * A letter that was begun before it was known who writes, with what it would have begun with; what
 * the user has written meanwhile stays. Of a letter that has a sender: itself.
 *
 * @param begun undefined: a page that was closed began it
 */
export function completed(
  letter: Letter,
  identities: readonly Identity[],
  begun: Begun | undefined,
): Letter {
  if (letter.identityId !== undefined || identities.length === 0) return letter;
  const again = begun?.again(identities);
  const identity = identities.find(({ id }) => id === again?.identityId) ?? identities[0];
  const from = { ...letter, identityId: identity?.id };
  // A saved state was signed when it was begun.
  if (letter.draft !== undefined) return from;
  const { letter: first } = begun ?? {};
  const people = (key: 'to' | 'cc' | 'bcc') =>
    again && letter[key] === first?.[key] ? again[key] : letter[key];
  const written = { ...from, to: people('to'), cc: people('cc'), bcc: people('bcc') };
  if (again && letter.body === first?.body) return { ...written, body: again.body };
  return signed(written, signatureOf(identity));
}

/** Where a quotation begins, as `withBody` puts it: with its head. */
const QUOTED = { html: /<div>(?:[^<]|<br>)*<\/div><blockquote>/, text: /\n\n(?:[^\n>].*\n)+>/ };

/** The signature stands after what was written, and before what is quoted. */
function signed(letter: Letter, signature: string): Letter {
  if (signature === '') return letter;
  const { body, isPlain, about } = letter;
  const added = isPlain ? `\n\n${signature}` : `<div>${htmlOfText(signature)}</div>`;
  const quoted = about === undefined ? -1 : body.search(isPlain ? QUOTED.text : QUOTED.html);
  const at = quoted < 0 ? body.length : quoted;
  return { ...letter, body: body.slice(0, at) + added + body.slice(at) };
}

/** Whether there is anything in it that somebody would miss. */
export function isEmpty(letter: Letter, signature: string): boolean {
  const text = (letter.isPlain ? letter.body : textOfHtml(letter.body)).trim();
  const own = signature.trim() === '' ? '' : `-- \n${signature.trim()}`;
  const hasPeople = [...letter.to, ...letter.cc].length > 0;
  const isSigned = text === '' || text === own.trim();
  return !hasPeople && letter.subject.trim() === '' && isSigned && letter.files.length === 0;
}

const ATTACHED =
  /\b(attach(ed|ing|ment|ments)|enclosed)\b|(во|при)(ложен|кладыва|крепл|лага)|вложени/iu;

/** Whether its own words speak of a file, and there is none. */
export function forgetsFile(letter: Letter): boolean {
  if (letter.files.some((one) => one.cid === undefined)) return false;
  const own = letter.isPlain
    ? letter.body.replace(/^>.*$/gm, '')
    : textOfHtml(letter.body.replace(/<blockquote[\s\S]*<\/blockquote>/i, ''));
  return ATTACHED.test(`${letter.subject.replace(/^(re|fwd):.*/i, '')}\n${own}`);
}

function empty({ id, isPlain }: Beginning, identity: Identity | undefined): Letter {
  return {
    id,
    messageId: messageIdOf(id, identity),
    identityId: identity?.id,
    to: [],
    cc: [],
    bcc: [],
    subject: '',
    isPlain,
    body: '',
    files: [],
    inReplyTo: [],
    references: [],
    about: undefined,
    draft: undefined,
    isUnsettled: false,
  };
}

const messageIdOf = (id: string, identity: Identity | undefined): string =>
  `${id}@${
    identity?.email
      .split('@')
      .at(-1)
      ?.replace(/[^A-Za-z0-9.-]/g, '-') ?? 'localhost'
  }`;

interface Bodies {
  /** Texts around the quotation. */
  readonly before: string;
  readonly after: string;
  readonly quote?: { readonly head: string; readonly text: string; readonly html: string };
}

function withBody(letter: Letter, { before, after, quote }: Bodies): Letter {
  const head = quote?.head ?? '';
  if (letter.isPlain) {
    const quoted = quote ? `\n\n${head}\n${quotedText(quote.text)}\n` : '';
    return { ...letter, body: `${before && `\n\n${before}`}${quoted}${after && `\n\n${after}`}` };
  }
  const sign = (text: string): string => (text === '' ? '' : `<div>${htmlOfText(text)}</div>`);
  const quoted = quote
    ? `<div>${htmlOfText(head)}</div><blockquote>${quote.html}</blockquote>`
    : '';
  return { ...letter, body: `<div><br></div>${sign(before)}${quoted}${sign(after)}` };
}

/** Below two hyphens and a blank, as everybody's programs know it. */
const signatureOf = (identity: Identity | undefined): string =>
  identity && identity.textSignature.trim() !== '' ? `-- \n${identity.textSignature.trim()}` : '';

function quoteOf(email: FullEmail, { quoteHead, clean }: Beginning): Bodies['quote'] & object {
  const html = htmlOf(email);
  const text = textOf(email);
  const cleaned = html === undefined ? htmlOfText(text) : clean(html);
  return { head: quoteHead, html: cleaned, text: text === '' ? textOfHtml(cleaned) : text };
}

function htmlOf(email: FullEmail): string | undefined {
  const parts = email.htmlBody.filter((part) => part.type === 'text/html');
  if (parts.length === 0) return undefined;
  return parts.map((part) => email.bodyValues[part.partId ?? '']?.value ?? '').join('');
}

const textOf = (email: FullEmail): string =>
  email.textBody
    .filter((part) => part.type === 'text/plain')
    .map((part) => email.bodyValues[part.partId ?? '']?.value ?? '')
    .join('\n');

/** Pictures of the text come first: so the server lists them too (RFC 8621 §4.1.4). */
function filesOf(email: FullEmail): LetterFile[] {
  const shown = (part: BodyPart): boolean => part.disposition !== 'attachment' && part.cid !== null;
  return email.attachments
    .map((part, at): LetterFile => ({
      id: `${email.id}-${at}`,
      name: part.name?.trim() ?? '',
      type: part.type,
      size: part.size,
      cid: shown(part) ? (part.cid ?? undefined) : undefined,
      blobId: part.blobId ?? undefined,
    }))
    .toSorted((a, b) => Number(a.cid === undefined) - Number(b.cid === undefined));
}

const isShown = ({ cid }: LetterFile, letter: Letter): boolean =>
  cid === undefined || (!letter.isPlain && letter.body.includes(`"${cid}"`));

/** The identity that was written to; who wrote it himself goes on as the same. */
function identityFor(email: FullEmail, identities: readonly Identity[]): Identity | undefined {
  const people = [...(email.to ?? []), ...(email.cc ?? []), ...(email.from ?? [])];
  const known = people.map((one) => one.email.toLowerCase());
  const found = known.flatMap((one) =>
    identities.filter((identity) => identity.email.toLowerCase() === one),
  );
  return found[0] ?? identities[0];
}

function recipientsOf(
  email: FullEmail,
  toAll: boolean,
  own: ReadonlySet<string>,
): { readonly to: readonly Address[]; readonly cc: readonly Address[] } {
  const isOwn = ({ email: address }: Address): boolean => own.has(address.toLowerCase());
  const writers = email.replyTo?.length ? email.replyTo : (email.from ?? []);
  // An answer to one's own letter goes where that went.
  const wroteIt = writers.length > 0 && writers.every(isOwn);
  const to = wroteIt ? (email.to ?? []) : writers;
  if (!toAll) return { to: distinct(to), cc: [] };
  const rest = wroteIt ? [] : (email.to ?? []);
  const others = [...rest, ...(email.cc ?? [])].filter((one) => !isOwn(one));
  const all = distinct([...to, ...others]);
  const first = distinct(to);
  return { to: first, cc: all.slice(first.length) };
}

/** Each address once, as it was met first. */
export function distinct(people: readonly Address[]): readonly Address[] {
  const seen = new Set<string>();
  return people.filter(({ email }) => {
    const key = email.toLowerCase();
    return !seen.has(key) && Boolean(seen.add(key));
  });
}

/** RFC 5322 §3.6.5: one prefix, however long it goes on. */
function subjectOf(prefix: 'Re' | 'Fwd', subject: string): string {
  const known = prefix === 'Re' ? /^re(\[\d+\])?:\s*/i : /^(fwd?|wg):\s*/i;
  return known.test(subject) ? subject : `${prefix}: ${subject}`;
}

function referencesOf(email: FullEmail, id: string): readonly string[] {
  const before = email.references?.length ? email.references : (email.inReplyTo ?? []);
  const all = [...before.filter((one) => one !== id), id];
  if (all.length <= REFERENCES_MAX) return all;
  return [...all.slice(0, 1), ...all.slice(1 - REFERENCES_MAX)];
}

/** What whoever wrote it may have forgotten. */
export type Doubt = 'file' | 'subject';

export function doubtOf(letter: Letter): Doubt | undefined {
  if (forgetsFile(letter)) return 'file';
  return letter.subject.trim() === '' ? 'subject' : undefined;
}
