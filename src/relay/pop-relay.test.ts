/** POP-before-SMTP at the smarthost is no way around the rules for who logged in. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createAuthenticator } from '../auth/authenticator.ts';
import { systemRandom } from '../base/random.ts';
import { defaults } from '../config/options.ts';
import type { Delivery } from '../delivery/types.ts';
import { silentLogger } from '../log/types.ts';
import { SMTP_OPTIONS } from '../smtp/options.ts';
import { StrictClient } from '../smtp/testing/client.ts';
import { listen, type TestListener } from '../smtp/testing/listener.ts';
import { SUBMISSION_OPTIONS } from '../submission/options.ts';
import { createUserPolicy } from '../submission/service.ts';
import { openSubmission, send, type TestSubmission } from '../submission/testing.ts';
import { RELAY_OPTIONS } from './options.ts';
import { PopMarks } from './pop-marks.ts';
import { createRelayService } from './service.ts';

const PEER = '203.0.113.9';
let farm: TestSubmission;
let relay: TestListener;
let chat: StrictClient;
/** Of each letter, whether it is to be signed. */
let signed: (boolean | undefined)[];

beforeEach(async () => {
  farm = await openSubmission({ options: { 'submission.messages.hour': 2 } });
  const { directory, delivery, marks, clock, tls } = farm;
  signed = [];
  const through: Delivery = {
    ...delivery,
    begin: (one) => {
      signed.push(one.envelope?.sign);
      return delivery.begin(one);
    },
  };
  const parts = {
    directory,
    delivery: through,
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
    'submission.messages.hour': 2,
  };
  const pop = new PopMarks({ directory, marks, minutes: 20, clock, logger: silentLogger });
  const alice = await directory.account('alice@farm.test');
  if (alice === undefined) throw new Error('no alice');
  pop.seen(PEER, alice);
  await marks.add({ kind: 'pop', key: `${PEER} ${alice.id}` }); // seen() waits for nothing.
  const users = createUserPolicy({ ...parts, options, marks });
  const isNode = (): boolean => false;
  relay = await listen(createRelayService({ ...parts, options, farm: { isNode }, pop, users }), {
    peer: PEER,
  });
  chat = await StrictClient.open(relay.port);
  await chat.reply();
  await chat.command('EHLO client.example.test');
});

afterEach(async () => {
  chat.close();
  await relay.close();
  await farm.close();
});

const to = ['<x@else.test>'];
const from = '<alice@farm.test>';
const message = 'From: alice@farm.test\n\nx\n';

test('[S0-24] [N-24] by address alone: From and the limits are the user’s, no signature', async () => {
  expect(await send(chat, { to, from: '<bob@farm.test>', message })).toEqual(['530 5.7.0']);
  const forged = 'From: boss@farm.test\n\nx\n';
  expect((await send(chat, { to, from, message: forged })).at(-1)).toBe('550 5.7.1');
  const taken = ['250 2.1.0', '250 2.1.5', '250 2.6.0'];
  expect(await send(chat, { to, from, message })).toEqual(taken);
  expect(await send(chat, { to, from: '<AL@farm.test>', message })).toEqual(taken);
  expect(signed).toEqual([false, false, false]); // The first one was refused.
  expect(await send(chat, { to, from, message })).toEqual(['450 4.7.1']);
});
