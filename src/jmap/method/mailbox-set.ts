/**
 * Mailbox/set (RFC 8621 §2.5). Changes are made one after the other; each sees what those before it
 * did. A mailbox has its name and its parent in one name of a folder, so both change in one rename.
 *
 * Race: mail may come into a folder after it was seen empty and before it is removed. The look is
 * the last thing before the removal, and nothing but clients and the user's own filters puts mail
 * into folders that can be removed; a client that must be certain asks for the emails first.
 */
import { MailError, type Mail } from '../../mailbox/mail.ts';
import type { FolderView, MailVersion } from '../../mailbox/view.ts';
import { StoreError } from '../../volumes/error.ts';
import { rightsOf, roleOf, sortOrderOf, standings, useOf } from '../wire/mailbox.ts';
import { mailboxStateOf } from '../states.ts';
import type { Args, JmapContext } from '../types.ts';
import { isNone, readerFor } from './arguments.ts';
import { faultOf } from './faults.ts';
import { patched } from './patch.ts';
import { MAILBOX_PROPERTIES } from './mailbox-get.ts';
import {
  badProperties,
  currentVersion,
  requireState,
  resolvedId,
  SetOutcome,
  SetRefusal,
  setArguments,
} from './standard.ts';

/** RFC 8621 §2.5 */
export async function mailboxSet(args: Args, context: JmapContext): Promise<Args> {
  const reader = readerFor(args, context);
  const asked = setArguments(reader, context);
  const removeEmails = reader.boolean('onDestroyRemoveEmails');
  reader.end();
  const before = await currentVersion(context);
  const oldState = mailboxStateOf(context.view, before);
  requireState(asked.ifInState, oldState);
  const outcome = new SetOutcome();
  const { view } = context;
  for (const [key, object] of asked.create) {
    try {
      const created = await create(context, object);
      context.createdIds.set(key, created['id'] as string);
      outcome.created.set(key, created);
    } catch (error) {
      outcome.notCreated.set(key, faultOf(error));
    }
  }
  for (const [given, patch] of asked.update) {
    const id = resolvedId(given, context) ?? given;
    try {
      if (asked.destroy.includes(id)) throw new SetRefusal({ type: 'willDestroy' });
      await update(context, found(view.version, id), patch);
      outcome.updated.set(given, null);
    } catch (error) {
      outcome.notUpdated.set(given, faultOf(error));
    }
  }
  for (const id of deepestFirst(
    view.version,
    asked.destroy.map((one) => resolvedId(one, context) ?? one),
  )) {
    try {
      await destroy(context, found(view.version, id), removeEmails);
      outcome.destroyed.push(id);
    } catch (error) {
      outcome.notDestroyed.set(id, faultOf(error));
    }
  }
  const newState = await stateAfter(context, { before, oldState }, outcome);
  return outcome.answer({ accountId: context.account.id, oldState, newState });
}

/**
 * The state of now says to the client that it knows all there is. If anything but what this call
 * did has changed meanwhile, be it the count of an inbox, or nobody can tell, it does not, and
 * hears the old one: then its next /changes has everything.
 */
async function stateAfter(
  context: JmapContext,
  { before, oldState }: { readonly before: MailVersion; readonly oldState: string },
  outcome: SetOutcome,
): Promise<string> {
  try {
    const version = await context.view.refresh();
    const known = new Set([
      ...[...outcome.created.values()].map((object) => object['id'] as string),
      ...[...outcome.updated.keys()].map((given) => resolvedId(given, context) ?? given),
      ...outcome.destroyed,
    ]);
    const changed = context.view.mailboxChanges(before.mailboxState, version);
    const all = changed && [...changed.created, ...changed.updated, ...changed.destroyed];
    const isKnown = (id: string): boolean => known.has(id) || looksAlike(id, before, version);
    return all?.every(isKnown) === true ? mailboxStateOf(context.view, version) : oldState;
  } catch (error) {
    if (!(error instanceof StoreError)) throw error;
    return oldState;
  }
}

