import {
  openJournals,
  openMaildirs,
  type Failure,
  type FolderRef,
  type FolderState,
  type Fs,
  type Journals,
  type Lie,
  type Maildirs,
  type StagedMessage,
} from '../src/index.ts';
import { openWithout } from '../src/journal/journal.ts';
import type { Rules } from '../src/journal/rules.ts';
import { MemoryFs } from './memory-fs.ts';

export const BOX = '/mail1/alice';
export const INBOX: FolderRef = { maildir: BOX, folder: '' };
export const ARCHIVE: FolderRef = { maildir: BOX, folder: 'Archive' };
const LETTER = Buffer.from('Subject: Hello\n\nHow are you?\n');

/** A process on some host. */
export interface Host {
  readonly maildirs: Maildirs;
  readonly journals: Journals;
}

/** A volume in memory with one Maildir and a folder; hosts work on it. Its time is the test's. */
export class Yard {
  readonly fs = new MemoryFs();
  now = 1_700_000_000_000;
  readonly lies: Lie[] = [];
  readonly failures: Failure[] = [];
  #hosts = 0;

  static async make(): Promise<Yard> {
    const yard = new Yard();
    yard.fs.serverNow = () => yard.now;
    await yard.fs.mkdir('/mail1');
    const { maildirs } = yard.host();
    await maildirs.create(BOX, { root: '/mail1' });
    await maildirs.createFolder(BOX, ARCHIVE.folder);
    yard.now += 5_000;
    return yard;
  }

  host(rules: Rules = {}, fs: Fs = this.fs, times: 'exact' | 'vague' = 'vague'): Host {
    const seed = ++this.#hosts;
    let count = 0;
    const options = {
      fs,
      clock: {
        now: () => this.now,
        sleep: async (ms: number) => {
          this.now += ms;
        },
      },
      random: {
        bytes: (n: number) => {
          const bytes = Buffer.alloc(n);
          bytes.writeUInt32BE(seed, 0);
          bytes.writeUInt32BE(count++, 4);
          return bytes;
        },
      },
      node: `mx${seed}`,
      pid: 4711,
      directorySync: 'always' as const,
      directoryTimes: times,
      onLie: (lie: Lie) => void this.lies.push(lie),
      onFailure: (what: Failure) => void this.failures.push(what),
    };
    const maildirs = openMaildirs(options);
    const whole = { ...options, maildirs };
    const isPlain = Object.keys(rules).length === 0;
    return { maildirs, journals: isPlain ? openJournals(whole) : openWithout(whole, rules) };
  }

  /** A letter in new/, as delivery puts it there. @returns its key */
  async deliver(host: Host, maildir = BOX): Promise<string> {
    const { base, octets, wireOctets } = await this.staged(host, maildir);
    await host.maildirs.publish({ maildir, base, octets, wireOctets, targets: [maildir] });
    return base;
  }

  async staged(
    host: Host,
    maildir = BOX,
    flags: Partial<StagedMessage> = {},
  ): Promise<StagedMessage> {
    const base = host.maildirs.uniqueName();
    await host.maildirs.stage({ maildir, base, offset: 0, bytes: LETTER, last: true });
    return { base, octets: 28, wireOctets: 31, letters: '', keywords: [], ...flags };
  }

  /** Adds letters to INBOX. @returns their UIDs */
  async add(host: Host, count = 1): Promise<readonly (number | undefined)[]> {
    const messages: StagedMessage[] = [];
    for (let index = 0; index < count; index++) messages.push(await this.staged(host));
    return (await host.journals.add(INBOX, messages)).uids;
  }

  /** Removes a whole tree, as a person does. */
  async removeTree(path: string): Promise<void> {
    for (const name of await this.fs.list(path)) {
      const inner = `${path}/${name}`;
      await this.fs.unlink(inner).catch(() => this.removeTree(inner));
    }
    await this.fs.rmdir(path);
  }

  /** Copies a tree into another, which is made: what a backup brings back has other inodes. */
  async copyTree(from: string, to: string): Promise<void> {
    await this.fs.mkdir(to);
    for (const name of await this.fs.list(from)) {
      const bytes = this.fs.content(`${from}/${name}`);
      if (bytes === undefined) await this.copyTree(`${from}/${name}`, `${to}/${name}`);
      else {
        const fd = await this.fs.create(`${to}/${name}`);
        await this.fs.write(fd, bytes, 0);
        await this.fs.close(fd);
      }
    }
  }
}

/** UID, letters and keywords of each message: what clients see. */
export const rowsOf = ({ messages }: FolderState): string[] =>
  messages.map(({ uid, flags, keywords }) => [uid, flags, ...keywords].join(' '));

/** What all processes must agree on, apart from names. */
export const factsOf = (state: FolderState): unknown => ({
  ...state,
  messages: state.messages.map(({ uid, key, flags, keywords, modseq }) => ({
    uid,
    key,
    flags,
    keywords,
    modseq,
  })),
});
