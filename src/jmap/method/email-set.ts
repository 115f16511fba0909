/**
 * Email/set, Email/import, Email/copy (RFC 8621 §4.6 to §4.8).
 *
 * Emails that are changed alike in one folder are changed in one operation: 500 marked as read are
 * one commit of the journal. What another session moved meanwhile is looked for once more, where
 * it is now, before it is said to be gone.
 *
 * States: `newState` says to the client that it knows all there is. If anything but what this call
 * did has changed since `oldState` (another node, IMAP), it does not, and is told `oldState` as the
 * new one: then its next /changes has everything, its own changes too.
 */
import type { EmailPlace, MailVersion } from '../../mailbox/view.ts';
import { flagsOf, keywordsOf } from '../wire/keywords.ts';
import { MethodError, type Args, type JmapContext, type SetError } from '../types.ts';
import { isRecord } from '../wire/values.ts';
import { invalid, readerFor } from './arguments.ts';
import { composedEmail } from './email-compose.ts';
import { byFolder } from './email-filter.ts';
import { destinationOf, keywordSet, mailboxesOf, storeEmail } from './email-store.ts';
import { faultOf } from './faults.ts';
import { patched } from './patch.ts';
import {
  badProperties,
  currentVersion,
  requireState,
  resolvedId,
  SetOutcome,
  SetRefusal,
  setArguments,
  tableOf,
} from './standard.ts';

/** RFC 8621 §4.6 */
export async function emailSet(args: Args, context: JmapContext): Promise<Args> {
  const reader = readerFor(args, context);
  const asked = setArguments(reader, context);
  reader.end();
  const before = await currentVersion(context);
  requireState(asked.ifInState, before.emailState);
  const outcome = new SetOutcome();
  for (const [key, object] of asked.create) {
    await made({ context, outcome, key }, async () =>
      storeEmail(context, destinationOf(object, context), await composedEmail(object, context)),
    );
  }
  const destroy = asked.destroy.map((id) => resolvedId(id, context) ?? id);
  await updateAll(
    context,
    outcome,
    new Map(
      [...asked.update].filter(([given]) => {
        if (!destroy.includes(resolvedId(given, context) ?? given)) return true;
        outcome.notUpdated.set(given, { type: 'willDestroy' });
        return false;
      }),
    ),
  );
  await destroyAll(context, outcome, destroy);
  const states = await statesOf(context, before, outcome);
  return outcome.answer({ accountId: context.account.id, ...states });
}

interface Making {
  readonly context: JmapContext;
  readonly outcome: SetOutcome;
  readonly key: string;
}

async function made({ context, outcome, key }: Making, work: () => Promise<Args>): Promise<void> {
  try {
    const created = await work();
    context.createdIds.set(key, created['id'] as string);
    outcome.created.set(key, created);
  } catch (error) {
    outcome.notCreated.set(key, faultOf(error));
  }
}

async function statesOf(
  context: JmapContext,
  before: MailVersion,
  outcome: SetOutcome,
): Promise<{ oldState: string; newState: string }> {
  const { view } = context;
  const oldState = before.emailState;
  const known = new Set([
    ...[...outcome.created.values()].map((object) => object['id'] as string),
    ...[...outcome.updated.keys()].map((given) => resolvedId(given, context) ?? given),
    ...outcome.destroyed,
  ]);
  const changed = view.emailChanges(oldState, view.version);
  const all = changed && [...changed.created, ...changed.updated, ...changed.destroyed];
  const isOurs = all?.every((id) => known.has(id)) === true;
  return { oldState, newState: isOurs ? view.version.emailState : oldState };
}

/** What one email is to become. */
interface Wish {
  /** As the client named it. */
  readonly given: string;
  readonly id: string;
  readonly patch: Args;
}

/** One operation for all emails that it is the same for. */
interface Step {
  readonly add: readonly string[];
  readonly remove: readonly string[];
  /** Id of the mailbox that it goes to; undefined: it stays. */
  readonly to: string | undefined;
}

async function updateAll(
  context: JmapContext,
  outcome: SetOutcome,
  patches: ReadonlyMap<string, Args>,
): Promise<void> {
  let open = [...patches].map(([given, patch]): Wish => ({
    given,
    id: resolvedId(given, context) ?? given,
    patch,
  }));
  for (const round of ['first', 'again'] as const) {
    if (open.length === 0) return;
    const fault = round === 'again' ? await lookedAgain(context) : undefined;
    if (fault !== undefined) {
      for (const { given } of open) outcome.notUpdated.set(given, fault);
      return;
    }
    open = await updateNow(context, outcome, open);
  }
  for (const { given } of open) outcome.notUpdated.set(given, { type: 'notFound' });
}

/** What was done before stays done and is told: trouble now concerns what is left alone. */
async function lookedAgain({ view }: JmapContext): Promise<SetError | undefined> {
  try {
    await view.refresh();
    return undefined;
  } catch (error) {
    return faultOf(error);
  }
}

