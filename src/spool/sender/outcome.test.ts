import { expect, test } from 'vitest';
import { systemRandom } from '../../base/random.ts';
import { defaults } from '../../config/options.ts';
import { silentLogger } from '../../log/types.ts';
import { isToldOf } from '../../message/notice-rules.ts';
import { SMTP_CLIENT_OPTIONS } from '../../smtp/client/options.ts';
import type { OutboundClaim, OutboundEnvelope, OutboundRecipient } from '../outbound.ts';
import type { RecipientResult } from './attempt.ts';
import { SENDER_OPTIONS } from './options.ts';
import { conclude } from './outcome.ts';
import type { Notice } from './types.ts';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const NOTIFY = [undefined, 'never', ['success'], ['failure'], ['delay'], ['delay', 'success']];
const ASKED = NOTIFY.map((notify, at): OutboundRecipient => {
  const address = `r${at}@you.test`;
  return notify === undefined ? { address } : { address, notify: notify as 'never' };
});

interface Case {
  readonly kind: RecipientResult['kind'];
  readonly age: number;
  readonly envelope?: Partial<OutboundEnvelope>;
  readonly more?: Partial<RecipientResult>;
  readonly fails?: boolean;
  readonly isGuess?: boolean;
}

async function outcome({ kind, age, envelope: given, more, fails = false, isGuess }: Case) {
  const notices: Notice[] = [];
  const envelope: OutboundEnvelope = {
    id: 'x',
    route: { kind: 'mx', domain: 'you.test' },
    origin: 'submission',
    owner: '',
    login: '',
    sender: 'a@me.test',
    recipients: ASKED,
    smtpUtf8: false,
    sign: false,
    octets: 1,
    wireOctets: 2,
    trace: 't',
    node: 'n',
    acceptedAt: 0,
    tries: 1,
    delayTold: false,
    troubles: [],
    ...given,
  };
  const results = ASKED.map((recipient) => ({
    recipient,
    kind,
    status: '4.0.0',
    reply: undefined,
    text: 'as the test has it',
    remote: undefined,
    dsnPassedOn: false,
    code: undefined,
    ...more,
  }));
  const settlement = await conclude(
    { results, last: undefined, ms: 1, counts: true },
    {
      claim: { envelope, read: async () => undefined } as unknown as OutboundClaim,
      options: { ...defaults(SENDER_OPTIONS), ...defaults(SMTP_CLIENT_OPTIONS) },
      random: systemRandom,
      logger: silentLogger,
      now: age,
      isGuess: isGuess ?? false,
      triedAt: age,
      report: async (notice) => {
        notices.push(notice);
        if (fails) throw new Error('no volume');
      },
    },
  );
  const told = notices.flatMap((one) => one.recipients.map(({ recipient }) => recipient));
  return { settlement, told, notices, kinds: notices.map((one) => one.kind) };
}

const toldOf = (event: Notice['kind'], given: Partial<OutboundEnvelope> = {}) => {
  const { sender = 'a@me.test', origin = 'submission' } = given;
  return ASKED.filter(({ notify }) => isToldOf({ event, sender, origin, notify }).tell);
};

const LETTERS: readonly Partial<OutboundEnvelope>[] = [
  {},
  { sender: '' },
  { sender: 'mailer-daemon@old.test' },
  { origin: 'notice' },
  { origin: 'vacation' },
  { origin: 'list' },
];

test.each(LETTERS)('delay and success are told as message/ has it: %j', async (envelope) => {
  const delayed = await outcome({ kind: 'later', age: 5 * HOUR, envelope });
  expect(delayed.told).toEqual(toldOf('delayed', envelope));
  expect(delayed.settlement).toMatchObject({ kind: 'later', recipients: ASKED, delayTold: true });
  const sent = await outcome({ kind: 'sent', age: 5 * HOUR, envelope });
  expect(sent.told).toEqual(toldOf('relayed', envelope));
  expect(sent.settlement).toEqual({ kind: 'done' });
});

test.each(LETTERS)('each failure is reported, as is who was given up: %j', async (envelope) => {
  for (const kind of ['failed', 'later'] as const) {
    const { told, kinds, settlement } = await outcome({ kind, age: 6 * DAY, envelope });
    expect(told).toEqual(ASKED);
    expect(kinds).toEqual(['failed']);
    expect(settlement).toEqual({ kind: 'done' });
  }
});

test('who could not be told of a failure stays, and nobody else', async () => {
  const { settlement } = await outcome({ kind: 'failed', age: HOUR, fails: true });
  expect(settlement).toMatchObject({ kind: 'later', recipients: toldOf('failed') });
});

test('a clock that is only ours gives up nothing and tells of no delay', async () => {
  const { told, settlement } = await outcome({ kind: 'later', age: 6 * DAY, isGuess: true });
  expect(told).toEqual([]);
  expect(settlement).toMatchObject({ kind: 'later', recipients: ASKED, delayTold: false });
  if (settlement.kind === 'later') expect(settlement.dueAt).toBeGreaterThan(6 * DAY);
});

test('a peer that passes DSN on tells of success itself', async () => {
  const more = { dsnPassedOn: true };
  expect((await outcome({ kind: 'sent', age: HOUR, more })).told).toEqual([]);
});

test.each([5 * HOUR, 6 * DAY])(
  'no notice names files or hosts of ours, the queue does',
  async (age) => {
    const more = { inside: true, text: '/spool1/spool/outbound/message/3f/1 cannot be read' };
    const { notices, settlement } = await outcome({ kind: 'later', age, more });
    expect(notices.flatMap(({ recipients }) => recipients).length).toBeGreaterThan(0);
    expect(JSON.stringify(notices)).toContain('a failure within the mail system');
    expect(JSON.stringify(notices)).not.toContain('/spool1');
    if (settlement.kind === 'later') expect(settlement.troubles[0]?.text).toContain('/spool1');
  },
);
