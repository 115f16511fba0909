/** The smarthost is a door with a login too: it leads around none of the rules for users. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createAuthenticator } from '../auth/authenticator.ts';
import { systemRandom } from '../base/random.ts';
import { defaults } from '../config/options.ts';
import { silentLogger } from '../log/types.ts';
import { RELAY_OPTIONS } from '../relay/options.ts';
import { createRelayService } from '../relay/service.ts';
import { SMTP_OPTIONS } from '../smtp/options.ts';
import type { StrictClient } from '../smtp/testing/client.ts';
import { listen, type TestListener } from '../smtp/testing/listener.ts';
import { SUBMISSION_OPTIONS } from './options.ts';
import { createUserPolicy } from './service.ts';
import { client, openSubmission, send, type TestSubmission } from './testing.ts';

let farm: TestSubmission;
let relay: TestListener;
let chat: StrictClient;

beforeEach(async () => {
  const limits = { 'submission.messages.hour': 3, 'submission.recipients.max': 2 };
  farm = await openSubmission({ options: limits });
  const { directory, delivery, marks, clock, tls } = farm;
  const parts = {
    directory,
    delivery,
    outbound: { accept: async () => {} },
    auth: createAuthenticator({ directory }),
    tls,
    logger: silentLogger,
    clock,
    random: systemRandom,
    hostName: 'relay.farm.test',
  };
  const options = {
    ...defaults(SMTP_OPTIONS),
    ...defaults(SUBMISSION_OPTIONS),
    ...defaults(RELAY_OPTIONS),
    ...limits,
  };
  const users = createUserPolicy({ ...parts, options, marks });
  const isNode = (): boolean => false;
  const service = createRelayService({ ...parts, options, farm: { isNode }, users });
  relay = await listen(service, { peer: '203.0.113.9' });
  chat = await client(relay, 'alice@farm.test');
});

afterEach(async () => {
  chat.close();
  await relay.close();
  await farm.close();
});

const TAKEN = ['250 2.1.0', '250 2.1.5', '250 2.6.0'];
const to = ['<x@else.test>'];

test('[P-01] nobody forges From there, nor writes to literals or too many', async () => {
  const message = 'From: boss@farm.test\n\nx\n';
  expect((await send(chat, { to, message })).at(-1)).toBe('550 5.7.1');
  expect(await send(chat, { to, from: '<bob@farm.test>' })).toEqual(['553 5.7.1']);
  expect((await send(chat, { to: ['<x@[127.0.0.1]>'] }))[1]).toBe('550 5.1.2');
  const many = ['<a@else.test>', '<b@else.test>', '<c@else.test>'];
  expect((await send(chat, { to: many }))[3]).toBe('452 4.5.3');
  expect(await send(chat, { to })).toEqual(TAKEN);
  expect(farm.delivery.leaving).toMatchObject([{ recipient: { address: 'x@else.test' } }]);
});

test('[N-24] what is sent there counts with what is sent by submission', async () => {
  const other = await client(farm, 'alice@farm.test');
  expect(await send(chat, { to })).toEqual(TAKEN);
  expect(await send(other, { to })).toEqual(TAKEN);
  expect(await send(chat, { to })).toEqual(TAKEN);
  expect(await send(chat, { to })).toEqual(['450 4.7.1']);
  expect(await send(other, { to })).toEqual(['450 4.7.1']);
  other.close();
});

test('who is suspended after the login sends no more', async () => {
  const alice = await farm.directory.account('alice@farm.test');
  if (!alice) throw new Error('no alice');
  farm.directory.putAccount({ ...alice, suspended: ['submission'] });
  expect(await send(chat, { to })).toEqual(['550 5.7.1']);
});
