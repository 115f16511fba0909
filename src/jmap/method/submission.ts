/**
 * EmailSubmission (RFC 8621 §7). A letter is sent when its object is created, by the same policy as
 * on port 587, and nothing can be taken back: `undoStatus` is final from the start. What was sent
 * is remembered for a week, a fact each.
 *
 * Invariant: what is told as created was accepted for all of its recipients, and what is told as
 * not created was accepted for none. That the fact could not be written does not make a letter
 * unsent: it is told as created, or the user would send it twice.
 */
import { mailAddresses } from '../../message/mime/addresses.ts';
import type { Extent, MailAddress } from '../../message/mime/types.ts';
import type { EmailPlace } from '../../mailbox/view.ts';
import { StoreError } from '../../volumes/error.ts';
import { addressesOf, fieldsOf, utcDate } from '../wire/header.ts';
import {
  MethodError,
  type Args,
  type JmapContext,
  type Response,
  type SubmissionAddress,
  type SubmitReply,
} from '../types.ts';
import { methodErrorOf } from '../trouble.ts';
import { isRecord } from '../wire/values.ts';
import { checkCollation, invalid, Reader, readerFor } from './arguments.ts';
import { readRange, summariesOf } from './email-read.ts';
import { emailSet } from './email-set.ts';
import { faultOf } from './faults.ts';
import { requireIdentity } from './identity.ts';
import { orderedIds, pageArguments, pageOf } from './query-page.ts';
import { readRecords, recordsChanges, recordsState, stateOf, writeRecord } from './records.ts';
import {
  badProperties,
  changesAnswer,
  changesArguments,
  currentVersion,
  picked,
  requireState,
  resolvedId,
  SetOutcome,
  SetRefusal,
  setArguments,
  wantedIds,
  wantedProperties,
} from './standard.ts';

const DRAWER = 'submissions';
const KEPT_MS = 7 * 24 * 3_600_000;
/** Digits of the time in ids, in base 36: enough for 5000 years. */
const TIME_DIGITS = 10;
const PROPERTIES: readonly string[] = [
  ...'id identityId emailId threadId envelope sendAt undoStatus'.split(' '),
  ...'deliveryStatus dsnBlobIds mdnBlobIds'.split(' '),
];

/** The time of an id, in milliseconds since 1970. */
const timeOf = (id: string): number => parseInt(id.slice(1, 1 + TIME_DIGITS), 36);

/** Those of the last week. @throws StoreError */
async function sentOf(context: JmapContext): Promise<ReadonlyMap<string, Args>> {
  const since = context.clock.now() - KEPT_MS;
  const all = await readRecords(context, DRAWER);
  return new Map([...all].filter(([id]) => timeOf(id) >= since));
}

/** None ever changes: one is made, and after a week it is gone. */
const stateNow = recordsState;
const queryStateNow = (all: ReadonlyMap<string, Args>): string => stateOf([...all.keys()]);

/** RFC 8621 §7.1 */
export async function submissionGet(args: Args, context: JmapContext): Promise<Args> {
  const reader = readerFor(args, context);
  const ids = wantedIds(reader, context);
  const properties = wantedProperties(reader, PROPERTIES);
  reader.end();
  const all = await sentOf(context);
  const wanted = ids ?? [...all.keys()];
  return {
    accountId: context.account.id,
    state: stateNow(all),
    list: wanted.flatMap((id) => {
      const one = all.get(id);
      return one === undefined ? [] : [picked({ ...one, id }, properties)];
    }),
    notFound: wanted.filter((id) => !all.has(id)),
  };
}

/** RFC 8621 §7.2 */
export async function submissionChanges(args: Args, context: JmapContext): Promise<Args> {
  const reader = readerFor(args, context);
  const asked = changesArguments(reader);
  reader.end();
  const part = recordsChanges(asked.since, await sentOf(context), asked.max);
  return changesAnswer({ accountId: context.account.id, ...asked }, part);
}

const LISTS: Readonly<Record<string, string>> = {
  identityIds: 'identityId',
  emailIds: 'emailId',
  threadIds: 'threadId',
};
const FILTER_DEPTH_MAX = 20;
const SORTS: Readonly<Record<string, string>> = {
  emailId: 'emailId',
  threadId: 'threadId',
  sentAt: 'sendAt',
};

/** RFC 8621 §7.3 */
export async function submissionQuery(args: Args, context: JmapContext): Promise<Args> {
  const reader = readerFor(args, context);
  const test = readTest(reader.object('filter') ?? {});
  const compare = readCompare(reader.objects('sort') ?? []);
  const page = pageArguments(reader);
  reader.end();
  const all = await sentOf(context);
  const found = [...all]
    .filter(([, one]) => test(one))
    .toSorted(([a, one], [b, other]) => {
      return compare(one, other) || (a < b ? -1 : 1);
    });
  return {
    accountId: context.account.id,
    queryState: queryStateNow(all),
    canCalculateChanges: false,
    ...(await pageOf(orderedIds(found.map(([id]) => id)), page, context)),
  };
}

