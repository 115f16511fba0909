/**
 * Conversations as tables: what a client asks over HTTP and what it is to hear, on a mailbox with
 * known letters. Words such as `@inbox` and `@lunch` stand for ids, in what is asked and expected.
 */
import { test, expect } from 'vitest';
import { systemClock } from '../../base/clock.ts';
import { MemoryStore } from '../../mailbox/memory.ts';
import type { Submission } from '../types.ts';
import { startJmap, type TestJmap } from './server.ts';
import { LETTERS } from './letters.ts';

export type Call = readonly [method: string, args: object];
/** The name of the response, and what is in it, as `toMatchObject` has it. */
export type Expected = readonly [name: string, args: object];
export type Conversation = readonly [
  title: string,
  calls: readonly Call[],
  expected: readonly Expected[],
];

type Ids = ReadonlyMap<string, string>;

interface Site {
  readonly jmap: TestJmap;
  readonly ids: Ids;
}

const VALUES = { 'jmap.get.objects': 20, 'jmap.set.objects': 10, 'jmap.request.calls': 8 };

async function site(): Promise<Site> {
  const store = new MemoryStore();
  let vacation: unknown;
  const jmap = await startJmap({
    store,
    values: VALUES,
    submitter: {
      submit: async (submission: Submission) => {
        for await (const piece of submission.message()) void piece;
        const reply = { code: 250, enhanced: '2.6.0', text: 'Taken' };
        return { kind: 'accepted', reply };
      },
    },
    affairs: {
      vacation: async () => vacation as never,
      setVacation: async (given) => {
        vacation = given;
        return { kind: 'done' };
      },
    },
  });
  const mail = await store.openMail(jmap.account);
  await mail.create('Drafts', 'Drafts');
  await mail.create('Sent', 'Sent');
  await mail.create('Projects');
  await mail.create('Projects/Boat');
  const now = systemClock.now();
  let day = LETTERS.length;
  for (const { folder, text, letters = '', keywords = [] } of LETTERS) {
    const date = now - 86_400_000 * day--;
    const draft = await mail.draft(folder, { letters, keywords, date });
    await draft.write(Buffer.from(text));
    await mail.append(folder, [draft]);
  }
  mail.close();
  return { jmap, ids: await idsOf(jmap) };
}

/** By role or name of mailboxes, by the first word of subjects, of identities. */
async function idsOf(jmap: TestJmap): Promise<Ids> {
  const accountId = jmap.account.id;
  const ids = new Map([['account', accountId]]);
  const all = await jmap.calls(
    ['Mailbox/get', { accountId }],
    ['Email/query', { accountId }],
    [
      'Email/get',
      {
        accountId,
        '#ids': { resultOf: 'c1', name: 'Email/query', path: '/ids' },
        properties: ['subject', 'blobId', 'threadId'],
      },
    ],
    ['Identity/get', { accountId }],
  );
  const list = (at: number): readonly Readonly<Record<string, string | null>>[] =>
    all[at]?.[1]['list'] as never;
  for (const { id, role, name } of list(0)) ids.set((role ?? String(name)).toLowerCase(), id ?? '');
  for (const { id, subject, blobId, threadId } of list(2)) {
    const word = String(subject).split(' ')[0]?.toLowerCase() ?? '';
    ids
      .set(word, id ?? '')
      .set(`${word}.blob`, blobId ?? '')
      .set(`${word}.thread`, threadId ?? '');
  }
  ids.set('identity', list(3)[0]?.['id'] ?? '');
  for (const [at, [name, args]] of all.entries()) {
    ids.set(['mailboxes', 'queried', 'emails', 'identities'][at] ?? name, String(args['state']));
  }
  return ids;
}

const WORD = /@([a-z]+(?:\.[a-z]+)?)/g;

/** With ids for words, in names and values; functions of expectations stay. */
function filled(value: unknown, ids: Ids): unknown {
  if (typeof value === 'string') return value.replaceAll(WORD, (all, word) => ids.get(word) ?? all);
  if (Array.isArray(value)) return value.map((one) => filled(one, ids));
  if (value === null || Object.getPrototypeOf(value) !== Object.prototype) return value;
  return Object.fromEntries(
    Object.entries(value as object).map(([name, one]) => [filled(name, ids), filled(one, ids)]),
  );
}

/** Each on a mailbox of its own. */
export function conversations(table: readonly Conversation[]): void {
  test.for(table)('%s', async ([, calls, expected]) => {
    const { jmap, ids } = await site();
    try {
      const asked = calls.map(([name, args]): readonly [string, object] => {
        const all = name === 'Core/echo' ? args : { accountId: '@account', ...args };
        return [name, filled(all, ids) as object];
      });
      const answers = await jmap.calls(...asked);
      expect(
        answers.map(([name]) => name),
        JSON.stringify(answers),
      ).toEqual(expected.map(([name]) => name));
      for (const [at, [, args]] of expected.entries()) {
        expect(answers[at]?.[1]).toMatchObject(filled(args, ids) as object);
      }
    } finally {
      await jmap.close();
    }
  });
}
