import { emailIdOf, nameBase, nameFlags, nameKey } from '../names.ts';
import type { Entry } from '../types.ts';
import type { AddedRow, CommitFile, StartFile } from './format.ts';
import { UNKNOWN_ID, type Position } from './positions.ts';
import type { Keywords } from './keywords.ts';
import type { Expunged, FolderState, Numbered } from './types.ts';

/** A message as the journal keeps it: `flags` as last recorded, `entry` as last seen. */
export interface Message extends Numbered {
  /** The journal's own keywords; those of letters (P, a to z) come from the name. */
  readonly own: readonly string[];
}

const NONE: readonly string[] = [];
/** How long and how many expunges are remembered: MODSEQ is at least a time in milliseconds. */
const EXPUNGED_AGE_MS = 30 * 24 * 3_600_000;
const EXPUNGED_MAX = 100_000;

/**
 * What a process knows of one folder: the log up to `position`, and the names that it saw last.
 * Messages and arrays are never changed, only replaced, so states that were given stay what they
 * were; one changed flag costs one copied array of pointers.
 */
export class Book {
  readonly keywords: Keywords;
  /** Id of the begin. */
  readonly journalId: string;
  position: Position;
  /** Of the commit at `position`; UNKNOWN_ID when that is torn. */
  id: string;
  /** Newest start known to be whole. */
  start: Position;
  modseq: number;
  uidNext: number;
  /** INBOX: the highest UIDVALIDITY given to a folder of this Maildir. */
  validityGiven: number;
  messages: readonly Message[] = [];
  expunged: readonly Expunged[];
  expungedSince: number;
  /** Made when a key is looked for first: opening a folder that has not changed needs none. */
  #byKey: Map<string, Message> | undefined;
  /** UID to key of what is expunged and not cleared, and back. */
  readonly uncleared: Map<number, string>;
  readonly unclearedKeys = new Map<string, number>();
  /** Raised by every change that a state shows. */
  version = 0;

  constructor(file: StartFile, keywords: Keywords, before: Book | undefined) {
    this.keywords = keywords;
    this.journalId = file.journal;
    this.position = file.at;
    this.id = file.kind === 'begin' ? file.id : file.after;
    this.start = file.at;
    this.modseq = file.modseq;
    this.uidNext = file.uidNext;
    this.validityGiven = file.validity ?? 0;
    this.expunged = file.expunged;
    this.expungedSince = file.since;
    this.uncleared = new Map(file.uncleared);
    for (const [uid, key] of file.uncleared) this.unclearedKeys.set(key, uid);
    const messages: Message[] = Array.from({ length: file.messages.length });
    for (const [index, row] of file.messages.entries()) {
      const message = this.#sameAsBefore(row, row.modseq, before) ?? this.#made(row, row.modseq);
      messages[index] = message;
    }
    this.messages = messages;
    if (before !== undefined) this.version = before.version + 1;
  }

  get validity(): number {
    return this.position.validity;
  }

  /** The message with this UID. */
  find(uid: number): Message | undefined {
    const index = this.indexOf(uid);
    return index < 0 ? undefined : this.messages[index];
  }

  /** The message that this key has named. */
  withKey(key: string): Message | undefined {
    if (this.#byKey === undefined) {
      this.#byKey = new Map();
      for (const message of this.messages) this.#byKey.set(message.key, message);
    }
    return this.#byKey.get(key);
  }

  /** Where in `messages` this UID is; -1 when it is not. */
  indexOf(uid: number): number {
    let low = 0;
    let high = this.messages.length - 1;
    while (low <= high) {
      const middle = (low + high) >> 1;
      const found = (this.messages[middle] as Message).uid;
      if (found === uid) return middle;
      if (found < uid) low = middle + 1;
      else high = middle - 1;
    }
    return -1;
  }

  /** Takes over the next commit. `entries` are names that its author knows, by key. */
  apply(commit: CommitFile, entries?: ReadonlyMap<string, Entry>): void {
    this.position = commit.at;
    this.id = commit.id;
    this.modseq = Math.max(this.modseq, commit.modseq);
    this.uidNext = Math.max(this.uidNext, commit.uidNext);
    this.validityGiven = Math.max(this.validityGiven, commit.validity ?? 0);
    this.#removeAll(commit);
    this.#changeAll(commit, entries);
    this.#addAll(commit, entries);
    for (const uid of commit.cleared) {
      this.unclearedKeys.delete(this.uncleared.get(uid) ?? '');
      this.uncleared.delete(uid);
    }
    this.version++;
  }

  /** A torn commit: it has taken its number, and a MODSEQ that somebody may have been told. */
  applyTorn(position: Position): void {
    this.position = position;
    this.id = UNKNOWN_ID;
    this.modseq++;
    this.version++;
  }

  /** Names seen in a listing, for messages whose recorded letters stay as they are. */
  see(entries: ReadonlyMap<number, Entry>): void {
    if (entries.size === 0) return;
    const messages = this.messages.slice();
    for (const [uid, entry] of entries) {
      const index = this.indexOf(uid);
      const old = messages[index];
      if (old !== undefined) messages[index] = this.#replaced({ ...old, entry });
    }
    this.messages = messages;
    this.version++;
  }

