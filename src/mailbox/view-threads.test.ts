import { expect, onTestFinished, test } from 'vitest';
import { systemClock } from '../base/clock.ts';
import { memoryAccount } from '../directory/memory.ts';
import { emailIdOf } from './email-id.ts';
import type { Mail } from './mail.ts';
import { openMailView } from './mail-view.ts';
import { MemoryStore } from './memory.ts';
import { append } from './testing/mail-under-test.ts';
import type { MailVersion } from './view.ts';
import { ThreadIndex } from './view-threads.ts';

const idsIn = ({ folders }: MailVersion): readonly string[] =>
  folders.flatMap(({ state }) => state.messages.map(({ key }) => emailIdOf(key)));

interface Yard {
  readonly mail: Mail;
  /** More messages, and the version with them. */
  readonly more: (count: number) => Promise<MailVersion>;
}

async function yard(): Promise<Yard> {
  const store = new MemoryStore(systemClock);
  const mail = await store.openMail(memoryAccount({ login: 'alice@example.test' }));
  const view = await openMailView({ mail, clock: systemClock });
  onTestFinished(() => view.close());
  let next = 0;
  return {
    mail,
    more: async (count) => {
      for (let i = 0; i < count; i++) {
        await append(
          mail,
          'INBOX',
          `Message-ID: <${next}@x>\r\nReferences: <${next % 7}@x>\r\n\r\n`,
        );
        next += 1;
      }
      return view.refresh();
    },
  };
}

const batches = (mail: Mail): Promise<readonly string[]> => mail.facts.list('threads');

async function toldBy(index: ThreadIndex, version: MailVersion): Promise<readonly unknown[]> {
  const threads = await index.of(version);
  return idsIn(version).map((id) => {
    const thread = threads.threadOf(id) as string;
    expect(threads.emailsOf(thread)).toContain(id);
    return [thread, threads.emailsOf(thread)];
  });
}

test('what a node has shown another knows, though it be gone; many batches become one that has them all', async () => {
  const { mail, more } = await yard();
  const index = new ThreadIndex(mail.facts);
  const counts: number[] = [];
  for (let i = 0; i < 12; i++) {
    await index.of(await more(1));
    await index.settled();
    counts.push((await batches(mail)).length);
  }
  expect(counts.slice(0, 8)).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
  expect(counts[8]).toBe(1);
  const version = await more(0);
  const fresh = new ThreadIndex(mail.facts);
  expect(await toldBy(fresh, version)).toEqual(await toldBy(index, version));
  // One that comes, is shown by the one node, and goes.
  const shown = await more(1);
  const id = idsIn(shown).at(-1) as string;
  await index.of(shown);
  await index.settled();
  const thread = index.soFar(shown).threadOf(id);
  expect(thread).toBeDefined();
  expect((await fresh.of(version)).threadOf(id)).toBeUndefined();
  expect((await fresh.of(version, [id])).threadOf(id)).toBe(thread);
});

test('what another node told of a thread is known once it is asked for, whatever else is not', async () => {
  const { mail, more } = await yard();
  const version = await more(20);
  const [one, other] = [new ThreadIndex(mail.facts), new ThreadIndex(mail.facts)];
  const [place] = version.places(idsIn(version)[0] as string);
  const [thread = ''] = await one.ids(place ? [place] : []);
  await one.settled();
  expect(other.soFar(version).emailsOf(thread)).toEqual([]);
  await other.others();
  expect(other.soFar(version).emailsOf(thread)).toEqual([idsIn(version)[0]]);
  expect(await toldBy(other, version)).toEqual(await toldBy(one, version));
});

test('large batches stay as they are while small ones are made one', async () => {
  const { mail, more } = await yard();
  const index = new ThreadIndex(mail.facts);
  await index.of(await more(1000));
  await index.settled();
  const large = await batches(mail);
  expect(large).toHaveLength(1);
  for (let i = 0; i < 20; i++) {
    await index.of(await more(1));
    await index.settled();
  }
  expect(await batches(mail)).toEqual(expect.arrayContaining([...large]));
  expect((await batches(mail)).length).toBeLessThan(11);
});

test('two nodes that write and compact at once lose nothing that is not found again', async () => {
  const { mail, more } = await yard();
  const nodes = [new ThreadIndex(mail.facts), new ThreadIndex(mail.facts)] as const;
  for (let i = 0; i < 14; i++) {
    const version = await more(50);
    await Promise.all(nodes.map((node) => node.of(version)));
  }
  await Promise.all(nodes.map((node) => node.settled()));
  const version = await more(5);
  const told = await toldBy(nodes[0], version);
  expect(await toldBy(nodes[1], version)).toEqual(told);
  expect(await toldBy(new ThreadIndex(mail.facts), version)).toEqual(told);
  expect((await batches(mail)).length).toBeLessThan(20);
});

test('a torn batch, or one of somebody else, counts as none', async () => {
  const { mail, more } = await yard();
  const index = new ThreadIndex(mail.facts);
  const version = await more(60);
  const told = await toldBy(index, version);
  await index.settled();
  const [name] = await batches(mail);
  const bytes = (await mail.facts.read('threads', name as string)) as Buffer;
  const changed = Buffer.from(bytes);
  changed[100] = (changed[100] as number) ^ 1;
  for (const torn of [bytes.subarray(0, -1), bytes.subarray(0, 27), changed, Buffer.from('x')]) {
    await mail.facts.put('threads', name as string, torn);
    expect(await toldBy(new ThreadIndex(mail.facts), version)).toEqual(told);
  }
});
