/** The journal on a volume that hangs or fails: who is refused, who goes on, what becomes of it. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { systemError, type FolderRef } from '#maildir';
import { createMailbox } from './mailboxes.ts';
import { lateResults } from './metrics.ts';
import type { Volumes } from './open.ts';
import type { Space } from './space.ts';
import type { Located } from './table.ts';
import {
  gate,
  MemoryPlacements,
  openTestVolumes,
  owner,
  strikingFs,
  temporaryVolumes,
  type Strike,
  type TemporaryVolumes,
} from './testing/volumes.ts';
import type { MailboxOwner } from './types.ts';

const FOR_EVER_MS = 600_000;
const POLLED = { timeout: 60_000 };

let disk: TemporaryVolumes;
let volumes: Volumes<MailboxOwner>;
let strike: Strike;
let space: Space;

/** What does not hang has all the time it needs; what hangs is refused by `deadline`. */
function open(deadline: number): void {
  volumes?.close();
  volumes = openTestVolumes(new MemoryPlacements(disk.entries), {
    fs: strikingFs((call, path) => strike(call, path)),
    askSpace: async () => space,
    limits: { 'volume.deadline': deadline, 'volume.probe.deadline': FOR_EVER_MS },
  });
}

beforeEach(async () => {
  disk = await temporaryVolumes('v1', 'v2');
  strike = () => undefined;
  space = { freeBytes: 1e9, freeInodes: 1e6, fileSystem: 'local', mode: 'unknown' };
  open(60_000);
});
afterEach(() => {
  volumes.close();
  disk.remove();
});

interface Placed extends Located {
  readonly account: MailboxOwner;
  readonly ref: FolderRef;
}

async function placed(account: MailboxOwner): Promise<Placed> {
  const located = await volumes.table.locate(account);
  if (located === undefined) throw new Error('not placed');
  return { ...located, account, ref: { maildir: located.maildir, folder: '' } };
}

/** A mailbox with two messages, numbered. */
async function mailbox(name: string, volume: string): Promise<Placed> {
  const account = owner(name, { volume });
  const made = await placed(account);
  await createMailbox(account, made.volume);
  for (const n of [1, 2]) writeFileSync(join(made.maildir, 'new', `${n}.${name}.host`), 'a: b\n\n');
  await made.volume.journals.sync(made.ref, { claim: true });
  return made;
}

const flagged = { uids: [1], how: 'add', letters: 'F', keywords: [] } as const;

test.each(['store', 'expunge'] as const)(
  '[N-02] a %s that hangs is refused by the deadline, others go on, and the next sync sees it done',
  async (what) => {
    const before = [
      await mailbox('alice', 'v1'),
      await mailbox('bob', 'v1'),
      await mailbox('carol', 'v2'),
    ];
    open(1000);
    const [alice, bob, carol] = (await Promise.all(
      before.map(({ account }) => placed(account)),
    )) as [Placed, Placed, Placed];
    const { closed, open: answer } = gate();
    const mine = alice.ref.maildir;
    strike = (call, path) => (call === 'link' && path.startsWith(`${mine}/`) ? closed : undefined);
    const { journals } = alice.volume;
    const late = lateResults.value(what === 'store' ? 'journalStore' : 'journalExpunge');
    const work =
      what === 'store' ? journals.store(alice.ref, flagged) : journals.expunge(alice.ref, [1]);
    await expect(work).rejects.toMatchObject({ kind: 'volume-down' });
    // Nobody else waits for it: neither on that volume, nor on another one.
    strike = (_, path) => (path.startsWith(`${mine}/`) ? closed : undefined);
    for (const other of [bob, carol]) {
      const patient = async (): Promise<string | undefined> =>
        other.volume.journals.store(other.ref, flagged).then(
          ({ state }) => state.messages[0]?.flags,
          (error: unknown) => String(error),
        );
      await expect.poll(patient, POLLED).toBe('F');
    }
    strike = () => undefined;
    answer();
    const state = async (): Promise<unknown> =>
      journals.sync(alice.ref).then(
        ({ state: { messages } }) => messages.map(({ uid, flags }) => `${uid}${flags}`),
        (error: unknown) => String(error),
      );
    await expect.poll(state, POLLED).toEqual(what === 'store' ? ['1F', '2'] : ['2']);
    const counted = lateResults.value(what === 'store' ? 'journalStore' : 'journalExpunge');
    expect(counted).toBeGreaterThan(late);
  },
);

test('[N-02] a volume that fails: our trouble, nothing is lost, and it goes on when it is well', async () => {
  const alice = await mailbox('alice', 'v1');
  const { journals } = alice.volume;
  const before = await journals.sync(alice.ref);
  for (const failing of ['link', 'every call'] as const) {
    const error = systemError('EIO', failing, alice.maildir);
    const isHis = (path: string): boolean => path.startsWith(alice.maildir);
    strike = (call, path) =>
      call === failing || (failing === 'every call' && isHis(path)) ? error : undefined;
    const asked = [journals.store(alice.ref, flagged), journals.expunge(alice.ref, [1])];
    for (const one of await Promise.allSettled(asked)) {
      expect(one, failing).toMatchObject({ status: 'rejected', reason: { kind: 'volume-down' } });
    }
    strike = () => undefined;
    await expect
      .poll(async () => (await journals.sync(alice.ref)).state.messages.length, POLLED)
      .toBe(2);
  }
  const { state } = await journals.store(alice.ref, flagged);
  expect(state.messages.map(({ uid, flags }) => `${uid}${flags}`)).toEqual(['1F', '2']);
  expect(state.uidValidity).toBe(before.state.uidValidity);
});

test('an engine that is made anew while an operation runs knows what the old one wrote', async () => {
  const alice = await mailbox('alice', 'v1');
  const { journals } = alice.volume;
  const first = journals.known(alice.ref);
  const { closed, open: answer } = gate();
  strike = (call) => (call === 'link' ? closed : undefined);
  const running = journals.store(alice.ref, flagged);
  space = { ...space, fileSystem: 'nfs' };
  // What the old one knew is forgotten, and read again where somebody asks.
  await expect.poll(() => journals.known(alice.ref), POLLED).toBeUndefined();
  strike = () => undefined;
  answer();
  const stored = await running;
  const { state } = await journals.sync(alice.ref);
  expect(state).toMatchObject({
    uidValidity: first?.uidValidity,
    uidNext: 3,
    modseq: stored.state.modseq,
  });
  expect(state.messages.map(({ uid, flags }) => `${uid}${flags}`)).toEqual(['1F', '2']);
});
