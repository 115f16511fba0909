import { expect, test } from 'vitest';
import { systemClock } from '../base/clock.ts';
import { memoryAccount } from '../directory/memory.ts';
import { emailIdOf } from './email-id.ts';
import type { Folder, FolderInfo, FolderState, Mail } from './mail.ts';
import { openMailView, type FolderedView } from './mail-view.ts';
import { MemoryStore } from './memory.ts';
import { append } from './testing/mail-under-test.ts';
import type { Changed, MailVersion } from './view.ts';

/**
 * What another node does while this one looks: a Mail whose folders show what was there when they
 * were looked at, as over NFS, and that says when each look begins.
 */
interface Steps {
  beforeList: () => Promise<void>;
  /** Before a look at this folder. */
  before: (name: string) => Promise<void>;
  readonly looks: string[];
}

const bound = (value: unknown, target: object): unknown =>
  typeof value === 'function' ? (value.bind(target) as unknown) : value;

function stepwise(mail: Mail, steps: Steps): Mail {
  const opened = async (name: string): Promise<Folder> => {
    const folder = await mail.open(name);
    let state: FolderState = folder.state;
    const refresh = async (): Promise<FolderState> => {
      await steps.before(name);
      steps.looks.push(name);
      state = await folder.refresh();
      return state;
    };
    return new Proxy(folder, {
      get: (target, what) => {
        if (what === 'state') return state;
        if (what === 'refresh') return refresh;
        const value: unknown = Reflect.get(target, what, target);
        return bound(value, target);
      },
    });
  };
  const folders = async (): Promise<readonly FolderInfo[]> => {
    await steps.beforeList();
    steps.looks.push('list');
    return mail.folders();
  };
  return new Proxy(mail, {
    get: (target, what) => {
      if (what === 'open') return opened;
      if (what === 'folders') return folders;
      const value: unknown = Reflect.get(target, what, target);
      return bound(value, target);
    },
  });
}

interface Yard {
  /** Of the other node. */
  readonly other: Mail;
  readonly steps: Steps;
  readonly open: () => Promise<FolderedView>;
  /** Of the email that all is about; it lies in `a` at first. */
  readonly id: string;
  /** A state in which it is in `a`, by the other node. */
  readonly since: string;
  /** Does something once, before the next look at a folder, or at the list. */
  readonly once: (what: string, work: () => Promise<void>) => void;
  readonly move: (from: string, to: string) => Promise<void>;
}

const nothing = async (): Promise<void> => {};

async function yard(): Promise<Yard> {
  const store = new MemoryStore(systemClock);
  const account = memoryAccount({ login: 'alice@example.test' });
  const other = await store.openMail(account);
  for (const name of ['a', 'b', 'c']) await other.create(name);
  await append(other, 'a', 'x\r\n');
  const steps: Steps = { beforeList: nothing, before: nothing, looks: [] };
  const mail = stepwise(await store.openMail(account), steps);
  const seen = await openMailView({ mail: other, clock: systemClock });
  const [id] = emails(seen.version, 'a');
  return {
    other,
    steps,
    open: () => openMailView({ mail, clock: systemClock }),
    id: id as string,
    since: seen.version.emailState,
    once: (what, work) => {
      const key = what === 'list' ? 'beforeList' : 'before';
      steps[key] = async (name?: string) => {
        if (key === 'before' && name !== what) return;
        steps[key] = nothing;
        await work();
      };
    },
    move: async (from, to) => {
      const folder = await other.open(from);
      await folder.move(
        folder.state.messages.map(({ uid }) => uid),
        to,
      );
    },
  };
}

const emails = (version: MailVersion, name: string): readonly string[] =>
  version.folders
    .filter(({ info }) => info.name === name)
    .flatMap(({ state }) => state.messages.map(({ key }) => emailIdOf(key)));

const changed = (view: FolderedView, since: string): Changed | undefined =>
  view.emailChanges(since, view.version);

/** Until the look at a folder was begun. */
async function lookedAt(steps: Steps, name: string): Promise<void> {
  while (!steps.looks.includes(name)) await new Promise(setImmediate);
}