/** A FilterOperator or a FilterCondition (RFC 8620 §5.5). @throws MethodError */
function readTest(filter: Args, depth = 0): (one: Args) => boolean {
  if (!Object.hasOwn(filter, 'operator')) return readCondition(filter);
  if (depth === FILTER_DEPTH_MAX) throw new MethodError('unsupportedFilter', 'It is too deep');
  const reader = new Reader(filter);
  const operator = reader.string('operator');
  const conditions = reader.objects('conditions') ?? invalid('conditions is missing');
  reader.end();
  const tests = conditions.map((one) => readTest(one, depth + 1));
  if (operator === 'AND') return (one) => tests.every((test) => test(one));
  if (operator === 'OR') return (one) => tests.some((test) => test(one));
  if (operator === 'NOT') return (one) => !tests.some((test) => test(one));
  return invalid('operator is AND, OR or NOT');
}

function readCondition(filter: Args): (one: Args) => boolean {
  const reader = new Reader(filter);
  const tests = Object.keys(filter).map((name): ((one: Args) => boolean) => {
    const property = Object.hasOwn(LISTS, name) ? LISTS[name] : undefined;
    if (property !== undefined) {
      const wanted = reader.strings(name) ?? [];
      return (one) => wanted.includes(one[property] as string);
    }
    const text = reader.string(name) ?? '';
    if (name === 'undoStatus') return (one) => one[name] === text;
    if (name === 'before') return (one) => String(one['sendAt']) < text;
    if (name === 'after') return (one) => String(one['sendAt']) >= text;
    throw new MethodError('unsupportedFilter', `There is no condition ${name.slice(0, 60)}`);
  });
  return (one) => tests.every((test) => test(one));
}

function readCompare(comparators: readonly Args[]): (a: Args, b: Args) => number {
  const compares = comparators.map((one) => {
    const reader = new Reader(one);
    const given = reader.string('property') ?? invalid('A comparator has a property');
    const property = Object.hasOwn(SORTS, given) ? SORTS[given] : undefined;
    if (property === undefined) throw new MethodError('unsupportedSort', 'Nothing is sorted by it');
    checkCollation(reader);
    const sign = (reader.value('isAscending') ?? true) === true ? 1 : -1;
    return (a: Args, b: Args): number => {
      const [x, y] = [String(a[property]), String(b[property])];
      return x < y ? -sign : x > y ? sign : 0;
    };
  });
  return (a, b) => compares.reduce((order, compare) => order || compare(a, b), 0);
}

/** RFC 8621 §7.4: there is nothing to tell changes by. */
export async function submissionQueryChanges(args: Args, context: JmapContext): Promise<Args> {
  const reader = readerFor(args, context);
  const since = reader.string('sinceQueryState') ?? invalid('sinceQueryState is missing');
  const state = queryStateNow(await sentOf(context));
  if (since !== state) throw new MethodError('cannotCalculateChanges', 'Ask for the result anew');
  const accountId = context.account.id;
  return { accountId, oldQueryState: since, newQueryState: state, removed: [], added: [] };
}

/** RFC 8621 §7.5 */
export async function submissionSet(
  args: Args,
  context: JmapContext,
): Promise<Args | readonly Response[]> {
  const reader = readerFor(args, context);
  const asked = setArguments(reader, context);
  const onUpdate = reader.table('onSuccessUpdateEmail');
  const onDestroy = reader.strings('onSuccessDestroyEmail') ?? [];
  reader.end();
  const before = await sentOf(context);
  const oldState = stateNow(before);
  requireState(asked.ifInState, oldState);
  const outcome = new SetOutcome();
  const emails = new Map<string, string>();
  for (const [key, object] of asked.create) {
    try {
      const { id, record } = await sent(context, object);
      context.createdIds.set(key, id);
      emails.set(`#${key}`, record['emailId'] as string);
      emails.set(id, record['emailId'] as string);
      const { identityId, emailId, ...decided } = record;
      void identityId;
      void emailId;
      outcome.created.set(key, { id, ...decided });
    } catch (error) {
      outcome.notCreated.set(key, faultOf(error));
    }
  }
  for (const given of asked.update.keys()) {
    const isThere = before.has(resolvedId(given, context) ?? given);
    outcome.notUpdated.set(given, { type: isThere ? 'cannotUnsend' : 'notFound' });
  }
  for (const given of asked.destroy) {
    const id = resolvedId(given, context) ?? given;
    const one = before.get(id);
    if (one === undefined) outcome.notDestroyed.set(id, { type: 'notFound' });
    else {
      try {
        await context.view.mail.facts.remove(DRAWER, id);
        emails.set(id, one['emailId'] as string);
        outcome.destroyed.push(id);
      } catch (error) {
        outcome.notDestroyed.set(id, faultOf(error));
      }
    }
  }
  const newState = await stateAfter(context, oldState);
  const answer = outcome.answer({ accountId: context.account.id, oldState, newState });
  if (onUpdate.size === 0 && onDestroy.length === 0) return answer;
  const changes = {
    accountId: context.account.id,
    update: byEmail(onUpdate, emails),
    destroy: onDestroy.flatMap((id) => emails.get(id) ?? []),
  };
  return [{ name: 'EmailSubmission/set', args: answer }, await changedEmails(changes, context)];
}

