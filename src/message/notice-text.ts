/** The part of a notice that people read, put together from the words of one or more languages. */
import { dateTime } from './date.ts';
import type { NoticeFacts, Reported } from './notice.ts';
import type { NoticeGroup, NoticeWords } from './notice-words.ts';
import { hostText, plainText } from './plain.ts';

const COLUMNS = 72;
/** What another host said, in characters. */
const REPLY_MAX = 1000;
const GROUPS_MAX = 20;
const ADDRESSES_MAX = 20;

export interface LetterWords {
  /** '' for none. */
  readonly subject: string;
  readonly sent: string;
  readonly returned: 'full' | 'headers' | 'nothing';
}

/** The texts of all languages, the first one first. */
export function noticeText(
  facts: NoticeFacts,
  letter: LetterWords,
  languages: readonly NoticeWords[],
): string {
  const { groups, more } = grouped(facts);
  const texts = languages.map((words) => oneLanguage(words, letter, groups, more));
  return texts.join(`\n${'-'.repeat(COLUMNS)}\n\n`);
}

function oneLanguage(
  words: NoticeWords,
  letter: LetterWords,
  groups: readonly NoticeGroup[],
  more: number,
): string {
  const paragraphs = [wrapped(words.opening(letter))];
  for (const group of groups) {
    const addresses =
      group.more > 0 ? [...group.addresses, words.more(group.more)] : group.addresses;
    paragraphs.push(wrapped(words.happened(group)), indented(addresses));
    if (group.reply !== '') paragraphs.push(wrapped(words.said(group)), indented([group.reply]));
    // Ours, but it may quote a stranger.
    if (group.text !== '') paragraphs.push(indented([group.text]));
    const meaning = words.meaning(group);
    if (meaning !== '') paragraphs.push(wrapped(meaning));
  }
  if (more > 0) paragraphs.push(indented([words.more(more)]));
  paragraphs.push(wrapped(words.attached(letter.returned)));
  return `${paragraphs.join('\n\n')}\n`;
}

interface Group {
  readonly first: Reported;
  readonly addresses: string[];
  count: number;
}

/** Those to whom the same happened together, in the order they came; bounded. */
function grouped(facts: NoticeFacts): { readonly groups: NoticeGroup[]; readonly more: number } {
  const found = new Map<string, Group>();
  let more = 0;
  for (const one of facts.recipients) {
    const { event, status, reply, text, remote } = one;
    const key = JSON.stringify([event, status, reply, text, remote?.host, remote?.address]);
    const group = found.get(key);
    if (group === undefined && found.size === GROUPS_MAX) more += 1;
    else if (group === undefined) {
      found.set(key, { first: one, addresses: [one.address], count: 1 });
    } else {
      group.count += 1;
      if (group.addresses.length < ADDRESSES_MAX) group.addresses.push(one.address);
    }
  }
  return { groups: [...found.values()].map((group) => noticeGroup(group, facts)), more };
}

function noticeGroup({ first, addresses, count }: Group, facts: NoticeFacts): NoticeGroup {
  const reply = plainText(first.reply ?? '', REPLY_MAX);
  const text = plainText(first.text ?? '', REPLY_MAX);
  return {
    event: first.event,
    addresses: addresses.map((address) => plainText(address, 320)),
    more: count - addresses.length,
    status: first.status,
    reply,
    // The same twice tells nothing.
    text: text === reply ? '' : text,
    remote: remoteName(first.remote),
    until:
      first.event === 'delayed' && facts.expiresAt !== undefined ? dateTime(facts.expiresAt) : '',
  };
}

function remoteName(remote: Reported['remote']): string {
  if (remote === undefined) return '';
  const host = hostText(remote.host);
  const address = plainText(remote.address ?? '', 45);
  if (address === '' || host.includes(address)) return host;
  return host === '' ? `[${address}]` : `${host} [${address}]`;
}

/** What strangers said stands behind a margin, so that it cannot pass for our own words. */
const indented = (texts: readonly string[]): string =>
  texts
    .flatMap((text) => lines(text, COLUMNS - 4))
    .map((line) => `    ${line}`)
    .join('\n');

const wrapped = (text: string): string => lines(text, COLUMNS).join('\n');

function lines(text: string, columns: number): string[] {
  const found: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > columns) {
      found.push(line);
      line = word;
    } else line = line === '' ? word : `${line} ${word}`;
  }
  if (line !== '') found.push(line);
  return found;
}
