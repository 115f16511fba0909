/** A submission service on memory, for the tests of this module. */
import { createAuthenticator } from '../auth/authenticator.ts';
import type { Clock } from '../base/clock.ts';
import { TestClock } from '../base/testing.ts';
import { systemRandom } from '../base/random.ts';
import { defaults } from '../config/options.ts';
import type { Delivery, IncomingOptions, Leaving, Outbound } from '../delivery/types.ts';
import {
  memoryAccount,
  memoryDirectory,
  memoryList,
  type MemoryContents,
  type MemoryDirectory,
} from '../directory/memory.ts';
import { silentLogger, type Logger } from '../log/types.ts';
import { memoryDelivery, type MemoryDelivery } from '../mx/testing.ts';
import type { Service, TlsContexts } from '../net/types.ts';
import { SMTP_OPTIONS, type SmtpOptions } from '../smtp/options.ts';
import { testTls } from '../smtp/testing/certificate.ts';
import { StrictClient } from '../smtp/testing/client.ts';
import { listen } from '../smtp/testing/listener.ts';
import type { Mark, Marks } from '../spool/marks.ts';
import { StoreError } from '../volumes/error.ts';
import type { VerifyToken } from './login.ts';
import { SUBMISSION_OPTIONS, type SubmissionOptions } from './options.ts';
import { createSubmissionService, type SubmissionParts } from './service.ts';

/** Marks that several services of a test share, as nodes share a spool volume. */
export class MemoryMarks implements Pick<Marks, 'add' | 'sum'> {
  /** Every question and every mark throws StoreError. */
  down = false;
  sums = 0;
  /** Everything that was told, by kind and key. */
  readonly told: (Mark & { readonly value: number; readonly at: number })[] = [];
  readonly #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  async add({ kind, key }: Mark, value = 1): Promise<void> {
    this.#ask();
    this.told.push({ kind, key, value, at: this.#clock.now() });
  }

  async sum({ kind, key }: Mark, withinMs: number): Promise<number> {
    this.#ask();
    this.sums += 1;
    const since = this.#clock.now() - withinMs;
    const all = this.told.filter((one) => one.kind === kind && one.key === key && one.at > since);
    return all.reduce((sum, { value }) => sum + value, 0);
  }

  #ask(): void {
    if (this.down) throw new StoreError('volume-down', 'test: no spool volume');
  }
}

/** A letter as delivery got it. */
export interface Letter {
  readonly options: IncomingOptions;
  /** What was written: header as it was mended, blank line, body. */
  readonly content: Buffer;
  readonly header: string;
  readonly body: Buffer;
  readonly leaving: readonly Leaving[];
  /** Logins of the mailboxes. */
  readonly mailboxes: readonly string[];
}

export interface TestSubmission {
  readonly port: number;
  readonly service: Service;
  readonly directory: MemoryDirectory;
  readonly delivery: MemoryDelivery;
  readonly letters: Letter[];
  readonly outbound: { full: boolean };
  readonly marks: MemoryMarks;
  readonly clock: TestClock;
  readonly tls: TlsContexts;
  readonly logged: { readonly level: string; readonly fields: object; readonly message: string }[];
  close(): Promise<void>;
}

export interface TestOptions {
  readonly options?: Partial<SmtpOptions & SubmissionOptions>;
  readonly contents?: MemoryContents;
  readonly verifyToken?: VerifyToken;
  /** Of another service in the same test: the same farm. */
  readonly farm?: Pick<TestSubmission, 'directory' | 'marks' | 'clock'>;
  readonly through?: Delivery;
  readonly more?: Partial<SubmissionParts>;
}

export const PASSWORD = 'secret of the test';

/** alice (with aliases, in a site), bob, carol, sam who may not send; a list of alice's. */
export const CONTENTS: MemoryContents = {
  accounts: [
    memoryAccount({
      login: 'alice@farm.test',
      addresses: ['al@farm.test', 'älice@bücher.test', 'a b@farm.test'],
      site: 'north',
    }),
    memoryAccount({ login: 'bob@farm.test' }),
    memoryAccount({ login: 'carol@farm.test', forwards: ['carol@else.test'] }),
    memoryAccount({ login: 'sam@farm.test', suspended: ['submission'] }),
    memoryAccount({ login: 'nomail@farm.test', suspended: ['mail'] }),
    memoryAccount({ login: 'desk@farm.test', forwards: ['team@farm.test'], keepsForwarded: true }),
  ],
  passwords: {
    'alice@farm.test': PASSWORD,
    'bob@farm.test': PASSWORD,
    'carol@farm.test': PASSWORD,
    'sam@farm.test': PASSWORD,
  },
  domains: [
    { name: 'farm.test', all: 'anyone' },
    'bücher.test',
    { name: 'alias.test', aliasOf: 'farm.test' },
    { name: 'north.farm.test', site: 'north' },
    { name: 'catch.test', catchAll: 'alice@farm.test' },
  ],
  lists: [
    memoryList({ address: 'team@farm.test', members: ['bob@farm.test'], owner: 'al@farm.test' }),
    memoryList({
      address: 'board@farm.test',
      members: ['alice@farm.test', 'out@else.test'],
      posting: 'members',
      owner: 'bob@farm.test',
    }),
  ],
  administrators: ['bob@farm.test'],
};

