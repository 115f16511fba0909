/** A UIDL that changes: now and then a message that lies there gets another key. */
import { every, nodeFs, otherKey, real } from './storage.ts';

const now = every(10);
nodeFs.list = async (directory) => {
  const names = await real.list(directory);
  const [name] = names;
  if (!directory.endsWith('/new') || name === undefined || !now()) return names;
  await real.rename(`${directory}/${name}`, otherKey(`${directory}/${name}`));
  return real.list(directory);
};
