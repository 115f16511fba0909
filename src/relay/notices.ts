/**
 * What the sender of a letter is told: made by message/ (RFC 3464), put where it is read.
 *
 * The letter that a notice is about stays claimed until the notice is durable: a crash in between
 * tells twice, never not at all. A user of ours has it in the mailbox where this node mounts mail
 * volumes; else, and for everybody elsewhere, it is a letter of the spool with the null sender. A
 * mailbox that does not take it now gets it through the spool too, which tries for days.
 *
 * No backscatter. A stranger's letter that we took for a user who sends it on, and that its next
 * host refuses, is given to that user: the sender may be anybody's address, and the letter did
 * arrive. Whoever asked for a notice (NOTIFY) is told all the same, with
 * the letter's header only: anybody may ask in another's name. A list that nobody answers for
 * tells nobody but our own users. A notice about a notice there is none (message/notice-rules.ts).
 */
import type { Clock } from '../base/clock.ts';
import type { Random } from '../base/random.ts';
import { placeElsewhere } from '../delivery/places.ts';
import type { Delivery, Leaving, Recipient } from '../delivery/types.ts';
import type { Account, Directory, Resolution } from '../directory/types.ts';
import type { Logger } from '../log/types.ts';
import { isToldOf } from '../message/notice-rules.ts';
import { oneLine } from '../message/plain.ts';
import { writeNotice, type Reported } from '../message/notice.ts';
import type { Notice, NoticeRecipient } from '../spool/sender/types.ts';
import { notices } from './metrics.ts';

export interface NoticesParts {
  readonly directory: Pick<Directory, 'resolve' | 'accountById'>;
  readonly delivery: Pick<Delivery, 'begin'>;
  /** Whether this node mounts the mail volumes. */
  readonly mailboxes: boolean;
  /** Longer letters are not returned whole. */
  readonly fullOctetsMax: number;
  readonly hostName: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

/** Where a notice goes. */
type Reader =
  | { readonly kind: 'mailbox'; readonly account: Account; readonly address: string }
  | { readonly kind: 'away'; readonly leaving: Leaving; readonly ret?: 'hdrs' }
  | { readonly kind: 'nobody'; readonly why: string };

/** What the sender says of a letter that would have come back (RFC 3463 §3.5: routing loop). */
const OWN_FARM = '5.4.6';

/** One place, of one kind or the other. */
interface Where {
  readonly to: string;
  readonly recipient?: Recipient;
  readonly leaving?: Leaving;
  /** Whatever was asked for, no more than the header goes back. */
  readonly ret?: 'hdrs' | undefined;
}

const BY = { origin: 'notice', owner: '', login: '' } as const;

export class Notices {
  readonly #parts: NoticesParts;

  constructor(parts: NoticesParts) {
    this.#parts = parts;
  }

  /** Resolves when it is durable or nobody is told. @throws whatever kept it from that */
  async report(notice: Notice): Promise<void> {
    const { envelope, kind } = notice;
    const { sender, origin, trace, id } = envelope;
    const looped = notice.recipients.filter(({ status }) => status === OWN_FARM);
    if (looped.length > 0) {
      const fields = { code: 'MF-REL-001', trace, letter: id, to: looped.map(addressOf) };
      this.#parts.logger.warn({ ...fields, why: looped[0]?.text }, 'not sent to our own farm');
    }
    const told = notice.recipients.filter(
      ({ recipient: { notify } }) => isToldOf({ event: kind, sender, origin, notify }).tell,
    );
    if (told.length === 0) {
      notices.inc('dropped');
      const isLost = kind === 'failed' && (origin === 'notice' || sender === '');
      const fields = { trace, letter: id, kind, origin, to: notice.recipients.map(addressOf) };
      if (isLost) this.#parts.logger.warn({ code: 'MF-REL-005', ...fields }, 'nobody is told');
      else this.#parts.logger.info(fields, 'nobody is told');
      return;
    }
    try {
      await this.#tell(notice, told);
    } catch (error) {
      notices.inc('failed');
      const fields = { code: 'MF-REL-004', trace, letter: id, kind, err: error };
      this.#parts.logger.warn(fields, 'a notice could not be put anywhere yet');
      throw error;
    }
  }

  async #tell(notice: Notice, told: readonly NoticeRecipient[]): Promise<void> {
    const { trace, sender, id } = notice.envelope;
    const reader = await this.#readerOf(notice, told);
    const fields = { trace, letter: id, kind: notice.kind, sender, about: told.map(addressOf) };
    if (reader.kind === 'nobody') {
      notices.inc('left-out');
      const line = { code: 'MF-REL-005', ...fields, why: reader.why };
      return this.#parts.logger.warn(line, 'nobody is told');
    }
    if (reader.kind === 'mailbox') {
      const { account, address } = reader;
      const error = await this.#put(notice, told, { to: address, recipient: reader });
      if (error === undefined) {
        notices.inc('mailbox');
        return this.#parts.logger.info({ ...fields, to: account.login }, 'notice delivered');
      }
      this.#parts.logger.warn({ ...fields, to: account.login, err: error }, 'notice to the spool');
    }
    const { leaving, ret } =
      reader.kind === 'away' ? reader : { leaving: toFarm(reader.address), ret: undefined };
    const to = leaving.recipient.address;
    const error = await this.#put(notice, told, { to, leaving, ret });
    if (error !== undefined) throw error;
    notices.inc('spool');
    this.#parts.logger.info({ ...fields, to }, 'notice in the spool');
  }

