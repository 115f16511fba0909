import { nameFlags, nameKey } from '../../src/index.ts';
import type {
  FlagChange,
  FolderRef,
  FolderState,
  Numbered,
  Stored,
} from '../../src/journal/types.ts';
import type { Host, Operation } from './host.ts';
import { INBOX, pathOf } from './places.ts';
import type { End, Scenario } from './scenario.ts';

/**
 * What has to be true of every schedule, whatever happened in it.
 *
 * A state that a host was given is compared with every other one of the same UIDVALIDITY: a folder
 * has one history, and its MODSEQ says which point of it a state is. Hence two states of one MODSEQ
 * are equal; whatever differs in the later one has a MODSEQ above the earlier's; what is missing in
 * it is told as expunged; and no UID comes back or means another message. What was given later (the
 * other operation had ended before this one's first call) is not older.
 */
interface Seen {
  readonly where: string;
  readonly state: FolderState;
  readonly start: number;
  readonly end: number;
}

export async function checkAll(scenario: Scenario, end: End): Promise<void> {
  const operations = end.hosts.flatMap((host) => host.operations);
  checkErrors(scenario, end, operations);
  for (const ref of scenario.folders ?? [INBOX]) {
    const last = await agreed(end, ref);
    const here = [...operations, ...end.reader.operations].filter((o) => same(o, ref));
    const seen = here.flatMap((operation) => seenBy(operation));
    for (const { where, state } of seen) checkState(where, state);
    checkFiles(end, ref, last);
    if (scenario.losses !== true) {
      const validities = new Set(seen.map(({ state }) => state.uidValidity));
      if (validities.size > 1)
        fail(`nothing was lost, and UIDVALIDITY is ${[...validities].join()}`);
    }
    if (scenario.forged === true) continue;
    checkHistory(seen);
    checkAcknowledged(
      scenario,
      operations.filter((o) => same(o, ref)),
      last,
    );
  }
  for (const { client, name } of end.hosts) {
    if (client.overwritten.length > 0) fail(`${name} overwrote ${client.overwritten.join()}`);
  }
  scenario.check?.(end);
}

const same = ({ asked }: Operation, ref: FolderRef): boolean =>
  asked.ref.folder === ref.folder && asked.what !== 'copy' && asked.what !== 'move';

function fail(why: string): never {
  throw new Error(why);
}

/** Undisturbed, every operation works; disturbed, it fails with an error of the system. */
function checkErrors({ errors = [] }: Scenario, end: End, operations: readonly Operation[]): void {
  for (const { host, asked, error } of operations) {
    if (error === undefined) continue;
    const { code, errno } = error as NodeJS.ErrnoException;
    const known = code !== undefined && errors.includes(code);
    if (!known && (errno === undefined || !end.disturbed)) {
      throw new Error(`${asked.what} of ${host} failed: ${error.stack}`, { cause: error });
    }
  }
}

/** All that live, and one who has never seen the folder, come to the same state. */
async function agreed(end: End, ref: FolderRef): Promise<FolderState> {
  const live = end.hosts.filter((host) => host.state === 'ended');
  const sync = async (host: Host): Promise<FolderState> => {
    const before = host.client.openFiles;
    await host.sync(ref);
    const { state, error } = host.operations.at(-1) as Operation;
    if (error !== undefined) throw error;
    if (host.client.openFiles > before) fail(`${host.name} leaves files open`);
    return state ?? fail('no state');
  };
  for (const host of live) await sync(host);
  await sync(end.reader);
  const last = await sync(end.reader);
  for (const host of live) {
    const own = await sync(host);
    const [a, b] = [pictured(own), pictured(last)];
    if (a !== b) fail(`at the end ${host.name} and a fresh reader differ:\n${a}\n${b}`);
  }
  return last;
}

function seenBy({ host, asked, state, start, end, full }: Operation): Seen[] {
  if (state === undefined || full) return [];
  return [{ where: `${asked.what} of ${host} at ${start}–${end}`, state, start, end }];
}

const pictureOf = ({ uid, key, flags, keywords, modseq }: Numbered): string =>
  `${uid} ${key} ${flags} ${keywords.join(',')} @${modseq}`;

/** All that a client can be told of a state. */
const pictured = (state: FolderState): string =>
  [
    `validity ${state.uidValidity} next ${state.uidNext} modseq ${state.modseq}`,
    `unnumbered ${state.unnumbered}`,
    ...state.messages.map(pictureOf),
  ].join('; ');

function checkState(where: string, state: FolderState): void {
  const keys = new Set<string>();
  let before = 0;
  for (const message of state.messages) {
    if (message.uid <= before) fail(`${where}: UID ${message.uid} after ${before}`);
    if (keys.has(message.key)) fail(`${where}: two UIDs for ${message.key}`);
    if (message.modseq > state.modseq) fail(`${where}: a MODSEQ above the folder's`);
    before = message.uid;
    keys.add(message.key);
  }
  if (before >= state.uidNext) fail(`${where}: UIDNEXT ${state.uidNext} with UID ${before}`);
  const gone = new Set(state.expunged.map(({ uid }) => uid));
  const back = state.messages.find(({ uid }) => gone.has(uid));
  if (back !== undefined) fail(`${where}: UID ${back.uid} is there and expunged`);
}

