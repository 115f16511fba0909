/**
 * Clients that ask the whole time while a test breaks the directory, and what may be said to them.
 * A temporary failure is always allowed; a permanent one never to whom the farm serves; nobody who
 * does not exist, or has the wrong password, ever gets in.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { Pop3Chat } from '../harness/pop3-chat.ts';
import { SmtpChat } from '../harness/smtp-chat.ts';

export interface LoadOptions {
  readonly ports: readonly { readonly mx: number; readonly pop3: number }[];
  /** Users that exist all the time; their password is `demo`. */
  readonly users: readonly string[];
  /** Clients of each of the four kinds. */
  readonly lanes?: number;
  /** Time between two questions of a client, in ms. */
  readonly pauseMs?: number;
}

/** Counted answers of one kind of question. */
export interface Tally {
  accepted: number;
  temporary: number;
  permanent: number;
  /** The connection broke; a client tries again. */
  broken: number;
}

export type Kind = 'mail' | 'mail-to-nobody' | 'login' | 'login-wrong';

export interface DirectoryLoad {
  readonly tallies: Readonly<Record<Kind, Tally>>;
  /** What must not have been said, in words; empty is the only good result. */
  readonly violations: readonly string[];
  /** Tallies since the last call. */
  since(): Record<Kind, Tally>;
  stop(): Promise<void>;
}

const KINDS: readonly Kind[] = ['mail', 'mail-to-nobody', 'login', 'login-wrong'];
const empty = (): Tally => ({ accepted: 0, temporary: 0, permanent: 0, broken: 0 });
const tallies = (): Record<Kind, Tally> => ({
  mail: empty(),
  'mail-to-nobody': empty(),
  login: empty(),
  'login-wrong': empty(),
});

type Answer = { readonly verdict: keyof Tally; readonly text: string };

/** Which verdict is a lie for which question. */
const LIES: Readonly<Record<Kind, keyof Tally>> = {
  mail: 'permanent',
  'mail-to-nobody': 'accepted',
  login: 'permanent',
  'login-wrong': 'accepted',
};

/** Begins to ask; goes on until it is stopped. */
export function startLoad(options: LoadOptions): DirectoryLoad {
  const total = tallies();
  let recent = tallies();
  const violations: string[] = [];
  const ending = new AbortController();
  const lane = async (kind: Kind, number: number): Promise<void> => {
    for (let n = number; !ending.signal.aborted; n++) {
      const at = options.ports[n % options.ports.length];
      const user = options.users[(n * 7 + number) % options.users.length] ?? '';
      if (!at) return;
      const { verdict, text } = await ask(kind, at, user, n).catch((error: Error): Answer => ({
        verdict: 'broken',
        text: error.message,
      }));
      total[kind][verdict] += 1;
      recent[kind][verdict] += 1;
      if (verdict === LIES[kind] && violations.length < 20) {
        violations.push(`${kind} ${user}: ${text}`);
      }
      await sleep(options.pauseMs ?? 20);
    }
  };
  const lanes = KINDS.flatMap((kind) =>
    Array.from({ length: options.lanes ?? 3 }, (_, number) => lane(kind, number)),
  );
  return {
    tallies: total,
    violations,
    since: () => {
      const before = recent;
      recent = tallies();
      return before;
    },
    stop: async () => {
      ending.abort();
      await Promise.all(lanes);
    },
  };
}

async function ask(
  kind: Kind,
  at: LoadOptions['ports'][number],
  user: string,
  n: number,
): Promise<Answer> {
  if (kind === 'mail') return await askMail(at.mx, user);
  if (kind === 'mail-to-nobody') return await askMail(at.mx, `nobody-${n}@example.test`);
  return await askLogin(at.pop3, user, kind === 'login' ? 'demo' : `wrong-${n}`);
}

/** Up to RCPT: what the directory says decides there. */
async function askMail(port: number, to: string): Promise<Answer> {
  const { chat } = await SmtpChat.open({ port });
  try {
    await chat.hello();
    await chat.command('MAIL FROM:<sender@world.example>');
    const reply = await chat.command(`RCPT TO:<${to}>`);
    const text = `${reply.code} ${reply.text}`;
    if (reply.code < 300) return { verdict: 'accepted', text };
    return { verdict: reply.code < 500 ? 'temporary' : 'permanent', text };
  } finally {
    chat.stream.destroy();
  }
}

async function askLogin(port: number, user: string, password: string): Promise<Answer> {
  const { chat } = await Pop3Chat.open({ port });
  try {
    await chat.expect(`USER ${user}`);
    const reply = await chat.command(`PASS ${password}`);
    const text = `${reply.code} ${reply.text}`;
    if (reply.ok) {
      await chat.command('QUIT'); // In order: no session is left behind.
      return { verdict: 'accepted', text };
    }
    const isTemporary = reply.code === 'SYS/TEMP' || reply.code === 'IN-USE';
    return { verdict: isTemporary ? 'temporary' : 'permanent', text };
  } finally {
    chat.stream.destroy();
  }
}
