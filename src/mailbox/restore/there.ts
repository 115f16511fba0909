import { createHash } from 'node:crypto';
import { emailIdOf, nameKey, nameOctets } from '#maildir';

/**
 * Which messages of a backup the mailbox still has, wherever they lie now. Each message of the
 * mailbox stands for one of the backup:
 *
 * 1. by the email id, which flags, IMAP and JMAP moves and an earlier restore keep;
 * 2. by what is in the file, for those whose names are strange to the backup: a program that
 *    moves files by its own means gives new names. Only files of one size are read.
 *
 * A copy that the user made is a message of its own: it is in the backup too, and stands for
 * itself, not for the original that he has lost.
 */
export interface Filed {
  /** Folder as users see it. */
  readonly folder: string;
  /** File name. */
  readonly name: string;
}

/** @returns the folder in which each message of the backup lies now; undefined: it is missing */
export async function placesNow<B extends Filed, L extends Filed>(
  backup: readonly B[],
  live: readonly L[],
  /** Octets of the file, hashed; undefined where it is gone. */
  digests: {
    readonly backup: (message: B) => Promise<string | undefined>;
    readonly live: (message: L) => Promise<string | undefined>;
  },
): Promise<readonly (string | undefined)[]> {
  const byId = new Map<string, L>();
  for (const message of live) byId.set(idOf(message), message);
  const known = new Set(backup.map(idOf));
  const strange = new Map<number, L[]>();
  for (const message of live) {
    const octets = nameOctets(message.name);
    if (octets === undefined || known.has(idOf(message))) continue;
    strange.set(octets, [...(strange.get(octets) ?? []), message]);
  }
  const hashes = new Map<L, string | undefined>();
  const places: (string | undefined)[] = [];
  for (const message of backup) {
    const same = byId.get(idOf(message));
    if (same !== undefined) {
      places.push(same.folder);
      continue;
    }
    const octets = nameOctets(message.name);
    const alike = octets === undefined ? undefined : strange.get(octets);
    let place: string | undefined;
    if (alike !== undefined && alike.length > 0) {
      const digest = await digests.backup(message);
      for (const other of alike) {
        if (!hashes.has(other)) hashes.set(other, await digests.live(other));
      }
      const at = alike.findIndex((other) => digest !== undefined && hashes.get(other) === digest);
      place = at < 0 ? undefined : alike.splice(at, 1)[0]?.folder;
    }
    places.push(place);
  }
  return places;
}

const idOf = ({ name }: Filed): string => emailIdOf(nameKey(name));

/** Of a file in pieces, hexadecimal. */
export async function digestOf(pieces: AsyncIterable<Uint8Array>): Promise<string> {
  const sum = createHash('sha256');
  for await (const piece of pieces) sum.update(piece);
  return sum.digest('hex');
}
