import type { DirectoryNews, NewsExchange } from '../types.ts';
import type { Replicas } from './replicas.ts';
import { serverState } from './state.ts';

/** What the servers of a process were seen in, for the other processes of the node. */
export function newsExchange(
  trees: ReadonlyMap<DirectoryNews['tree'], Replicas>,
  given: {
    readonly listeners: Set<(news: DirectoryNews) => void>;
    /** Whether users stand on servers of their own. */
    readonly withUsers: boolean;
  },
): NewsExchange {
  const { listeners, withUsers } = given;
  return {
    onNews: (listener) => void listeners.add(listener),
    note: ({ tree, csns }) => trees.get(tree)?.learn(serverState(csns) ?? new Map()),
    all: () =>
      Array.from(trees, ([tree, of]) => ({ tree, csns: [...of.newest.values()] })).filter(
        ({ tree, csns }) => csns.length > 0 && (tree === 'farm' || withUsers),
      ),
  };
}
