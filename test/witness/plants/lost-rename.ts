/** A rename left out: every 7th message stays in tmp/, and its sender is told 250. */
import { every, nodeFs, publishes, real } from './storage.ts';

const now = every(7);
nodeFs.rename = (from, to) =>
  publishes(from, to) && now() ? Promise.resolve() : real.rename(from, to);