/** What was sent stays sent, whatever becomes of the emails afterwards (§7.5). */
async function changedEmails(changes: Args, context: JmapContext): Promise<Response> {
  try {
    return { name: 'Email/set', args: await emailSet(changes, context) };
  } catch (error) {
    const known = methodErrorOf(error);
    if (known === undefined) throw error;
    return { name: 'error', args: { type: known.type, description: known.message } };
  }
}

/** The old one where nobody can tell: then the client asks again, and nothing is lost. */
async function stateAfter(context: JmapContext, oldState: string): Promise<string> {
  try {
    return stateNow(await sentOf(context));
  } catch (error) {
    if (!(error instanceof StoreError)) throw error;
    return oldState;
  }
}

const byEmail = (patches: ReadonlyMap<string, Args>, emails: ReadonlyMap<string, string>): Args =>
  Object.fromEntries(
    [...patches].flatMap(([id, patch]) => {
      const email = emails.get(id);
      return email === undefined ? [] : [[email, patch]];
    }),
  );

/** Sends. @throws SetRefusal, StoreError */
async function sent(
  context: JmapContext,
  object: Args,
): Promise<{ readonly id: string; readonly record: Args }> {
  const KNOWN = ['identityId', 'emailId', 'envelope'];
  const other = Object.keys(object).find((name) => !KNOWN.includes(name));
  if (other !== undefined) badProperties([other], `${other.slice(0, 60)} cannot be set`);
  const identity = await requireIdentity(context, object['identityId']);
  const { emailId, place } = await emailOf(context, object['emailId']);
  const envelope = await envelopeOf(place, object['envelope'] ?? null);
  const octets = await place.in.folder.octets(place.message);
  const { maxSizeMessage } = context.limits;
  if (octets > maxSizeMessage) throw new SetRefusal({ type: 'tooLarge', maxSize: maxSizeMessage });
  const { folder } = place.in;
  const { account, trace, address, submitter } = context;
  // Before it is sent: what fails after that must not say that it was not.
  const [threadId] = await context.view.threadIds([place]);
  const verdict = await submitter.submit({
    account,
    ...envelope,
    message: () => folder.read(place.message),
    trace,
    address,
  });
  if (verdict.kind === 'unavailable') {
    throw new SetRefusal({ type: 'serverUnavailable', description: verdict.text });
  }
  if (verdict.kind === 'refused') throw new SetRefusal(verdict.error);
  return await remembered(context, {
    identityId: identity.id,
    emailId,
    threadId,
    envelope: shownEnvelope(envelope),
    reply: verdict.reply,
    recipients: envelope.recipients,
  });
}

interface Sent {
  readonly identityId: string;
  readonly emailId: string;
  readonly threadId: string | undefined;
  readonly envelope: Args;
  readonly reply: SubmitReply;
  readonly recipients: readonly SubmissionAddress[];
}

async function remembered(
  context: JmapContext,
  { reply, recipients, ...facts }: Sent,
): Promise<{ readonly id: string; readonly record: Args }> {
  const now = context.clock.now();
  const unique = Buffer.from(context.random.bytes(6)).toString('hex');
  const id = `s${Math.floor(now).toString(36).padStart(TIME_DIGITS, '0')}${unique}`;
  const smtpReply = `${reply.code} ${reply.enhanced} ${reply.text}`;
  const status = { smtpReply, delivered: 'unknown', displayed: 'unknown' };
  const record: Args = {
    ...facts,
    sendAt: utcDate(now),
    undoStatus: 'final',
    deliveryStatus: Object.fromEntries(recipients.map(({ address }) => [address, status])),
    dsnBlobIds: [],
    mdnBlobIds: [],
  };
  try {
    await writeRecord(context, { drawer: DRAWER, name: id }, record);
    await sweep(context, now - KEPT_MS);
  } catch (error) {
    if (!(error instanceof StoreError)) throw error;
    context.logger.warn({ trace: context.trace, err: error }, 'a submission is not remembered');
  }
  return { id, record };
}

