import { systemClock } from '../../base/clock.ts';
import { systemRandom as random } from '../../base/random.ts';
import type { UserRecord } from '../../directory/admin/users.ts';
import { openMessages, type Message, type Messages } from '../../mailbox/messages.ts';
import { withAdmin } from '../administration.ts';
import { done, flagOn, UsageError, word, type Call, type Group } from '../command.ts';
import { counted, humanBytes } from '../human.ts';

/** Works on the mailbox of the user whom the first argument names. */
async function withMessages<T>(
  call: Call,
  work: (messages: Messages, user: UserRecord) => Promise<T>,
): Promise<T> {
  return await withAdmin(call, async (admin) => {
    const user = await admin.users.show(word(call, 0));
    const entries = await admin.volumes.list();
    const clock = call.clock ?? systemClock;
    const messages = openMessages({ who: admin.who, entries, clock, random });
    try {
      return await work(messages, user);
    } finally {
      messages.close();
    }
  });
}

async function list(call: Call): Promise<void> {
  const messages = await withMessages(call, (store, user) => store.list(user));
  if (call.json) return call.out.json(messages);
  const right = { align: 'right' } as const;
  call.out.table(
    ['uidl', { title: 'size', ...right }, 'flags', 'delivered', 'in'],
    messages.map(({ uidl, octets, flags, deliveredAt, directory }) => [
      uidl,
      humanBytes(octets),
      flags,
      deliveredAt === undefined ? '' : timeText(deliveredAt),
      directory,
    ]),
  );
}

const timeText = (at: number): string =>
  `${new Date(at).toISOString().slice(0, 16).replace('T', ' ')} UTC`;

async function show(call: Call): Promise<void> {
  if (call.json) throw new UsageError('message show gives a message as it is; there is no --json');
  await withMessages(call, async (messages, user) => {
    const whole = messages.read(user, word(call, 1));
    const pieces = flagOn(call, 'headers') ? headersOf(whole) : whole;
    for await (const piece of pieces) await call.out.bytes(piece);
  });
}

/** Up to the empty line that ends the headers (RFC 5322 §2.1), without it. */
async function* headersOf(pieces: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let held: Buffer = Buffer.from('\r\n'); // A message may begin with the empty line.
  let skip = held.length;
  for await (const piece of pieces) {
    const joined = Buffer.concat([held, piece]);
    const end = joined.indexOf('\r\n\r\n');
    if (end >= 0) {
      yield joined.subarray(skip, Math.max(skip, end + 2));
      return;
    }
    const keep = Math.max(skip, joined.length - 3);
    if (keep > skip) yield joined.subarray(skip, keep);
    held = joined.subarray(keep > skip ? keep : 0);
    if (keep > skip) skip = 0;
  }
  if (held.length > skip) yield held.subarray(skip);
}

async function remove(call: Call): Promise<void> {
  const [login = '', ...ids] = call.args;
  if (!flagOn(call, 'yes')) {
    const what = `${counted(ids.length, 'message')} of ${login}`;
    const answer = await call.confirm?.(`Delete ${what} for good? [y/N] `);
    if (answer === undefined) {
      throw new UsageError('message remove deletes for good; say --yes where no terminal asks');
    }
    if (!answer) throw new UsageError('nothing was deleted');
  }
  const gone = await withMessages(call, (messages, user) => messages.remove(user, ids));
  done(
    call,
    gone.map((message: Message) => message.uidl),
    `${counted(gone.length, 'message')} of ${login} deleted`,
  );
}

const REMOVED_AT_ONCE_MAX = 10_000;

export const MESSAGE_COMMANDS: Group = {
  'message list': {
    usage: 'NAME@DOMAIN',
    summary: 'Lists the messages in a mailbox; for operators, as the service user',
    examples: ['mailfarm message list carol@example.test --json'],
    args: [1, 1],
    run: list,
  },
  'message show': {
    usage: 'NAME@DOMAIN UIDL [--headers]',
    summary: 'Prints a message as it is; on a terminal without control characters',
    examples: [
      'mailfarm message show carol@example.test UIDL --headers',
      'mailfarm message show carol@example.test UIDL > letter.eml',
    ],
    options: { headers: { type: 'boolean', doc: 'Only what stands above the first empty line' } },
    args: [2, 2],
    run: show,
  },
  'message remove': {
    usage: 'NAME@DOMAIN UIDL … [--yes]',
    summary: 'Deletes messages for good: all that are named, or none',
    examples: ['mailfarm message remove carol@example.test UIDL --yes'],
    options: { yes: { type: 'boolean', doc: 'Does not ask' } },
    args: [2, REMOVED_AT_ONCE_MAX],
    run: remove,
  },
};
