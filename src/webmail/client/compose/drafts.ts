/**
 * Saved states of letters, and their sending, whatever node answers.
 *
 * Invariants, with a page that may be closed and a line that may break at any point:
 *
 * - What was saved is never lost: a new state is made first, and only when the server has said so
 *   is the former destroyed.
 * - Two states do not stay: all states that a page writes of a letter have one Message-ID. A save
 *   of which no answer came makes the letter `isUnsettled`; the next save (of this page, also when
 *   it was loaded again) looks for states by Message-ID and destroys all but the newest. Until then
 *   there may be two, and never none.
 * - A page destroys what it wrote, and the one state that it took up: never what another page
 *   wrote. Races of pages A and B that have the same draft D open:
 *   - both save: A makes A1 and destroys D, B makes B1 and destroys D, which is gone. Both texts
 *     stay, as two drafts: nobody but the user can say which is right. What tells them apart is the
 *     mark in the Message-ID (`message-id.ts`), for a page that is loaded again does not remember.
 *   - B, whose save was not answered, looks for its states while A saves: it finds its own only.
 *   - A makes A2 and destroys A1, or D, of which B's files are parts: B finds the same files (name,
 *     type, size) in a newer state of the letter, as often as that happens while it asks; where
 *     there are none it says which file is gone.
 *   - A sends, and B does so later: B finds the letter in Sent, and its user is told before. Both
 *     at the same moment are sent: each was pressed, and neither could know.
 * - A letter is sent at most once by one press: `EmailSubmission/set` is not repeated. Where no
 *   answer came the server is asked whether it has such a submission; if it does not know, the user
 *   is told just that. Where it answers that it cannot now, the same state is sent later, after it
 *   was asked: its Message-ID stays.
 */
import { MethodFailed } from '../jmap/batch.ts';
import { Unsure } from '../jmap/connection.ts';
import type { BodyPart, FullEmail, SetError } from '../jmap/types.ts';
import type { App } from '../model/app.ts';
import { sentHtml, textOfHtml } from './html.ts';
import type { Identity, Letter, LetterFile } from './letter.ts';
import { rootOf, wordOf } from './message-id.ts';

declare module '../jmap/types.ts' {
  interface Responses {
    'Identity/get': GetResponse<Identity>;
    'Identity/set': SetResponse;
    'EmailSubmission/set': SetResponse;
    'EmailSubmission/query': QueryResponse;
  }
}

const BUSY = 'serverUnavailable';
/** Creations of one state that are tried while no answer comes, or while its files move. */
const TRIES = 3;

/** Files of a letter are at the server no more. */
export class FilesGone extends Error {
  readonly names: readonly string[];

  constructor(names: readonly string[]) {
    super(`No longer at the server: ${names.join(', ')}`);
    this.name = 'FilesGone';
    this.names = names;
  }
}

export type SendResult =
  | { readonly kind: 'sent' }
  | { readonly kind: 'refused'; readonly why: string }
  /** Not now: the same state may be sent again, `isAgain`. */
  | { readonly kind: 'busy'; readonly why: string }
  /** No answer came, and the server cannot say. */
  | { readonly kind: 'unknown' };

/**
 * Of a letter as it is now.
 * @returns the letter with its new state; throws Refused, MethodFailed, FilesGone
 */
export async function saveDraft(app: App, letter: Letter): Promise<Letter> {
  const folder = await folderOf(app, 'drafts');
  const known = letter.draft === undefined ? [] : [letter.draft];
  const former = new Set(letter.isUnsettled ? [...known, ...(await statesOf(app, letter))] : known);
  const { made, whole, wasUnsure } = await create(app, letter, { folder, former });
  const batch = app.newBatch();
  const parts = batch.add('Email/get', { ids: [made], properties: ['id', 'attachments'] });
  if (former.size > 0) batch.add('Email/set', { destroy: [...former] });
  const answers = await app.connection.send(batch);
  const [saved] = answers.maybe(parts)?.list ?? [];
  // Some state may still come of a request that the line broke off: the next save looks again.
  return { ...withBlobs(whole, saved?.attachments), draft: made, isUnsettled: wasUnsure };
}

/** Destroys all states. */
export async function discardDraft(app: App, letter: Letter): Promise<void> {
  const known = letter.draft === undefined ? [] : [letter.draft];
  const all = letter.isUnsettled ? [...known, ...(await statesOf(app, letter))] : known;
  if (all.length === 0) return;
  const batch = app.newBatch();
  batch.add('Email/set', { destroy: [...new Set(all)] });
  await app.connection.send(batch);
}

/** The server did nothing of it, and may do it later (RFC 8620 §3.6.2). */
export const isBusy = (error: unknown): error is MethodFailed =>
  error instanceof MethodFailed && error.type === BUSY;

/**
 * Sends the state that was saved last.
 * @param isAgain it was tried before, and may have been sent although the server said otherwise
 * @throws Refused
 */