/** @returns what was not where it was thought to be */
async function updateNow(
  context: JmapContext,
  outcome: SetOutcome,
  wishes: readonly Wish[],
): Promise<Wish[]> {
  const missing: Wish[] = [];
  const groups = new Map<string, { step: Step; wishes: [Wish, readonly EmailPlace[]][] }>();
  for (const wish of wishes) {
    const places = context.view.version.places(wish.id);
    const [place] = places;
    if (place === undefined) {
      missing.push(wish);
      continue;
    }
    try {
      const step = stepOf(context, wish.patch, places);
      const key = JSON.stringify([place.in.id, step]);
      const group = groups.get(key) ?? { step, wishes: [] };
      group.wishes.push([wish, places]);
      groups.set(key, group);
    } catch (error) {
      outcome.notUpdated.set(wish.given, faultOf(error));
    }
  }
  for (const { step, wishes: alike } of groups.values()) {
    try {
      const gone = await runStep(
        context,
        step,
        alike.map(([, places]) => places),
      );
      alike.forEach(([wish], at) => {
        if (gone.has(at)) missing.push(wish);
        else outcome.updated.set(wish.given, null);
      });
    } catch (error) {
      for (const [wish] of alike) outcome.notUpdated.set(wish.given, faultOf(error));
    }
  }
  return missing;
}

const MUTABLE = ['keywords', 'mailboxIds'];

/** @throws SetRefusal */
function stepOf(context: JmapContext, patch: Args, places: readonly EmailPlace[]): Step {
  for (const path of Object.keys(patch)) {
    const [property = ''] = path.split('/');
    if (!MUTABLE.includes(property)) badProperties([property], `${property} cannot be changed`);
  }
  const now: Args = {
    keywords: Object.assign({}, ...places.map(({ message }) => keywordsOf(message))),
    mailboxIds: Object.fromEntries(places.map((place) => [place.in.id, true])),
  };
  const after = patched(now, resolvedPatch(patch, context));
  const had = keywordSet(now['keywords']);
  const wanted = keywordSet(after['keywords'] ?? {});
  const stays = Object.keys(patch).every((path) => !path.startsWith('mailboxIds'));
  const target = stays ? undefined : mailboxesOf(after['mailboxIds'], context)[0];
  const lies = places.length === 1 && target === places[0]?.in;
  return {
    add: [...wanted].filter((keyword) => !had.has(keyword)).toSorted(),
    remove: [...had].filter((keyword) => !wanted.has(keyword)).toSorted(),
    to: lies ? undefined : target?.id,
  };
}

/** Mailboxes that this request has made, by their ids; keywords in lower case. */
function resolvedPatch(patch: Args, context: JmapContext): Args {
  return Object.fromEntries(
    Object.entries(patch).map(([path, value]) => {
      const [property = '', ...rest] = path.split('/');
      const name = rest.join('/');
      if (rest.length === 0) return [path, value];
      if (property === 'keywords') return [`keywords/${name.toLowerCase()}`, value];
      return [`mailboxIds/${resolvedId(name, context) ?? name}`, value];
    }),
  );
}

/** @returns indices of those that were gone @throws MailError, StoreError */
async function runStep(
  { view }: JmapContext,
  { add, remove, to }: Step,
  emails: readonly (readonly EmailPlace[])[],
): Promise<ReadonlySet<number>> {
  const gone = new Set<number>();
  const firsts = emails.map(([place]) => place as EmailPlace);
  const [{ in: from }] = firsts as [EmailPlace];
  const uidValidity = from.state.uidValidity;
  const uids = firsts.map(({ message }) => message.uid);
  for (const [how, keywords] of [
    ['add', add],
    ['remove', remove],
  ] as const) {
    if (keywords.length === 0) continue;
    const stored = await from.folder.store({ uids, how, ...flagsOf(keywords), uidValidity });
    for (const uid of stored.gone) gone.add(uids.indexOf(uid));
  }
  const touched = new Set([from.id]);
  if (to !== undefined) {
    touched.add(to);
    const left = new Set(
      await moved(
        { view, to },
        emails.filter((_, at) => !gone.has(at)),
      ),
    );
    emails.forEach((places, at) => left.has(places) && gone.add(at));
    for (const places of emails) for (const place of places) touched.add(place.in.id);
  }
  await view.refresh([...touched]);
  return gone;
}

/** Each in one folder alone. @returns those that were gone */
async function moved(
  { view, to }: Pick<JmapContext, 'view'> & { readonly to: string },
  emails: readonly (readonly EmailPlace[])[],
): Promise<readonly (readonly EmailPlace[])[]> {
  const target = view.version.folder(to)?.info.name;
  const arrive: (readonly EmailPlace[])[] = [];
  const leave: EmailPlace[] = [];
  for (const places of emails) {
    const there = places.find((place) => place.in.id === to);
    if (there === undefined) arrive.push(places);
    leave.push(...places.filter((place) => place !== (there ?? places[0])));
  }
  const [first] = arrive;
  let gone: (readonly EmailPlace[])[] = [];
  if (first !== undefined && target !== undefined) {
    const { in: from } = first[0] as EmailPlace;
    const uids = arrive.map((places) => (places[0] as EmailPlace).message.uid);
    const { pairs } = await from.folder.move(uids, target, from.state.uidValidity);
    const went = new Set(pairs.map((pair) => pair.from));
    gone = arrive.filter((_, at) => !went.has(uids[at] as number));
  }
  await expunge(leave);
  return gone;
}

