/**
 * Rows of FETCH that need nothing but what the folder's state has, and what all rows share.
 *
 * FETCH 1:* FLAGS is what every client begins with. A row is a few concatenations and a look-up
 * of its flags' text; rows go out in pieces of some 64 KiB, and others have their turn between.
 */
import type { Folder, Numbered } from '../../mailbox/mail.ts';
import type { HeadSummary, Summary } from '../../mailbox/summary.ts';
import type { Done } from '../../net/line-transport.ts';
import { StoreError } from '../../volumes/error.ts';
import { UPDATE_BYTES_MAX } from '../options.ts';
import type { ImapSession } from '../session.ts';
import type { Selected } from '../state.ts';
import type { Span } from '../view.ts';
import type { FetchItem, FetchRequest, PlainItem } from '../wire/fetch-items.ts';
import { flagsText } from '../wire/flags.ts';
import { writeDateTime } from '../wire/write-date.ts';
import { writeEnvelope } from '../wire/write-envelope.ts';
import { writeStructure } from '../wire/write-structure.ts';
import { textString } from '../wire/write-text.ts';

/** What a FETCH asks, and what it takes to answer it. */
export interface FetchPlan {
  readonly items: readonly FetchItem[];
  readonly changedSince: number | undefined;
  /** Of the messages' content. */
  readonly need: 'nothing' | 'head' | 'all';
  readonly octets: boolean;
  readonly date: boolean;
  /** Octets of messages are sent. */
  readonly parts: boolean;
  /** \Seen is set, RFC 9051 §6.4.5. */
  readonly seen: boolean;
}

const HEAD: ReadonlySet<PlainItem> = new Set(['ENVELOPE']);
const ALL: ReadonlySet<PlainItem> = new Set(['BODY', 'BODYSTRUCTURE', 'PREVIEW']);

export function fetchPlan(request: FetchRequest, by: 'sequence' | 'uid'): FetchPlan {
  const items = withImplied(request, by);
  const names = new Set(items.flatMap((item) => (item.kind === 'plain' ? [item.name] : [])));
  const parts = items.filter((item) => item.kind !== 'plain');
  const all = hasOneOf(names, ALL) || parts.some(needsStructure);
  const head = hasOneOf(names, HEAD) || parts.some(needsHead);
  return {
    items,
    changedSince: request.changedSince,
    need: all ? 'all' : head ? 'head' : 'nothing',
    octets: names.has('RFC822.SIZE'),
    date: names.has('INTERNALDATE'),
    parts: parts.length > 0,
    seen: items.some((item) => 'seen' in item && item.seen === 'sets'),
  };
}

const hasOneOf = (names: ReadonlySet<PlainItem>, of: ReadonlySet<PlainItem>): boolean =>
  [...of].some((name) => names.has(name));

/** UID FETCH says UIDs, CHANGEDSINCE wants MODSEQ (RFC 9051 §6.4.9, RFC 7162 §3.1.4.1). */
function withImplied({ items, changedSince }: FetchRequest, by: 'sequence' | 'uid'): FetchItem[] {
  const has = (name: PlainItem): boolean =>
    items.some((item) => item.kind === 'plain' && item.name === name);
  const all = [...items];
  if (by === 'uid' && !has('UID')) all.unshift({ kind: 'plain', name: 'UID' });
  if (changedSince !== undefined && !has('MODSEQ')) all.push({ kind: 'plain', name: 'MODSEQ' });
  return all;
}

const needsStructure = (item: FetchItem): boolean =>
  (item.kind === 'section' && item.section.part.length > 0) ||
  (item.kind === 'binary' && item.part.length > 0) ||
  (item.kind === 'binary-size' && item.part.length > 0);

const needsHead = (item: FetchItem): boolean =>
  item.kind === 'section' && item.section.text === 'text';

/** A message and what is known of it when its row is written. */
export interface RowFacts {
  readonly number: number;
  readonly message: Numbered;
  readonly octets: number;
  readonly date: number;
  readonly summary: HeadSummary | Summary | undefined;
}

