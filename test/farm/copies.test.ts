/** Copies of volumes by ansible/roles/backup, with the real rsync: its essay, race by race. */
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync } from 'node:fs';
import { renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { rename } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { scheduler } from 'node:timers/promises';
import { beforeEach, expect, onTestFinished, test } from 'vitest';
import { snapshotTime } from '../../src/mailbox/restore/snapshots.ts';
import { formatSentinel, SENTINEL_NAME } from '../../src/volumes/sentinel.ts';
import { needs } from '../harness/needs.ts';
import { run, type RunResult } from '../harness/process.ts';

const SCRIPT = join(import.meta.dirname, '../../ansible/roles/backup/files/mailfarm-backup');
const RSYNC = '/usr/bin/rsync';
const DAY = 86_400;
const START = Date.parse('2026-11-01T04:00:00Z') / 1000;

let root: string;
let volume: string;
let target: string;
let now = START;

beforeEach((ctx) => {
  needs(ctx, RSYNC);
  root = mkdtempSync(join(tmpdir(), 'mailfarm-copies-'));
  onTestFinished(() => rmSync(root, { recursive: true, force: true }));
  volume = join(root, 'mail1');
  target = join(root, 'backup/mail1');
  now = START;
  mkdirSync(join(root, 'metrics'));
  mount('identity-1');
  put('3f/a2/alice/cur/1.K1.h,S=2:2,S');
  put('3f/a2/alice/.Sent/cur/2.K2.h,S=2:2,S');
  put('3f/a2/alice/new/3.K3.h,S=2');
  put('3f/a2/alice/tmp/4.K4.h');
});

const mount = (identity: string): void => {
  mkdirSync(volume, { recursive: true });
  writeFileSync(join(volume, SENTINEL_NAME), formatSentinel({ identity, name: 'mail1' }));
};

function put(path: string): void {
  mkdirSync(dirname(join(volume, path)), { recursive: true });
  writeFileSync(join(volume, path), `${path.length}\n`);
}

const move = (from: string, to: string): string =>
  `mv '${join(volume, '3f/a2/alice', from)}' '${join(volume, '3f/a2/alice', to)}'`;

/**
 * Runs it, with what happens before or beside each pass as lines of shell: `$n` is the pass, and
 * `more` takes words for rsync, such as an --exclude for a listing that misses a name.
 */
async function copy(
  meanwhile = '',
  env: Readonly<Record<string, string>> = {},
): Promise<RunResult> {
  const bin = join(root, 'bin');
  rmSync(bin, { recursive: true, force: true });
  mkdirSync(bin);
  const wrapper = `#!/bin/bash
n=$(( $(cat '${root}/n' 2>/dev/null || echo 0) + 1 )); echo $n > '${root}/n'
more=()
${meanwhile}
exec ${RSYNC} "\${more[@]}" "$@"
`;
  writeFileSync(join(bin, 'rsync'), wrapper);
  chmodSync(join(bin, 'rsync'), 0o755);
  rmSync(join(root, 'n'), { force: true });
  return await run([SCRIPT, 'volume', 'mail1', volume, target], {
    env: {
      PATH: `${bin}:/usr/bin:/bin`,
      MAILFARM_BACKUP_NOW: String(now),
      METRICS_DIR: join(root, 'metrics'),
      ...env,
    },
  });
}

const copies = (): string[] =>
  readdirSync(target)
    .filter((name) => snapshotTime(name) !== undefined)
    .toSorted();

const files = (at = copies().at(-1) ?? ''): string[] =>
  readdirSync(join(target, at), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => join(parentPath, name).slice(join(target, at).length + 1))
    .filter((path) => path !== SENTINEL_NAME)
    .map((path) => path.replace('3f/a2/alice/', ''))
    .toSorted();

const WHOLE = ['.Sent/cur/2.K2.h,S=2:2,S', 'cur/1.K1.h,S=2:2,S', 'new/3.K3.h,S=2'];

test('[P-12] a copy is named by the moment when it was complete; unchanged files are links', async () => {
  expect(await copy()).toMatchObject({ code: 0 });
  expect(copies()).toEqual(['2026-11-01T040000Z']);
  expect(files()).toEqual(WHOLE);
  now += DAY;
  expect(await copy()).toMatchObject({ code: 0 });
  const inode = (at: string): number =>
    statSync(join(target, at, '3f/a2/alice', WHOLE[1] ?? '')).ino;
  expect(copies()).toHaveLength(2);
  expect(inode(copies()[0] ?? '')).toBe(inode(copies()[1] ?? ''));
  const metrics = readFileSync(join(root, 'metrics/mailfarm_backup_mail1.prom'), 'utf8');
  const stamp = 'mailfarm_backup_last_success_timestamp_seconds{volume="mail1"}';
  expect(metrics).toContain(`\n${stamp} ${now}\n`);
  expect(metrics).toContain('\nmailfarm_backup_copies{volume="mail1"} 2\n');
});

test('[P-12] a message that the first listing missed is there after the second', async () => {
  // Read while it was copied: cur/ was listed before, new/ after.
  const meanwhile = `
if [ $n = 1 ]; then more=(--exclude='3.K3*'); fi
if [ $n = 2 ]; then ${move('new/3.K3.h,S=2', 'cur/3.K3.h,S=2:2,S')}; fi`;
  expect(await copy(meanwhile)).toMatchObject({ code: 0 });
  expect(files()).toEqual([...WHOLE.slice(0, 2), 'cur/3.K3.h,S=2:2,S']);
});

test('[P-12] a message that was renamed between the passes is there once, under its later name', async () => {
  const meanwhile = `
if [ $n = 2 ]; then
  ${move('new/3.K3.h,S=2', 'cur/3.K3.h,S=2:2,FS')}
  ${move('cur/1.K1.h,S=2:2,S', 'cur/1.K1.h,S=2:2,RS')}
fi`;
  expect(await copy(meanwhile)).toMatchObject({ code: 0 });
  expect(files()).toEqual([WHOLE[0], 'cur/1.K1.h,S=2:2,RS', 'cur/3.K3.h,S=2:2,FS']);
});

test('[P-12] lost+found of a disk, which only root can list, is not asked for; a folder of that name is', async () => {
  mkdirSync(join(volume, 'lost+found'));
  put('lost+found/secret');
  put('3f/a2/alice/lost+found/cur/5.K5.h,S=2');
  expect(await copy()).toMatchObject({ code: 0 });
  expect(files()).toEqual([...WHOLE, 'lost+found/cur/5.K5.h,S=2'].toSorted());
});

test('[P-12] a volume that is not mounted is no empty one: nothing is copied, nothing goes', async () => {
  for (let day = 0; day < 4; day++, now += DAY) expect(await copy()).toMatchObject({ code: 0 });
  const before = copies();
  now += 100 * DAY;
  renameSync(volume, `${volume}.away`);
  mkdirSync(volume);
  const refused = await copy();
  expect(refused.code).toBe(75);
  expect(refused.stderr.toString()).toMatch(/no sentinel: it is not mounted.*Nothing was copied/s);
  mount('identity-2');
  const other = await copy();
  expect(other.code).toBe(75);
  expect(other.stderr.toString()).toMatch(
    /is the volume identity-2, and .* has copies of identity-1/,
  );
  rmSync(volume, { recursive: true });
  renameSync(`${volume}.away`, volume);
  const away = `if [ $n = 2 ]; then mv '${volume}' '${volume}.away'; mkdir '${volume}'; fi`;
  const halfway = await copy(away);
  expect(halfway.code).toBe(75);
  expect(halfway.stderr.toString()).toContain('went away while it was copied');
  expect(copies()).toEqual(before);
});

test('[P-12] old copies go after one that succeeded; the newest stay, however old they are', async () => {
  for (let day = 0; day < 6; day++, now += DAY) await copy('', { KEEP_DAYS: '3' });
  expect(copies()).toEqual(['03', '04', '05', '06'].map((day) => `2026-11-${day}T040000Z`));
  now += 300 * DAY;
  await copy('', { KEEP_DAYS: '3' });
  expect(copies()).toHaveLength(3);
  expect(readdirSync(target).filter((name) => name.startsWith('.removing'))).toEqual([]);
});

test('[P-12] a copy that was broken off has no date; the next run goes on and is right', async () => {
  const dies = 'if [ $n = 2 ]; then exit 12; fi';
  const broken = await copy(dies);
  expect(broken.code).toBe(1);
  expect(broken.stderr.toString()).toContain('rsync ended with 12');
  expect(copies()).toEqual([]);
  expect(existsSync(join(target, '.incomplete/3f/a2/alice/new/3.K3.h,S=2'))).toBe(true);
  rmSync(join(volume, '3f/a2/alice/new/3.K3.h,S=2'));
  put('3f/a2/alice/cur/5.K5.h,S=2:2,');
  expect(await copy()).toMatchObject({ code: 0 });
  expect(files()).toEqual([...WHOLE.slice(0, 2), 'cur/5.K5.h,S=2:2,']);
});

test('[P-12] a message that vanished from both passes is copied from where it went', async () => {
  const from = join(volume, '3f/a2/alice/new/3.K3.h,S=2');
  const meanwhile = `
if [ $n = 1 ]; then more=(--exclude='3.K3*'); fi
if [ $n = 2 ]; then
  ${RSYNC} --exclude='3.K3*' "$@"
  ${move('new/3.K3.h,S=2', 'cur/3.K3.h,S=2:2,S')}
  echo 'file has vanished: "${from}"' >&2
  exit 24
fi`;
  const done = await copy(meanwhile);
  expect(done).toMatchObject({ code: 0, stderr: '' });
  expect(files()).toEqual([...WHOLE.slice(0, 2), 'cur/3.K3.h,S=2:2,S']);
});

test('[P-12] copied while it is claimed, flagged and read all the time: each message once', async () => {
  const box = join(volume, '3f/a2/alice');
  const COUNT = 1500;
  const names = new Map<number, string>();
  for (let n = 0; n < COUNT; n++) {
    names.set(n, `new/${n + 10}.B${n}.h,S=3`);
    writeFileSync(join(box, names.get(n) ?? ''), 'xy\n');
  }
  let ended = false;
  const busy = async (): Promise<number> => {
    let renames = 0;
    for (let step = 0; !ended; step++) {
      const n = (step * 7919) % COUNT;
      const old = names.get(n) ?? '';
      const flags = old.endsWith(':2,S') ? 'RS' : 'S';
      const next = `cur/${n + 10}.B${n}.h,S=3:2,${flags}`;
      await rename(join(box, old), join(box, next));
      names.set(n, next);
      renames += 1;
      await scheduler.wait(1); // Some hundred renames a second, in one mailbox.
    }
    return renames;
  };
  const working = busy();
  const done = await copy();
  ended = true;
  expect(await working).toBeGreaterThan(100);
  expect(done).toMatchObject({ code: 0 });
  const keys = files()
    .filter((path) => path.includes('.B'))
    .map((path) => /\d+\.B\d+/.exec(path)?.[0] ?? path);
  expect(new Set(keys).size).toBe(COUNT);
  expect(keys).toHaveLength(COUNT);
});

test('[P-12] the directory is kept as LDIF; an answer without entries pushes nothing out', async () => {
  const kept = join(root, 'backup/directory');
  const dump = (...command: readonly string[]): Promise<RunResult> =>
    run([SCRIPT, 'directory', kept, ...command], {
      env: { PATH: '/usr/bin:/bin', MAILFARM_BACKUP_NOW: String(now) },
    });
  expect(await dump('printf', '%s\\n', 'dn: dc=test', 'entryUUID: 1')).toMatchObject({ code: 0 });
  now += 100 * DAY;
  expect((await dump('true')).code).toBe(75);
  expect((await dump('false')).code).toBe(75);
  expect(readdirSync(kept).filter((name) => !name.startsWith('.'))).toEqual([
    '2026-11-01T040000Z.ldif.gz',
  ]);
  const { stdout } = await run(['/bin/zcat', join(kept, '2026-11-01T040000Z.ldif.gz')]);
  expect(stdout.toString()).toBe('dn: dc=test\nentryUUID: 1\n');
});