/** What the other node does between the looks at two folders. */
const RACES: readonly (readonly [string, (yard: Yard) => void])[] = [
  [
    'to one that was looked at already',
    ({ once, steps, move }) => {
      steps.looks.length = 0;
      once('a', async () => {
        await lookedAt(steps, 'b');
        await move('a', 'b');
      });
    },
  ],
  [
    'to one that was made after the list',
    ({ once, other, move }) =>
      once('a', async () => {
        await other.create('new');
        await move('a', 'new');
      }),
  ],
  [
    'and its new folder was renamed',
    ({ once, steps, other, move }) => {
      steps.looks.length = 0;
      once('a', async () => {
        await lookedAt(steps, 'b');
        await move('a', 'b');
        await other.rename('b', 'z');
      });
    },
  ],
  [
    'and its old folder was removed',
    ({ once, steps, other, move }) => {
      steps.looks.length = 0;
      once('a', async () => {
        await lookedAt(steps, 'c');
        await move('a', 'c');
        await other.remove('a');
      });
    },
  ],
  [
    'and nothing else: its folder was renamed',
    ({ once, other }) => once('a', () => other.rename('a', 'z')),
  ],
  [
    'twice, back to where nobody looks any more',
    ({ once, steps, move }) => {
      steps.looks.length = 0;
      once('a', async () => {
        await lookedAt(steps, 'b');
        await move('a', 'b');
        once('b', async () => {
          await lookedAt(steps, 'c');
          await move('b', 'c');
        });
      });
    },
  ],
];

test.each(RACES)(
  'an email that is moved while folders are looked at is not lost: %s',
  async (_, race) => {
    // A node that knows the mailbox, and one that has never seen it.
    for (const knows of ['all', 'nothing']) {
      const now = await yard();
      const known = knows === 'all' ? await now.open() : undefined;
      race(now);
      const view = known ?? (await now.open());
      await view.refresh();
      expect(view.version.places(now.id)).toHaveLength(1);
      const told = changed(view, now.since);
      expect([told?.created, told?.destroyed]).toEqual([[], []]);
      view.close();
    }
  },
);

test('a refresh of one folder looks at the others when an email has left it', async () => {
  const now = await yard();
  const view = await now.open();
  const a = view.version.folders.find(({ info }) => info.name === 'a')?.id as string;
  now.steps.looks.length = 0;
  await view.refresh([a]);
  expect(now.steps.looks).toEqual(['a']);
  await now.move('a', 'b');
  await view.refresh([a]);
  expect(now.steps.looks.toSorted()).toEqual(['INBOX', 'a', 'a', 'b', 'c', 'list'].toSorted());
  expect(view.version.places(now.id)).toMatchObject([{ in: { info: { name: 'b' } } }]);
  now.steps.looks.length = 0;
  await view.refresh([a]);
  expect(now.steps.looks).toEqual(['a']);
});

test('an email that is moved on and on ends the looks all the same', async () => {
  const now = await yard();
  const view = await now.open();
  let at = 'a';
  now.steps.before = async (name) => {
    if (name !== at) return;
    const to = at === 'b' ? 'c' : 'b';
    await now.move(at, to);
    at = to;
  };
  await view.refresh();
  now.steps.before = nothing;
  await view.refresh();
  expect(view.version.places(now.id)).toHaveLength(1);
});

test('a look that fails fails the refresh; nothing of it is told, and the next tells all', async () => {
  const now = await yard();
  const view = await now.open();
  const before = view.version;
  await append(now.other, 'b', 'y\r\n');
  now.once('a', async () => {
    throw new Error('the volume is away');
  });
  await expect(view.refresh()).rejects.toThrow('the volume is away');
  expect(view.version).toBe(before);
  const version = await view.refresh();
  expect(emails(version, 'b')).toHaveLength(1);
  expect(before.places(emails(version, 'b')[0] as string)).toEqual([]);
});

test('one look serves all who wait, and none gets a look that began before he asked', async () => {
  const now = await yard();
  const view = await now.open();
  now.steps.looks.length = 0;
  let go = (): void => {};
  const held = new Promise<void>((resolve) => (go = resolve));
  now.steps.before = (name) => (name === 'c' ? held : nothing());
  const first = view.refresh();
  await lookedAt(now.steps, 'INBOX');
  await append(now.other, 'INBOX', 'y\r\n');
  const later = [view.refresh(), view.refresh(), view.refresh([]), view.refresh()];
  go();
  expect(emails(await first, 'INBOX')).toEqual([]);
  for (const version of await Promise.all(later)) expect(emails(version, 'INBOX')).toHaveLength(1);
  expect(now.steps.looks.filter((name) => name === 'list')).toHaveLength(2);
});

test('a version stays what it was while the view goes on, however much comes and goes', async () => {
  const now = await yard();
  const view = await now.open();
  const before = view.version;
  expect(before.places(now.id)).toHaveLength(1);
  await now.move('a', 'b');
  for (let i = 0; i < 3; i++) await append(now.other, 'a', 'y\r\n');
  const after = await view.refresh();
  expect(before.places(now.id)).toMatchObject([{ in: { info: { name: 'a' } } }]);
  expect(after.places(now.id)).toMatchObject([{ in: { info: { name: 'b' } } }]);
  expect(await view.refresh()).toBe(after);
});