/** `FLAGS (\Seen)`, `ENVELOPE (…)` and so on. */
export function plainText(name: PlainItem, facts: RowFacts, client: Client): string {
  const { message } = facts;
  switch (name) {
    case 'FLAGS':
      return `FLAGS (${flagsText(message, client.recent?.has(message.uid) === true)})`;
    case 'UID':
      return `UID ${message.uid}`;
    case 'MODSEQ':
      return `MODSEQ (${message.modseq})`;
    case 'INTERNALDATE':
      return `INTERNALDATE ${writeDateTime(facts.date)}`;
    case 'RFC822.SIZE':
      return `RFC822.SIZE ${facts.octets}`;
    default:
      return contentText(name, facts.summary, client);
  }
}

type ContentItem = 'ENVELOPE' | 'BODY' | 'BODYSTRUCTURE' | 'PREVIEW';

function contentText(
  name: ContentItem,
  summary: HeadSummary | Summary | undefined,
  client: Client,
): string {
  if (summary === undefined) throw new TypeError(`${name} without a summary`);
  if (name === 'ENVELOPE') return `ENVELOPE ${writeEnvelope(summary.envelope)}`;
  if (!('structure' in summary)) throw new TypeError(`${name} of a head`);
  if (name === 'PREVIEW') return `PREVIEW ${textString(summary.preview)}`;
  return `${name} ${writeStructure(summary.structure, { item: name, utf8: client.utf8 })}`;
}

/** What of a client shows in rows. */
export interface Client {
  /** UIDs of \Recent; IMAP4rev2 has none. */
  readonly recent: ReadonlySet<number> | undefined;
  readonly utf8: boolean;
}

export const clientOf = ({ enabled }: ImapSession, { view }: Selected): Client => ({
  recent: enabled.rev2 || view.recent.size === 0 ? undefined : view.recent,
  utf8: enabled.utf8,
});

/** Walks the indices of spans in order. */
export class IndexWalk {
  readonly #spans: readonly Span[];
  #span = 0;
  /** The index that comes next; -1: there is none. */
  index: number;

  constructor(spans: readonly Span[]) {
    this.#spans = spans;
    this.index = spans[0]?.[0] ?? -1;
  }

