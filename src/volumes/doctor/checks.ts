/** Every check of a volume, in the order in which they are told: one table. */
import { BEHAVIOUR_CHECKS } from './judge-behaviour.ts';
import { DIRECTORY_CHECKS } from './judge-directory.ts';
import { HOST_CHECKS } from './judge-hosts.ts';
import { isAnothers, MOUNT_CHECKS } from './judge-mount.ts';
import { OPTION_CHECKS } from './judge-options.ts';
import { RIGHT_CHECKS } from './judge-rights.ts';
import { ROOM_CHECKS } from './judge-room.ts';
import type { Check, Complaint, FarmFacts, VolumeFacts } from './types.ts';

export const CHECKS: readonly Check[] = [
  ...DIRECTORY_CHECKS,
  ...MOUNT_CHECKS,
  ...OPTION_CHECKS,
  ...[...RIGHT_CHECKS, ...BEHAVIOUR_CHECKS, ...ROOM_CHECKS, ...HOST_CHECKS].map(ofOwn),
];

/** Rights and room of what should not be there say nothing. */
function ofOwn({ id, judge }: Check): Check {
  return { id, judge: (volume, farm) => (isAnothers(volume) ? undefined : judge(volume, farm)) };
}

export interface Diagnosis {
  readonly complaints: readonly (Complaint & { readonly check: string })[];
  readonly well: readonly { readonly check: string; readonly text: string }[];
}

/** What is wrong with a volume, errors first, and what is well. Pure. */
export function diagnose(volume: VolumeFacts, farm: FarmFacts): Diagnosis {
  const complaints: Diagnosis['complaints'][number][] = [];
  const well: Diagnosis['well'][number][] = [];
  if (volume.state === 'offline') {
    return { complaints, well: [{ check: 'entry', text: 'offline: not touched' }] };
  }
  for (const { id, judge } of CHECKS) {
    const verdict = judge(volume, farm);
    if (typeof verdict === 'string') well.push({ check: id, text: verdict });
    else complaints.push(...(verdict ?? []).map((one) => ({ check: id, ...one })));
  }
  const unexplained = volume.failed.filter(() => complaints.length === 0);
  for (const { at, message } of unexplained) {
    complaints.push({
      check: 'answers',
      severity: 'error',
      wrong: `A call failed: ${at}: ${message}`,
      mail: 'Deliveries may fail in the same way.',
      mend: ['dmesg | tail, here and on the server'],
    });
  }
  const rank = { error: 0, warning: 1 } as const;
  return {
    complaints: complaints.toSorted((a, b) => rank[a.severity] - rank[b.severity]),
    well,
  };
}
