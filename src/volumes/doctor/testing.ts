import { describe, expect, test } from 'vitest';
import type { HostBeat } from '../hosts-file.ts';
import { diagnose } from './checks.ts';
import { parseMountinfo, type Mount } from './mounts.ts';
import type { FarmFacts, SeenBeat, TrialFacts, VolumeFacts } from './types.ts';

/** A healthy volume, and what to change of it, for tables of what the doctor says. */
export const OPTIONS =
  'rw,vers=4.2,rsize=1048576,hard,proto=tcp,timeo=600,retrans=2,sec=sys,' +
  'clientaddr=10.99.0.11,local_lock=none,addr=10.99.0.1,lookupcache=pos';

export function mountWith(options: string, more: Partial<Mount> = {}): Mount {
  const type = more.type ?? 'nfs4';
  const line = `90 20 0:40 / /mail1 rw,noatime shared:1 - ${type} filer1:/mail1 ${options}`;
  const [mount] = parseMountinfo(line);
  if (mount === undefined) throw new Error('no mount');
  return { ...mount, ...more };
}

export const plus = (options: string): Partial<VolumeFacts> => ({
  mount: mountWith(`${OPTIONS},${options}`),
});
export const instead = (from: string, to: string): Partial<VolumeFacts> => ({
  mount: mountWith(OPTIONS.replace(from, to)),
});

export const SERVICE = 8;
export const owned = (uid: number, mode = 0o700, path = '/mail1') => ({ path, uid, gid: 8, mode });
export const TRIAL: TrialFacts = {
  made: owned(SERVICE, 0o600, '/mail1/.mailfarm-doctor/1/first'),
  skew: [-3, 2],
  broken: {},
  kept: ['exclusive'],
  durations: { create: 1 },
  calls: { count: 5, by: 'OPEN 1' },
};
export const NOW = 1_800_000_000_000;
export const HOST = { bootId: 'a', nodename: 'front1', identifier: '', kernel: '6.1' };

export function beat(more: Partial<HostBeat> = {}, ageMs = 20_000, skewMs = 0): SeenBeat {
  const writtenAt = NOW - ageMs;
  const host = { ...HOST, bootId: 'b', nodename: 'front2' };
  const own: HostBeat = {
    node: 'n2',
    host,
    source: 'filer1:/mail1',
    type: 'nfs4',
    options: OPTIONS.replace('0.11', '0.12'),
    clock: writtenAt + skewMs,
    release: '1',
    uid: SERVICE,
  };
  return { beat: { ...own, ...more }, writtenAt, ageMs };
}

export const WELL: VolumeFacts = {
  name: 'mail1',
  path: '/mail1',
  identity: 'one',
  state: 'active',
  mount: mountWith(OPTIONS),
  fileSystem: '0a630001 1:0',
  failed: [],
  sentinel: { kind: 'whole', identity: 'one', name: 'mail1' },
  room: { totalBytes: 1e12, freeBytes: 5e11, totalInodes: 1e8, freeInodes: 9e7 },
  root: owned(SERVICE),
  below: [owned(SERVICE, 0o700, '/mail1/3f'), owned(SERVICE, 0o700, '/mail1/3f/a2')],
  trial: TRIAL,
  hosts: { beats: [beat()], waitedMs: 0 },
};

export const FARM: FarmFacts = {
  volumes: [],
  table: ['mail1', 'mail2'],
  strays: new Map(),
  nodes: [{ name: 'n2', beatAt: NOW }],
  now: NOW,
  host: HOST,
  uid: SERVICE,
  userName: (uid) => ({ 0: 'root', 8: 'mail', 65_534: 'nobody' })[uid] ?? `#${uid}`,
  reserve: { bytes: 1e8, inodes: 1000 },
};

/** `error: what is wrong | what it does to mail | what to do` of each complaint. */
export function complaints(change: Partial<VolumeFacts>, farm: Partial<FarmFacts> = {}): string[] {
  const volume = { ...WELL, ...change };
  const all = { ...FARM, volumes: [volume], ...farm };
  return diagnose(volume, all).complaints.map(
    ({ severity, wrong, mail, mend }) => `${severity}: ${wrong} | ${mail} | ${mend.join(' | ')}`,
  );
}

export const failed = (at: string, code: string) => ({
  failed: [{ at, code, message: `${code}: ${at}` }],
  trial: undefined as never,
});
export const OTHER: VolumeFacts = {
  ...WELL,
  name: 'mail2',
  path: '/mail2',
  identity: 'two',
  fileSystem: '0a630001 2:0',
  mount: mountWith(OPTIONS, { point: '/mail2', source: 'filer1:/mail2' }),
  sentinel: { kind: 'whole', identity: 'two', name: 'mail2' },
};
export const swapped = { sentinel: { kind: 'whole', identity: 'two', name: 'mail2' } } as const;
export const asOne: VolumeFacts = { ...OTHER, sentinel: WELL.sentinel as never };
export const trial = (more: Partial<TrialFacts>): Partial<VolumeFacts> => ({
  trial: { ...TRIAL, ...more },
});
export const room = (freeBytes: number, freeInodes = 9e7): Partial<VolumeFacts> => ({
  room: { totalBytes: 1e12, freeBytes, totalInodes: 1e8, freeInodes },
});
export const seen = (...beats: readonly SeenBeat[]): Partial<VolumeFacts> => ({
  hosts: { beats, waitedMs: 0 },
});
export const LOCAL = mountWith('rw', { point: '/', type: 'ext4', source: '/dev/sda1' });

/** What is planted, and what is said of it. */
export type Row = readonly [
  what: string,
  change: Partial<VolumeFacts>,
  said: RegExp,
  farm?: Partial<FarmFacts>,
];

/** Complaints without what they have to have. */
function unfinished(rows: readonly Row[]): readonly string[] {
  return rows.flatMap(([, change, , farm]) => {
    const volume = { ...WELL, ...change };
    const { complaints: all } = diagnose(volume, { ...FARM, volumes: [volume], ...farm });
    return all
      .filter((one) => one.mend.length === 0 || !one.mail.endsWith('.') || one.wrong.endsWith('.'))
      .map(({ wrong }) => wrong);
  });
}

/** The tests of a table of planted faults. */
export function findsWhatIsPlanted(rows: readonly Row[]): void {
  describe('[N-04] what is planted is found, with what mends it', () => {
    for (const [what, change, said, farm] of rows) {
      test(what, () => {
        const found = complaints(change, farm).join('\n');
        expect(found).toMatch(new RegExp(said.source, 'm'));
      });
    }
  });

  test('every complaint says what it does and what to do', () => {
    expect(unfinished(rows)).toEqual([]);
  });
}
