/** A rename left out: every 7th message stays in tmp/, and its sender is told 250. */
import { every, nodeFs, publishes } from './storage.ts';

const now = every(7, 'lost-rename');
const { rename } = nodeFs;
nodeFs.rename = (from, to) => (publishes(from, to) && now() ? Promise.resolve() : rename(from, to));