function checkHistory(seen: readonly Seen[]): void {
  const keys = new Map<string, string>();
  for (const { where, state } of seen) {
    for (const { uid, key } of state.messages) {
      const number = `${state.uidValidity}/${uid}`;
      const had = keys.get(number) ?? key;
      if (had !== key) fail(`${where}: UID ${number} means ${had} and ${key}`);
      keys.set(number, key);
    }
  }
  for (const earlier of seen) for (const later of seen) checkPair(earlier, later);
}

function checkPair(earlier: Seen, later: Seen): void {
  const [a, b] = [earlier.state, later.state];
  if (earlier === later || a.uidValidity !== b.uidValidity) return;
  const pair = `${earlier.where} and ${later.where}`;
  if (earlier.end <= later.start) {
    if (b.modseq < a.modseq) fail(`${pair}: MODSEQ went from ${a.modseq} to ${b.modseq}`);
    if (b.uidNext < a.uidNext) fail(`${pair}: UIDNEXT went from ${a.uidNext} to ${b.uidNext}`);
  }
  if (b.modseq < a.modseq) return;
  if (b.modseq === a.modseq && pictured(a) !== pictured(b)) {
    fail(`${pair} differ and have one MODSEQ:\n${pictured(a)}\n${pictured(b)}`);
  }
  const before = new Map(a.messages.map((message) => [message.uid, message]));
  for (const message of b.messages) {
    const had = before.get(message.uid);
    before.delete(message.uid);
    if (had !== undefined && pictureOf(had) === pictureOf(message)) continue;
    if (message.modseq > a.modseq) continue;
    fail(`${pair}: the change of ${pictureOf(message)} is not above MODSEQ ${a.modseq}`);
  }
  const told = new Map(b.expunged.map(({ uid, modseq }) => [uid, modseq]));
  for (const uid of before.keys()) {
    if (a.modseq < b.expungedSince) continue;
    if ((told.get(uid) ?? 0) <= a.modseq) fail(`${pair}: UID ${uid} is gone and nobody is told`);
  }
  for (const { uid, modseq } of a.expunged) {
    if (b.messages.some((message) => message.uid === uid)) fail(`${pair}: UID ${uid} came back`);
    if (a.modseq < b.expungedSince || modseq <= b.expungedSince) continue;
    if (told.get(uid) !== modseq) fail(`${pair}: the expunge of ${uid} at ${modseq} is forgotten`);
  }
}

/** A fresh reader says what the files say. */
function checkFiles({ reader: { server } }: End, ref: FolderRef, last: FolderState): void {
  const files = new Map<string, string>();
  for (const directory of ['new', 'cur']) {
    for (const name of server.names(`${pathOf(ref)}/${directory}`)) {
      files.set(nameKey(name), Array.from(nameFlags(name)).toSorted().join(''));
    }
  }
  const numbered = last.messages.map(({ key, flags }) => `${key}:${flags}`).toSorted();
  const there = [...files].map(([key, flags]) => `${key}:${flags}`).toSorted();
  if (last.unnumbered === 0 && numbered.join() === there.join()) return;
  fail(`the files are ${there.join()}; numbered are ${numbered.join()}`);
}

/** What was acknowledged is there, unless something acknowledged or unknown undid it. */
function checkAcknowledged(
  scenario: Scenario,
  operations: readonly Operation[],
  last: FolderState,
): void {
  const { removed = [] } = scenario;
  const expunged = new Set<number>();
  for (const { asked } of operations) {
    if (asked.what === 'expunge') for (const uid of asked.uids) expunged.add(uid);
  }
  const uids = new Map(last.messages.map(({ key, uid }) => [key, uid]));
  const known = new Map<string, number>();
  for (const { host, asked, value, state } of operations) {
    if (state === undefined) continue;
    // UIDs were asked for by those that the host knew.
    const before = known.get(host) ?? state.uidValidity;
    known.set(host, state.uidValidity);
    if (before !== last.uidValidity || state.uidValidity !== before) continue;
    for (const [key, uid] of gainsOf(asked, value)) {
      if (uid !== undefined && expunged.has(uid)) continue;
      // Others may have expunged it before its UID could be told.
      if (uid === undefined && shownAs(operations, key).some((each) => expunged.has(each)))
        continue;
      if (!uids.has(key)) fail(`${host} added ${key}, which is not there`);
      if (uid !== undefined && uids.get(key) !== uid) {
        fail(`${host} was told UID ${uid} for ${key}, which has ${uids.get(key)}`);
      }
    }
    const back = asked.what === 'expunge' && asked.uids.find((uid) => has(last, uid));
    if (back !== false && back !== undefined) fail(`${host} expunged ${back}, which is there`);
    const lost = state.messages.find(({ uid }) => !expunged.has(uid) && !has(last, uid));
    if (lost !== undefined && removed !== 'any' && !removed.includes(lost.key)) {
      fail(`${pictureOf(lost)} was given to ${host} and is gone, expunged by nobody`);
    }
  }
  checkStored(operations);
  checkShown(operations);
  if (scenario.returns !== true) checkGone(operations, last);
  for (const message of last.messages) checkFlags(message, operations);
}

