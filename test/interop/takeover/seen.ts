/** What clients are told of a mailbox, by any server: what must not change when it moves. */
import { ImapChat } from '../../harness/imap-chat.ts';
import { Pop3Chat } from '../../harness/pop3-chat.ts';

export interface FolderSeen {
  readonly uidValidity: string;
  readonly uidNext: string;
  /** UID, flags, INTERNALDATE, size. */
  readonly messages: readonly string[];
}

export interface MailboxSeen {
  readonly folders: Readonly<Record<string, FolderSeen>>;
  readonly subscribed: readonly string[];
}

const code = (lines: readonly { readonly text: string }[], name: string): string => {
  const pattern = new RegExp(`\\[${name} (\\d+)\\]`);
  return (
    lines.map(({ text }) => pattern.exec(text)?.[1]).find((value) => value !== undefined) ?? ''
  );
};

async function folderSeen(chat: ImapChat, name: string): Promise<FolderSeen> {
  const opened = await chat.ok(`EXAMINE "${name}"`);
  const fetched = await chat.ok('UID FETCH 1:* (UID FLAGS INTERNALDATE RFC822.SIZE)');
  const messages = fetched.flatMap(({ text }) => {
    if (!/^\* \d+ FETCH /.test(text)) return [];
    const uid = / ?UID (\d+)/.exec(text)?.[1];
    const flags = (/FLAGS \(([^)]*)\)/.exec(text)?.[1] ?? '')
      .split(' ')
      .filter((flag) => flag !== '');
    const date = /INTERNALDATE "([^"]*)"/.exec(text)?.[1] ?? '';
    const size = /RFC822\.SIZE (\d+)/.exec(text)?.[1];
    const said = flags.filter((flag) => flag !== '\\Recent').toSorted();
    const at = new Date(date.trim().replaceAll('-', ' ')).toISOString();
    return [`${uid} (${said.join(' ')}) ${at} ${size}`];
  });
  const [status] = await chat.ok(`STATUS "${name}" (UIDNEXT)`); // Courier's EXAMINE does not say it.
  const uidNext = /UIDNEXT (\d+)/.exec(status?.text ?? '')?.[1] ?? '';
  return { uidValidity: code(opened, 'UIDVALIDITY'), uidNext, messages };
}

/** @param plain gives a server's name of a folder as ours */
export async function imapSees(
  login: { readonly port: number; readonly user: string; readonly password: string },
  plain = (name: string): string => name,
): Promise<MailboxSeen> {
  const chat = await ImapChat.login({ port: login.port }, login.user, login.password);
  const folders: Record<string, FolderSeen> = {};
  for (const name of await chat.folders()) folders[plain(name)] = await folderSeen(chat, name);
  const subscribed = (await chat.ok('LSUB "" "*"')).flatMap(({ text }) => {
    const match = /^\* LSUB \([^)]*\) \S+ "?([^"]*)"?$/.exec(text);
    return match === null ? [] : [plain(match[1] ?? '')];
  });
  await chat.logout();
  // Courier names INBOX and what is no folder but above one, subscribed or not.
  const said = subscribed.filter((name) => name !== 'INBOX' && name in folders);
  return { folders, subscribed: said.toSorted() };
}

/** Sorted: servers order messages otherwise, clients do not care. */
export async function pop3Sees(
  port: number,
  user: string,
  password: string,
): Promise<readonly string[]> {
  const chat = await Pop3Chat.login({ port }, user, password);
  const uidls = [...(await chat.listing('UIDL')).values()];
  await chat.quit();
  return uidls.toSorted();
}