export async function sendDraft(app: App, letter: Letter, isAgain = false): Promise<SendResult> {
  const { draft } = letter;
  if (draft === undefined) return { kind: 'refused', why: 'The letter was not saved' };
  const sent = await folderOf(app, 'sent');
  const filed = { 'keywords/$draft': null, 'keywords/$seen': true, mailboxIds: { [sent]: true } };
  if (!isAgain || !(await wasSubmitted(app, draft))) {
    const result = await submit(app, { draft, identityId: letter.identityId, filed });
    if (result.kind !== 'sent') return result;
  }
  // It is sent, whatever comes of the rest: nothing may bring it back as if it were not.
  await settle(app, letter, { draft, filed }).catch(() => {});
  return { kind: 'sent' };
}

/** Both are so after a second time as after the first, so no answer has to be looked at. */
async function settle(
  app: App,
  letter: Letter,
  { draft, filed }: { draft: string; filed: object },
): Promise<void> {
  const { about } = letter;
  const after = app.newBatch();
  const flagged = about ? { [about.email]: { [`keywords/${about.keyword}`]: true } } : {};
  after.add('Email/set', { update: { [draft]: filed, ...flagged } });
  if (letter.isUnsettled) {
    const rest = (await statesOf(app, letter)).filter((id) => id !== draft);
    if (rest.length > 0) after.add('Email/set', { destroy: rest });
  }
  await app.connection.send(after);
}

async function submit(
  app: App,
  { draft, identityId, filed }: Pick<Letter, 'identityId'> & { draft: string; filed: object },
): Promise<SendResult> {
  const batch = app.newBatch();
  const call = batch.add('EmailSubmission/set', {
    create: { s: { identityId, emailId: draft } },
    onSuccessUpdateEmail: { '#s': filed },
  });
  try {
    const answers = await app.connection.send(batch, { repeat: 'once' });
    const refused = answers.of(call).notCreated?.['s'];
    if (refused === undefined) return { kind: 'sent' };
    return { kind: refused.type === BUSY ? 'busy' : 'refused', why: reasonOf(refused) };
  } catch (error) {
    if (error instanceof MethodFailed) {
      return { kind: isBusy(error) ? 'busy' : 'refused', why: error.message };
    }
    if (!(error instanceof Unsure)) throw error;
    return { kind: (await wasSubmitted(app, draft)) ? 'sent' : 'unknown' };
  }
}

/** Whether the server took this state of a letter, as far as it remembers: a week. */
export async function wasSubmitted(app: App, draft: string): Promise<boolean> {
  const batch = app.newBatch();
  const call = batch.add('EmailSubmission/query', { filter: { emailIds: [draft] } });
  const answers = await app.connection.send(batch);
  return (answers.maybe(call)?.ids.length ?? 0) > 0;
}

interface Creation {
  readonly folder: string;
  /** States that there were before. */
  readonly former: ReadonlySet<string>;
}

async function create(app: App, letter: Letter, { folder, former }: Creation) {
  let wasUnsure = false;
  let whole = letter;
  for (let tries = 1; ; tries += 1) {
    const batch = app.newBatch();
    const call = batch.add('Email/set', {
      create: { d: emailOf(app.letters.identities, whole, folder) },
    });
    try {
      const answer = (await app.connection.send(batch, { repeat: 'once' })).of(call);
      const made = answer.created?.['d']?.id;
      if (made !== undefined) return { made, whole, wasUnsure };
      const why = answer.notCreated?.['d'];
      if (why?.type === 'blobNotFound' && tries < TRIES) {
        whole = await withFilesFound(app, whole, why.notFound);
        continue;
      }
      throw new MethodFailed('Email/set', why?.type ?? 'noAnswer', why && reasonOf(why));
    } catch (error) {
      if (!(error instanceof Unsure) || tries === TRIES) throw error;
      wasUnsure = true;
      const [made] = (await statesOf(app, letter)).filter((id) => !former.has(id));
      if (made !== undefined) return { made, whole, wasUnsure };
    }
  }
}

/** Whether this letter was sent already, by whatever page. */
export async function wasSent(app: App, letter: Letter): Promise<boolean> {
  return (await familyOf(app, letter, 'sent')).length > 0;
}

type Relative = Pick<FullEmail, 'id' | 'messageId' | 'attachments'>;

/** States of the letter in a folder, whoever wrote them. */
async function familyOf(
  app: App,
  { messageId }: Letter,
  role: 'drafts' | 'sent',
): Promise<readonly Relative[]> {
  const folder = app.folders.ofRole(role)?.id;
  if (folder === undefined) return [];
  const batch = app.newBatch();
  const filter = { inMailbox: folder, header: ['Message-ID', wordOf(messageId)] };
  const found = batch.add('Email/query', { filter });
  const properties = ['id', 'messageId', 'attachments'];
  const call = batch.add('Email/get', { '#ids': found.at('/ids'), properties });
  const list = (await app.connection.send(batch)).of(call).list as readonly Relative[];
  const root = rootOf(messageId);
  return list.filter((one) => one.messageId?.some((id) => rootOf(id) === root));
}

/**
 * Where another page destroyed the state that files were parts of.
 * @param gone blobs; undefined: the server did not say which
 * @throws FilesGone
 */
