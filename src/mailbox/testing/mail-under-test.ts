import { StoreError } from '../../volumes/error.ts';
import { MailError, type Draft, type Folder, type Mail, type Numbered } from '../mail.ts';

/**
 * What every Mail does, whatever is under it. A store passes these cases, or it is none. `one` and
 * `two` are two front ends on one mailbox, with nothing in common but storage.
 */
export interface MailUnderTest {
  readonly one: Mail;
  readonly two: Mail;
  /** Of somebody who never got mail. */
  readonly newcomer: Mail;
  /** Puts a message into INBOX as delivery does; under a foreign name if one is given. */
  deliver(stored: string, name?: string): Promise<void>;
  close(): Promise<void>;
}

export interface MailLimits {
  readonly quotaBytes?: number;
  readonly foldersMax?: number;
  readonly messageMax?: number;
}

export type OpenMail = (limits?: MailLimits) => Promise<MailUnderTest>;

export interface Current {
  readonly one: Mail;
  readonly two: Mail;
  readonly under: MailUnderTest;
  /** Opens another one, with limits of its own; it is closed when the test ends. */
  limited(limits: MailLimits): Promise<MailUnderTest>;
}

/** Why it failed: the kind of a MailError or StoreError. */
export const kindOf = (work: Promise<unknown>): Promise<unknown> =>
  work.then(
    () => 'done',
    (error: unknown) =>
      error instanceof MailError || error instanceof StoreError ? error.kind : error,
  );

/** The names of all folders, sorted as given. */
export const names = async (mail: Mail): Promise<readonly string[]> =>
  (await mail.folders()).map(({ name }) => name);

export interface Letter {
  readonly letters?: string;
  readonly keywords?: readonly string[];
  readonly date?: number;
}

export async function draft(
  mail: Mail,
  folder: string,
  text: string,
  letter: Letter = {},
): Promise<Draft> {
  const made = await mail.draft(folder, { letters: '', keywords: [], ...letter });
  await made.write(Buffer.from(text, 'latin1'));
  return made;
}

/** @returns its UID */
export async function append(
  mail: Mail,
  folder: string,
  text: string,
  letter: Letter = {},
): Promise<number> {
  const { uids } = await mail.append(folder, [await draft(mail, folder, text, letter)]);
  return uids[0] as number;
}

export async function wireOf(
  folder: Folder,
  message: Numbered,
  range?: { readonly offset: number; readonly end: number },
): Promise<string> {
  const pieces: Buffer[] = [];
  for await (const piece of folder.read(message, range)) pieces.push(Buffer.from(piece));
  return Buffer.concat(pieces).toString('latin1');
}

/** The message with this UID, of the newest state. */
export async function byUid(folder: Folder, uid: number): Promise<Numbered> {
  const { messages } = await folder.refresh();
  const found = messages.find((message) => message.uid === uid);
  if (found === undefined) throw new Error(`no message ${uid}`);
  return found;
}

/** UID, letters and keywords of each message, as text. */
export async function shown(folder: Folder): Promise<readonly string[]> {
  const { messages } = await folder.refresh();
  return messages.map(({ uid, flags, keywords }) => [uid, flags, ...keywords].join(' '));
}
