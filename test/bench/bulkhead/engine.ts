import { type Fs, type Maildirs, openMaildirs, systemClock, systemRandom } from '#maildir';

/** How the experiment's engines are opened: all alike, whoever makes the calls. */
export interface EngineSetting {
  readonly directorySync: 'always' | 'never';
  /** Part of message names, so that no two engines of one process make the same. */
  readonly node: string;
}

export const openEngine = (fs: Fs, { directorySync, node }: EngineSetting): Maildirs =>
  openMaildirs({
    fs,
    clock: systemClock,
    random: systemRandom,
    node,
    pid: process.pid,
    directorySync,
  });
