/** A dropped link: every 5th further recipient on a volume gets nothing. */
import { every, nodeFs, real } from './storage.ts';

const now = every(5);
nodeFs.link = (existing, added) => (now() ? Promise.resolve() : real.link(existing, added));
