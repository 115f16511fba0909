import { afterEach, beforeEach } from 'vitest';
import type { Args } from '../types.ts';
import { openNodes, type Nodes, type STORES } from './nodes.ts';

/** Two nodes that take turns, new for each case. */
export function useNodes(kind: (typeof STORES)[number]): () => Nodes {
  let nodes: Nodes | undefined;
  beforeEach(async () => {
    nodes = await openNodes(kind);
  });
  afterEach(async () => {
    await nodes?.close();
  });
  return () => nodes as Nodes;
}

/** A member of an answer, in words as a client would write them: `list.0.id`. */
export function at(answer: Args, path: string): unknown {
  let value: unknown = answer;
  for (const part of path.split('.')) value = (value as Record<string, unknown> | null)?.[part];
  return value;
}

/** Ids of mailboxes by role. */
export async function roles(nodes: Nodes): Promise<Readonly<Record<string, string>>> {
  const { list } = await nodes.ask('Mailbox/get', { properties: ['role'] });
  return Object.fromEntries(
    (list as { role: string | null; id: string }[]).map(({ role, id }) => [role ?? 'none', id]),
  );
}

/** Puts a letter into a folder as IMAP does. @returns its UID */
export async function put(
  { mail }: Nodes,
  text: string,
  given: { readonly folder?: string; readonly letters?: string; readonly date?: number } = {},
): Promise<void> {
  const { folder = 'INBOX', letters = '', date } = given;
  const options = { letters, keywords: [], ...(date !== undefined && { date }) };
  const draft = await mail.draft(folder, options);
  await draft.write(Buffer.from(text));
  await mail.append(folder, [draft]);
}

/** Ids in the order of a query. */
export async function query(nodes: Nodes, args: Args = {}): Promise<readonly string[]> {
  const { ids, type, description } = await nodes.ask('Email/query', args);
  if (ids === undefined) throw new Error(`${String(type)}: ${String(description)}`);
  return ids as readonly string[];
}