  async #readerOf(notice: Notice, told: readonly NoticeRecipient[]): Promise<Reader> {
    const { sender, origin, owner } = notice.envelope;
    const resolution = await this.#parts.directory.resolve(sender, { sender: '' });
    const isOurs = resolution.kind === 'account' || resolution.kind === 'expanded';
    const asked = told.some(({ recipient }) => recipient.notify !== undefined);
    if (!isOurs && !asked && origin === 'forward') {
      // Only a letter that is lost: a delay is nothing that he could do anything about.
      if (notice.kind !== 'failed') return { kind: 'nobody', why: 'a stranger\u2019s letter' };
      const account = await this.#parts.directory.accountById(owner);
      if (account === undefined) return { kind: 'nobody', why: 'the user who forwards is gone' };
      // Through an MX it would go the way of the letter, and be lost there.
      if (this.#parts.mailboxes) return this.#toAccount(account, account.login);
    }
    if (!isOurs && !asked && origin === 'list') {
      return { kind: 'nobody', why: 'a stranger\u2019s letter to a list without owner' };
    }
    const reader = this.#toSender(sender, resolution);
    const isStrangers = !isOurs && (origin === 'forward' || origin === 'list');
    return reader.kind === 'away' && isStrangers ? { ...reader, ret: 'hdrs' } : reader;
  }

  #toSender(sender: string, resolution: Resolution): Reader {
    switch (resolution.kind) {
      case 'account':
        return this.#toAccount(resolution.account, sender);
      case 'expanded':
        return { kind: 'away', leaving: toFarm(sender) };
      case 'unknown-domain': {
        const rcpt = { address: sender, sender: '', dsn: { notify: 'never' } } as const;
        const [leaving] = placeElsewhere(rcpt, BY)?.leaving ?? [];
        return leaving ? { kind: 'away', leaving } : { kind: 'nobody', why: 'no such address' };
      }
      case 'unknown-user':
      case 'refused':
        return { kind: 'nobody', why: `the sender is ${resolution.kind}` };
    }
  }

  #toAccount(account: Account, address: string): Reader {
    if (account.suspended.includes('mail')) return { kind: 'nobody', why: 'mail is suspended' };
    if (!this.#parts.mailboxes) return { kind: 'away', leaving: toFarm(address) };
    return { kind: 'mailbox', account, address };
  }

  /** @returns why it is not there. @throws when the letter itself cannot be read now */
  async #put(
    notice: Notice,
    told: readonly NoticeRecipient[],
    where: Where,
  ): Promise<Error | undefined> {
    const { delivery } = this.#parts;
    const written = await this.#write(notice, told, where);
    const incoming = delivery.begin({
      id: notice.envelope.trace,
      recipients: where.recipient ? [where.recipient] : [],
      leaving: where.leaving ? [where.leaving] : [],
      envelope: { sender: '', smtpUtf8: written.smtpUtf8, sign: true },
      header: () => Buffer.from(`Return-Path: <>\nDelivered-To: ${oneLine(where.to)}\n`),
      leavingHeader: () => Buffer.alloc(0),
    });
    try {
      for await (const piece of written.bytes) await incoming.write(piece);
    } catch (error) {
      await incoming.abort();
      if (where.leaving) throw error;
      return error instanceof Error ? error : new Error(String(error));
    }
    const delivered = await incoming.commit();
    return [...delivered, ...incoming.left].find(({ error }) => error !== undefined)?.error;
  }

  #write(notice: Notice, told: readonly NoticeRecipient[], where: Where) {
    const { envelope, read } = notice;
    const { clock, random, hostName, fullOctetsMax } = this.#parts;
    return writeNotice({
      to: where.to,
      host: hostName,
      at: clock.now(),
      acceptedAt: envelope.acceptedAt,
      expiresAt: notice.expiresAt,
      recipients: told.map((one) => reported(notice, one)),
      ret: where.ret ?? envelope.ret,
      envid: envelope.envid,
      smtpUtf8: envelope.smtpUtf8,
      letter: { octets: envelope.octets, read },
      fullOctetsMax,
      sevenBit: where.leaving !== undefined, // What is between here and a mailbox may be old.
      random,
    });
  }
}

const addressOf = ({ recipient }: NoticeRecipient): string => recipient.address;

const reported = ({ kind }: Notice, one: NoticeRecipient): Reported => ({
  event: kind,
  address: one.recipient.address,
  original: one.recipient.original,
  status: one.status,
  reply: one.reply,
  text: one.text,
  remote: one.remote,
  triedAt: one.triedAt,
});

const toFarm = (address: string): Leaving => ({
  route: { kind: 'farm' },
  recipient: { address, notify: 'never' },
  sender: '',
  ...BY,
});
