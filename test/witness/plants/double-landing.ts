/** A double landing: every 9th message is there a second time, under another name. */
import { every, nodeFs, otherKey, publishes } from './storage.ts';

const now = every(9, 'double-landing');
const { link, rename } = nodeFs;
nodeFs.rename = async (from, to) => {
  await rename(from, to);
  if (publishes(from, to) && now()) await link(to, otherKey(to));
};
