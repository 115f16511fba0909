import { hash } from 'node:crypto';
import { posix } from 'node:path';
import type { MailboxOwner, VolumeEntry } from './types.ts';

/**
 * Where a mailbox lies. The only place that turns directory data into a path, so the only place
 * that has to be trusted with it. Nothing a mail client sends gets here: accounts are found by
 * address, and their id and path come from the directory, which is checked all the same.
 *
 * In order: the account's explicit path; the account's volume; no placement yet (the allocator
 * chooses). The hash spreads mailboxes over 65,536 directories; the id and not the name is
 * hashed, so that a renamed user keeps the mailbox and a new user of an old name never gets it.
 */
const ACCOUNT_ID = /^[A-Za-z0-9-]{1,64}$/;
const PATH_OCTETS_MAX = 1024;
const PATH_COMPONENT_OCTETS_MAX = 255;

/** The directory holds a placement that cannot be used. An operator has to mend the entry. */
export class PlacementError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'PlacementError';
  }
}

export type Placement =
  | { readonly kind: 'placed'; readonly volume: VolumeEntry; readonly maildir: string }
  /** Stored in the directory, but the volume table has no such volume (any more, or yet). */
  | { readonly kind: 'unknown-volume'; readonly volume: string }
  /** No mail ever came: the allocator has not chosen. */
  | { readonly kind: 'unplaced' };

/** `<volume path>/<2 hex>/<2 hex>/<account id>`. @throws PlacementError on an unusable id. */
export function hashedPath(volumePath: string, accountId: string): string {
  if (!ACCOUNT_ID.test(accountId)) {
    throw new PlacementError(`The account id ${JSON.stringify(accountId)} cannot be a path`);
  }
  const digits = hash('sha256', accountId, 'hex');
  return `${volumePath}/${digits.slice(0, 2)}/${digits.slice(2, 4)}/${accountId}`;
}

/**
 * The volume that an explicit path lies on. The path must be absolute and in its shortest form
 * and lie below the mount point of exactly one volume (of nested ones, the innermost).
 * @throws PlacementError
 */
export function volumeOfPath(path: string, volumes: readonly VolumeEntry[]): VolumeEntry {
  const why = pathFault(path);
  if (why !== undefined) throw new PlacementError(`The path ${JSON.stringify(path)} ${why}`);
  const holders = volumes.filter((volume) => path.startsWith(`${volume.path}/`));
  const longest = Math.max(...holders.map((volume) => volume.path.length));
  const [holder, other] = holders.filter((volume) => volume.path.length === longest);
  if (holder === undefined) {
    throw new PlacementError(`The path ${JSON.stringify(path)} lies on no volume`);
  }
  requireMailboxes(holder);
  if (other !== undefined) {
    throw new PlacementError(`Volumes ${holder.name} and ${other.name} have one mount point`);
  }
  return holder;
}

/** Why a text cannot be a path of ours, or undefined. */
export function pathFault(path: string): string | undefined {
  if (path.includes('\0')) return 'contains a NUL';
  if (!path.startsWith('/')) return 'is not absolute';
  if (Buffer.byteLength(path) > PATH_OCTETS_MAX) return `is longer than ${PATH_OCTETS_MAX} octets`;
  if (path.length > 1 && (path.endsWith('/') || posix.normalize(path) !== path)) {
    return 'is not in its shortest form';
  }
  // oxlint-disable-next-line no-control-regex -- control characters are what is looked for
  if (/[\u0000-\u001f\u007f]/.test(path)) return 'contains a control character';
  const long = path.split('/').some((part) => Buffer.byteLength(part) > PATH_COMPONENT_OCTETS_MAX);
  return long ? `has a component longer than ${PATH_COMPONENT_OCTETS_MAX} octets` : undefined;
}

/** Where this account's mailbox lies now, by what the directory says. @throws PlacementError */
export function placementOf(account: MailboxOwner, volumes: readonly VolumeEntry[]): Placement {
  if (account.path !== undefined) {
    const volume = volumeOfPath(account.path, volumes);
    return { kind: 'placed', volume, maildir: account.path };
  }
  if (account.volume === undefined) return { kind: 'unplaced' };
  const volume = volumes.find((entry) => entry.name === account.volume);
  if (volume === undefined) return { kind: 'unknown-volume', volume: account.volume };
  requireMailboxes(volume);
  return { kind: 'placed', volume, maildir: hashedPath(volume.path, account.id) };
}

/** @throws PlacementError for a spool volume */
function requireMailboxes({ name, use }: VolumeEntry): void {
  if (use !== 'spool') return;
  throw new PlacementError(`Volume ${name} is a spool volume and holds no mailboxes`);
}

/** Where a mailbox that is removed for good is set aside: beside it, by the account's own id. */
export function asidePath(maildir: string, accountId: string): string {
  if (!ACCOUNT_ID.test(accountId)) {
    throw new PlacementError(`The account id ${JSON.stringify(accountId)} cannot be a path`);
  }
  return `${maildir.slice(0, maildir.lastIndexOf('/'))}/.purge-${accountId}`;
}

/** Whose mailbox a path is, or lies in, by its form: the place of an account by its id. */
export function hashedOwner(path: string, volumePath: string): string | undefined {
  const [first, second, id] = path.slice(volumePath.length + 1).split('/');
  if (id === undefined || !ACCOUNT_ID.test(id)) return undefined;
  return hashedPath(volumePath, id) === `${volumePath}/${first}/${second}/${id}` ? id : undefined;
}
