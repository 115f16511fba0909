import { existsSync, readdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { systemClock as clock } from '../base/clock.ts';
import { systemRandom as random } from '../base/random.ts';
import { makeMailbox } from './make.ts';
import { openPurge, type Purge } from './purge.ts';
import { SENTINEL_NAME } from './sentinel.ts';
import { owner, temporaryVolumes, type TemporaryVolumes } from './testing/volumes.ts';

let disk: TemporaryVolumes | undefined;
let purge: Purge | undefined;
afterEach(() => {
  purge?.close();
  disk?.remove();
});

async function farm(more: { readonly path?: (root: string) => string } = {}) {
  disk = await temporaryVolumes('v1', 'v2');
  const path = more.path?.(disk.root);
  const alice = owner('alice', { volume: 'v1', ...(path !== undefined && { path }) });
  const { entries, root } = disk;
  const maildir = await makeMailbox({ account: alice, volume: 'v1', entries, clock, random });
  for (let i = 0; i < 450; i++) writeFileSync(join(maildir, 'new', `${i}.x`), 'x\n');
  purge = await openPurge({ entries, clock, random });
  return { alice, maildir, root, purge };
}

test('a mailbox goes whole, however many letters it has; then there is none', async () => {
  const { alice, maildir, purge: open } = await farm();
  expect(await open.mailbox(alice)).toBe('removed');
  expect(readdirSync(dirname(maildir))).toEqual([]);
  expect(await open.mailbox(alice)).toBe('none');
  expect(await open.mailbox(owner('never'))).toBe('none');
});

test.each([
  ['without its sentinel', (root: string) => rmSync(join(root, 'v1', SENTINEL_NAME))],
  [
    'with another’s',
    (root: string) =>
      writeFileSync(join(root, 'v1', SENTINEL_NAME), 'identity=other\nname=v9\nformat=1\n'),
  ],
  ['not mounted', (root: string) => renameSync(join(root, 'v1'), join(root, 'away'))],
])('[N-05] nothing is removed on a volume %s', async (_, harm) => {
  const { alice, maildir, root, purge: open } = await farm();
  harm(root);
  await expect(open.mailbox(alice)).rejects.toMatchObject({ kind: 'volume-down' });
  const at = existsSync(maildir) ? maildir : maildir.replace(`${root}/v1`, `${root}/away`);
  expect(readdirSync(join(at, 'new'))).toHaveLength(450);
});

test('a path that names more than one mailbox is refused, and every letter stays', async () => {
  const { alice, maildir, purge: open } = await farm();
  const wrong = { ...alice, path: dirname(maildir) };
  await expect(open.mailbox(wrong)).rejects.toThrow(/ENOTEMPTY/);
  await expect(open.mailbox({ ...alice, path: '/etc' })).rejects.toThrow(/no volume/);
  await expect(open.mailbox({ ...alice, volume: 'gone' })).rejects.toThrow(/gone/);
  expect(readdirSync(join(maildir, 'new'))).toHaveLength(450);
});

test('an explicit path that is somebody else’s place, or in it, is refused', async () => {
  const { maildir, purge: open } = await farm();
  for (const path of [maildir, `${maildir}/.Sent`]) {
    const bob = owner('bob', { volume: 'v1', path });
    await expect(open.mailbox(bob)).rejects.toThrow(/is the place of account/);
  }
  expect(readdirSync(join(maildir, 'new'))).toHaveLength(450);
});

test('what is a link is removed, and not what it leads to', async () => {
  const { alice, maildir, root, purge: open } = await farm();
  const real = join(root, 'v2', 'real');
  renameSync(maildir, real);
  symlinkSync(real, maildir);
  symlinkSync(join(root, 'v2'), join(real, 'cur', 'up'));
  await open.mailbox(alice);
  expect(existsSync(maildir)).toBe(false);
  expect(readdirSync(join(real, 'new'))).toHaveLength(450);
  expect(existsSync(join(root, 'v2', SENTINEL_NAME))).toBe(true);
});
