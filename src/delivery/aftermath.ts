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
 * No answer where the letter came by a list, or a copy of somebody else's forward: then the user's
 * own address is not in it (vacation-rules.ts). What is parked is answered when it lands, unless
 * that is half a day later. Work is bounded: what comes while enough
 * is under way is left undone and counted; a flood deserves no answers.
 */
import type { Clock } from '../base/clock.ts';
import type { Random } from '../base/random.ts';
import type { Account } from '../directory/types.ts';
import { isToldOf } from '../message/notice-rules.ts';
import { writeNotice } from '../message/notice.ts';
import { vacationAnswer } from '../message/vacation-rules.ts';
import { writeVacation } from '../message/vacation.ts';
import type { Logger } from '../log/types.ts';
import type { Marks } from '../spool/marks.ts';
import { isAscii } from '../message/plain.ts';
import { answers } from './metrics.ts';
import { headIn } from './list-copy.ts';
import { loopNotice, moderationNotice } from './list-notices.ts';
import { OwnLetters, type OwnLettersParts } from './own-letters.ts';
import type { Delivered, IncomingOptions, Left, ListCopy, SuccessWish } from './types.ts';

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

/** For whom a letter is that may be answered. */
interface Answerable extends Omit<LandedLetter, 'parked'> {
  readonly sender: string;
}

/** A letter that was parked and is in its mailbox now, for somebody who is away. */
export interface LandedLetter {
  readonly account: Account;
  /** As the client gave it. */
  readonly address: string;
  readonly trace: string;
  /** ISO time. */
  readonly parked: string;
  /** Its header as it is stored, Return-Path first. */
  readonly head: Buffer;
}

/** Later than that an answer says nothing any more, and a day's mail would be answered at once. */
const ANSWERED_LATE_MS = 12 * 3_600_000;
/** How often the owner of a list is told that letters come back to it. */
const LOOP_TOLD_MS = 86_400_000;

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
      if (one.id !== undefined) this.#run(letter.options.id, () => this.#ask(letter, one));
    }
    for (const list of loopsBesideOthers(letter)) {
      this.#run(letter.options.id, () => this.#tellLoop(letter, list));
    }
    const sender = letter.options.envelope?.sender ?? '';
    if (letter.head === undefined || sender === '') return;
    const { head } = letter;
    const wishes = this.#granted(letter);
    if (wishes.length > 0) this.#run(letter.options.id, () => this.#notify(letter, wishes));
    for (const one of letter.results) {
      const isHere = one.name !== undefined && one.parkedOn === undefined;
      const { account, list } = one.recipient;
      if (!isHere || list !== undefined || account.vacation === undefined) continue;
      const { address } = one.recipient;
      const asked = { account, address, sender, trace: letter.options.id, head };
      this.#run(asked.trace, () => this.#answer(asked));
    }
  }

  /** The same for one that landed late. Returns at once. Never throws. */
  ofLanded({ account, address, trace, parked, head }: LandedLetter): void {
    const age = this.#parts.clock.now() - Date.parse(parked);
    const sender = /^Return-Path: <(.*)>\n/.exec(head.toString('utf8'))?.[1] ?? '';
    if (sender === '' || !(age < ANSWERED_LATE_MS)) return answers.inc('declined');
    this.#run(trace, () => this.#answer({ account, address, sender, trace, head }));
  }

  /** Resolves when what runs has ended. */
  async idle(): Promise<void> {
    while (this.#running.size > 0) await Promise.allSettled(this.#running);
  }

  #run(trace: string, work: () => Promise<void>): void {
    if (this.#running.size >= AT_ONCE_MAX) return answers.inc('busy');
    const running = work()
      .catch((error: unknown) => {
        answers.inc('failed');
        this.#parts.log.warn({ trace, err: error }, 'answer or notice not sent');
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
    const facts = { id, list, sender: leaving.sender, head: headIn(head ?? Buffer.alloc(0)) };
    const at = clock.now();
    let told = 0;
    for (const to of held.moderators) {
      const bytes = moderationNotice({ ...facts, to, at, host: hostName, random });
      const letter = { to, trace: options.id, origin: 'notice', smtpUtf8: !isAscii(to) } as const;
      if (await this.#letters.send({ ...letter, text: [bytes] })) told += 1;
    }
    answers.inc(told > 0 ? 'moderators' : 'nobody');
  }

  /** Who answers for the list, where one reply for all could not say it. */
  async #tellLoop({ options, head }: DurableLetter, list: ListCopy): Promise<void> {
    const { clock, random, marks, hostName: host } = this.#parts;
    const { address, owner: to } = list;
    if (to === undefined) return;
    const mark = { kind: 'list-loop', key: address };
    if ((await marks.sum(mark, LOOP_TOLD_MS)) > 0) return answers.inc('answered-before');
    await marks.add(mark);
    const sender = options.envelope?.sender ?? '';
    const letter = { id: options.id, sender, head: headIn(head ?? Buffer.alloc(0)) };
    const text = [loopNotice({ ...letter, to, list: address, at: clock.now(), host, random })];
    const own = { to, trace: options.id, origin: 'notice', smtpUtf8: !isAscii(to), text } as const;
    answers.inc((await this.#letters.send(own)) ? 'owner' : 'nobody');
  }

  async #answer({ account, address, sender, trace, head }: Answerable): Promise<void> {
    const { clock, random, marks, log, hostName } = this.#parts;
    const { vacation } = account;
    if (vacation === undefined) return;
    const fields = headIn(head);
    const decision = vacationAnswer({
      sender,
      head: fields,
      addresses: [...account.addresses, address],
      from: vacation.from,
      until: vacation.until,
      now: clock.now(),
    });
    const line = { trace, user: account.login };
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
      trace,
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

/** Lists that did not send the letter again, of which the client heard nothing: others have it. */
function loopsBesideOthers({ results, left }: DurableLetter): readonly ListCopy[] {
  const isSome = [...results, ...left].some((one) => !one.error && !one.dropped);
  if (!isSome) return [];
  const lists = [
    ...results.filter(({ dropped }) => dropped).map(({ recipient }) => recipient.list),
    ...left
      .filter(({ dropped }) => dropped)
      .map(({ leaving }) => leaving.held?.list ?? leaving.list),
  ].filter((list) => list !== undefined);
  return [...new Map(lists.map((list) => [list.address, list])).values()];
}
