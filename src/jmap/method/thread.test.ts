/** Threads of a large mailbox while they are being found out for the first time. */
import { expect, onTestFinished, test, vi } from 'vitest';
import { systemClock, type Clock } from '../../base/clock.ts';
import { memoryAccount } from '../../directory/memory.ts';
import { emailIdOf } from '../../mailbox/email-id.ts';
import { openMailView } from '../../mailbox/mail-view.ts';
import { MemoryStore } from '../../mailbox/memory.ts';
import { append } from '../../mailbox/testing/mail-under-test.ts';
import type { EmailPlace, MailView } from '../../mailbox/view.ts';
import { LIMITS } from '../testing/nodes.ts';
import type { Args, JmapContext } from '../types.ts';
import { emailQuery } from './email-query.ts';
import { threadGet } from './thread.ts';

/** Nobody waits for threads, and nobody looks at folders by himself. */
const IMPATIENT: Clock = {
  now: () => systemClock.now(),
  sleep: async (ms) => (ms < 1000 ? undefined : new Promise(() => {})),
};
const ALICE = memoryAccount({ login: 'alice@example.test' });
const NOBODYS = 't0000000000000000';

async function viewOf(messages: number): Promise<MailView> {
  const mail = await new MemoryStore(systemClock).openMail(ALICE);
  for (let at = 0; at < messages; at += 1) {
    await append(mail, 'INBOX', `Message-ID: <${at}@x>\r\n\r\n`);
  }
  const view = await openMailView({ mail, clock: IMPATIENT });
  onTestFinished(() => view.close());
  return view;
}

/** Of one request. */
const asking = (view: MailView): JmapContext =>
  ({
    account: ALICE,
    view,
    clock: IMPATIENT,
    limits: { ...LIMITS, threadsMs: 200 },
    createdIds: new Map(),
  }) as unknown as JmapContext;

const get = (view: MailView, id: string): Promise<Args> =>
  threadGet({ accountId: ALICE.id, ids: [id] }, asking(view));

test('of a thread that nobody found out yet it is not said that it is not there', async () => {
  const view = await viewOf(300);
  await expect(get(view, NOBODYS)).rejects.toMatchObject({ type: 'serverUnavailable' });
  await view.threads(view.version);
  const soon = vi.spyOn(view, 'threadsSoon');
  soon.mockImplementation(async (version) => ({
    threads: await view.threads(version),
    isAll: true,
  }));
  expect(await get(view, NOBODYS)).toMatchObject({ list: [], notFound: [NOBODYS] });
});

test('the end of a large folder is found out in small steps, each email once', async () => {
  const view = await viewOf(5_000);
  const asked: EmailPlace[] = [];
  const steps: number[] = [];
  const { threadIds } = view;
  view.threadIds = async (places) => {
    steps.push(places.length);
    asked.push(...places);
    return threadIds.call(view, places);
  };
  const filter = { inMailbox: view.version.folders[0]?.id };
  const query = { accountId: ALICE.id, filter, collapseThreads: true, limit: 10 };
  const answer = await emailQuery({ ...query, position: 4_990 }, asking(view));
  expect(answer['ids']).toHaveLength(10);
  expect(Math.max(...steps)).toBeLessThanOrEqual(2048);
  const ids = asked.map(({ message }) => emailIdOf(message.key));
  expect(new Set(ids).size).toBe(ids.length);
});
