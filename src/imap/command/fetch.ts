/**
 * FETCH (RFC 9051 §6.4.5). Rows come from the session's view, so message numbers mean what the
 * client knows, also of messages that others expunged meanwhile: of those it is told what the view
 * has, and what is not there any more is left out (RFC 2180 §4.1.2) and said at the end.
 */
import type { Numbered } from '../../mailbox/mail.ts';
import type { Ahead } from '../../mailbox/read-ahead.ts';
import type { Piece } from '../../mailbox/summaries.ts';
import type { HeadSummary, Summary } from '../../mailbox/summary.ts';
import { BrokenAnswer, ConnectionLost, type Done } from '../../net/line-transport.ts';
import { StoreError } from '../../volumes/error.ts';
import { useCondstore } from '../condstore.ts';
import { UPDATE_BYTES_MAX } from '../options.ts';
import { Refusal } from '../replies.ts';
import type { ImapSession } from '../session.ts';
import type { Selected } from '../state.ts';
import { type By, firstFrom } from '../view.ts';
import type { Args } from '../wire/args.ts';
import { type FetchRequest, readFetch } from '../wire/fetch-items.ts';
import { vanishedSince } from '../wire/resync.ts';
import { formatSequence } from '../wire/sequence.ts';
import { Gathered } from './fetch-gather.ts';
import { aheadOctets, isWhole, openItem, type Opened, type PartItem } from './fetch-parts.ts';
import {
  type Client,
  clientOf,
  type FetchJob,
  fetchPlain,
  fetchPlan,
  GONE,
  IndexWalk,
  pause,
  plainText,
  type RowFacts,
  unlessGone,
} from './fetch-rows.ts';
import { sendStream } from './fetch-stream.ts';

/** Messages whose \Seen is set by one change, before their octets are sent. */
const SEEN_AT_ONCE = 256;

/** FETCH and UID FETCH. */
export function fetch(session: ImapSession, args: Args, state: Selected, by: By): Done {
  args.space();
  const set = args.sequenceText();
  args.space();
  const request = readFetch(args);
  if (request.vanished === 'told' && (by !== 'uid' || !session.enabled.qresync)) {
    args.fail('VANISHED is for UID FETCH after ENABLE QRESYNC'); // RFC 7162 §3.2.6
  }
  const spans = state.view.spans(set, by, state.saved);
  const plan = fetchPlan(request, by);
  if (asksModseq(request)) useCondstore(session, state);
  if (request.vanished === 'told') sayVanished(session, state, set, request.changedSince ?? 0);
  const finish = (gone: number): void => {
    if (gone === 0) session.ok('FETCH completed');
    // A UID that is not there is no error (RFC 9051 §6.4.9); a message number was promised.
    else if (by === 'uid') session.ok('FETCH completed', 'EXPUNGEISSUED');
    else session.no('EXPUNGEISSUED', 'Some of the messages were deleted by another session');
  };
  return fetchRows({ session, state, plan, spans, finish });
}

/** The rows of a plan. What follows is `finish`'s. */
export function fetchRows(job: FetchJob): Done {
  const { need, parts } = job.plan;
  return need === 'nothing' && !parts ? fetchPlain(job) : fetchContent(job);
}

const asksModseq = ({ items, changedSince }: FetchRequest): boolean =>
  changedSince !== undefined ||
  items.some((item) => item.kind === 'plain' && item.name === 'MODSEQ');

/** UIDs of the set that were expunged since (RFC 7162 §3.2.6). */
function sayVanished(session: ImapSession, state: Selected, set: string, since: number): void {
  const { view, saved } = state;
  const uids = set === '$' ? formatSequence(saved) : set.replaceAll('*', `${view.lastUid || 1}`);
  if (uids === '') return;
  const { uidValidity } = view.state;
  const known = { uidValidity, modseq: since, uids, match: undefined };
  const vanished = vanishedSince(view.state, known);
  if (vanished !== '') session.untagged(`VANISHED (EARLIER) ${vanished}`);
}

async function fetchContent(job: FetchJob): Promise<void> {
  const { state, plan, spans } = job;
  const { changedSince = -1 } = plan;
  const wanted: number[] = [];
  for (const walk = new IndexWalk(spans); walk.index >= 0; walk.step()) {
    if ((state.view.messages[walk.index] as Numbered).modseq > changedSince)
      wanted.push(walk.index);
  }
  const sets = plan.seen && state.access === 'read-write';
  const rows = new ContentRows(job);
  const step = sets ? SEEN_AT_ONCE : wanted.length;
  for (let at = 0; at < wanted.length; at += step) {
    const indices = wanted.slice(at, at + step);
    const messages = indices.map((index) => state.view.messages[index] as Numbered);
    const newest = sets ? await markSeen(state, messages) : undefined;
    await rows.send(indices, messages, newest);
  }
  if (rows.refused !== undefined) throw rows.refused;
  job.finish(rows.gone);
}

