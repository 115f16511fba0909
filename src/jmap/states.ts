/**
 * States of what tells of threads (RFC 8620 §5.1). Before the heads of a large mailbox were read
 * once, counts of threads and members of a thread are told as far as they are known, and the state
 * has a mark. When all is known it has none: that is a change, and is told like any other.
 */
import type { MailVersion, MailView } from '../mailbox/view.ts';

const MARK = '~';

/** Of a result with a count, or a search, that was not finished. */
export const queryStateOf = ({ emailState }: MailVersion, how: 'counted' | 'estimated'): string =>
  marked(emailState, how === 'estimated');

const marked = (state: string, pending: boolean): string => (pending ? `${state}${MARK}` : state);

/** Of Mailbox objects. */
export const mailboxStateOf = (
  { threadsPending }: Pick<MailView, 'threadsPending'>,
  { mailboxState }: Pick<MailVersion, 'mailboxState'>,
): string => marked(mailboxState, threadsPending);

/** Of Thread objects; nobody can tell what changed since a marked one. */
export const threadStateOf = (
  { threadsPending }: Pick<MailView, 'threadsPending'>,
  { emailState }: Pick<MailVersion, 'emailState'>,
): string => marked(emailState, threadsPending);

export interface SinceState {
  readonly state: string;
  readonly isMarked: boolean;
}

export const sinceState = (state: string): SinceState =>
  state.endsWith(MARK)
    ? { state: state.slice(0, -MARK.length), isMarked: true }
    : { state, isMarked: false };
