/**
 * What follows from a letter once it is durable: notices of success that its sender asked for (RFC
 * 3461), answers of users who are away (RFC 3834), and the question to moderators of a list. The
 * client has its 250 by then: nothing here holds up a reply or changes one, and a process that
 * dies loses an answer, never a letter.
 *
 * "Once a week for each sender" is a mark of the spool volumes, which all nodes see: asked for,
 * then made, then answered. Two nodes that get two letters of one sender in one moment may both
 * answer: one answer too many, where the other order would leave a sender without any after a
 * crash. Where no mark can be read or made, nobody is answered: in doubt a machine answers less.
 *
 * Anybody may write in anybody's name: a sender is one whatever stands behind its plus, and a user
 * answers so many in an hour and no more.
 *
 * No answer where the letter came by a list, is parked, or a copy of somebody else's forward: then
 * the user's own address is not in it (vacation-rules.ts). Work is bounded: what comes while enough
 * is under way is left undone and counted; a flood deserves no answers.
 */
import type { Clock } from '../base/clock.ts';
import type { Random } from '../base/random.ts';
import { HeadCollector, type MessageHead } from '../message/head.ts';
import { isToldOf } from '../message/notice-rules.ts';
import { writeNotice } from '../message/notice.ts';
import { vacationAnswer } from '../message/vacation-rules.ts';
import { writeVacation } from '../message/vacation.ts';
import type { Logger } from '../log/types.ts';
import type { Marks } from '../spool/marks.ts';
import { isAscii } from '../message/plain.ts';
import { answers } from './metrics.ts';
import { moderationNotice } from './list-notices.ts';
import { OwnLetters, type OwnLettersParts } from './own-letters.ts';
import type { Delivered, IncomingOptions, Left, SuccessWish } from './types.ts';

export interface AftermathParts extends OwnLettersParts {
  /** Whom somebody answered, on the spool volumes. */
  readonly marks: Pick<Marks, 'add' | 'sum'>;
  readonly hostName: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
}

/** A letter that is durable. */
export interface DurableLetter {
  readonly options: IncomingOptions;
  readonly results: readonly Delivered[];
  readonly left: readonly Left[];
  /** Its header as it came; undefined where nothing can follow from it. */
  readonly head: Buffer | undefined;
}

/** How long a sender who was answered is not answered again (RFC 3834 §2). */
export const ANSWERED_MS = 7 * 86_400_000;
/** Answers of one user, over the whole farm: people who write to one person are fewer. */
export const ANSWERS_PER_HOUR = 100;
const HOUR_MS = 3_600_000;
/** Under way at once, in this process. */
const AT_ONCE_MAX = 64;

export class Aftermath {
  readonly #parts: AftermathParts;
  readonly #letters: OwnLetters;
  readonly #running = new Set<Promise<void>>();

  constructor(parts: AftermathParts) {
    this.#parts = parts;
    this.#letters = new OwnLetters(parts);
  }

  /** Returns at once. Never throws. */
  of(letter: DurableLetter): void {
    for (const one of letter.left) {
      if (one.id !== undefined) this.#run(letter, () => this.#ask(letter, one));
    }
    const sender = letter.options.envelope?.sender ?? '';
    if (letter.head === undefined || sender === '') return;
    const wishes = this.#granted(letter);
    if (wishes.length > 0) this.#run(letter, () => this.#notify(letter, wishes));
    for (const one of letter.results) {
      const isHere = one.name !== undefined && one.parkedOn === undefined;
      const { account, list } = one.recipient;
      if (!isHere || list !== undefined || account.vacation === undefined) continue;
      this.#run(letter, () => this.#answer(letter, one));
    }
  }

