/** A dropped link: every 5th further recipient on a volume gets nothing. */
import { every, nodeFs } from './storage.ts';

const now = every(5, 'lost-link');
const { link } = nodeFs;
nodeFs.link = (existing, added) => (now() ? Promise.resolve() : link(existing, added));
