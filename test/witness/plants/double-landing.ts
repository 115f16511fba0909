/** A double landing: every 9th message is there a second time, under another name. */
import { every, nodeFs, otherKey, publishes, real } from './storage.ts';

const now = every(9);
nodeFs.rename = async (from, to) => {
  await real.rename(from, to);
  if (publishes(from, to) && now()) await real.link(to, otherKey(to));
};
