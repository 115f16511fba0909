/**
 * The Sender Rewriting Scheme: a forwarded letter leaves with an envelope sender of ours, so
 * that the next host's check of the sender's address (SPF) asks for our hosts and not for the
 * author's, and a bounce comes back here, where it is sent on to the author.
 *
 *     alice@else.test                          SRS0=<hash>=<day>=else.test=alice@ours.test
 *     SRS0=<rest>@else.test                    SRS1=<hash>=else.test==<rest>@ours.test
 *     SRS1=<hash>=first.test=<rest>@else.test  SRS1=<our hash>=first.test=<rest>@ours.test
 *
 * An address of that form lets whoever knows it send one kind of letter through us: one with the
 * null sender, to the address in it. So it is signed (HMAC-SHA-256, 40 bits of it: hosts between
 * may be strict about the length) with a secret of the farm, and dated; and only the null sender
 * may write to it. Hosts on the way change the case of local parts, so that hash and day are
 * compared without it and signed in lower case; the local part of the author goes back as it
 * came here.
 *
 * Not rewritten: the null sender, and senders of the farm's own domains, for which its hosts speak.
 */
import { createHmac, timingSafeEqual } from 'node:crypto';
import type { Clock } from '../base/clock.ts';
import { domainKey } from '../directory/address.ts';
import type { Directory } from '../directory/types.ts';
import { parseMailbox, type Mailbox } from '../smtp/address.ts';
import type { DeliveryOptions } from './options.ts';
import { mailboxText } from './places.ts';

export interface SrsParts {
  /** One of the farm's, A-labels: the domain of such addresses. */
  readonly domain: string;
  /** The first signs; all are believed, so that one can follow another. @throws */
  readonly secrets: () => Promise<readonly string[]>;
  readonly clock: Clock;
}

/** What an address of ours was made from. */
export type Reversed =
  | { readonly kind: 'sender'; readonly address: string }
  | { readonly kind: 'refused'; readonly why: 'forged' | 'old' | 'malformed' };

const DAY_MS = 86_400_000;
/** Longer than anybody tries to send a letter, and than people wait with an answer. */
const DAYS_VALID = 21;
/** Days are told as two characters of 32. */
const DAYS_ROUND = 1024;
const BASE32 = 'abcdefghijklmnopqrstuvwxyz234567';
const HASH_LENGTH = 8;

const SRS = /^srs[01][=+-]/i;
const SRS0_START = /^srs0[=+-]/i;
const SRS0 = /^srs0[=+-]([^=]+)=([^=]+)=([^=]+)=(.+)$/is;
const SRS1 = /^srs1[=+-]([^=]+)=([^=]+)=(.+)$/is;

/** No secret: this node may not read it, or nobody has written one. */
export class SrsUnavailable extends Error {
  constructor() {
    super('There is no secret to rewrite senders of forwards with (MF-DLV-006)');
    this.name = 'SrsUnavailable';
  }
}

/** How senders of forwards are rewritten in this farm; undefined where no domain is set. */
export function openSrs(
  parts: Pick<SrsParts, 'clock'> & {
    readonly options: Pick<DeliveryOptions, 'forward.srs' | 'forward.srs.domain'>;
    readonly directory: Pick<Directory, 'secret' | 'domain'>;
  },
): FarmSrs | undefined {
  const { options, directory, clock } = parts;
  const domain = domainKey(options['forward.srs.domain']);
  if (domain === undefined) return undefined;
  const secrets = async (): Promise<readonly string[]> => {
    const asked = SECRET_NAMES.map((name) => directory.secret('srs', name));
    return (await Promise.all(asked)).filter((one) => one !== undefined);
  };
  const srs = new Srs({ domain, secrets, clock });
  const isOwn = async (sender: string): Promise<boolean> => {
    const own = await directory.domain(sender.slice(sender.lastIndexOf('@') + 1));
    return own !== undefined && own.transport === undefined;
  };
  return {
    isOurs: (mailbox) => srs.isOurs(mailbox),
    reverse: (mailbox) => srs.reverse(mailbox),
    rewrite: async (sender) => {
      const stays = options['forward.srs'] === 'off' || sender === '' || (await isOwn(sender));
      return stays ? sender : srs.rewrite(sender);
    },
  };
}

export type FarmSrs = Pick<Srs, 'isOurs' | 'reverse' | 'rewrite'>;

