/**
 * A live directory, and a snapshot beside it for when it is away.
 *
 * The live one is always asked first; only when it is unavailable, with what its own cache
 * remembers, the snapshot is asked. Of the snapshot only what it says counts:
 *
 * - A user who is in it gets mail and may be found. Who is not in it may have been added since:
 *   the question stays unanswered, never "no such user". For the same reason nothing is taken
 *   from it that follows from somebody's absence: no catch-all, no rule, no list with a member
 *   it does not know, no "members only".
 * - Addresses of nodes and what is said of a domain are taken from it; that a domain is not in it
 *   says nothing. Secrets are never in it.
 * - Settings and the node's own entry are not taken from it: the last good ones that the node
 *   keeps (config/last-good.ts) are younger, and going back to older ones would undo changes.
 * - Placing a user needs the live directory.
 *
 * Passwords are the live directory's alone: while it is away one counts that it accepted from this
 * process within minutes (client/passwords.ts). Hashes of a snapshot are not looked at: they would
 * let in with a password that was changed since, and whoever was suspended since.
 */
import { DirectoryUnavailable } from '../types.ts';
import type { Directory } from '../types.ts';
import type { SnapshotDirectory } from './open.ts';

type Either = <T>(live: () => Promise<T>, stored: () => Promise<T | undefined>) => Promise<T>;

/** What the snapshot says of the farm itself. */
const facts = (
  primary: Directory,
  snapshot: SnapshotDirectory,
  either: Either,
): Pick<Directory, 'volumes' | 'nodes' | 'domain'> => ({
  volumes: () =>
    either(
      () => primary.volumes(),
      () => snapshot.volumes(),
    ),
  nodes: () =>
    either(
      () => primary.nodes(),
      () => snapshot.nodes(),
    ),
  domain: (name) =>
    either(
      () => primary.domain(name),
      () => snapshot.domain(name),
    ),
});

/** Asks `primary`; while it is away, `snapshot` as far as the essay above says. */
export function withSnapshot(primary: Directory, snapshot: SnapshotDirectory): Directory {
  const positive = async <T>(ask: () => Promise<T | undefined>, live: unknown): Promise<T> => {
    const answer = await ask().catch((error: unknown) => {
      if (error instanceof DirectoryUnavailable) return undefined;
      throw error;
    });
    if (answer === undefined) throw live;
    return answer;
  };
  const either: Either = async (live, stored) => {
    try {
      return await live();
    } catch (error) {
      if (!(error instanceof DirectoryUnavailable)) throw error;
      return await positive(stored, error);
    }
  };
  return {
    resolve: (address, context) =>
      either(
        () => primary.resolve(address, context),
        () => snapshot.resolveHeld(address, context),
      ),
    ownerOf: (address) =>
      either(
        () => primary.ownerOf(address),
        () => snapshot.ownerOf(address),
      ),
    account: (login) =>
      either(
        () => primary.account(login),
        () => snapshot.account(login),
      ),
    accountById: (id) =>
      either(
        () => primary.accountById(id),
        () => snapshot.accountById(id),
      ),
    secondFactor: (account) => primary.secondFactor(account),
    verifyPassword: (account, password) => primary.verifyPassword(account, password),
    ...facts(primary, snapshot, either),
    assignVolume: (account, volume) => primary.assignVolume(account, volume),
    volumeByRule: (account) => primary.volumeByRule(account),
    storedVolume: (account) =>
      either(
        () => primary.storedVolume(account),
        () => snapshot.storedVolume(account),
      ),
    settings: () => primary.settings(),
    node: (name) => primary.node(name),
    etrnDomains: (argument) => primary.etrnDomains(argument),
    secret: (kind, name) => primary.secret(kind, name),
    invalidate: () => {
      primary.invalidate();
      snapshot.invalidate();
    },
    get available() {
      return primary.available;
    },
    news: primary.news,
    close: async () => {
      await Promise.all([primary.close(), snapshot.close()]);
    },
  };
}
