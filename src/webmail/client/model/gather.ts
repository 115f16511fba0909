import type { Batch } from '../jmap/batch.ts';
import type { Connection } from '../jmap/connection.ts';
import type { Filter, Placed } from '../jmap/types.ts';

/** Of one request: no server of ours allows fewer (maxObjectsInGet, RFC 8620 §2). */
const PAGE = 500;
/** What fits into the kept queue of a browser, and its memory, with room to spare. */
export const GATHERED_MAX = 50_000;
const PROPERTIES: readonly (keyof Placed)[] = ['id', 'threadId', 'mailboxIds', 'keywords'];

export interface GatherParts {
  readonly connection: Connection;
  readonly newBatch: () => Batch;
  readonly filter: Filter;
  readonly signal: AbortSignal;
  readonly onCount: (count: number) => void;
}

/**
 * All emails that a filter finds, the newest first. Each page is asked for from the last email of
 * the one before (an anchor, RFC 8620 §5.5), so that mail that comes meanwhile shifts nothing: it
 * is not among them, and none is left out.
 *
 * @throws Refused, MethodFailed; AbortError where the signal says so
 */
export async function gatherAll({ signal, ...parts }: GatherParts) {
  const found = new Map<string, Placed>();
  const order: string[] = [];
  for (let back = 1; order.length < GATHERED_MAX;) {
    const anchor = order.at(-back);
    const batch = parts.newBatch();
    const query = batch.add('Email/query', {
      filter: parts.filter,
      sort: [{ property: 'receivedAt', isAscending: false }],
      limit: PAGE,
      ...(anchor === undefined ? { position: 0 } : { anchor, anchorOffset: 1 }),
    });
    const got = batch.add('Email/get', { '#ids': query.at('/ids'), properties: PROPERTIES });
    const answers = await parts.connection.send(batch, { signal });
    signal.throwIfAborted();
    if (answers.failed('anchorNotFound') && back <= order.length) {
      // It has gone meanwhile: the one before it is as good.
      back += 1;
      continue;
    }
    const { ids } = answers.of(query);
    const fresh = ids.filter((id) => !order.slice(-back).includes(id));
    back = 1;
    if (fresh.length === 0) return { emails: [...found.values()], isPart: false };
    order.push(...fresh);
    for (const email of answers.of(got).list) found.set(email.id, email);
    parts.onCount(found.size);
  }
  return { emails: [...found.values()].slice(0, GATHERED_MAX), isPart: true };
}
