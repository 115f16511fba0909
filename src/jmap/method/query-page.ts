/** Which part of an ordered result is asked for (RFC 8620 §5.5). */
import { MethodError, type Args, type JmapContext } from '../types.ts';
import type { Reader } from './arguments.ts';

export interface Page {
  readonly position: number;
  readonly anchor: string | undefined;
  readonly anchorOffset: number;
  readonly limit: number | undefined;
  readonly calculateTotal: boolean;
}

/** @throws MethodError */
export const pageArguments = (reader: Reader): Page => ({
  position: reader.integer('position') ?? 0,
  anchor: reader.string('anchor'),
  anchorOffset: reader.integer('anchorOffset') ?? 0,
  limit: reader.count('limit'),
  calculateTotal: reader.boolean('calculateTotal'),
});

/** Ids of an order, which may cost to find out. */
export interface Ordered {
  /** Those from `from` to `to`, fewer where it ends. */
  slice(from: number, to: number): Promise<readonly string[]>;
  /** -1: it is not there. */
  indexOf(id: string): Promise<number>;
  total(): Promise<number>;
}

export const orderedIds = (ids: readonly string[]): Ordered => ({
  slice: async (from, to) => ids.slice(from, to),
  indexOf: async (id) => ids.indexOf(id),
  total: async () => ids.length,
});

/** The answer of /query but for accountId and states. @throws MethodError anchorNotFound */
export async function pageOf(
  ordered: Ordered,
  page: Page,
  { limits }: Pick<JmapContext, 'limits'>,
): Promise<Args> {
  const most = limits.maxObjectsInGet;
  const limit = Math.min(page.limit ?? most, most);
  const position = await startOf(ordered, page);
  const ids = await ordered.slice(position, position + limit);
  return {
    position,
    ids,
    ...(page.calculateTotal && { total: await ordered.total() }),
    ...(limit !== page.limit && { limit }),
  };
}

async function startOf(ordered: Ordered, page: Page): Promise<number> {
  if (page.anchor !== undefined) {
    const at = await ordered.indexOf(page.anchor);
    if (at >= 0) return Math.max(0, at + page.anchorOffset);
    throw new MethodError('anchorNotFound', 'The anchor is not in the result');
  }
  if (page.position >= 0) return page.position;
  return Math.max(0, (await ordered.total()) + page.position);
}
