/** SearchSnippet/get (RFC 8621 §5): where in an email the words are that somebody looked for. */
import { htmlToText } from '../../message/mime/html-text.ts';
import type { Summary } from '../../mailbox/summary.ts';
import type { EmailPlace } from '../../mailbox/view.ts';
import { inParallel } from '../../mailbox/summaries-parallel.ts';
import { bodyLists, bodyStructure } from '../wire/body.ts';
import { bodyValue } from '../wire/email.ts';
import { textOf } from '../wire/header.ts';
import { MethodError, type Args, type JmapContext } from '../types.ts';
import { isRecord } from '../wire/values.ts';
import { invalid, readerFor } from './arguments.ts';
import { readFilter, wordsOf } from './email-filter.ts';
import { contentOf, orGone, summariesOf } from './email-read.ts';
import { currentVersion } from './standard.ts';

/** Octets of a preview (§5). */
const PREVIEW_MAX = 255;
/** Characters before the first word that is found, and of text that is shown. */
const BEFORE = 40;
const SHOWN = 160;
/** Octets of text that are looked at. */
const TEXT_OCTETS = 256 * 1024;
const WORDS_MAX = 50;
/** Characters of a word; a longer one is looked for by its beginning. */
const WORD_MAX = 200;
const PARALLEL = 4;

/** RFC 8621 §5.1 */
export async function snippetGet(args: Args, context: JmapContext): Promise<Args> {
  const reader = readerFor(args, context);
  const filter = reader.value('filter');
  readFilter(filter ?? {});
  const emailIds = reader.strings('emailIds') ?? invalid('emailIds is missing');
  reader.end();
  if (emailIds.length > context.limits.maxObjectsInGet) {
    throw new MethodError('requestTooLarge', 'These are too many emails');
  }
  const version = await currentVersion(context);
  const found = new Map<string, EmailPlace>();
  for (const id of emailIds) {
    const [place] = version.places(id);
    if (place !== undefined) found.set(id, place);
  }
  const words = wantedWords(filter ?? {});
  const snippets = new Map<string, Args>();
  const summaries = await summariesOf([...found.values()], words.body ? 'all' : 'head');
  await inParallel([...found], PARALLEL, () => async ([id, place]) => {
    const summary = summaries.get(place);
    if (summary === undefined) return;
    const { subject } = summary.envelope;
    const title = subject === undefined ? null : marked(textOf(subject), words.subject, Infinity);
    const text = words.body
      ? await orGone(() => textFrom(context, { id, place }, summary as Summary))
      : undefined;
    const preview = text === undefined ? null : marked(window(text, words.body), words.body);
    snippets.set(id, { emailId: id, subject: title, preview });
  });
  const notFound = emailIds.filter((id) => !snippets.has(id));
  return {
    accountId: context.account.id,
    list: emailIds.flatMap((id): readonly Args[] => {
      const one = snippets.get(id);
      return one === undefined ? [] : [one];
    }),
    notFound: notFound.length > 0 ? notFound : null,
  };
}

/** Undefined: nothing is looked for there. */
interface Words {
  readonly subject: RegExp | undefined;
  readonly body: RegExp | undefined;
}

function wantedWords(filter: unknown): Words {
  const [subject, body] = [new Set<string>(), new Set<string>()];
  const open: unknown[] = [filter];
  for (let one = open.pop(); one !== undefined; one = open.pop()) {
    if (!isRecord(one) || one['operator'] === 'NOT') continue;
    if (Array.isArray(one['conditions'])) open.push(...(one['conditions'] as unknown[]));
    for (const [name, sets] of [
      ['text', [subject, body]],
      ['subject', [subject]],
      ['body', [body]],
    ] as const) {
      const text = one[name];
      if (typeof text !== 'string') continue;
      for (const word of wordsOf(text)) for (const set of sets) set.add(cut(word));
    }
  }
  return { subject: pattern(subject), body: pattern(body) };
}

const cut = (word: string): string => word.slice(0, WORD_MAX).toWellFormed();

/** The longest first, so that what begins with another is found. */
function pattern(words: ReadonlySet<string>): RegExp | undefined {
  if (words.size === 0) return undefined;
  const longest = [...words].toSorted((a, b) => b.length - a.length).slice(0, WORDS_MAX);
  const sources = longest.map((word) =>
    word.replace(/[\\^$.*+?()[\]{}|/]/g, String.raw`\$&`).replace(/\s+/g, String.raw`\s+`),
  );
  return new RegExp(sources.join('|'), 'giu');
}

/** The text of the first part that has one. @throws StoreError */
async function textFrom(
  context: JmapContext,
  { id, place }: { readonly id: string; readonly place: EmailPlace },
  summary: Summary,
): Promise<string> {
  const content = contentOf(context, { id, place, plan: { need: 'all' } }, summary);
  const [first] = bodyLists(bodyStructure(summary.structure)).text.filter(
    ({ part }) => part.type === 'text',
  );
  if (first === undefined) return '';
  const { value } = await bodyValue(content, first, TEXT_OCTETS);
  const text = first.part.subtype === 'html' ? htmlToText(value) : value;
  return text.replace(/\s+/g, ' ').trim();
}

/** The text around the first word that is found; '' where none is. */
function window(text: string, words: RegExp | undefined): string {
  const at = words === undefined ? -1 : text.search(words);
  if (at < 0) return '';
  let start = Math.max(0, at - BEFORE);
  if (start > 0) start = text.indexOf(' ', start) + 1 || start;
  return text.slice(Math.min(start, at), start + SHOWN).toWellFormed();
}

const ESCAPES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;' };
const escaped = (text: string): string => text.replace(/[&<>]/g, (char) => ESCAPES[char] ?? char);

/** HTML with the words marked; null where none is there. A stranger's text makes no tag (§5). */
export function marked(
  text: string,
  words: RegExp | undefined,
  max: number = PREVIEW_MAX,
): string | null {
  if (words === undefined) return null;
  let out = '';
  let at = 0;
  let isFound = false;
  for (const match of text.matchAll(words)) {
    if (match[0] === '') continue;
    const piece = `${escaped(text.slice(at, match.index))}<mark>${escaped(match[0])}</mark>`;
    if (Buffer.byteLength(out) + Buffer.byteLength(piece) > max) break;
    isFound = true;
    out += piece;
    at = match.index + match[0].length;
  }
  for (const char of text.slice(at)) {
    const piece = escaped(char);
    if (Buffer.byteLength(out) + Buffer.byteLength(piece) > max) break;
    out += piece;
  }
  return isFound ? out : null;
}