/**
 * Sets \Seen, before the octets go out: a message that was read and is not marked is seen again,
 * one that is marked and was not read may be missed, but only if the line breaks in between.
 * A full volume does not keep anybody from reading. @returns messages that changed, by UID
 */
async function markSeen(
  { folder, view }: Selected,
  messages: readonly Numbered[],
): Promise<ReadonlyMap<number, Numbered>> {
  const changed = new Map<number, Numbered>();
  const uids = messages.filter(({ flags }) => !flags.includes('S')).map(({ uid }) => uid);
  if (uids.length === 0) return changed;
  try {
    const { uidValidity } = view.state;
    const seen = { uids, uidValidity, how: 'add', letters: 'S', keywords: [] } as const;
    const stored = await folder.store(seen);
    const gone = new Set(stored.gone);
    for (const uid of uids) {
      if (gone.has(uid)) continue;
      const message = stored.state.messages[firstFrom(stored.state.messages, uid)];
      if (message?.uid !== uid) continue;
      changed.set(uid, message);
      view.told(message);
    }
  } catch (error) {
    if (!(error instanceof StoreError) || error.kind !== 'volume-full') throw error;
  }
  return changed;
}

class ContentRows {
  readonly #job: FetchJob;
  #said = 0;
  gone = 0;
  /**
   * The first item that cannot be answered; the others and the other rows are told all the same.
   */
  refused: Refusal | undefined;

  constructor(job: FetchJob) {
    this.#job = job;
  }

  /** Rows of messages, in order. `newest` has those whose \Seen was set just now. */
  async send(
    indices: readonly number[],
    messages: readonly Numbered[],
    newest: ReadonlyMap<number, Numbered> | undefined,
  ): Promise<void> {
    const { session, state, plan } = this.#job;
    const ahead = await this.#readAhead(messages, newest);
    const client = clientOf(session, state);
    const gathered = ahead && isWhole(plan.items) ? new Gathered(session) : undefined;
    const summaries = this.#summaries(messages);
    for (const [at, before] of messages.entries()) {
      const next = summaries && (await summaries.next());
      const summary = next === undefined || next.done === true ? undefined : next.value;
      if (next !== undefined && summary === undefined) {
        this.gone += 1;
        continue;
      }
      const message = newest?.get(before.uid) ?? before;
      const found = this.#facts(message, (indices[at] as number) + 1, summary);
      const facts = found instanceof Promise ? await found : found;
      if (facts === undefined) this.gone += 1;
      else if (!plan.parts) this.#plainRow(facts, client);
      else {
        const taken = ahead?.take(message);
        const begin = taken instanceof Promise ? await taken : taken;
        const seenNow = message !== before;
        if (begin?.end && gathered && this.#gather(gathered, facts, begin, seenNow)) {
          if (gathered.isFull) await gathered.flush();
          continue;
        }
        await gathered?.flush();
        if (!(await this.#row(facts, client, { seenNow, begin }))) this.gone += 1;
      }
      if (this.#said >= UPDATE_BYTES_MAX) {
        this.#said = 0;
        await pause(this.#job.session);
      }
    }
    await gathered?.flush();
    gathered?.end();
    ahead?.stop();
  }

  /** What is asked of all messages alike is read for some of them at once. */
  async #readAhead(
    messages: readonly Numbered[],
    newest: ReadonlyMap<number, Numbered> | undefined,
  ): Promise<Ahead | undefined> {
    const octets = aheadOctets(this.#job.plan.items);
    if (octets === undefined) return undefined;
    const now = newest ? messages.map((message) => newest.get(message.uid) ?? message) : messages;
    return this.#job.state.folder.readAhead({ messages: now, octets });
  }

  /** A row with all of a message that was read ahead. @returns whether it could be made so */
  #gather(gathered: Gathered, facts: RowFacts, piece: Piece, seenNow: boolean): boolean {
    const { session, state, plan } = this.#job;
    const { message } = facts;
    const octets = state.folder.octets(message);
    if (!piece.end || typeof octets !== 'number' || octets === 0) return false;
    const client = clientOf(session, state);
    let text = `* ${facts.number} FETCH (`;
    let before = '';
    let between = '';
    for (const item of plan.items) {
      text += between;
      between = ' ';
      if (item.kind === 'plain') text += plainText(item.name, facts, client);
      else {
        before = `${text}${item.label} {${octets}}\r\n`;
        text = '';
      }
    }
    const after = `${text}${seenNow ? this.#changed(facts, client) : ''})\r\n`;
    const added = gathered.add({ before, message, stored: piece.bytes, octets, after });
    if (added) {
      session.fetched += 1;
      session.sentOctets += octets;
    }
    return added;
  }

  #summaries(
    messages: readonly Numbered[],
  ): AsyncIterator<HeadSummary | Summary | undefined> | undefined {
    const { plan, state } = this.#job;
    if (plan.need === 'nothing') return undefined;
    const { folder } = state;
    return plan.need === 'head'
      ? folder.summaries(messages, 'head')[Symbol.asyncIterator]()
      : folder.summaries(messages, 'all')[Symbol.asyncIterator]();
  }

  /** At once for most: awaiting each of 50,000 rows costs as much as writing them. */
  #facts(
    message: Numbered,
    number: number,
    summary: HeadSummary | Summary | undefined,
  ): RowFacts | undefined | Promise<RowFacts | undefined> {
    const { plan, state } = this.#job;
    const octets = plan.octets ? unlessGone(() => state.folder.octets(message)) : 0;
    const date = plan.date ? unlessGone(() => state.folder.date(message)) : 0;
    const factsOf = (size: number, at: number): RowFacts | undefined =>
      size === GONE || at === GONE
        ? undefined
        : { number, message, octets: size, date: at, summary };
    if (typeof octets === 'number' && typeof date === 'number') return factsOf(octets, date);
    return Promise.all([octets, date]).then(([size, at]) => factsOf(size, at));
  }

