import { afterEach, expect, test } from 'vitest';
import { atFiler, mountOf, power, restore, run, startOn } from './inside.ts';

// Whole machines lose their power. First that the laboratory itself is honest: a cut takes what no
// disk has, and nothing else.

afterEach(restore);

const say = (line: string): void => void process.stdout.write(`   ${line}\n`);

test('[N-21] a power cut loses what was not fsynced and keeps what was', async () => {
  await atFiler('mail1', 'rm -rf cut; mkdir cut; sync');
  await atFiler('mail1', 'printf kept | dd of=cut/synced conv=fsync status=none');
  await atFiler('mail1', 'printf lost > cut/unsynced; cat cut/unsynced');
  await power.off('filer1');
  await expect(atFiler('mail1', 'true')).rejects.toThrow('filer1 is off');
  await power.on('filer1');
  expect(await atFiler('mail1', 'cat cut/synced')).toBe('kept');
  expect(await atFiler('mail1', 'cat cut/unsynced 2> /dev/null || true')).toBe('');
});

/** A letter as the engine brings it: fsynced, then renamed. @returns what a cut left on the disk */
async function cutAfterDelivery(name: string): Promise<string> {
  const at = `${mountOf('mail1')}/${name}`;
  const letter = `printf letter | dd of=${at}/tmp conv=fsync status=none`;
  await run('fe1', ['mkdir', at]);
  await atFiler('mail1', 'sync');
  await run('fe1', ['bash', '-ec', `mkdir ${at}/new; ${letter}; mv ${at}/tmp ${at}/new/letter`]);
  expect(await run('fe2', ['cat', `${at}/new/letter`])).toBe('letter');
  await power.off('filer1');
  await power.on('filer1');
  return atFiler('mail1', `cat ${name}/new/letter 2> /dev/null || true`);
}

test('[N-21] through NFS a delivered letter outlives a power cut of the server', async () => {
  expect(await cutAfterDelivery('sync')).toBe('letter');
});

test('[N-21] a server that lies about it (export async) is found out: the letter is gone', async () => {
  const all = ['-o', 'rw,async,no_subtree_check,root_squash,fsid=1', '10.99.0.0/24:/mnt/srv/mail1'];
  await run('filer1', ['exportfs', ...all], { as: 'root' });
  expect(await cutAfterDelivery('async')).toBe('');
});

test('[S2-08] [N-21] a host dies with messages open: others rename and delete them in 10 s', async () => {
  const maildir = `${mountOf('mail1')}/held`;
  const work = [process.execPath, 'test/lab/machines/maildir-work.ts'];
  await run('fe2', [...work, 'deliver', maildir, '10']);
  const holder = await startOn('fe1', 'holder', [...work, 'hold', maildir]);
  await holder.waitFor(/holds 10/, 60_000);
  await power.off('fe1');
  const said = await run('fe2', [...work, 'clear', maildir], { ms: 120_000 });
  say(`a host died with 10 messages open: ${said.trim()}`);
  const { cleared, left, slowest } = JSON.parse(said) as Record<string, number>;
  expect([cleared, left]).toEqual([10, 0]);
  expect(slowest).toBeLessThan(10_000);
});
