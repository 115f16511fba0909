/** What the directory says of the volumes. */
import { pathFault } from '../placement.ts';
import { error, sh } from './complain.ts';
import type { Check, Complaint, FarmFacts, Verdict, VolumeFacts } from './types.ts';

export const DIRECTORY_CHECKS: readonly Check[] = [{ id: 'entry', judge: entry }];

function entry(volume: VolumeFacts, farm: FarmFacts): Verdict {
  if (farm.table === undefined) return undefined;
  const { name, path, identity, state } = volume;
  const fault = path === '/' ? 'is the root of the file system' : pathFault(path);
  if (fault !== undefined) {
    return [
      error(
        `The path of volume ${name} in the directory ${fault}: ${path}`,
        'The volume is not used: mail for its users is deferred.',
        `mailfarm volume set ${sh(name)} --path DIR`,
      ),
    ];
  }
  if (identity === '') {
    return [
      error(
        `Volume ${name} has no identity in the directory`,
        'The volume is not used: mail for its users is deferred.',
        `mailfarm volume remove ${sh(name)}; mailfarm volume add ${sh(name)} --path ${sh(path)}`,
      ),
    ];
  }
  return state === 'active' ? undefined : state;
}

/** What is wrong with the farm and with no volume of it. */
export function judgeFarm(farm: FarmFacts): readonly Complaint[] {
  const { table, strays } = farm;
  if (table === undefined) return [];
  return [...strays].map(([volume, count]) =>
    error(
      `${count} ${count === 1 ? 'user is' : 'users are'} on volume "${volume}", which is not ` +
        'in the table',
      'Their mail is deferred (451), POP3 says [SYS/TEMP].',
      `who: mailfarm user list --filter ${sh(`(mwVolume=${volume})`)}`,
      `if the volume exists: mailfarm volume add ${sh(volume)} --path DIR`,
    ),
  );
}