/** A folder that is made gives the journal of the inbox a commit, which shows nowhere. */
function looksAlike(id: string, before: MailVersion, now: MailVersion): boolean {
  const [one, other] = [before.folder(id), now.folder(id)];
  if (one === undefined || other === undefined || one.info !== other.info) return false;
  const { messages } = other.state;
  if (messages.length !== one.state.messages.length) return false;
  return one.state.messages.every(({ uid, flags }, at) => {
    const same = messages[at];
    return same?.uid === uid && same.flags === flags;
  });
}

/** Those below others before them: all of a tree may be destroyed at once. */
const deepestFirst = (version: MailVersion, ids: readonly string[]): readonly string[] => {
  const depth = (id: string): number => version.folder(id)?.info.name.split('/').length ?? 0;
  return ids.toSorted((a, b) => depth(b) - depth(a));
};

function found(version: MailVersion, id: string): FolderView {
  const view = version.folder(id);
  if (view !== undefined) return view;
  throw new SetRefusal({ type: 'notFound', description: 'There is no such mailbox' });
}

/** What a client may say of a mailbox; undefined where it said nothing. */
interface Said {
  readonly name: string | undefined;
  readonly parentId: string | null | undefined;
  readonly role: string | null | undefined;
  readonly isSubscribed: boolean | undefined;
}

/** @throws SetRefusal invalidProperties */
function said(object: Args, context: JmapContext): Said {
  for (const name of Object.keys(object)) {
    if (!MAILBOX_PROPERTIES.includes(name)) badProperties([name], `There is no property ${name}`);
  }
  const { name, parentId, role, isSubscribed, sortOrder } = object;
  if (name !== undefined) checkName(name, context);
  if (role !== undefined && role !== null && typeof role !== 'string') {
    badProperties(['role'], 'role is a string or null');
  }
  if (isSubscribed !== undefined && typeof isSubscribed !== 'boolean') {
    badProperties(['isSubscribed'], 'isSubscribed is true or false');
  }
  if (sortOrder !== undefined && !Number.isInteger(sortOrder)) {
    badProperties(['sortOrder'], 'sortOrder is a whole number');
  }
  return {
    name: name as string | undefined,
    parentId: parentOf(parentId, context),
    role,
    isSubscribed,
  };
}

function checkName(name: unknown, { limits }: JmapContext): void {
  if (typeof name !== 'string' || name === '') badProperties(['name'], 'A mailbox has a name');
  const text = name;
  if (text.includes('/')) badProperties(['name'], 'A name has no / in it');
  if (Buffer.byteLength(text) > limits.maxSizeMailboxName) {
    badProperties(['name'], `A name has at most ${limits.maxSizeMailboxName} octets`);
  }
}

function parentOf(given: unknown, context: JmapContext): string | null | undefined {
  if (given === undefined || given === null) return given;
  const id = typeof given === 'string' ? resolvedId(given, context) : undefined;
  if (id !== undefined && context.view.version.folder(id) !== undefined) return id;
  return badProperties(['parentId'], 'There is no such mailbox');
}

/** The folder's name for a mailbox of this name below this parent. @throws SetRefusal */
function pathOf({ view, limits }: JmapContext, name: string, parentId: string | null): string {
  const parent = parentId === null ? undefined : view.version.folder(parentId);
  const path = parent === undefined ? name : `${parent.info.name}/${name}`;
  if (path.split('/').length > limits.maxMailboxDepth) {
    badProperties(['parentId'], `Mailboxes are at most ${limits.maxMailboxDepth} deep`);
  }
  return path;
}

/** Of a new mailbox; all else the server says. */
const SETTABLE: readonly string[] = ['name', 'parentId', 'role', 'sortOrder', 'isSubscribed'];

