/** A UIDL that changes: now and then a message that lies there gets another key. */
import { every, nodeFs, otherKey } from './storage.ts';

const now = every(10, 'changing-uidl');
const { list, rename } = nodeFs;
nodeFs.list = async (directory) => {
  const names = await list(directory);
  const [name] = names;
  if (!directory.endsWith('/new') || name === undefined || !now()) return names;
  await rename(`${directory}/${name}`, otherKey(`${directory}/${name}`));
  return list(directory);
};
