import { expect, test } from 'vitest';
import { parseLine, type LogSource } from './log-lines.ts';
import { storiesOf, type Wanted } from './story.ts';

const line = (time: string, node: string, message: string, fields: object): string =>
  JSON.stringify({ level: 'info', time: `2026-11-22T10:00:${time}Z`, node, message, ...fields });

const ID = '<one@example.test>';
const MX = { trace: 'aaa1', from: 'eve@far.test', messageId: ID };
const TO_BOB = { ...MX, to: 'bob@example.test', volume: 'mail1' };

/** Three nodes; the third got the letter by SMTP, so that its trace is another. */
const LOGS: readonly (readonly string[])[] = [
  [
    line('02.000', 'out', 'sent', { trace: 'aaa1', id: 'q1', to: 'x@next.test', status: '2.0.0' }),
    line('00.500', 'out', 'deferred', { trace: 'bbb1', id: 'q9', to: 'y@other.test' }),
    'not of ours',
    '{"time":"broken',
  ],
  [
    `Nov 22 10:00:00 mx1 mailfarm[7]: ${line('00.000', 'mx1', 'delivered', TO_BOB)}`,
    line('00.001', 'mx1', 'sent on', { ...MX, to: ['x@next.test'], spool: 'spool1' }),
    line('00.000', 'mx1', 'POP3 session', { trace: 'p0', user: 'zoe@next.test', retrieved: 9 }),
    line('09.000', 'mx1', 'POP3 session', { trace: 'p2', user: 'zoe@next.test', retrieved: 2 }),
    line('08.000', 'mx1', 'POP3 session', { trace: 'p1', user: 'zoe@next.test', retrieved: 0 }),
    line('07.000', 'mx1', 'POP3 session', { trace: 'p3', user: 'other@next.test', retrieved: 1 }),
    line('00.900', 'mx1', 'mx session', { trace: 'aaa', peer: '192.0.2.1' }),
  ],
  [line('03.000', 'mx2', 'delivered', { trace: 'ccc1', messageId: ID, to: 'zoe@next.test' })],
];
const sources: readonly LogSource[] = LOGS.map(
  (lines) =>
    async function* read() {
      yield* lines;
    },
);
const asked = (wanted: Wanted) => storiesOf(sources, wanted);

test.each([
  ['a trace', { id: 'aaa1' }],
  ['the trace of another node', { id: 'ccc1' }],
  ['an id of the queue', { id: 'q1' }],
  ['a Message-ID', { id: ID }],
  ['a Message-ID without brackets', { id: 'one@example.test' }],
  ['its sender', { from: 'EVE@far.test' }],
  ['a recipient on its way', { to: 'zoe@' }],
])(
  '[N-13] by %s the whole story of a letter over three nodes, in the order of time',
  async (_, by) => {
    const stories = await asked(by);
    expect(stories).toHaveLength(1);
    expect(stories[0]).toMatchObject({
      traces: ['aaa1', 'ccc1'],
      messageIds: [ID],
      from: 'eve@far.test',
      to: ['bob@example.test', 'x@next.test', 'zoe@next.test'],
    });
    expect(stories[0]?.steps.map(({ node, what }) => `${node} ${what}`)).toEqual([
      'mx1 delivered',
      'mx1 accepted, leaves for',
      'out sent',
      'mx2 delivered',
      'mx1 POP3 session',
    ]);
    expect(stories[0]?.steps.at(-1)?.detail).toMatch(/^zoe@next\.test fetched 2 letters/);
  },
);

test('letters that have nothing to do with it are other stories, or none', async () => {
  expect(await asked({ to: 'y@other.test' })).toMatchObject([{ traces: ['bbb1'] }]);
  expect(await asked({ to: '.test' })).toHaveLength(2);
  expect(await asked({ id: 'aaa' })).toMatchObject([{ steps: [{ what: 'mx session' }] }]);
  expect(await asked({ id: 'zzz' })).toEqual([]);
  const since = Date.parse('2026-11-22T10:00:02.500Z');
  expect(await asked({ to: 'y@other.test', since })).toEqual([]);
});

test('a line is ours when it is a JSON object with a time and a message, whatever stands before', () => {
  expect(parseLine('x {"time":5,"message":"m","node":"n"}')).toMatchObject({ at: 5, node: 'n' });
  for (const bad of ['', '{}', '{"time":"x","message":"m"}', '[1]', '{"time":5}', 'x {']) {
    expect(parseLine(bad)).toBeUndefined();
  }
});

test('a line of a time that no calendar has is none of ours: it had ended the whole story', () => {
  for (const time of [1e300, -9e15, 'yesterday', null]) {
    expect(
      parseLine(JSON.stringify({ time, node: 'a', message: 'm', trace: 't' })),
    ).toBeUndefined();
  }
  expect(parseLine(JSON.stringify({ time: 1e12, message: 'm' }))?.at).toBe(1e12);
});
