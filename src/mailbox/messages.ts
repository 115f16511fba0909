import type { Clock } from '../base/clock.ts';
import type { Random } from '../base/random.ts';
import { AdminError } from '../directory/admin/error.ts';
import type { Identity } from '../directory/admin/identity.ts';
import { fieldOf } from '../directory/admin/record.ts';
import type { UserRecord } from '../directory/admin/users.ts';
import { LEVELS, type Level } from '../directory/rights.ts';
import type { Account, VolumeEntry } from '../directory/types.ts';
import { silentLogger } from '../log/types.ts';
import { StoreError } from '../volumes/error.ts';
import { openVolumes } from '../volumes/open.ts';
import type { VolumeOptions } from '../volumes/options.ts';
import { isErrno, nameBase, nameFlags, type Fs, arrivalOf } from '#maildir';
import { MaildirMaildrop } from './maildrop.ts';
import { MaildirStore } from './store.ts';

/**
 * The messages in a user's mailbox, for administrators (S0-50): the same store, bulkhead and
 * sentinel checks that POP3 has, asked by somebody who is not the user.
 */
export interface Messages {
  /** In order of arrival. @throws AdminError, StoreError */
  list(user: UserRecord): Promise<readonly Message[]>;
  /**
   * A message as RETR gives it: CRLF line ends, not dot-stuffed. A piece may be used until the next
   * is asked for.
   * @param id a UIDL, or a file name without its flags
   * @throws AdminError; StoreError 'message-gone' when no message has the id
   */
  read(user: UserRecord, id: string): AsyncIterable<Buffer>;
  /**
   * Deletes messages for good: all of them, or none where one of the ids is no message's.
   * @returns those that were deleted
   * @throws AdminError; StoreError 'volume-down' when some are left: their ids are in the text
   */
  remove(user: UserRecord, ids: readonly string[]): Promise<readonly Message[]>;
  close(): void;
}

export interface Message {
  /** RFC 1939 §7: stable over flags and sizes. */
  readonly uidl: string;
  /** File name without its flags. */
  readonly name: string;
  /** Octets as POP3 sends it. */
  readonly octets: number;
  /** Letters of Maildir: D draft, F flagged, P passed, R replied, S seen, T trashed. */
  readonly flags: string;
  readonly directory: 'new' | 'cur';
  /** When it was delivered, in ms since 1970; undefined where the name does not say. */
  readonly deliveredAt: number | undefined;
}

export interface MessagesOptions {
  readonly who: Identity;
  /** The volume table. */
  readonly entries: readonly VolumeEntry[];
  readonly clock: Clock;
  readonly random: Random;
  readonly options?: VolumeOptions;
  /** For tests that need a file system that fails. */
  readonly fs?: Fs;
}

/**
 * Who may read other people's mail: operators, and of administrators' only administrators, as
 * with their passwords: what is sent to somebody often lets one become that person.
 * @throws AdminError denied
 */
export function requireMailRight(who: Identity, user: UserRecord): void {
  const levelled = fieldOf(user, 'mwLevel').length > 0;
  const needed: Level = levelled ? 'administrator' : 'operator';
  if (who.level !== undefined && LEVELS[who.level] >= LEVELS[needed]) return;
  const has = who.level === undefined ? 'has no level' : `has the level ${who.level}`;
  const whose = levelled ? `mail of ${user.login}, an administrator` : `mail of ${user.login}`;
  throw new AdminError('denied', `${who.name} ${has} and may not see ${whose}; ${needed} may`);
}

/** Opens the volumes of this host for one administrator. To be closed. */
export function openMessages(given: MessagesOptions): Messages {
  const { who, entries, clock, random, options, fs } = given;
  const directory = {
    volumes: () => Promise.resolve(entries),
    assignVolume: () => Promise.reject(new Error('Nobody is placed by reading')),
    volumeByRule: () => Promise.resolve(undefined),
    // The record was read from the directory itself a moment ago.
    storedVolume: (account: Account) => Promise.resolve(account.volume),
  };
  const log = silentLogger;
  const parts = { directory, clock, random, log, node: 'command' };
  const volumes = openVolumes({ ...parts, ...(options && { options }), ...(fs && { fs }) });
  const store = new MaildirStore({ mailboxes: volumes.mailboxes, clock, log });
  const open = async (user: UserRecord): Promise<MaildirMaildrop> => {
    requireMailRight(who, user);
    const drop = await store.openMaildrop(user).catch((error: unknown) => {
      throw notOurs(error);
    });
    if (drop instanceof MaildirMaildrop) return drop;
    throw new AdminError('invalid', `No mail ever came for ${user.login}: there is no mailbox yet`);
  };
  return {
    list: async (user) => all(await open(user)),
    read: async function* (user, id) {
      const drop = await open(user);
      yield* drop.read(indexOf(drop, user, id));
    },
    remove: async (user, ids) => {
      const drop = await open(user);
      const indices = [...new Set(ids.map((id) => indexOf(drop, user, id)))];
      const messages = new Map(indices.map((index) => [index, messageAt(drop, index)]));
      const failed = await drop.remove(indices);
      if (failed.length === 0) return [...messages.values()];
      const left = failed.map((index) => drop.uidl(index)).join(', ');
      throw new StoreError(
        'volume-down',
        `${failed.length} of ${indices.length} messages of ${user.login} are left: ${left}`,
      );
    },
    close: () => volumes.close(),
  };
}

/** Whoever may not read the files is told who may; to clients it would be our own trouble. */
function notOurs(error: unknown): unknown {
  if (!(error instanceof StoreError)) return error;
  for (let cause: unknown = error.cause; cause instanceof Error; cause = cause.cause) {
    if (!isErrno(cause, 'EACCES') && !isErrno(cause, 'EPERM')) continue;
    const text = `${error.message}; run this as the service user, who owns the volumes`;
    return new AdminError('denied', text, { cause: error });
  }
  return error;
}

const all = (drop: MaildirMaildrop): readonly Message[] =>
  Array.from({ length: drop.count }, (_, index) => messageAt(drop, index));

const MICROS = 1_000;

function messageAt(drop: MaildirMaildrop, index: number): Message {
  const { name, directory } = drop.entry(index);
  const arrival = arrivalOf(name);
  return {
    uidl: drop.uidl(index),
    name: nameBase(name),
    octets: drop.octets(index),
    flags: nameFlags(name),
    directory,
    deliveredAt: arrival === 0 ? undefined : Math.floor(arrival / MICROS),
  };
}

/** @throws StoreError message-gone; AdminError invalid when several messages have the id */
function indexOf(drop: MaildirMaildrop, user: UserRecord, id: string): number {
  const found: number[] = [];
  for (let index = 0; index < drop.count; index++) {
    const base = nameBase(drop.entry(index).name);
    if (base === id) return index;
    if (drop.uidl(index) === id) found.push(index);
  }
  const [index, ...others] = found;
  if (index === undefined) {
    throw new StoreError('message-gone', `${user.login} has no message ${id.slice(0, 255)}`);
  }
  if (others.length === 0) return index;
  const names = found.map((at) => nameBase(drop.entry(at).name)).join(', ');
  throw new AdminError('invalid', `Several messages have the UIDL ${id}; take a name: ${names}`);
}