async function expunge(places: readonly EmailPlace[]): Promise<void> {
  for (const [{ folder, state }, here] of byFolder(places)) {
    await folder.expunge(
      here.map(({ message }) => message.uid),
      state.uidValidity,
    );
  }
}

async function destroyAll(
  context: JmapContext,
  outcome: SetOutcome,
  ids: readonly string[],
): Promise<void> {
  const destroyed = new Set<string>();
  let open = ids;
  for (const round of ['first', 'again'] as const) {
    if (open.length === 0) break;
    const fault = round === 'again' ? await lookedAgain(context) : undefined;
    if (fault !== undefined) {
      for (const id of open) outcome.notDestroyed.set(id, fault);
      open = [];
      break;
    }
    open = await destroyNow(context, outcome, open);
    // One that another session moved meanwhile is still there.
    for (const id of ids)
      if (!outcome.notDestroyed.has(id) && !open.includes(id)) destroyed.add(id);
  }
  for (const id of open) outcome.notDestroyed.set(id, { type: 'notFound' });
  outcome.destroyed.push(...[...destroyed].filter((id) => !outcome.notDestroyed.has(id)));
}

/** @returns those that are not where they were thought to be, or still somewhere */
async function destroyNow(
  { view }: JmapContext,
  outcome: SetOutcome,
  ids: readonly string[],
): Promise<readonly string[]> {
  const wanted = new Map(ids.map((id) => [id, view.version.places(id)]));
  const touched = new Set<string>();
  const failed = new Set<string>();
  for (const [{ id: folderId, folder, state }, here] of byFolder([...wanted.values()].flat())) {
    touched.add(folderId);
    try {
      await folder.expunge(
        here.map(({ message }) => message.uid),
        state.uidValidity,
      );
    } catch (error) {
      const fault = faultOf(error);
      for (const [id, places] of wanted) {
        if (!places.some((place) => here.includes(place))) continue;
        outcome.notDestroyed.set(id, fault);
        failed.add(id);
      }
    }
  }
  if (touched.size > 0) await view.refresh([...touched]);
  return [...wanted].flatMap(([id, places]) => {
    if (failed.has(id)) return [];
    return places.length === 0 || view.version.places(id).length > 0 ? [id] : [];
  });
}

/** RFC 8621 §4.8 */
export async function emailImport(args: Args, context: JmapContext): Promise<Args> {
  const reader = readerFor(args, context);
  const emails = reader.table('emails');
  const ifInState = reader.string('ifInState');
  reader.end();
  if (emails.size > context.limits.maxObjectsInSet) {
    throw new MethodError('requestTooLarge', 'These are too many emails');
  }
  const before = await currentVersion(context);
  requireState(ifInState, before.emailState);
  const outcome = new SetOutcome();
  for (const [key, object] of emails) {
    await made({ context, outcome, key }, () => imported(context, object));
  }
  const { oldState, newState } = await statesOf(context, before, outcome);
  return {
    accountId: context.account.id,
    oldState,
    newState,
    created: tableOf(outcome.created),
    notCreated: tableOf(outcome.notCreated),
  };
}

async function imported(context: JmapContext, object: Args): Promise<Args> {
  const { blobId } = object;
  if (typeof blobId !== 'string') return badProperties(['blobId'], 'blobId is missing');
  const to = destinationOf(object, context);
  const blob = await context.blobs.open(blobId);
  if (blob === undefined) {
    throw new SetRefusal({ type: 'blobNotFound', notFound: [blobId] });
  }
  return await storeEmail(context, to, messageOf(blob.read()));
}

/** Begins with a field, or it is no message. @throws SetRefusal invalidEmail */
async function* messageOf(pieces: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let first = true;
  for await (const piece of pieces) {
    const start = Buffer.from(piece.subarray(0, 1000)).toString('latin1');
    if (first && !/^(?:From [^\n]*\n)?[!-9;-~]+[ \t]*:/.test(start)) {
      throw new SetRefusal({ type: 'invalidEmail', description: 'It does not begin with a field' });
    }
    first = false;
    yield piece;
  }
  if (first) throw new SetRefusal({ type: 'invalidEmail', description: 'It is empty' });
}

/** RFC 8621 §4.7: there is one account, and within it nothing is copied (§4.7). */
export async function emailCopy(args: Args): Promise<Args> {
  const { fromAccountId, accountId } = isRecord(args) ? args : {};
  if (typeof fromAccountId !== 'string') return invalid('fromAccountId is missing');
  if (fromAccountId === accountId) return invalid('The accounts are not different');
  throw new MethodError('fromAccountNotFound', 'There is one account: your own');
}
