/**
 * What notices say to people, in one language. Another language is another table of this type;
 * who writes a notice names those that it is written in. No text here knows of MIME or headers,
 * and what comes in has been cleaned: one line, bounded.
 */
import type { NoticeEvent } from './notice-rules.ts';

/** Recipients to whom the same happened for the same reason. */
export interface NoticeGroup {
  readonly event: NoticeEvent;
  readonly addresses: readonly string[];
  /** Further addresses, which only the report for programs lists. */
  readonly more: number;
  readonly status: string;
  /** What the other host said, verbatim. '' for nothing. */
  readonly reply: string;
  /** What happened as we saw it. '' for nothing. */
  readonly text: string;
  /** `mx.example.net [192.0.2.1]`, '' where none was reached. */
  readonly remote: string;
  /** When it is given up, as text; '' where it is not said. */
  readonly until: string;
}

export interface NoticeWords {
  /** BCP 47. */
  readonly language: string;
  /** Display name of the author of notices. */
  readonly author: string;
  /** Subject of the notice for the most serious event in it. */
  subject(event: NoticeEvent, subject: string): string;
  /** First paragraph: which letter this is about. */
  opening(letter: { readonly subject: string; readonly sent: string }): string;
  /** What happened to these recipients; their addresses follow, indented. */
  happened(group: NoticeGroup): string;
  /** `The mail server … said:`, before the reply, indented. */
  said(group: NoticeGroup): string;
  /** What the status means and what one can do; '' where there is nothing to do. */
  meaning(group: NoticeGroup): string;
  more(count: number): string;
  /** The last paragraph: what is attached. */
  attached(what: 'full' | 'headers' | 'nothing'): string;
}

/** What a status (RFC 3463, without its class) means to the sender, and what to do. */
const MEANINGS: Readonly<Record<string, string>> = {
  '1.0': 'The address is not valid there. Check it for typing errors and send the letter again.',
  '1.1':
    'There is no mailbox of this name. Check the address for typing errors; if it is right, ask ' +
    'the recipient in another way whether it has changed.',
  '1.2':
    'There is no such domain, or it has no mail server. Check what stands after the @ of the ' +
    'address for typing errors.',
  '1.3': 'The address is not written as an address should be. Check it for typing errors.',
  '1.6': 'The mailbox has moved and no new address is known. Ask the recipient in another way.',
  '1.7': 'Your own address was not accepted as one. Ask your administrator to look at it.',
  '1.8': 'Your own address or domain was not accepted. Ask your administrator to look at it.',
  '1.10':
    'This domain takes no mail at all. Check what stands after the @ of the address for errors.',
  '2.0': 'Something is wrong with the mailbox of the recipient, who can be told in another way.',
  '2.1': 'The mailbox is closed for now or for good. Ask the recipient in another way.',
  '2.2': 'The mailbox is full. Tell the recipient in another way, and send the letter later.',
  '2.3': 'The letter is larger than this recipient may get. Send it in parts, or without files.',
  '2.4': 'A list of recipients there could not be resolved. Its owner can mend that.',
  '3.1': 'The storage of the other host is full. Send the letter again later.',
  '3.2': 'The other host is taking no mail now. Send the letter again later.',
  '3.3': 'The other host cannot handle something the letter needs, such as 8-bit text.',
  '3.4': 'The letter is larger than the other host accepts. Send it in parts, or without files.',
  '4.0': 'The other host could not be reached in the time there was. Send the letter again later.',
  '4.1': 'The other host did not answer. It may be down: try again later, or ask there by phone.',
  '4.2': 'The connection to the other host broke off. Send the letter again later.',
  '4.3': 'The names of that domain could not be looked up. Its administrators can mend that.',
  '4.4':
    'No way to that domain was found. Check what stands after the @ of the address for errors.',
  '4.5': 'The other host has too much to do. Send the letter again later.',
  '4.6':
    'The letter was going round in a circle. The administrators of that domain, or of a forward ' +
    'to it, must correct the way of its mail.',
  '4.7': 'It could not be delivered in the time there was. Send the letter again later.',
  '5.3': 'The letter has more recipients than the other host accepts. Send it to fewer at a time.',
  '6.1': 'The other host does not accept this kind of content. Send it in another form.',
  '6.7':
    'The other host does not know addresses with letters beyond English ones. Ask the recipient ' +
    'for another address.',
  '7.0': 'The other host refused it by its rules. Its answer may say which one.',
  '7.1': 'The other host refused it by its rules. Its answer may say which one.',
  '7.2': 'You may not write to this list. Its owner can allow you to.',
  '7.4': 'The security that this domain asks for could not be had. Its administrators can mend it.',
  '7.5': 'The security that this domain asks for could not be had. Its administrators can mend it.',
  '7.10':
    'The security that this domain asks for could not be had. Its administrators can mend it.',
  '7.20': 'A signature of the letter did not pass. Ask your administrator to look at it.',
  '7.23': 'Your domain does not name our host as one that sends for it. Ask your administrator.',
  '7.26': 'Checks of your domain did not pass. Ask your administrator to look at it.',
};

const FALLBACK = 'If you do not know what to do, show this letter to your administrator.';

function english(group: NoticeGroup): string {
  if (group.event === 'delayed') {
    const until = group.until === '' ? '' : ` It is given up on ${group.until}.`;
    return `You need not do anything: it is tried again by itself.${until}`;
  }
  if (group.event !== 'failed') return '';
  const detail = group.status.slice(group.status.indexOf('.') + 1);
  const meaning = Object.hasOwn(MEANINGS, detail) ? MEANINGS[detail] : undefined;
  return `${meaning ?? FALLBACK} It is not tried again.`;
}

const HAPPENED: Readonly<Record<NoticeEvent, string>> = {
  failed: 'It could not be delivered to:',
  delayed: 'It has not been delivered yet to:',
  delivered: 'It was delivered to the mailbox of:',
  relayed:
    'It was passed on to a mail server that sends no receipts, so you may hear no more of it, for:',
  expanded: 'It was passed on to all addresses that stand behind:',
};

const SUBJECTS: Readonly<Record<NoticeEvent, string>> = {
  failed: 'Not delivered',
  delayed: 'Delayed',
  delivered: 'Delivered',
  relayed: 'Passed on',
  expanded: 'Passed on',
};

export const ENGLISH: NoticeWords = {
  language: 'en',
  author: 'Mail Delivery',
  subject: (event, subject) =>
    subject === '' ? `${SUBJECTS[event]}: your letter` : `${SUBJECTS[event]}: ${subject}`,
  opening: ({ subject, sent }) =>
    'This is about the letter that you sent' +
    (sent === '' ? '' : ` on ${sent}`) +
    (subject === '' ? '.' : ` with the subject "${subject}".`),
  happened: (group) => HAPPENED[group.event],
  said: (group) =>
    group.remote === '' ? 'The other mail server said:' : `The mail server ${group.remote} said:`,
  meaning: english,
  more: (count) => `and ${count} more, who are listed in the attached report`,
  attached: (what) =>
    what === 'full'
      ? 'A report for programs and your letter are attached.'
      : what === 'headers'
        ? 'A report for programs and the header of your letter are attached.'
        : 'A report for programs is attached.',
};
