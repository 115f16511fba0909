/** What the file system does, how quickly, and what time it is there. */
import { error, span, warning } from './complain.ts';
import { isCostly } from './judge-options.ts';
import { isNfs } from './mounts.ts';
import type { Check, Trial, Verdict, VolumeFacts } from './types.ts';

export const BEHAVIOUR_CHECKS: readonly Check[] = [
  { id: 'behaviour', judge: behaviour },
  { id: 'calls', judge: calls },
  { id: 'clock', judge: clock },
  { id: 'speed', judge: speed },
];

/** What goes wrong with mail where the file system does not keep it. */
const NEEDED: Readonly<Record<Trial, { readonly what: string; readonly mail: string }>> = {
  exclusive: {
    what: 'O_EXCL does not exclude',
    mail: 'Two letters could be written into one file.',
  },
  link: {
    what: 'Hard links do not work',
    mail: 'A letter to several users of the volume is deferred (451).',
  },
  'rename-over': {
    what: 'rename does not replace in one step',
    mail: 'Deliveries and flags are lost or doubled.',
  },
  fsync: { what: 'fsync fails', mail: 'No letter can be acknowledged: all are deferred (451).' },
  'long-names': {
    what: 'Names of 255 octets are refused',
    mail: 'Names with sizes, UIDL and flags may not fit.',
  },
  case: {
    what: 'Upper and lower case are one',
    mail: 'Maildir flags and the names of folders are taken for each other.',
  },
  colon: {
    what: 'Names with a colon are refused or changed',
    mail: 'No letter can be marked as seen: `:2,S` is the form of Maildir.',
  },
  'open-unlinked': {
    what: 'A file that was removed cannot be read on',
    mail: 'A download breaks when another session deletes the letter.',
  },
  listing: {
    what: 'A listing lags behind',
    mail: 'New mail is not seen, and letters are taken for deleted.',
  },
};

function behaviour({ trial, path, mount }: VolumeFacts): Verdict {
  if (trial === undefined) return undefined;
  const broken = Object.entries(trial.broken) as [Trial, string][];
  if (broken.length === 0) return 'behaves as a Maildir needs';
  return broken.map(([name, saw]) =>
    error(
      `${NEEDED[name].what}: ${saw}`,
      NEEDED[name].mail,
      `export another file system (ext4, XFS) for ${path}; this is ${mount?.source ?? 'local'}` +
        `, ${mount?.type ?? 'unknown'}`,
    ),
  );
}

const BUDGET = 5;
const FAR_MORE = 12;

function calls({ trial, mount }: VolumeFacts): Verdict {
  const cost = trial?.calls;
  if (cost === undefined || mount === undefined || !isNfs(mount)) return undefined;
  if (cost.count <= FAR_MORE || isCostly(mount)) return `${cost.count} calls a delivery`;
  return [
    warning(
      `A delivery costs ${cost.count} calls to the server in place of ${BUDGET} (${cost.by})`,
      'Each letter loads the server and waits longer than it needs to.',
      'mailfarm doctor --verbose shows the options; some programs of other makers on this host ' +
        'may use the same mount: run it again when they are quiet',
    ),
  ];
}

const CLOCK_WARNING_MS = 2_000;
const CLOCK_ERROR_MS = 30_000;

function clock({ trial, mount }: VolumeFacts): Verdict {
  if (trial?.skew === undefined) return undefined;
  const [least, most] = trial.skew;
  // The true difference lies between both: what is surely wrong is what both say.
  const off = least > 0 ? least : most < 0 ? most : 0;
  if (Math.abs(off) <= CLOCK_WARNING_MS) return `clock within ${span(Math.max(1, most - least))}`;
  const ahead = off > 0;
  const judge = Math.abs(off) >= CLOCK_ERROR_MS ? error : warning;
  const where = isNfs(mount) ? 'The server’s clock' : 'The clock of the file system';
  return [
    judge(
      `${where} is ${span(off)} ${ahead ? 'ahead of' : 'behind'} ours`,
      (ahead
        ? 'Our letters look older there than they are: half-written ones in tmp are swept early, '
        : 'Our letters look as if they came from the future: abandoned ones in tmp stay, ') +
        'and Date and Received lines, leases and log files of hosts do not agree.',
      'on both hosts: timedatectl   (System clock synchronized: yes?)',
      'on the one that is wrong: timedatectl set-ntp true; or chronyc makestep',
    ),
  ];
}

/** For information: how long calls take here. */
function speed({ trial }: VolumeFacts): Verdict {
  const ms = trial?.durations;
  if (ms === undefined) return undefined;
  const shown = ['create', 'write', 'fsync', 'close', 'rename', 'list'].map(
    (call) => `${call} ${ms[call] ?? '?'}`,
  );
  return `${shown.join(', ')} ms`;
}
