/**
 * Who gets an answer in a user's absence: RFC 3834 §2, RFC 5230 §4.5 and §4.6. An answer to a
 * machine, a list or a forged sender is harm, and a missing one is none: in doubt there is none.
 *
 * That each sender gets one a week only is the caller's part: it remembers `to` in lower case.
 */
import { addressesOf } from './head-addresses.ts';
import { fieldValue, type HeaderField, type MessageHead } from './head.ts';

export interface VacationQuestion {
  /** MAIL FROM; '' is the null sender. */
  readonly sender: string;
  readonly head: Pick<MessageHead, 'fields'>;
  /** All addresses of the user: the mailbox's, aliases, and the one the letter came for. */
  readonly addresses: readonly string[];
  /** ms since 1970, inclusive. */
  readonly from: number | undefined;
  /** ms since 1970, exclusive. */
  readonly until: number | undefined;
  readonly now: number;
}

export type VacationRefusal =
  | 'not-yet'
  | 'over'
  | 'null-sender'
  | 'sender-is-a-program'
  | 'sender-is-the-user'
  | 'made-by-a-program'
  | 'from-a-list'
  | 'bulk'
  | 'asked-not-to'
  | 'spam'
  | 'not-to-the-user';

export type VacationDecision =
  | { readonly answer: true; readonly to: string }
  | { readonly answer: false; readonly why: VacationRefusal };

/** Local parts of mailers and lists (RFC 5230 §4.6). */
const PROGRAMS = new RegExp(
  '^(?:owner-.+|.+-(?:owner|request|errors)|(?:.+-)?bounces?(?:[-+=].*)?' +
    '|mailer-daemon|listserv|majordomo|mailman)$',
  'i',
);
/** `noreply`, `do-not-reply`, `news-no_reply`: whoever writes from there reads nothing. */
const SILENT = /(?:^|[-+_.])(?:do[-_.]?)?not?[-_.]?reply(?:$|[-+_.\d])/i;

/** Programs of lists put these in (RFC 2369, RFC 2919). */
const LIST_FIELD = /^list-(?:id|help|subscribe|unsubscribe|unsubscribe-post|post|owner|archive)$/;
const BULK = /^(?:bulk|junk|list)$/i;
/** Values of X-Auto-Response-Suppress that mean an answer in absence. */
const SUPPRESSED = /(?:^|[\s,;])(?:all|oof|autoreply)(?=$|[\s,;])/i;
const RECIPIENT_FIELDS = new Set(['to', 'cc', 'bcc', 'resent-to', 'resent-cc', 'resent-bcc']);

/** Whether the sender of a letter gets an answer, and why not. */
export function vacationAnswer(question: VacationQuestion): VacationDecision {
  const why = refusal(question);
  return why === undefined ? { answer: true, to: question.sender } : { answer: false, why };
}

function refusal(question: VacationQuestion): VacationRefusal | undefined {
  const { sender, head, from, until, now } = question;
  if (from !== undefined && now < from) return 'not-yet';
  if (until !== undefined && now >= until) return 'over';
  if (sender === '') return 'null-sender';
  if (!sender.includes('@') || isProgram(sender)) return 'sender-is-a-program';
  const own = new Set(question.addresses.map(comparable));
  if (own.has(comparable(sender))) return 'sender-is-the-user';
  for (const field of head.fields) {
    const reason = ofField(field);
    if (reason !== undefined) return reason;
  }
  return head.fields.some((field) => isTo(field, own)) ? undefined : 'not-to-the-user';
}

/** What one field says against an answer. */
function ofField(field: HeaderField): VacationRefusal | undefined {
  const { name } = field;
  if (LIST_FIELD.test(name) || name === 'mailing-list' || name === 'x-mailing-list') {
    return 'from-a-list';
  }
  const value = fieldValue(field);
  const word = value.replace(/\([^()]*\)/g, '').trim();
  switch (name) {
    case 'auto-submitted': // RFC 3834 §5: anything but `no`, with or without parameters.
      return /^no(?:\s*;|$)/i.test(word) ? undefined : 'made-by-a-program';
    case 'x-autoreply':
    case 'x-autorespond':
      return /^no$/i.test(word) ? undefined : 'made-by-a-program';
    case 'content-type': // Notices and receipts, whatever their sender.
      return /^multipart\/report\b/i.test(word) ? 'made-by-a-program' : undefined;
    case 'precedence':
      return BULK.test(word) ? 'bulk' : undefined;
    case 'x-auto-response-suppress':
      return SUPPRESSED.test(value) ? 'asked-not-to' : undefined;
    case 'x-spam-flag':
      return /^yes$/i.test(word) ? 'spam' : undefined;
    case 'from':
      return (addressesOf(value) ?? []).some(isProgram) ? 'sender-is-a-program' : undefined;
    default:
      return undefined;
  }
}

const isProgram = (address: string): boolean =>
  PROGRAMS.test(localPart(address)) || SILENT.test(localPart(address));

/** An address of the user stands there; a field that cannot be read names nobody. */
function isTo(field: HeaderField, own: ReadonlySet<string>): boolean {
  if (!RECIPIENT_FIELDS.has(field.name)) return false;
  return (addressesOf(fieldValue(field)) ?? []).some((address) => own.has(comparable(address)));
}

function localPart(address: string): string {
  const local = address.slice(0, address.lastIndexOf('@'));
  return local.replace(/^"(.*)"$/s, '$1');
}

/** Without case, quotes and what follows a plus: `Alice+shop@Example.test` is Alice's. */
function comparable(address: string): string {
  const domain = address.slice(address.lastIndexOf('@') + 1);
  return `${localPart(address).replace(/(?<=.)\+.*$/s, '')}@${domain}`.toLowerCase();
}
