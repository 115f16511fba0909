import { afterEach, expect, test } from 'vitest';
import { createAuthenticator } from '../auth/authenticator.ts';
import { systemRandom } from '../base/random.ts';
import { defaults } from '../config/options.ts';
import { silentLogger } from '../log/types.ts';
import { SMTP_OPTIONS } from '../smtp/options.ts';
import { nameOf } from '../smtp/replies.ts';
import type { Letter } from './letters.ts';
import { SUBMISSION_OPTIONS } from './options.ts';
import { createLetters } from './service.ts';
import { openSubmission, type TestSubmission } from './testing.ts';

let open: TestSubmission | undefined;
afterEach(async () => {
  await open?.close();
});

const MESSAGE = 'From: alice@farm.test\r\nBcc: bob@farm.test\r\nSubject: x\r\n\r\nhello\r\n';

/** A letter of alice's, and what became of it. */
async function submit(given: Partial<Letter> & { readonly text?: string } = {}): Promise<string> {
  open = await openSubmission();
  const { directory, delivery, marks, clock } = open;
  const letters = createLetters({
    directory,
    delivery,
    auth: createAuthenticator({ directory }),
    marks,
    tls: undefined,
    options: { ...defaults(SMTP_OPTIONS), ...defaults(SUBMISSION_OPTIONS) },
    logger: silentLogger,
    clock,
    random: systemRandom,
    hostName: 'mail.farm.test',
  });
  const account = await directory.account('alice@farm.test');
  const { text = MESSAGE, ...more } = given;
  const verdict = await letters.submit({
    session: {
      id: 'T1',
      peer: { id: 'T1', remoteAddress: '192.0.2.7', remotePort: 0, localAddress: '', localPort: 0 },
      mode: 'smtp',
      helo: '',
      extended: true,
      tls: undefined,
      account: { id: account?.id ?? '', login: 'alice@farm.test' },
      over: 'http',
    },
    from: { address: 'alice@farm.test', parameters: {} },
    recipients: [{ address: 'bob@farm.test', parameters: {} }],
    message: async function* () {
      for (const byte of Buffer.from(text)) yield Buffer.of(byte);
    },
    octetsMax: 1000,
    ...more,
  });
  if (verdict.kind === 'recipients') {
    return [...verdict.replies].map(([address, reply]) => `${address} ${nameOf(reply)}`).join();
  }
  return `${verdict.kind} ${nameOf(verdict.reply)}`;
}

const to = (address: string, parameters: Record<string, string> = {}): Letter['from'] => ({
  address,
  parameters,
});

test('a letter is taken with its header mended, its Bcc out and HTTP in Received', async () => {
  expect(await submit()).toBe('accepted delivered');
  const [stored] = open?.delivery.stored ?? [];
  const text = `${stored?.header}${stored?.body.toString()}`;
  expect(text).toMatch(/^Return-Path: <alice@farm\.test>\n[^]*with HTTP id T1[^]*\nMessage-ID: </);
  expect(text).not.toMatch(/^Bcc|\r/m);
});

test.each([
  ['a foreign sender', { from: to('bob@farm.test') }, 'sender senderNotYours'],
  ['a sender that is none', { from: to('bob') }, 'sender badSender'],
  [
    'an unknown parameter',
    { from: to('alice@farm.test', { HOLDFOR: '5' }) },
    'sender badParameter',
  ],
  ['two in one', { from: to('alice@farm.test', { RET: 'FULL X=1' }) }, 'sender badSyntax'],
  ['nobody', { recipients: [to('no@farm.test')] }, 'no@farm.test mailboxUnknown'],
  [
    'one of two',
    { recipients: [to('bob@farm.test'), to('no@farm.test')] },
    'no@farm.test mailboxUnknown',
  ],
  ['an address literal', { recipients: [to('x@[192.0.2.1]')] }, 'x@[192.0.2.1] literalRefused'],
  ['a foreign From', { text: 'From: bob@farm.test\r\n\r\nx' }, 'message fromNotYours'],
  ['too much', { text: `${MESSAGE}${'x'.repeat(1000)}` }, 'message messageTooBig'],
] as const)('refused for all: %s', async (_, given, verdict) => {
  expect(await submit(given)).toBe(verdict);
  expect(open?.delivery.stored).toEqual([]);
});