async function create(context: JmapContext, object: Args): Promise<Args> {
  const other = Object.keys(object).find((name) => !SETTABLE.includes(name));
  if (other !== undefined) badProperties([other], `${other.slice(0, 60)} cannot be set`);
  const given = said(object, context);
  if (given.name === undefined) return badProperties(['name'], 'A mailbox has a name');
  const use = isNone(given.role) ? undefined : useOf(given.role);
  if (!isNone(given.role) && use === undefined) {
    badProperties(['role'], 'No mailbox can be made for this role');
  }
  const { view } = context;
  const path = pathOf(context, given.name, given.parentId ?? null);
  await named(() => view.mail.create(path, use), ['name']);
  if (given.isSubscribed === true) await view.mail.subscribe(path, 'yes');
  const version = await view.refresh();
  const made = version.folders.find(({ info }) => info.name === path);
  if (made === undefined) throw new SetRefusal({ type: 'notFound' }); // Gone at once.
  return {
    id: made.id,
    parentId: given.parentId ?? null,
    role: roleOf(made.info),
    sortOrder: sortOrderOf(made.info),
    isSubscribed: made.info.subscribed,
    totalEmails: 0,
    unreadEmails: 0,
    totalThreads: 0,
    unreadThreads: 0,
    myRights: rightsOf(made.info),
  };
}

const CHANGEABLE: readonly string[] = ['name', 'parentId', 'isSubscribed'];

async function update(context: JmapContext, one: FolderView, patch: Args): Promise<void> {
  const standing = standings(context.view.version).get(one.id) ?? { parentId: null, name: '' };
  const before: Args = {
    id: one.id,
    ...standing,
    role: roleOf(one.info),
    sortOrder: sortOrderOf(one.info),
    isSubscribed: one.info.subscribed,
    myRights: rightsOf(one.info),
  };
  const after = patched(before, patch);
  for (const name of MAILBOX_PROPERTIES) {
    if (CHANGEABLE.includes(name)) continue;
    const same = JSON.stringify(after[name]) === JSON.stringify(before[name]);
    if (!same) badProperties([name], `${name} cannot be changed here`);
  }
  const isMoved = after['name'] !== standing.name || after['parentId'] !== standing.parentId;
  const wanted = said({ ...after, ...(!isMoved && { name: 'same' }) }, context);
  const { mail } = context.view;
  const { name } = one.info;
  if (isMoved) {
    const path = pathOf(context, wanted.name ?? '', wanted.parentId ?? null);
    if (path.startsWith(`${name}/`)) badProperties(['parentId'], 'It would be below itself');
    if (name === 'INBOX') throw new SetRefusal({ type: 'forbidden', description: NO_INBOX });
    await named(() => mail.rename(name, path), ['name', 'parentId']);
    if (one.info.subscribed) await mail.subscribe(name, 'no');
    if (wanted.isSubscribed === true) await mail.subscribe(path, 'yes');
    for (const { info } of context.view.version.folders) {
      // Mailboxes below it have gone along, and are subscribed to by their names (RFC 9051 §6.3.6).
      if (!info.subscribed || !info.name.startsWith(`${name}/`)) continue;
      await mail.subscribe(info.name, 'no');
      await mail.subscribe(path + info.name.slice(name.length), 'yes');
    }
  } else if (wanted.isSubscribed !== one.info.subscribed) {
    await mail.subscribe(name, wanted.isSubscribed === true ? 'yes' : 'no');
  }
  await context.view.refresh();
}

const NO_INBOX = 'The inbox stays what it is';

async function destroy(
  { view }: JmapContext,
  one: FolderView,
  removeEmails: boolean,
): Promise<void> {
  const { name } = one.info;
  if (name === 'INBOX') throw new SetRefusal({ type: 'forbidden', description: NO_INBOX });
  const version = await view.refresh();
  if (version.folders.some(({ info }) => info.name.startsWith(`${name}/`))) {
    throw new SetRefusal({ type: 'mailboxHasChild' });
  }
  if (!removeEmails && (version.folder(one.id)?.state.messages.length ?? 0) > 0) {
    throw new SetRefusal({ type: 'mailboxHasEmail' });
  }
  await named(() => view.mail.remove(name), ['name']);
  if (one.info.subscribed) await view.mail.subscribe(name, 'no');
  await view.refresh();
}

/** @throws SetRefusal for what the name cannot be */
async function named(
  work: () => ReturnType<Mail['remove']>,
  names: readonly string[],
): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (!(error instanceof MailError)) throw error;
    if (error.kind === 'no-such-folder') throw new SetRefusal({ type: 'notFound' });
    if (error.kind === 'over-quota' || error.kind === 'too-many-folders') {
      throw new SetRefusal({ type: 'overQuota', description: error.message });
    }
    badProperties(names, error.message);
  }
}
