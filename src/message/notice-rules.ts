/**
 * Who is told what about a letter: RFC 3461 §4.1 and §5.2, RFC 5321 §6.1, RFC 3834 §3.3. One
 * function, so that no caller has an opinion of its own and no notice answers a notice.
 */
export type NoticeEvent =
  /** For ever: nothing more is tried. */
  | 'failed'
  /** Not yet; it is still being tried. */
  | 'delayed'
  /** In the mailbox. */
  | 'delivered'
  /** Given to a host that sends no receipts itself. */
  | 'relayed'
  /** Given to the members of a list, or to several addresses of a forward. */
  | 'expanded';

export interface NoticeQuestion {
  readonly event: NoticeEvent;
  /** MAIL FROM of the letter; '' is the null sender. */
  readonly sender: string;
  /** Why the letter exists, as the spool's `Origin` has it. */
  readonly origin: 'submission' | 'forward' | 'list' | 'notice' | 'relay' | 'vacation';
  /** NOTIFY of the recipient; undefined: the sender did not say. */
  readonly notify?: readonly ('success' | 'failure' | 'delay')[] | 'never' | undefined;
}

export type NoticeAnswer =
  | { readonly tell: true }
  | {
      readonly tell: false;
      readonly why:
        | 'null-sender'
        | 'notice-of-ours'
        | 'sender-is-a-mailer'
        | 'notify-never'
        | 'not-asked-for';
    };

const KEYWORD = {
  failed: 'failure',
  delayed: 'delay',
  delivered: 'success',
  relayed: 'success',
  expanded: 'success',
} as const satisfies Record<NoticeEvent, 'success' | 'failure' | 'delay'>;

/** What is told where the sender did not say (RFC 3461 §4.1: failure at least; delay is ours). */
const DEFAULT: ReadonlySet<string> = new Set(['failure', 'delay']);

/** Whether the sender of a letter is told that this happened to one of its recipients. */
export function isToldOf(question: NoticeQuestion): NoticeAnswer {
  const { event, sender, origin, notify } = question;
  if (origin === 'notice' || origin === 'vacation') return { tell: false, why: 'notice-of-ours' };
  if (sender === '') return { tell: false, why: 'null-sender' };
  // Bounces of hosts that know no null sender: an answer would go round for ever.
  if (/^"?mailer-daemon"?(@|$)/i.test(sender)) return { tell: false, why: 'sender-is-a-mailer' };
  if (notify === 'never') return { tell: false, why: 'notify-never' };
  const wanted: ReadonlySet<string> = notify === undefined ? DEFAULT : new Set(notify);
  return wanted.has(KEYWORD[event]) ? { tell: true } : { tell: false, why: 'not-asked-for' };
}
