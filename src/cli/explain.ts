import { exitCode, type ExitName } from '../config/exit.ts';
import { AdminError, type AdminErrorKind } from '../directory/admin/admin.ts';
import { StoreFailure } from '../directory/embedded/store.ts';
import { DirectoryUnavailable } from '../directory/types.ts';
import { MailError } from '../mailbox/mail.ts';
import { SnapshotError } from '../mailbox/restore/snapshots.ts';
import { StoreError, type StoreErrorKind } from '../volumes/error.ts';
import { SentinelError } from '../volumes/sentinel.ts';
import { ChildEnded } from './demo/children.ts';
import { ConfigError } from './place.ts';

const OF_ADMIN: Readonly<Record<AdminErrorKind, ExitName>> = {
  exists: 'data',
  'not-found': 'no-user',
  invalid: 'data',
  denied: 'permission',
  unavailable: 'unavailable',
  conflict: 'tempfail',
  claimed: 'tempfail',
  closed: 'software',
  uncertain: 'unavailable',
};

const OF_STORE: Readonly<Record<StoreErrorKind, ExitName>> = {
  'volume-down': 'volume-missing',
  'volume-full': 'tempfail',
  'volume-busy': 'tempfail',
  'mailbox-missing': 'volume-missing',
  'over-quota': 'data',
  'message-gone': 'no-input',
};

/** What went wrong, for a person, and the exit code for a program. */
export function explain(error: unknown): { readonly text: string; readonly code: number } {
  const as = (name: ExitName, text: string) => ({ text, code: exitCode(name) });
  if (error instanceof AdminError) return as(OF_ADMIN[error.kind], error.message);
  if (error instanceof ConfigError) return as('config', error.problems.join('\nmailfarm: '));
  if (error instanceof DirectoryUnavailable) return as('unavailable', error.message);
  if (error instanceof StoreError) return as(OF_STORE[error.kind], error.message);
  if (error instanceof SnapshotError) return as('no-input', error.message);
  if (error instanceof MailError) return as('data', error.message);
  if (error instanceof ChildEnded) return { text: error.message, code: error.code };
  if (error instanceof StoreFailure) return as('io', error.message);
  if (error instanceof SentinelError) return as('volume-missing', error.message);
  if (!(error instanceof Error)) return as('software', String(error));
  const { code } = error as NodeJS.ErrnoException;
  if (code === 'EADDRINUSE') return as('port-taken', error.message);
  if (code === 'EACCES' || code === 'EPERM') return as('permission', error.message);
  if (code === 'ENOENT') return as('no-input', error.message);
  if (code !== undefined) return as('io', error.message);
  return as('software', error.stack ?? error.message);
}
