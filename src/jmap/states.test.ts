import { expect, test } from 'vitest';
import { systemClock, type Clock } from '../base/clock.ts';
import { memoryAccount } from '../directory/memory.ts';
import { openMailView } from '../mailbox/mail-view.ts';
import { MemoryStore } from '../mailbox/memory.ts';
import { append } from '../mailbox/testing/mail-under-test.ts';
import { mailboxStateOf, sinceState, threadStateOf } from './states.ts';

/** Nobody waits for threads, and nobody looks at folders by himself. */
const IMPATIENT: Clock = {
  now: () => systemClock.now(),
  sleep: async (ms) => (ms < 1000 ? undefined : new Promise(() => {})),
};

test('states have a mark while threads are told before all are known; then listeners hear', async () => {
  const mail = await new MemoryStore(systemClock).openMail(
    memoryAccount({ login: 'alice@example.test' }),
  );
  for (let at = 0; at < 300; at += 1) {
    await append(mail, 'INBOX', `Message-ID: <${at}@x>\r\nReferences: <${at % 7}@x>\r\n\r\n`);
  }
  const view = await openMailView({ mail, clock: IMPATIENT });
  try {
    const { version } = view;
    let told = (): void => {};
    const heard = new Promise<void>((resolve) => (told = resolve));
    const states = (): readonly string[] => [
      mailboxStateOf(view, version),
      threadStateOf(view, version),
    ];
    const soon = await view.threadsSoon(version, 200);
    expect(soon.isAll).toBe(false);
    expect(states().every((state) => sinceState(state).isMarked)).toBe(true);
    expect(states().map((state) => sinceState(state).state)).toEqual([
      version.mailboxState,
      version.emailState,
    ]);
    expect(view.emailChanges(threadStateOf(view, version), version)).toBeUndefined();
    const end = view.watch(told);
    await heard;
    end();
    expect(view.threadsPending).toBe(false);
    expect(states()).toEqual([version.mailboxState, version.emailState]);
  } finally {
    view.close();
  }
});
