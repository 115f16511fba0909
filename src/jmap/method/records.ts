/**
 * Small objects of a user that are no mail: identities, submissions, a vacation that is off. One
 * fact each (`mailbox/user-facts.ts`), in JSON; what cannot be read is none.
 */
import { hash } from 'node:crypto';
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
