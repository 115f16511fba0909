import { describe, expect, it } from 'vitest';

import { COMMANDS, commandOf, type Command } from './commands.ts';
import { keyName, type KeyPress } from './keyboard.ts';
import { testPage } from './testing/page.ts';

const press = (key: string, some: Partial<KeyPress> = {}): KeyPress => ({
  key,
  code: '',
  shiftKey: false,
  ctrlKey: false,
  metaKey: false,
  altKey: false,
  ...some,
});

describe('[P-04] keys', () => {
  const NAMES: readonly [press: KeyPress, name: string | undefined][] = [
    [press('j', { code: 'KeyJ' }), 'j'],
    [press('о', { code: 'KeyJ' }), 'j'],
    [press('О', { code: 'KeyJ', shiftKey: true }), 'Shift+J'],
    [press('J', { code: 'KeyJ', shiftKey: true }), 'Shift+J'],
    [press('?', { code: 'Slash', shiftKey: true }), '?'],
    [press('#', { code: 'Digit3', shiftKey: true }), '#'],
    [press('ArrowDown', { shiftKey: true }), 'Shift+ArrowDown'],
    [press(' '), 'Space'],
    [press('a', { ctrlKey: true }), 'Control+a'],
    [press('a', { metaKey: true }), 'Control+a'],
    [press('j', { altKey: true }), undefined],
  ];

  it.each(NAMES)('%o is %s', (given, name) => {
    expect(keyName(given)).toBe(name);
  });

  it('mean one command each, and none begins another', () => {
    const keys = Object.values(COMMANDS).flatMap((row: Command) => [...row.keys]);
    expect(new Set(keys).size).toBe(keys.length);
    const begun = keys.filter((key) => keys.some((other) => other.startsWith(`${key} `)));
    expect(begun).toEqual([]);
    expect(commandOf(['g'])).toBe('more');
    expect(commandOf(['g', 'i'])).toBe(COMMANDS.goInbox);
    expect(commandOf(['constructor'])).toBeUndefined();
  });

  it('go through a list, select in it and act on it without a pointer', async () => {
    const { app, server, clock } = testPage();
    for (let n = 0; n < 5; n += 1) server.add();
    await app.start();
    await clock.pass(300);
    const keys = ['j', 'x', 'Shift+ArrowDown', 'e'];
    for (const key of keys) (commandOf([key]) as Command).run(app);
    await clock.pass(500);
    const archived = [...server.emails.values()].filter((email) => email.mailboxIds['archive']);
    expect(archived.map((email) => email.subject)).toEqual(['Subject 3', 'Subject 4']);
    (commandOf(['z']) as Command).run(app);
    await clock.pass(500);
    expect([...server.emails.values()].every((email) => email.mailboxIds['inbox'])).toBe(true);
  });
});