async function sweep({ view }: JmapContext, before: number): Promise<void> {
  const { facts } = view.mail;
  for (const name of await facts.list(DRAWER)) {
    if (timeOf(name) >= before) return; // Sorted by time.
    await facts.remove(DRAWER, name);
  }
}

async function emailOf(
  context: JmapContext,
  given: unknown,
): Promise<{ readonly emailId: string; readonly place: EmailPlace }> {
  const emailId = typeof given === 'string' ? resolvedId(given, context) : undefined;
  const version = await currentVersion(context);
  const [place] = emailId === undefined ? [] : version.places(emailId);
  if (emailId !== undefined && place !== undefined) return { emailId, place };
  return badProperties(['emailId'], 'There is no such email');
}

interface Route {
  readonly from: SubmissionAddress;
  readonly recipients: readonly SubmissionAddress[];
}

const shownEnvelope = ({ from, recipients }: Route): Args => ({
  mailFrom: shownAddress(from),
  rcptTo: recipients.map(shownAddress),
});

const shownAddress = ({ address, parameters }: SubmissionAddress): Args => ({
  email: address,
  parameters: Object.keys(parameters).length > 0 ? parameters : null,
});

/** As given, or from the header (§7, `envelope`). @throws SetRefusal */
async function envelopeOf(place: EmailPlace, given: unknown): Promise<Route> {
  const route = given === null ? await routeOf(place) : givenRoute(given);
  if (route.recipients.length > 0) return route;
  throw new SetRefusal({ type: 'noRecipients', description: 'There is nobody to send it to' });
}

async function routeOf(place: EmailPlace): Promise<Route> {
  const summary = (await summariesOf([place], 'head')).get(place);
  if (summary === undefined) return badProperties(['emailId'], 'There is no such email');
  const { from, sender, to, cc, bcc } = summary.partial
    ? await everyField(place, summary.header)
    : summary.envelope;
  const [author] = addressesOf(sender.length > 0 ? sender : from);
  if (author === undefined) {
    throw new SetRefusal({
      type: 'invalidEmail',
      properties: ['from'],
      description: 'From is missing',
    });
  }
  const recipients = new Map<string, SubmissionAddress>();
  for (const { email } of addressesOf([...to, ...cc, ...bcc])) {
    if (!recipients.has(email)) recipients.set(email, { address: email, parameters: {} });
  }
  const wrong = [...recipients.keys()].filter((email) => !email.includes('@'));
  if (wrong.length > 0) {
    const description = `${wrong[0]} is no address`;
    throw new SetRefusal({ type: 'invalidRecipients', invalidRecipients: wrong, description });
  }
  return { from: { address: author.email, parameters: {} }, recipients: [...recipients.values()] };
}

type People = Readonly<Record<'from' | 'sender' | 'to' | 'cc' | 'bcc', readonly MailAddress[]>>;

/** Where a field is there more than once, or is longer than its summary, all of it counts. */
async function everyField(place: EmailPlace, header: Extent): Promise<People> {
  const fields = fieldsOf(await readRange(place, header));
  const all = (name: string): readonly MailAddress[] =>
    fields
      .filter((field) => field.name.toLowerCase() === name)
      .flatMap(({ value }) => mailAddresses(value.replace(/\r?\n(?=[ \t])/g, '')));
  return {
    from: all('from'),
    sender: all('sender'),
    to: all('to'),
    cc: all('cc'),
    bcc: all('bcc'),
  };
}

function givenRoute(given: unknown): Route {
  const wrong = (text: string): never => badProperties(['envelope'], text);
  if (!isRecord(given)) return wrong('envelope is an object');
  const { mailFrom, rcptTo } = given;
  if (!Array.isArray(rcptTo)) return wrong('rcptTo is a list');
  const read = (one: unknown): SubmissionAddress => {
    const email = isRecord(one) ? one['email'] : undefined;
    if (!isRecord(one) || typeof email !== 'string') return wrong('An address has an email');
    return { address: email, parameters: parametersOf(one['parameters'] ?? {}, wrong) };
  };
  return { from: read(mailFrom), recipients: rcptTo.map(read) };
}

function parametersOf(
  given: unknown,
  wrong: (text: string) => never,
): Readonly<Record<string, string | null>> {
  if (!isRecord(given)) return wrong('parameters is an object');
  const entries = Object.entries(given).map(([name, value]): [string, string | null] => {
    if (value !== null && typeof value !== 'string') return wrong('A parameter is a text or null');
    return [name.toUpperCase(), value];
  });
  return Object.fromEntries(entries);
}