/** `mailfarm secret add srs forward`; the second is believed while it is being replaced. */
const SECRET_NAMES = ['forward', 'forward-before'] as const;

export class Srs {
  readonly #parts: SrsParts;

  constructor(parts: SrsParts) {
    this.#parts = parts;
  }

  /** The sender of a letter that a forward sends on. @throws SrsUnavailable */
  async rewrite(sender: string): Promise<string> {
    const mailbox = parseMailbox(sender);
    const domain = mailbox?.domain === undefined ? undefined : domainKey(mailbox.domain);
    // A literal is nobody's domain: there is no address to go back to that anybody would check.
    if (mailbox === undefined || domain === undefined) return sender;
    const [secret] = await this.#secrets();
    const first = SRS1.exec(mailbox.local);
    if (first) return this.#signed(secret, `${first[2]}=${first[3]}`);
    if (SRS0_START.test(mailbox.local)) {
      return this.#signed(secret, `${domain}=${mailbox.local.slice(4)}`);
    }
    const stamped = `${this.#today()}=${domain}=${mailbox.local}`;
    return this.#address(`SRS0=${hashOf(secret, 'srs0', stamped)}=${stamped}`);
  }

  /** Whether a recipient is an address of this kind. */
  isOurs({ local, domain }: Mailbox): boolean {
    return domain !== undefined && domainKey(domain) === this.#parts.domain && SRS.test(local);
  }

  /** @throws SrsUnavailable */
  async reverse({ local }: Mailbox): Promise<Reversed> {
    const secrets = await this.#secrets();
    const first = SRS1.exec(local);
    if (first) {
      const [, hash = '', host = '', rest = ''] = first;
      if (!isSigned(secrets, hash, 'srs1', `${host}=${rest}`)) {
        return { kind: 'refused', why: 'forged' };
      }
      return sentBy(`SRS0${rest}`, host);
    }
    const plain = SRS0.exec(local);
    if (plain === null) return { kind: 'refused', why: 'malformed' };
    const [, hash = '', day = '', domain = '', author = ''] = plain;
    if (!isSigned(secrets, hash, 'srs0', `${day}=${domain}=${author}`)) {
      return { kind: 'refused', why: 'forged' };
    }
    return this.#isFresh(day) ? sentBy(author, domain) : { kind: 'refused', why: 'old' };
  }

  async #secrets(): Promise<readonly [string, ...string[]]> {
    const [first, ...others] = (await this.#parts.secrets()).filter((one) => one !== '');
    if (first === undefined) throw new SrsUnavailable();
    return [first, ...others];
  }

  #signed(secret: string, rest: string): string {
    return this.#address(`SRS1=${hashOf(secret, 'srs1', rest)}=${rest}`);
  }

  #address(local: string): string {
    const { domain } = this.#parts;
    return mailboxText(local, domain) ?? `${local}@${domain}`;
  }

  #day(): number {
    return Math.floor(this.#parts.clock.now() / DAY_MS) % DAYS_ROUND;
  }

  #today(): string {
    const day = this.#day();
    return `${BASE32[day >> 5] ?? ''}${BASE32[day & 31] ?? ''}`;
  }

  #isFresh(text: string): boolean {
    const [high, low] = [0, 1].map((at) => BASE32.indexOf(text.toLowerCase().charAt(at)));
    const day = (high ?? 0) * 32 + (low ?? 0);
    const age = (this.#day() - day + DAYS_ROUND) % DAYS_ROUND;
    // Another node's clock may be a day ahead.
    return age <= DAYS_VALID || age === DAYS_ROUND - 1;
  }
}

function sentBy(local: string, domain: string): Reversed {
  const address = mailboxText(local, domain);
  return address === undefined
    ? { kind: 'refused', why: 'malformed' }
    : { kind: 'sender', address };
}

/** What is signed for one form is nothing in the other: else a day could be read as a host. */
type Form = 'srs0' | 'srs1';

function hashOf(secret: string, form: Form, text: string): string {
  const digest = createHmac('sha256', secret).update(`${form} ${text.toLowerCase()}`).digest();
  return Array.from(digest.subarray(0, HASH_LENGTH), (octet) => BASE32[octet & 31]).join('');
}

function isSigned(secrets: readonly string[], hash: string, form: Form, text: string): boolean {
  const given = Buffer.from(hash.toLowerCase());
  return secrets.some((secret) => {
    const own = Buffer.from(hashOf(secret, form, text));
    return own.length === given.length && timingSafeEqual(own, given);
  });
}