  step(): void {
    this.index += 1;
    if (this.index < (this.#spans[this.#span] as Span)[1]) return;
    this.#span += 1;
    this.index = this.#spans[this.#span]?.[0] ?? -1;
  }
}

export interface FetchJob {
  readonly session: ImapSession;
  readonly state: Selected;
  readonly plan: FetchPlan;
  readonly spans: readonly Span[];
  /** Called once at the end. */
  readonly finish: (gone: number) => void;
}

/** Answers a plan that needs no content, at once when it is short. */
export function fetchPlain(job: FetchJob): Done {
  const rows = new PlainRows(job);
  const wait = rows.piece();
  if (wait !== 'done') return restOf(job, rows, wait);
  job.finish(rows.gone);
}

async function restOf(job: FetchJob, rows: PlainRows, first: Wait): Promise<void> {
  for (let wait = first; wait !== 'done'; wait = rows.piece()) {
    if (wait !== 'full') await wait;
    else await pause(job.session);
  }
  job.finish(rows.gone);
}

/** What was said goes out, and others have their turn. @throws ConnectionLost */
export async function pause(session: ImapSession): Promise<void> {
  session.flush();
  await session.turnOfOthers();
  await session.flowing();
}

type Wait = 'done' | 'full' | Promise<void>;

const NO_FLAGS = { flags: '', keywords: [], text: 'FLAGS ()' };

class PlainRows {
  readonly #session: ImapSession;
  readonly #folder: Folder;
  readonly #messages: readonly Numbered[];
  readonly #names: readonly PlainItem[];
  readonly #plan: FetchPlan;
  readonly #client: Client;
  readonly #walk: IndexWalk;
  /** Of the message that the walk is at, where asking took time. */
  #octets: number | undefined;
  #date: number | undefined;
  /** The text of FLAGS that was made last, and of what. */
  #last: Pick<Numbered, 'flags' | 'keywords'> & { readonly text: string } = NO_FLAGS;
  /** Messages that another session deleted before they could be told of. */
  gone = 0;

  constructor({ session, state, plan, spans }: FetchJob) {
    this.#session = session;
    this.#folder = state.folder;
    this.#messages = state.view.messages;
    this.#names = plan.items.flatMap((item) => (item.kind === 'plain' ? [item.name] : []));
    this.#plan = plan;
    this.#client = clientOf(session, state);
    this.#walk = new IndexWalk(spans);
  }

  /** Says rows until they are much, or until something of a message has to be waited for. */
  piece(): Wait {
    const { changedSince = -1 } = this.#plan;
    const walk = this.#walk;
    let text = '';
    for (; walk.index >= 0; walk.step()) {
      if (text.length >= UPDATE_BYTES_MAX) {
        this.#session.say(text);
        return 'full';
      }
      const message = this.#messages[walk.index] as Numbered;
      if (message.modseq <= changedSince) continue;
      const wait = this.#ask(message);
      if (wait !== undefined) {
        this.#session.say(text);
        return wait;
      }
      if (this.#octets === GONE || this.#date === GONE) this.gone += 1;
      else text += this.#row(message);
      this.#octets = undefined;
      this.#date = undefined;
    }
    this.#session.say(text);
    return 'done';
  }

  #row(message: Numbered): string {
    const names = this.#names;
    let text = `* ${this.#walk.index + 1} FETCH (`;
    for (let at = 0; at < names.length; at += 1) {
      if (at > 0) text += ' ';
      text += this.#value(names[at] as PlainItem, message);
    }
    return `${text})\r\n`;
  }

  /** As plainText, without an object for each row. */
  #value(name: PlainItem, message: Numbered): string {
    if (name === 'FLAGS') return this.#flags(message);
    if (name === 'UID') return `UID ${message.uid}`;
    if (name === 'RFC822.SIZE') return `RFC822.SIZE ${this.#octets ?? 0}`;
    if (name === 'INTERNALDATE') return `INTERNALDATE ${writeDateTime(this.#date ?? 0)}`;
    return `MODSEQ (${message.modseq})`;
  }

  /** Neighbours have the same flags most often. */
  #flags(message: Numbered): string {
    const { recent } = this.#client;
    if (recent?.has(message.uid) === true) return `FLAGS (${flagsText(message, true)})`;
    const { flags, keywords } = message;
    if (flags === this.#last.flags && keywords === this.#last.keywords) return this.#last.text;
    const text = `FLAGS (${flagsText(message, false)})`;
    this.#last = { flags, keywords, text };
    return text;
  }

  /** Size and date, which are in the name for most: then nothing has to be waited for. */
  #ask(message: Numbered): Promise<void> | undefined {
    if (this.#plan.octets && this.#octets === undefined) {
      const octets = unlessGone(() => this.#folder.octets(message));
      if (typeof octets !== 'number') {
        return octets.then((value) => {
          this.#octets = value;
        });
      }
      this.#octets = octets;
    }
    if (this.#plan.date && this.#date === undefined) {
      const date = unlessGone(() => this.#folder.date(message));
      if (typeof date !== 'number') {
        return date.then((value) => {
          this.#date = value;
        });
      }
      this.#date = date;
    }
    return undefined;
  }
}

/** Stands for what a message had that another session deleted. */
export const GONE = Number.NEGATIVE_INFINITY;

/** What is asked of a message, or GONE. @throws StoreError of other kinds */
export function unlessGone(ask: () => number | Promise<number>): number | Promise<number> {
  try {
    const value = ask();
    return typeof value === 'number' ? value : value.catch(goneOrThrow);
  } catch (error) {
    return goneOrThrow(error);
  }
}

function goneOrThrow(error: unknown): typeof GONE {
  if (error instanceof StoreError && error.kind === 'message-gone') return GONE;
  throw error;
}
