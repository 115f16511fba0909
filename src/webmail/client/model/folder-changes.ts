/**
 * Folders are made, renamed and removed (RFC 8621 §2.5). Each returns why not; undefined: done.
 * A request whose answer was lost may come twice: what is found done by then is done.
 */
import { MethodFailed, type Args, type Call } from '../jmap/batch.ts';
import type { SetError } from '../jmap/types.ts';
import type { App } from './app.ts';
import type { DeedRole } from './folders.ts';

/** Emails that are moved in one request. */
const MOVED_MAX = 200;

export function createFolder(
  app: App,
  name: string,
  parent: string | undefined,
): Promise<string | undefined> {
  const create = { new: { name, parentId: parent ?? null, isSubscribed: true } };
  return set(app, { create });
}

const NAMES: Readonly<Record<DeedRole, string>> = {
  archive: 'Archive',
  junk: 'Junk',
  trash: 'Trash',
};

/**
 * The id of the folder with this role. A new mailbox has an inbox only: what is missing is made
 * when it is first needed, and one that somebody else made meanwhile is as good.
 *
 * @throws Error that says why there is none
 */
export async function folderOfRole(app: App, role: DeedRole): Promise<string> {
  const known = app.folders.ofRole(role)?.id;
  if (known !== undefined) return known;
  const why = await set(app, { create: { new: { name: NAMES[role], role, isSubscribed: true } } });
  const batch = app.newBatch();
  const got = batch.add('Mailbox/get', { ids: null });
  const { list } = (await app.connection.send(batch)).of(got);
  // Before the page has its folders its first look brings them all: none of them is missed here.
  if (app.isReady) app.setFolders(app.folders.with(list));
  const made = list.find((one) => one.role === role)?.id;
  if (made === undefined) throw new Error(why ?? NAMES[role]);
  return made;
}

export function renameFolder(app: App, id: string, name: string): Promise<string | undefined> {
  return set(app, { update: { [id]: { name } } });
}

/** What is in it goes to Trash first: it can be had back, the folder cannot. */
export async function removeFolder(app: App, id: string): Promise<string | undefined> {
  const trash = app.folders.ofRole('trash')?.id;
  try {
    while (trash !== undefined && (await emptied(app, id, trash))) {
      // The next few hundred.
    }
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
  const why = await set(app, { destroy: [id] });
  if (why === undefined && app.folder === id) {
    app.go({ kind: 'folder', folder: undefined, open: undefined }, 'replace');
  }
  return why;
}

/** @returns whether there was something to move */
async function emptied(app: App, folder: string, trash: string): Promise<boolean> {
  const look = app.newBatch();
  const query: Call<'Email/query'> = look.add('Email/query', {
    filter: { inMailbox: folder },
    limit: MOVED_MAX,
  });
  const { ids } = (await app.connection.send(look)).of(query);
  if (ids.length === 0) return false;
  const batch = app.newBatch();
  const update = Object.fromEntries(ids.map((id) => [id, { mailboxIds: { [trash]: true } }]));
  const moved = batch.add('Email/set', { update });
  const answer = (await app.connection.send(batch)).of(moved);
  const refused = Object.values(answer.notUpdated ?? {}).find(({ type }) => type !== 'notFound');
  if (refused) throw new MethodFailed('Email/set', refused.type, refused.description ?? undefined);
  return true;
}

async function set(app: App, args: Args): Promise<string | undefined> {
  const batch = app.newBatch();
  const call = batch.add('Mailbox/set', args);
  try {
    const answer = (await app.connection.send(batch)).of(call);
    const refused: SetError | undefined = [
      ...Object.values(answer.notCreated ?? {}),
      ...Object.values(answer.notUpdated ?? {}),
      ...Object.values(answer.notDestroyed ?? {}).filter(({ type }) => type !== 'notFound'),
    ][0];
    app.news();
    return refused && (refused.description ?? refused.type);
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}