async function withFilesFound(
  app: App,
  letter: Letter,
  gone: readonly string[] | undefined,
): Promise<Letter> {
  const family = [
    ...(await familyOf(app, letter, 'drafts')),
    ...(await familyOf(app, letter, 'sent')),
  ];
  const parts = family.flatMap(({ attachments }) => attachments);
  const isGone = ({ blobId }: LetterFile): boolean =>
    blobId !== undefined && (gone === undefined || gone.includes(blobId));
  const files = letter.files.map((one) => {
    if (!isGone(one)) return one;
    const same = parts.find((part) => part.blobId !== one.blobId && isSame(part, one));
    return { ...one, blobId: same?.blobId ?? one.blobId };
  });
  const lost = files.filter((one, at) => isGone(one) && one.blobId === letter.files[at]?.blobId);
  if (lost.length > 0) throw new FilesGone(lost.map(({ name }) => name));
  return { ...letter, files };
}

const isSame = (part: BodyPart, { name, type, size }: LetterFile): boolean =>
  (part.name?.trim() ?? '') === name && part.type === type && part.size === size;

/** Drafts that the letter's page wrote. */
async function statesOf(app: App, { messageId }: Letter): Promise<readonly string[]> {
  const folder = app.folders.ofRole('drafts')?.id;
  if (folder === undefined) return [];
  const batch = app.newBatch();
  const filter = { inMailbox: folder, header: ['Message-ID', messageId] };
  const call = batch.add('Email/query', { filter });
  return (await app.connection.send(batch)).of(call).ids;
}

const NAMES = { drafts: 'Drafts', sent: 'Sent' } as const;

/** A mailbox that has no such folder yet gets one, of this page or another. @throws MethodFailed */
async function folderOf(app: App, role: 'drafts' | 'sent'): Promise<string> {
  const known = app.folders.ofRole(role)?.id;
  if (known !== undefined) return known;
  const batch = app.newBatch();
  const made = batch.add('Mailbox/set', { create: { f: { name: NAMES[role], role } } });
  // Another page may have made it since this one heard of folders: its own is refused then.
  const all = batch.add('Mailbox/get', { ids: null, properties: ['id', 'role'] });
  const answers = await app.connection.send(batch);
  app.news();
  const answer = answers.of(made);
  const there = answers.maybe(all)?.list.find((folder) => folder.role === role);
  const id = answer.created?.['f']?.id ?? there?.id;
  if (id !== undefined) return id;
  const why = answer.notCreated?.['f'];
  throw new MethodFailed('Mailbox/set', why?.type ?? 'noAnswer', why && reasonOf(why));
}

/** The Email object that is created (RFC 8621 §4.6). */
export function emailOf(identities: readonly Identity[], letter: Letter, folder: string) {
  const identity = identities.find(({ id }) => id === letter.identityId);
  const { to, cc, bcc, subject, isPlain, body } = letter;
  const attachments = letter.files.flatMap(({ blobId, type, name, cid }) => {
    if (blobId === undefined) return [];
    const shown = cid !== undefined && !isPlain;
    const where = shown ? { disposition: 'inline', cid } : { disposition: 'attachment' };
    return [{ blobId, type, ...(name !== '' && { name }), ...where }];
  });
  const text = { t: { value: isPlain ? body : textOfHtml(body) } };
  return {
    mailboxIds: { [folder]: true },
    keywords: { $draft: true, $seen: true },
    messageId: [letter.messageId],
    from: identity ? [{ name: identity.name || null, email: identity.email }] : [],
    ...(identity?.replyTo?.length && { replyTo: identity.replyTo }),
    ...(to.length > 0 && { to }),
    ...(cc.length > 0 && { cc }),
    ...(bcc.length > 0 && { bcc }),
    subject,
    ...(letter.inReplyTo.length > 0 && { inReplyTo: letter.inReplyTo }),
    ...(letter.references.length > 0 && { references: letter.references }),
    bodyValues: isPlain ? text : { ...text, h: { value: sentHtml(body) } },
    textBody: [{ partId: 't', type: 'text/plain' }],
    ...(!isPlain && { htmlBody: [{ partId: 'h', type: 'text/html' }] }),
    ...(attachments.length > 0 && { attachments }),
  };
}

/** Files are parts of the saved state now: uploads are kept for a day only. */
function withBlobs(letter: Letter, parts: readonly BodyPart[] | undefined): Letter {
  const there = letter.files.filter((one) => one.blobId !== undefined);
  if (!parts || parts.length !== there.length) return letter;
  const blobs = new Map(there.map((one, at) => [one.id, parts[at]?.blobId ?? undefined]));
  const files = letter.files.map((one) => ({ ...one, blobId: blobs.get(one.id) ?? one.blobId }));
  return { ...letter, files };
}

export const reasonOf = ({ type, description }: SetError): string => description ?? type;

/** The letter as it is now, with what a save of an earlier state of it has told. */
export function merged(now: Letter, saved: Letter): Letter {
  const blobs = new Map(saved.files.map(({ id, blobId }) => [id, blobId]));
  const files = now.files.map((one) => ({ ...one, blobId: blobs.get(one.id) ?? one.blobId }));
  return { ...now, files, draft: saved.draft, isUnsettled: saved.isUnsettled };
}
