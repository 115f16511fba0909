import { ResultCodeError } from 'ldapts';
import { DirectoryUnavailable } from '../types.ts';
import { CredentialsRefused, Elsewhere, resultCode } from './connection.ts';
import { NotCurrent, NotWhole, type Evidence } from './witness.ts';

/** Servers answer, and none of them has what another has. */
export class NoneCurrent extends DirectoryUnavailable {
  constructor(cause: NotCurrent) {
    super('No directory server is current (MF-DIR-007)', { cause });
  }
}

/** protocolError, referral, confidentialityRequired, unwillingToPerform: another may do it. */
const ANOTHER_MAY: ReadonlySet<number | undefined> = new Set([2, 10, 13, 53]);

/** The answer was taken; that it means trouble is not the server's fault. */
export function isAnswer(error: unknown): boolean {
  if (error instanceof DirectoryUnavailable) return true;
  const code = resultCode(error);
  return code !== undefined && !ANOTHER_MAY.has(code);
}

/**
 * The server lives and could not answer this: a filter that takes it too long, a part that is
 * elsewhere. Another is asked. Whether it can answer anything at all the next look at it says; a
 * question that costs too much must not take the directory from all others.
 */
export const isDeclined = (error: unknown): boolean =>
  error instanceof ResultCodeError || error instanceof Elsewhere;

export const isUnfit = (error: unknown): boolean =>
  error instanceof NotWhole || error instanceof NotCurrent;

export function behind(url: string, { state, partial }: Evidence): NotCurrent {
  if (partial) return new NotCurrent(`${url} is being filled: it has what its contextCSN lacks`);
  if (state) return new NotCurrent(`${url} lacks changes that another server has`);
  return new NotCurrent(`${url} has no contextCSN: it is being filled, or lacks syncprov`);
}

export function blameOf(
  error: unknown,
  state: 'untried' | 'up' | 'down',
): ['credentials' | 'not-whole' | 'operation' | 'connect', string] {
  if (error instanceof CredentialsRefused) return ['credentials', 'MF-DIR-003'];
  if (error instanceof NotWhole) return ['not-whole', 'MF-DIR-002'];
  return [state === 'untried' ? 'connect' : 'operation', 'MF-DIR-001'];
}
