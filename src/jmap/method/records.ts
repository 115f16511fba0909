/**
 * Small objects of a user that are no mail: identities, submissions, a vacation that is off. One
 * fact each (`mailbox/user-facts.ts`), in JSON; what cannot be read is none.
 */
import { hash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import type { ChangedPart } from '../../mailbox/view.ts';
import type { Args, JmapContext } from '../types.ts';
import { isRecord } from '../wire/values.ts';

const PARALLEL = 8;

/** All of a drawer by name, sorted by name. @throws StoreError */
export async function readRecords(
  { view }: Pick<JmapContext, 'view'>,
  drawer: string,
): Promise<ReadonlyMap<string, Args>> {
  const { facts } = view.mail;
  const names = await facts.list(drawer);
  const found = new Map<string, Args>();
  for (let at = 0; at < names.length; at += PARALLEL) {
    const some = names.slice(at, at + PARALLEL);
    const read = await Promise.all(some.map((name) => facts.read(drawer, name)));
    some.forEach((name, index) => {
      const record = recordOf(read[index]);
      if (record !== undefined) found.set(name, record);
    });
  }
  return found;
}

function recordOf(bytes: Buffer | undefined): Args | undefined {
  try {
    const value: unknown = bytes && JSON.parse(bytes.toString());
    return isRecord(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

/** Durable when it resolves. @throws StoreError */
export const writeRecord = (
  { view }: Pick<JmapContext, 'view'>,
  { drawer, name }: { readonly drawer: string; readonly name: string },
  record: Args,
): Promise<void> => view.mail.facts.put(drawer, name, Buffer.from(JSON.stringify(record)));

/** A state that is the same on all nodes for the same objects. */
export const stateOf = (value: unknown): string =>
  hash('sha256', JSON.stringify(value), 'base64url').slice(0, 22);

/** Of ids of ours, and of what a client wrote into a state. */
const ROW = /^([\w-]{1,64})=([0-9a-f]{1,8})$/;
const NOTHING = '-';

/**
 * A state that says itself what there was, so that any node tells what has changed since, and none
 * keeps anything: `<id>=<CRC-32 of what it says>`, by id. They are few: identities, and what was
 * sent in a week.
 */
export const recordsState = (all: ReadonlyMap<string, unknown>): string =>
  stateOfRows(
    new Map([...all].map(([id, one]) => [id, crc32(JSON.stringify(one)).toString(16)] as const)),
  );

function stateOfRows(rows: ReadonlyMap<string, string>): string {
  const sorted = [...rows].toSorted(([a], [b]) => (a < b ? -1 : 1));
  return sorted.length === 0 ? NOTHING : sorted.map((row) => row.join('=')).join(',');
}

/** What has changed, `max` ids of it; undefined: no state that we have written. */
export function recordsChanges(
  since: string,
  all: ReadonlyMap<string, unknown>,
  max: number,
): ChangedPart | undefined {
  const [before, now] = [rowsOf(since), rowsOf(recordsState(all))];
  if (before === undefined || now === undefined) return undefined;
  const ids = [...new Set([...now.keys(), ...before.keys()])].filter(
    (id) => before.get(id) !== now.get(id),
  );
  const some = ids.slice(0, max);
  const known = new Map(before);
  for (const id of some) {
    const row = now.get(id);
    if (row === undefined) known.delete(id);
    else known.set(id, row);
  }
  return {
    told: {
      created: some.filter((id) => !before.has(id)),
      updated: some.filter((id) => before.has(id) && now.has(id)),
      destroyed: some.filter((id) => !now.has(id)),
    },
    newState: stateOfRows(known),
    hasMore: some.length < ids.length,
  };
}

function rowsOf(state: string): ReadonlyMap<string, string> | undefined {
  if (state === NOTHING) return new Map();
  const rows = new Map<string, string>();
  for (const text of state.split(',')) {
    const [, id, crc] = ROW.exec(text) ?? [];
    if (id === undefined || crc === undefined) return undefined;
    rows.set(id, crc);
  }
  return rows;
}