  /** `dovecot-keywords` names letters otherwise: messages that have such letters show that. */
  renameLetters(letters: readonly (string | undefined)[]): void {
    if (this.keywords.rename(letters) === 'same') return;
    this.messages = this.messages.map((message) => this.#replaced(message));
    this.version++;
  }

  state(unnumbered: number, messages: readonly Numbered[] = this.messages): FolderState {
    return {
      journalId: this.journalId,
      uidValidity: this.validity,
      uidNext: this.uidNext,
      modseq: this.modseq,
      messages,
      expunged: this.expunged,
      expungedSince: this.expungedSince,
      unnumbered,
    };
  }

  /** All that a reader needs in place of what was before. */
  snapshot(parts: {
    readonly id: string;
    readonly inodes: string;
    readonly now: number;
  }): StartFile {
    this.#forgetOldExpunges(parts.now);
    return {
      kind: 'snapshot',
      id: parts.id,
      at: this.position,
      after: this.id,
      modseq: this.modseq,
      uidNext: this.uidNext,
      inodes: parts.inodes,
      journal: this.journalId,
      since: this.expungedSince,
      validity: this.validityGiven === 0 ? undefined : this.validityGiven,
      messages: this.messages.map(({ uid, modseq, flags, own, entry }) => ({
        uid,
        modseq,
        letters: flags,
        keywords: own,
        base: nameBase(entry.name),
      })),
      expunged: this.expunged,
      uncleared: this.uncleared,
    };
  }

  #forgetOldExpunges(now: number): void {
    let drop = Math.max(0, this.expunged.length - EXPUNGED_MAX);
    while ((this.expunged[drop]?.modseq ?? now) < now - EXPUNGED_AGE_MS) drop++;
    if (drop === 0) return;
    this.expungedSince = this.expunged[drop - 1]?.modseq ?? this.expungedSince;
    this.expunged = this.expunged.slice(drop).filter(({ modseq }) => modseq > this.expungedSince);
    this.version++;
  }

  #removeAll({ removed, modseq }: CommitFile): void {
    if (removed.length === 0) return;
    const gone = new Set<number>();
    const expunged: Expunged[] = [];
    for (const { uid, how } of removed) {
      const message = this.find(uid);
      if (message === undefined || gone.has(uid)) continue;
      gone.add(uid);
      expunged.push({ uid, modseq, emailId: emailIdOf(message.key) });
      this.#byKey?.delete(message.key);
      if (how === 'found') continue;
      this.uncleared.set(uid, message.key);
      this.unclearedKeys.set(message.key, uid);
    }
    this.messages = this.messages.filter(({ uid }) => !gone.has(uid));
    this.expunged = [...this.expunged, ...expunged];
  }

  #changeAll(commit: CommitFile, entries: ReadonlyMap<string, Entry> | undefined): void {
    if (commit.changed.length === 0) return;
    const messages = this.messages.slice();
    for (const { uid, letters, keywords } of commit.changed) {
      const index = this.indexOf(uid);
      const old = messages[index];
      if (old === undefined) continue;
      const entry = entries?.get(old.key) ?? withLetters(old.entry, letters);
      const own = this.keywords.intern(keywords);
      const now = { ...old, entry, flags: letters, own, modseq: commit.modseq };
      messages[index] = this.#replaced(now);
    }
    this.messages = messages;
  }

  #addAll(commit: CommitFile, entries: ReadonlyMap<string, Entry> | undefined): void {
    if (commit.added.length === 0) return;
    const isFirst = this.messages.length === 0;
    const added: Message[] = [];
    for (const row of commit.added) {
      const message = this.#made(row, commit.modseq, entries);
      if (!isFirst && this.withKey(message.key) !== undefined) continue; // A key has one UID.
      this.#byKey?.set(message.key, message);
      added.push(message);
    }
    this.messages = isFirst ? added : this.messages.concat(added);
  }

  #made(row: AddedRow, modseq: number, entries?: ReadonlyMap<string, Entry>): Message {
    const key = nameKey(row.base);
    const entry = entries?.get(key) ?? entryOf(row.base, row.letters);
    const own = row.keywords.length === 0 ? NONE : this.keywords.intern(row.keywords);
    const { letters: flags, uid } = row;
    return { uid, key, entry, flags, own, keywords: this.keywords.shown(own, flags), modseq };
  }

  #replaced(now: Message): Message {
    const keywords = this.keywords.shown(now.own, lettersOf(now.entry.name));
    const message = keywords === now.keywords ? now : { ...now, keywords };
    this.#byKey?.set(message.key, message);
    return message;
  }

  /** The object of before, when nothing about it has changed: it holds its name already. */
  #sameAsBefore(row: AddedRow, modseq: number, before: Book | undefined): Message | undefined {
    if (before?.validity !== this.validity) return undefined;
    const old = before.find(row.uid);
    return old?.modseq === modseq && old.flags === row.letters ? old : undefined;
  }
}

/** The letters of a name as the journal keeps them: sorted, each once, nothing but letters. */
export function lettersOf(name: string): string {
  const flags = nameFlags(name);
  if (flags.length < 2 && /^[A-Za-z]?$/.test(flags)) return flags;
  return sortLetters(flags);
}

/** Whether a name has just these letters; for most names by its end alone. */
export function hasLetters(name: string, letters: string): boolean {
  const at = name.length - letters.length;
  const isPlain = name.charCodeAt(at - 1) === 0x2c && name.charCodeAt(at - 3) === 0x3a;
  if (isPlain && name.endsWith(letters)) return true;
  return lettersOf(name) === letters;
}

export const sortLetters = (letters: string): string =>
  [...new Set(letters.replaceAll(/[^A-Za-z]/g, ''))].toSorted().join('');

const entryOf = (base: string, letters: string): Entry => ({
  directory: 'cur',
  name: `${base}:2,${letters}`,
});

/** The likely name of a message whose letters another process changed. */
const withLetters = (entry: Entry, letters: string): Entry =>
  lettersOf(entry.name) === letters ? entry : entryOf(nameBase(entry.name), letters);