/** Starts a service on a port of its own. */
export async function openSubmission(given: TestOptions = {}): Promise<TestSubmission> {
  const clock = given.farm?.clock ?? new TestClock();
  const directory = given.farm?.directory ?? memoryDirectory(given.contents ?? CONTENTS);
  const marks = given.farm?.marks ?? new MemoryMarks(clock);
  const delivery = memoryDelivery();
  const letters: Letter[] = [];
  const outbound = { full: false };
  const logged: TestSubmission['logged'] = [];
  const tls = testTls();
  const way: Outbound = {
    accept: async () => {
      if (outbound.full) throw new StoreError('volume-full', 'test: the spool is full');
    },
  };
  const service = createSubmissionService({
    directory,
    delivery: given.through ?? collecting(delivery, letters),
    outbound: way,
    auth: createAuthenticator({ directory }),
    verifyToken: given.verifyToken,
    marks,
    tls,
    options: { ...defaults(SMTP_OPTIONS), ...defaults(SUBMISSION_OPTIONS), ...given.options },
    logger: collectingLogger(logged),
    clock,
    random: systemRandom,
    hostName: 'mail.farm.test',
    ...given.more,
  });
  const { port, close } = await listen(service);
  const common = { port, service, directory, delivery, letters, outbound };
  return { ...common, marks, clock, tls, logged, close };
}

/** A client after STARTTLS, EHLO and, with a login, AUTH. */
export async function client(
  { port }: Pick<TestSubmission, 'port'>,
  login?: string,
): Promise<StrictClient> {
  const chat = await StrictClient.open(port);
  await chat.reply();
  await chat.command('EHLO client.example');
  await chat.command('STARTTLS');
  await chat.startTls('mail.farm.test');
  await chat.command('EHLO client.example');
  if (login !== undefined) {
    const { code } = await chat.command(`AUTH PLAIN ${plain(login)}`);
    if (code !== 235) throw new Error(`login as ${login}: ${code}`);
  }
  return chat;
}

/** PLAIN's initial response. */
export const plain = (login: string, password = PASSWORD, identity = ''): string =>
  Buffer.from(`${identity}\0${login}\0${password}`).toString('base64');

export interface Send {
  readonly from?: string;
  readonly to?: readonly string[];
  /** With LF; sent with CR LF, dots stuffed. */
  readonly message?: string;
}

/** Codes of MAIL, each RCPT and the data: `250 2.1.0`. Ends at the first that refuses. */
export async function send(chat: StrictClient, given: Send = {}): Promise<string[]> {
  const { from = '<alice@farm.test>', to = ['<bob@farm.test>'] } = given;
  const codes: string[] = [];
  const say = async (line: string): Promise<boolean> => {
    const { code, enhanced } = await chat.command(line);
    codes.push(`${code} ${enhanced}`.trim());
    return code < 400;
  };
  if (!(await say(`MAIL FROM:${from}`))) return codes;
  let accepted = 0;
  for (const one of to) if (await say(`RCPT TO:${one}`)) accepted += 1;
  if (accepted === 0 || !(await say('DATA'))) {
    await chat.command('RSET');
    return codes;
  }
  codes.pop(); // 354
  const message = given.message ?? 'From: alice@farm.test\nSubject: x\n\nhello\n';
  const wire = message.replaceAll('\n', '\r\n').replace(/^\./gm, '..');
  await say(`${wire}.`);
  return codes;
}

/** A delivery that also keeps letters as they were given, for those that leave. */
function collecting(delivery: MemoryDelivery, letters: Letter[]): Delivery {
  return {
    check: (account, bytes) => delivery.check(account, bytes),
    begin: (options) => {
      const incoming = delivery.begin(options);
      const chunks: Buffer[] = [];
      return {
        get left() {
          return incoming.left;
        },
        write: async (chunk) => {
          chunks.push(Buffer.from(chunk));
          await incoming.write(chunk);
        },
        abort: () => incoming.abort(),
        commit: async () => {
          const results = await incoming.commit();
          const content = Buffer.concat(chunks);
          const blank = content.indexOf('\n\n');
          letters.push({
            options,
            content,
            header: content.toString('utf8', 0, blank + 1),
            body: content.subarray(blank + 2),
            leaving: options.leaving ?? [],
            mailboxes: options.recipients.map(({ account }) => account.login),
          });
          return results;
        },
      };
    },
  };
}

function collectingLogger(logged: TestSubmission['logged']): Logger {
  const at = (level: string) => (fields: object, message: string) =>
    void logged.push({ level, fields, message });
  const info = at('info');
  return { ...silentLogger, info, warn: at('warn'), error: at('error'), child: () => silentLogger };
}
