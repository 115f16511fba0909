/**
 * Two nodes of JMAP on one mailbox, for tests of methods: requests alternate between them, so that
 * nothing a node remembers can be what makes an answer right. Beside them stands a program that
 * knows nothing of JMAP, as IMAP does.
 */
import { systemClock, type Clock } from '../../base/clock.ts';
import { systemRandom } from '../../base/random.ts';
import { memoryAccount } from '../../directory/memory.ts';
import type { Account, Vacation } from '../../directory/types.ts';
import { silentLogger } from '../../log/types.ts';
import type { Mail } from '../../mailbox/mail.ts';
import { MemoryStore } from '../../mailbox/memory.ts';
import { openMaildirMail } from '../../mailbox/testing/maildir-mail.ts';
import type { MailStore } from '../../mailbox/types.ts';
import { OpenMailViews } from '../../mailbox/views.ts';
import { AccountBlobs } from '../blobs.ts';
import { METHODS } from '../methods.ts';
import { runRequest } from '../run.ts';
import { Uploads } from '../uploads.ts';
import {
  CAPABILITIES,
  type AffairsVerdict,
  type Args,
  type JmapContext,
  type JmapLimits,
  type Submission,
  type SubmitVerdict,
} from '../types.ts';
import type { Invocation } from '../wire/request.ts';

export const LIMITS: JmapLimits = {
  maxSizeUpload: 1_000_000,
  maxConcurrentUpload: 4,
  maxSizeRequest: 10_000_000,
  maxConcurrentRequests: 4,
  maxCallsInRequest: 16,
  maxObjectsInGet: 500,
  maxObjectsInSet: 500,
  maxSizeAttachmentsPerEmail: 1_000_000,
  maxSizeMessage: 2_000_000,
  maxMailboxDepth: 5,
  maxSizeMailboxName: 100,
  searchMs: 5_000,
  threadsMs: 20_000,
};

const UPLOADS = { size: 1_000_000, total: 10_000_000, keepMs: 86_400_000 };
const OFFERED = { methods: METHODS, capabilities: Object.values(CAPABILITIES) };

/** What was submitted, message and all. */
export interface Sent {
  readonly submission: Submission;
  readonly message: string;
}

export interface Nodes {
  readonly account: Account;
  /** As IMAP sees it, on a host of its own. */
  readonly mail: Mail;
  readonly sent: Sent[];
  /** What the next submissions come to; accepted when it is empty. */
  readonly verdicts: SubmitVerdict[];
  readonly affairs: { vacation: Vacation | undefined; verdict: AffairsVerdict };
  /** One call at the node whose turn it is: its only response. */
  ask(method: string, args?: Args): Promise<Args>;
  /** The calls of one request; responses by call id, those of one call in a row. */
  request(...calls: readonly Invocation[]): Promise<readonly Invocation[]>;
  /** An uploaded file. @returns its blob id */
  upload(content: string, type?: string): Promise<string>;
  close(): Promise<void>;
}

/** Stores that a suite runs on. */
export const STORES = ['memory', 'Maildirs'] as const;

interface Opened {
  readonly account: Account;
  readonly stores: readonly [MailStore, MailStore];
  readonly mail: Mail;
  close(): Promise<void>;
}

async function opened(kind: (typeof STORES)[number], clock: Clock): Promise<Opened> {
  if (kind === 'memory') {
    const account = memoryAccount({ login: 'alice@example.test', addresses: ['al@example.test'] });
    const store = new MemoryStore(clock);
    const mail = await store.openMail(account);
    return { account, stores: [store, store], mail, close: async () => {} };
  }
  const under = await openMaildirMail();
  const account = { ...under.account, addresses: ['alice@example.test', 'al@example.test'] };
  return { account, stores: under.stores, mail: under.two, close: () => under.close() };
}

export async function openNodes(
  kind: (typeof STORES)[number],
  clock: Clock = systemClock,
): Promise<Nodes> {
  const { account, stores, mail, close } = await opened(kind, clock);
  const views = stores.map((store) => new OpenMailViews({ store, clock }));
  const uploads = new Uploads({ clock, random: systemRandom, limits: UPLOADS });
  const sent: Sent[] = [];
  const verdicts: SubmitVerdict[] = [];
  const affairs: Nodes['affairs'] = { vacation: undefined, verdict: { kind: 'done' } };
  let turn = 0;
  const context = async (): Promise<JmapContext> => {
    const view = await (views[turn++ % 2] as OpenMailViews).of(account);
    return {
      account,
      login: account.login,
      trace: 'trace',
      address: '192.0.2.1',
      view,
      createdIds: new Map(),
      limits: LIMITS,
      blobs: new AccountBlobs(view, uploads),
      submitter: {
        submit: async (submission) => {
          const pieces: Buffer[] = [];
          for await (const piece of submission.message()) pieces.push(Buffer.from(piece));
          sent.push({ submission, message: Buffer.concat(pieces).toString() });
          const reply = { code: 250, enhanced: '2.6.0', text: 'Taken' };
          return verdicts.shift() ?? { kind: 'accepted', reply };
        },
      },
      affairs: {
        vacation: async () => affairs.vacation,
        setVacation: async (vacation) => {
          if (affairs.verdict.kind === 'done') affairs.vacation = vacation;
          return affairs.verdict;
        },
      },
      clock,
      random: systemRandom,
      logger: silentLogger,
    };
  };
  const request: Nodes['request'] = async (...calls) => {
    const using = Object.values(CAPABILITIES);
    return await runRequest({ using, calls, createdIds: undefined }, await context(), OFFERED);
  };
  return {
    account,
    mail,
    sent,
    verdicts,
    affairs,
    request,
    ask: async (name, args = {}) => {
      const all = { accountId: account.id, ...args };
      const responses = await request({ name, args: all, callId: '0' });
      // As the client reads it.
      return JSON.parse(JSON.stringify(responses[0]?.args)) as Args;
    },
    upload: async (content, type = 'application/octet-stream') => {
      const { blobs } = await context();
      return (await blobs.keep(once(content), type)).blobId;
    },
    close: async () => {
      for (const one of views) one.close();
      await close();
    },
  };
}

async function* once(content: string): AsyncGenerator<Uint8Array> {
  yield Buffer.from(content);
}
