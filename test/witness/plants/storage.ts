/** What all plants below the storage engine share: its one door to the operating system. */
import { nodeFs } from '../../../maildir/src/node-fs.ts';

export { nodeFs };

/** The real ones, as they are before a plant replaces them. */
export const real = { ...nodeFs };

/** True at every nth call, in each process for itself. */
export function every(n: number): () => boolean {
  let count = 0;
  return () => ++count % n === 0;
}

/** A file gets its name in new/. */
export const publishes = (from: string, to: string): boolean =>
  from.includes('/tmp/') && to.includes('/new/');

/** The same message under a key that means another one. */
export const otherKey = (path: string): string =>
  path.replace(/Q(\d+)R(?=[^/]*$)/, (_, count: string) => `Q${count}1R`);
