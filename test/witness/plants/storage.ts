/** What all plants share: the storage engine's one door to the operating system, and a switch. */
import { readFileSync } from 'node:fs';
import { nodeFs } from '../../../maildir/src/node-fs.ts';

export { nodeFs };

const SWITCH = 'MAILFARM_WITNESS_PLANT';
const LOOK_MS = 50;
const file = process.env[SWITCH];
let name = '';
let lookedAt = -Infinity;

/** What a farm's environment needs for plants that are switched by what stands in `path`. */
export const switchedBy = (path: string): Readonly<Record<string, string>> => ({ [SWITCH]: path });

/** Is it on? Without a switch every plant that is loaded is. */
export function isOn(plant: string): boolean {
  if (file === undefined) return true;
  if (performance.now() - lookedAt > LOOK_MS) {
    lookedAt = performance.now();
    name = readFileSync(file, 'utf8').trim();
  }
  return name === plant;
}

/** True at every nth call while it is on, in each process for itself. */
export function every(n: number, plant: string): () => boolean {
  let count = 0;
  return () => isOn(plant) && ++count % n === 0;
}

/** A file gets its name in new/. */
export const publishes = (from: string, to: string): boolean =>
  from.includes('/tmp/') && to.includes('/new/');

/** The same message under a key that means another one. */
export const otherKey = (path: string): string =>
  path.replace(/Q(\d+)R(?=[^/]*$)/, (_, count: string) => `Q${count}1R`);