  /** Resolves when what runs has ended. */
  async idle(): Promise<void> {
    while (this.#running.size > 0) await Promise.allSettled(this.#running);
  }

  #run({ options }: DurableLetter, work: () => Promise<void>): void {
    if (this.#running.size >= AT_ONCE_MAX) return answers.inc('busy');
    const running = work()
      .catch((error: unknown) => {
        answers.inc('failed');
        this.#parts.log.warn({ trace: options.id, err: error }, 'answer or notice not sent');
      })
      .finally(() => this.#running.delete(running));
    this.#running.add(running);
  }

  /** Wishes whose mailboxes have it all. */
  #granted({ options, results, left }: DurableLetter): readonly SuccessWish[] {
    const failed = new Set(
      results.filter((one) => one.error ?? one.dropped).map((one) => one.recipient.account.id),
    );
    const isOut = left.every(({ error }) => error === undefined);
    const isSome = [...results, ...left].some((one) => !one.error && !one.dropped);
    return (options.success ?? []).filter(
      ({ accounts, action }) =>
        isSome && (isOut || action === 'delivered') && accounts.every((id) => !failed.has(id)),
    );
  }

  async #notify({ options, head }: DurableLetter, wishes: readonly SuccessWish[]): Promise<void> {
    const { clock, random, hostName } = this.#parts;
    const { sender = '', envid, smtpUtf8 = false } = options.envelope ?? {};
    const event = wishes.some(({ action }) => action === 'expanded') ? 'expanded' : 'delivered';
    const origin = 'relay';
    if (!isToldOf({ event, sender, origin, notify: ['success'] }).tell) return;
    const bytes = Buffer.concat([head ?? Buffer.alloc(0), Buffer.from('\n')]);
    const at = clock.now();
    const notice = await writeNotice({
      to: sender,
      host: hostName,
      at,
      acceptedAt: at,
      recipients: wishes.map(({ address, original, action }) => {
        return { event: action, address, original, status: '2.0.0' };
      }),
      ret: 'hdrs', // RFC 3461 §5.3: success returns no body.
      envid,
      smtpUtf8,
      letter: {
        octets: bytes.length,
        read: async (offset, length) => bytes.subarray(offset, offset + length),
      },
      fullOctetsMax: 0,
      sevenBit: true,
      random,
    });
    const letter = { to: sender, trace: options.id, origin: 'notice', text: notice.bytes } as const;
    const told = await this.#letters.send({ ...letter, smtpUtf8: notice.smtpUtf8 });
    answers.inc(told ? 'notice' : 'nobody');
  }

  /** Who may say yes, that there is something to decide. */
  async #ask({ options, head }: DurableLetter, { id = '', leaving }: Left): Promise<void> {
    const { held } = leaving;
    if (held === undefined) return;
    const { clock, random, hostName } = this.#parts;
    const list = held.list.address;
    const facts = { id, list, sender: leaving.sender, head: headOf(head ?? Buffer.alloc(0)) };
    const at = clock.now();
    let told = 0;
    for (const to of held.moderators) {
      const bytes = moderationNotice({ ...facts, to, at, host: hostName, random });
      const letter = { to, trace: options.id, origin: 'notice', smtpUtf8: !isAscii(to) } as const;
      if (await this.#letters.send({ ...letter, text: [bytes] })) told += 1;
    }
    answers.inc(told > 0 ? 'moderators' : 'nobody');
  }

  async #answer({ options, head }: DurableLetter, { recipient }: Delivered): Promise<void> {
    const { clock, random, marks, log, hostName } = this.#parts;
    const { account, address } = recipient;
    const { vacation } = account;
    if (vacation === undefined || head === undefined) return;
    const fields = headOf(head);
    const decision = vacationAnswer({
      sender: options.envelope?.sender ?? '',
      head: fields,
      addresses: [...account.addresses, address],
      from: vacation.from,
      until: vacation.until,
      now: clock.now(),
    });
    const line = { trace: options.id, user: account.login };
    if (!decision.answer) {
      answers.inc('declined');
      return log.debug({ ...line, why: decision.why }, 'no answer in absence');
    }
    const { to } = decision;
    const mark = { kind: 'vacation', key: `${account.id} ${withoutDetail(to)}` };
    if ((await marks.sum(mark, ANSWERED_MS)) > 0) return answers.inc('answered-before');
    const all = { kind: 'vacation-all', key: account.id };
    if ((await marks.sum(all, HOUR_MS)) >= ANSWERS_PER_HOUR) return answers.inc('busy');
    await Promise.all([marks.add(mark), marks.add(all)]);
    const facts = { to, head: fields, at: clock.now(), host: hostName, random };
    const { text, subject } = vacation;
    const written = writeVacation({ ...facts, user: { address: account.login }, text, subject });
    const sent = await this.#letters.send({
      to,
      trace: options.id,
      origin: 'vacation',
      owner: account.id,
      login: account.login,
      smtpUtf8: written.smtpUtf8,
      text: [written.bytes],
    });
    answers.inc(sent ? 'vacation' : 'nobody');
    log.info({ ...line, to, id: written.messageId }, 'answered in absence');
  }
}

/** `Bob+shop@example.test` is Bob's. */
const withoutDetail = (address: string): string =>
  address.toLowerCase().replace(/(?<=.)\+.*(?=@[^@]*$)/s, '');

function headOf(bytes: Buffer): MessageHead {
  const collector = new HeadCollector({ octetsMax: bytes.length + 1 });
  const step = collector.push(bytes);
  return step.kind === 'head' ? step.head : collector.end().head;
}
