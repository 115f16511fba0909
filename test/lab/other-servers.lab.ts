import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { mailStoreConformance } from '../../src/mailbox/conformance.ts';
import { expectNothingLost } from './hosts.ts';
import { asRoot, callsDuring, callsOf, CLIENTS, mountOf, type VolumeName } from './inside.ts';
import { deliver, engineOf, SharedMaildir } from './mailboxes.ts';
import { openOn } from './stores.ts';

// The same on other servers than the kernel's with NFSv4.2 on ext4: nothing depends on one server's
// extras. Ganesha is a server in user space that shares no code with the kernel's.

interface Other {
  readonly volume: VolumeName;
  readonly what: string;
  readonly version: string;
}

const OTHERS: readonly Other[] = [
  { volume: 'ganesha', what: 'NFS-Ganesha', version: '4.2' },
  { volume: 'xfs', what: 'NFSv4.1 on XFS', version: '4.1' },
  { volume: 'btrfs', what: 'NFSv4.1 on btrfs', version: '4.1' },
  { volume: 'tmpfs', what: 'NFSv4.1 on tmpfs', version: '4.1' },
];
const LONG = process.env['MAILFARM_LAB_LONG'] !== undefined;
const SECONDS = LONG ? 60 : 1;
/** Whose whole suite is run each time, not only by `--long`. */
const ALWAYS: readonly VolumeName[] = ['ganesha'];
const SCRIPT = 'test/lab/other-servers.sh';
const HERE = existsSync('/mnt/servers/system');
const LETTER = `Subject: budget\n\n${'0123456789 '.repeat(450)}\n`;

const say = (line: string): void => void process.stdout.write(`   ${line}\n`);

describe.skipIf(!HERE)('other servers', () => {
  beforeAll(async () => void (await asRoot('bash', SCRIPT, 'start')), 240_000);
  afterAll(async () => void (await asRoot('bash', SCRIPT, 'stop')), 60_000);

  describe.for(OTHERS)('on $volume', ({ volume, what, version }) => {
    test(`[S2-07] [S2-02] ${what}: mounted so, and is what it says`, async () => {
      const mounts = execFileSync('mount', { encoding: 'utf8' });
      const source = volume === 'ganesha' ? '10.99.0.2:/ganesha' : `10.99.0.1:/${volume}`;
      for (const client of CLIENTS) {
        const line = mounts
          .split('\n')
          .find((each) => each.includes(` ${mountOf(client, volume)} `));
        expect(line).toContain(`${source} on `);
        expect(line).toContain(`vers=${version},`);
      }
      const type = await asRoot('stat', '-f', '-c', '%T', `/mnt/srv/${volume}`);
      expect(type.trim()).toBe(volume === 'ganesha' ? 'ext2/ext3' : volume);
    });

    if (LONG || ALWAYS.includes(volume)) {
      mailStoreConformance(`[S2-07] ${what}, delivered by one host, read by another`, () =>
        openOn('c1', 'c2', volume),
      );
    }

    test(
      `[S2-07] [N-01] ${what}: three hosts deliver, flag, read and remove: nothing lost or doubled`,
      () => expectNothingLost(volume, SECONDS),
      SECONDS * 1000 + 90_000,
    );

    test(`[S2-07] ${what}: what one host does is in the next listing of the others`, async () => {
      const box = new SharedMaildir(volume);
      await box.create('c1');
      for (let n = 0; n < 10; n++) {
        const key = await deliver(engineOf('c1'), box.on('c1'), LETTER);
        for (const client of ['c2', 'c3'] as const) {
          const names = (await engineOf(client).list(box.on(client))).map(({ name }) => name);
          expect(names.filter((name) => name.startsWith(key))).toHaveLength(1);
          expect(names).toHaveLength(n + 1);
        }
      }
    });

    test(`[S2-07] ${what}: calls on the wire, for information; no lock among them`, async () => {
      const [engine, box] = [engineOf('c1'), new SharedMaildir(volume)];
      const maildir = box.on('c1');
      await box.create('c1');
      const deliverOne = (): Promise<string> => deliver(engine, maildir, LETTER);
      await deliverOne();
      await sleep(500);
      const count = async (name: string, work: () => Promise<unknown>): Promise<void> => {
        const { total, calls } = await callsDuring('c1', work, volume);
        say(`${what}: ${name} ${total}: ${calls}`);
        expect(total).toBeGreaterThan(0);
      };
      await count('delivery', deliverOne);
      await engine.list(maildir);
      await count('poll', () => engine.list(maildir));
      const [entry] = await engine.list(maildir);
      if (entry === undefined) throw new Error('the letter is not listed');
      await count('RETR', () => engine.read({ maildir, entry, offset: 0, length: 65_536 }));
      await count('DELE', () => engine.remove({ maildir, entries: [entry] }));
      for (const lock of ['LOCK', 'LOCKT', 'LOCKU']) {
        expect(callsOf('c1', volume).get(lock) ?? 0).toBe(0);
      }
    });
  });
});