  /** Of items that are all plain. */
  #plainRow(facts: RowFacts, client: Client): void {
    let text = `* ${facts.number} FETCH (`;
    let between = '';
    for (const item of this.#job.plan.items) {
      if (item.kind !== 'plain') throw new TypeError('an item that is not plain');
      text += between + plainText(item.name, facts, client);
      between = ' ';
    }
    this.#say(`${text})\r\n`);
  }

  /** @returns whether the message was there */
  async #row(
    facts: RowFacts,
    client: Client,
    { seenNow, begin }: { readonly seenNow: boolean; readonly begin: Piece | undefined },
  ): Promise<boolean> {
    const { session, plan } = this.#job;
    let text = `* ${facts.number} FETCH (`;
    let between = '';
    let broken = false;
    try {
      for (const item of plan.items) {
        text += between;
        between = ' ';
        if (item.kind === 'plain') {
          text += plainText(item.name, facts, client);
          continue;
        }
        const opened = await this.#open(item, facts, begin);
        if (typeof opened === 'string') {
          text += `${item.label} ${opened}`;
          if (text.length < UPDATE_BYTES_MAX) continue;
          this.#say(text);
          text = '';
          broken = true;
          await session.flowing();
          continue;
        }
        const { head, stream } = opened;
        this.#say(`${text}${item.label} ${head}{${stream.octets}}\r\n`);
        text = '';
        broken = true;
        await sendStream(session, stream);
      }
    } catch (error) {
      if (broken) throw asBroken(error);
      if (error instanceof StoreError && error.kind === 'message-gone') return false;
      throw error;
    }
    if (plan.parts) session.fetched += 1;
    this.#say(`${text}${seenNow ? this.#changed(facts, client) : ''})\r\n`);
    return true;
  }

  async #open(
    item: PartItem,
    { message, summary }: RowFacts,
    begin: Piece | undefined,
  ): Promise<Opened> {
    try {
      return await openItem(item, { state: this.#job.state, message, summary, begin });
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      this.refused ??= error;
      return item.kind === 'binary-size' ? '0' : 'NIL';
    }
  }

  #say(text: string): void {
    this.#said += text.length;
    this.#job.session.say(text);
  }

  /** What \Seen changed, where it was not asked for anyway. */
  #changed(facts: RowFacts, client: Client): string {
    const { items } = this.#job.plan;
    const has = (name: string): boolean =>
      items.some((item) => item.kind === 'plain' && item.name === name);
    let text = has('FLAGS') ? '' : ` ${plainText('FLAGS', facts, client)}`;
    if (this.#job.session.enabled.condstore && !has('MODSEQ')) {
      text += ` ${plainText('MODSEQ', facts, client)}`;
    }
    return text;
  }
}

/** Half of a row is out: no answer can end it well. */
const asBroken = (error: unknown): Error =>
  error instanceof ConnectionLost || error instanceof BrokenAnswer
    ? error
    : new BrokenAnswer('the message broke off', { cause: error });