/** UIDs that somebody was shown for a message. */
const shownAs = (operations: readonly Operation[], key: string): number[] =>
  operations.flatMap(({ state }) =>
    (state?.messages ?? []).filter((message) => message.key === key).map(({ uid }) => uid),
  );

/** A message that somebody was told is expunged does not come back under another UID. */
function checkGone(operations: readonly Operation[], last: FolderState): void {
  const keys = new Map<number, string>();
  for (const { state } of operations) {
    if (state?.uidValidity !== last.uidValidity) continue;
    for (const { uid, key } of state.messages) keys.set(uid, key);
  }
  const gone = new Set(last.expunged.map(({ uid }) => keys.get(uid)));
  const back = last.messages.find(({ key }) => gone.has(key));
  if (back !== undefined) fail(`${back.key} was expunged and is back as UID ${back.uid}`);
}

/**
 * Whoever changes flags is told of each message: its state, or that it was left alone, or is gone.
 */
function checkStored(operations: readonly Operation[]): void {
  for (const { host, asked, value, state } of operations) {
    if (asked.what !== 'store' || value === undefined || state === undefined) continue;
    const { gone, modified } = value as Stored;
    const untold = asked.change.uids.find(
      (uid) => !gone.includes(uid) && !modified.includes(uid) && !has(state, uid),
    );
    if (untold !== undefined) fail(`${host} changed UID ${untold}, which is gone, and is not told`);
  }
}

/** Whoever changes flags is shown what it asked for, unless somebody said otherwise meanwhile. */
function checkShown(operations: readonly Operation[]): void {
  const stores = operations.flatMap((operation) =>
    operation.asked.what === 'store' ? [{ ...operation, change: operation.asked.change }] : [],
  );
  for (const store of stores) {
    const { host, change, value, state, full } = store;
    if (value === undefined || state === undefined || full) continue;
    const { gone, modified } = value as Stored;
    const left = new Set([...gone, ...modified]);
    for (const { uid, flags, keywords } of state.messages) {
      if (!change.uids.includes(uid) || left.has(uid)) continue;
      const shown = [...Array.from(flags), ...keywords];
      for (const item of new Set([...shown, ...Array.from(change.letters), ...change.keywords])) {
        const wanted = sets(change, item);
        const is = shown.includes(item);
        if (wanted === undefined || wanted === is) continue;
        const contrary = stores.some(
          (other) =>
            other.change.uids.includes(uid) &&
            sets(other.change, item) === is &&
            other.start < store.end &&
            other.end > store.start,
        );
        if (!contrary) fail(`${host} is shown UID ${uid} ${is ? 'with' : 'without'} ${item}`);
      }
    }
  }
}

const has = (state: FolderState, uid: number): boolean =>
  state.messages.some((message) => message.uid === uid);

function gainsOf(asked: Operation['asked'], value: unknown): [string, number | undefined][] {
  if (asked.what !== 'add' || value === undefined) return [];
  const { uids } = value as { readonly uids: readonly (number | undefined)[] };
  return asked.keys.map((key, index) => [key, uids[index]]);
}

/** Each flag's value is what some last change of it says: none acknowledged came after that one. */
function checkFlags(message: Numbered, operations: readonly Operation[]): void {
  const changes = operations.flatMap((operation) => {
    const { asked, value } = operation;
    if (asked.what !== 'store' || !asked.change.uids.includes(message.uid)) return [];
    const skipped = (value as { readonly modified?: readonly number[] } | undefined)?.modified;
    return skipped?.includes(message.uid) === true ? [] : [{ ...operation, change: asked.change }];
  });
  const items = new Set(
    changes.flatMap(({ change }) => [...Array.from(change.letters), ...change.keywords]),
  );
  for (const item of items) {
    const is = message.flags.includes(item) || message.keywords.includes(item);
    const towards = changes.filter(({ change }) => sets(change, item) === is);
    const against = changes.filter(
      ({ change, value }) => value !== undefined && sets(change, item) === !is,
    );
    // Before all of them stands what was there at first, of which nothing is known.
    const explained = [{ start: -2, end: -1 }, ...towards].some(({ end, ...own }) => {
      const until = 'value' in own && own.value === undefined ? Infinity : end;
      return against.every(({ start }) => start < until);
    });
    if (!explained) {
      fail(`UID ${message.uid}: ${item} is ${is ? 'there' : 'not there'}, which nobody said last`);
    }
  }
}

/** What a change makes of a flag or keyword; undefined: nothing. */
function sets(change: FlagChange, item: string): boolean | undefined {
  const named = change.letters.includes(item) || change.keywords.includes(item);
  if (change.how === 'replace') return named;
  return named ? change.how === 'add' : undefined;
}
