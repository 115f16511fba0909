import { DeadlineError, withDeadline } from '../base/deadline.ts';
import { exitCode } from '../config/exit.ts';
import type { Admin } from '../directory/admin/admin.ts';
import { AdminError } from '../directory/admin/error.ts';
import { LEVELS } from '../directory/rights.ts';
import type { VolumeEntry } from '../directory/types.ts';
import { StoreError } from '../volumes/error.ts';
import { inspectVolume, requireOwner } from '../volumes/make.ts';
import { SentinelError } from '../volumes/sentinel.ts';
import type { Call } from './command.ts';

/** Spool volumes as this host has them. What is away may hold letters that nobody sees now. */
export interface SeenSpools {
  readonly there: readonly VolumeEntry[];
  /** A sentence for each that is not. */
  readonly away: readonly string[];
  /** One is away that nobody has taken offline. */
  readonly amiss: boolean;
}

/** A mount that hangs answers nothing. */
const LOOK_MS = 10_000;

/**
 * Looks at all of them. @throws AdminError for who may not see other people's mail; StoreError when
 * there is none that can be used; SentinelError when they belong to another user
 */
export async function seenSpools(
  { who, volumes }: Pick<Admin, 'who' | 'volumes'>,
  what: string,
): Promise<SeenSpools> {
  if (who.level === undefined || LEVELS[who.level] < LEVELS.operator) {
    throw new AdminError('denied', `${who.name} may not ${what}; an operator may`);
  }
  const spools = (await volumes.list()).filter(({ use }) => use === 'spool');
  const seen = await Promise.all(
    spools.map(async (spool) => ({ spool, fault: await faultOf(spool) })),
  );
  const away = seen.flatMap(({ fault }) => fault ?? []);
  const there = seen.flatMap(({ spool, fault }) => (fault === undefined ? [spool] : []));
  const amiss = seen.some(({ spool, fault }) => fault !== undefined && spool.state !== 'offline');
  if (there.length > 0) return { there, away, amiss };
  const none = 'The farm has no spool volume; mailfarm volume add NAME --path DIR --use spool';
  throw new StoreError('volume-down', away.length > 0 ? away.join('\n') : none);
}

async function faultOf(spool: VolumeEntry): Promise<string | undefined> {
  const { name, path, state } = spool;
  if (state === 'offline') return `volume ${name} is offline`;
  const look = async (): Promise<string | undefined> => {
    const fault = await inspectVolume(spool);
    if (fault === undefined) await requireOwner(path);
    return fault;
  };
  try {
    return await withDeadline(look(), { ms: LOOK_MS, what: `volume ${name} at ${path}` });
  } catch (error) {
    if (error instanceof SentinelError) throw error;
    if (error instanceof DeadlineError) return error.message;
    return `volume ${name}: ${path} cannot be read: ${(error as Error).message}`;
  }
}

/** What nobody sees now is said, and the exit code says it to programs. */
export function noteAway(call: Call, { away, amiss }: SeenSpools): number {
  for (const text of away) call.out.note(`mailfarm: letters there are not seen: ${text}`);
  return amiss ? exitCode('volume-missing') : exitCode('ok');
}

/** A letter that is not found may lie on a volume that is away: then nobody knows. */
export function orAway(error: unknown, { away }: SeenSpools): unknown {
  const isGone = error instanceof StoreError && error.kind === 'message-gone';
  if (!isGone || away.length === 0) return error;
  return new StoreError('volume-down', [`${error.message} where we can look`, ...away].join('\n'));
}
