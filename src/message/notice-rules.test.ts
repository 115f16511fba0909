import { expect, test } from 'vitest';
import { isToldOf, type NoticeEvent, type NoticeQuestion } from './notice-rules.ts';

const EVENTS: readonly NoticeEvent[] = ['failed', 'delayed', 'delivered', 'relayed', 'expanded'];
const asked = (more: Partial<NoticeQuestion>): string =>
  EVENTS.filter((event) => {
    const question = { event, sender: 'a@b.test', origin: 'submission', ...more } as const;
    return isToldOf(question).tell;
  }).join(' ');

test.each<[name: string, Partial<NoticeQuestion>, told: string]>([
  ['nothing said: failure and delay', {}, 'failed delayed'],
  ['NOTIFY=NEVER', { notify: 'never' }, ''],
  ['NOTIFY=FAILURE', { notify: ['failure'] }, 'failed'],
  ['NOTIFY=DELAY', { notify: ['delay'] }, 'delayed'],
  ['NOTIFY=SUCCESS', { notify: ['success'] }, 'delivered relayed expanded'],
  [
    'NOTIFY=SUCCESS,FAILURE',
    { notify: ['success', 'failure'] },
    'failed delivered relayed expanded',
  ],
  ['all of them', { notify: ['delay', 'success', 'failure'] }, EVENTS.join(' ')],
  ['an empty list', { notify: [] }, ''],
  ['the null sender', { sender: '' }, ''],
  ['the null sender asks', { sender: '', notify: ['failure', 'success'] }, ''],
  ['a notice of ours', { origin: 'notice' }, ''],
  ['a notice of ours with a sender', { origin: 'notice', notify: ['failure'] }, ''],
  ['an answer in absence', { origin: 'vacation', notify: ['failure'] }, ''],
  ['a bounce with a sender', { sender: 'MAILER-DAEMON@b.test', notify: ['failure'] }, ''],
  ['a bounce with a quoted one', { sender: '"Mailer-Daemon"@b.test' }, ''],
  ['a name that only starts so', { sender: 'mailer-daemons@b.test' }, 'failed delayed'],
  ['a forward', { origin: 'forward' }, 'failed delayed'],
  ['a list', { origin: 'list' }, 'failed delayed'],
  ['through the relay', { origin: 'relay' }, 'failed delayed'],
])('[P-08] who is told: %s', (_name, question, told) => expect(asked(question)).toBe(told));

test('[P-08] a notice that is not sent has its reason', () => {
  const why = (more: Partial<NoticeQuestion>): unknown =>
    isToldOf({ event: 'failed', sender: 'a@b.test', origin: 'relay', ...more });
  expect(why({ sender: '' })).toEqual({ tell: false, why: 'null-sender' });
  expect(why({ origin: 'vacation' })).toEqual({ tell: false, why: 'notice-of-ours' });
  expect(why({ sender: 'mailer-daemon' })).toEqual({ tell: false, why: 'sender-is-a-mailer' });
  expect(why({ notify: 'never' })).toEqual({ tell: false, why: 'notify-never' });
  expect(why({ notify: ['success'] })).toEqual({ tell: false, why: 'not-asked-for' });
});
