/**
 * When a letter that was put off is due again, in the text of its trouble: for whoever looks at the
 * queue, and for senders of all nodes. One that is taken long before has been woken by somebody
 * (ETRN, `queue wake`) who knows more than a sender that lets the destination rest.
 */
import type { OutboundEnvelope } from '../outbound.ts';

const MARK = / \(not again before (\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ)\)$/;
/** The spool knows due times by the minute, and clocks differ. */
const SLACK_MS = 90_000;

/** The text, with the time behind it. */
export const withNotBefore = (text: string, dueAt: number): string =>
  `${text} (not again before ${new Date(dueAt).toISOString().slice(0, 19)}Z)`;

/** The text alone. */
export const withoutNotBefore = (text: string): string => text.replace(MARK, '');

/** Whether somebody has woken it. */
export function isWoken(envelope: OutboundEnvelope, now: number): boolean {
  const time = MARK.exec(envelope.troubles[0]?.text ?? '')?.[1];
  return time !== undefined && now < Date.parse(time) - SLACK_MS;
}
