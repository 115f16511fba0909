/**
 * What a try means: for the log, for whoever sent the letter, and for the spool. The notice is made
 * durable before the letter's recipients are taken off: a crash between the two tells it twice, and
 * never not at all.
 */
import type { Logger } from '../../log/types.ts';
import { isToldOf } from '../../message/notice-rules.ts';
import type { OutboundClaim, OutboundEnvelope, Settlement, Trouble } from '../outbound.ts';
import type { Attempt, RecipientResult } from './attempt.ts';
import { recipients as counted, ways } from './metrics.ts';
import { withNotBefore } from './not-before.ts';
import { expiresAt, isDelayDue, isExpired, nextTry } from './schedule.ts';
import type { Notice, NoticeRecipient, SenderParts } from './types.ts';

export interface OutcomeParts extends Pick<SenderParts, 'options' | 'random' | 'report'> {
  readonly claim: OutboundClaim;
  readonly logger: Logger;
  /** The spool server's time; a guess by our own clock when it does not say. */
  readonly now: number;
  /** It is a guess, which can be days off: nothing is told or given up by it. */
  readonly isGuess: boolean;
  /** Our own clock, for notices. */
  readonly triedAt: number;
}

type Tried = Pick<Attempt, 'results' | 'last'> & {
  readonly ms: number;
  /** A connection was tried: the next wait is longer. */
  readonly counts: boolean;
  /** Where its destination rests. */
  readonly notBefore?: number;
};

/** Tells whoever is to be told. @returns what the spool is to be told. Never rejects */
export async function conclude(tried: Tried, parts: OutcomeParts): Promise<Settlement> {
  const { claim, options, now, isGuess } = parts;
  const { envelope } = claim;
  const expired = !isGuess && isExpired(envelope, now, options);
  const results = expired
    ? tried.results.map((each) => givenUp(forSender(each), options))
    : tried.results;
  for (const [at, result] of results.entries()) log(result, tried.results[at], tried, parts);
  const of = (kind: RecipientResult['kind']): RecipientResult[] =>
    results.filter((each) => each.kind === kind);
  // All of them: whoever reports also says of which ones nobody is told.
  const told = await tell(parts, 'failed', of('failed'));
  await tellSuccess(parts, of('sent'));
  // Nobody was told that they failed: they stay, to fail again.
  const left = told ? of('later') : [...of('later'), ...toldOf('failed', of('failed'), envelope)];
  if (left.length === 0) return { kind: 'done' };
  const delayDue = !isGuess && isDelayDue(envelope, now, options);
  const delayed = delayDue ? toldOf('delayed', of('later'), envelope) : [];
  const delayTold = await tell(parts, 'delayed', delayed.map(forSender));
  const due = dueAt(tried, told, parts);
  return {
    kind: 'later',
    dueAt: due,
    recipients: left.map(({ recipient }) => recipient),
    troubles: left.map((each) => troubleOf(each, due, now)),
    delayTold: envelope.delayTold || (delayDue && delayTold),
    tried: tried.counts,
  };
}

/** Nobody was asked: why its letter waits. */
export const waitingFor = (
  { envelope }: OutboundClaim,
  why: Pick<RecipientResult, 'status' | 'text' | 'inside'>,
): Tried['results'] =>
  envelope.recipients.map((recipient) => ({
    recipient,
    kind: 'later',
    reply: undefined,
    remote: undefined,
    dsnPassedOn: false,
    code: undefined,
    ...why,
  }));

function dueAt(tried: Tried, told: boolean, parts: OutcomeParts): number {
  const { claim, options, random, now, isGuess } = parts;
  const { notBefore } = tried;
  const due = nextTry(claim.envelope, now, {
    options,
    random,
    ...(notBefore === undefined ? {} : { notBefore }),
  });
  // An expired letter whose notice could not be put anywhere: not at once again.
  return told && !isGuess ? due : Math.max(due, now + options['relay.retry.min']);
}

const troubleOf = (
  { recipient, status, text, remote }: RecipientResult,
  due: number,
  at: number,
): Trouble => ({
  address: recipient.address,
  status,
  text: withNotBefore(text, due),
  remote: remote && `${remote.host}${remote.address === undefined ? '' : ` [${remote.address}]`}`,
  at,
});

/** RFC 3463 §3.5: 4.4.7, the time for delivery is over. */
function givenUp(result: RecipientResult, options: SenderParts['options']): RecipientResult {
  if (result.kind !== 'later') return result;
  const hours = Math.round(options['relay.expire'] / 3_600_000);
  const age = hours >= 48 ? `${Math.round(hours / 24)} days` : `${hours} hours`;
  const text = `given up after ${age}; at last: ${result.text}`;
  return { ...result, kind: 'failed', status: '4.4.7', text };
}

/** Of a failure of ours its sender learns no more than that. */
const forSender = (result: RecipientResult): RecipientResult =>
  result.inside === true ? { ...result, text: 'a failure within the mail system' } : result;

/** Results whose recipient's sender is told of such a thing (message/notice-rules.ts). */
function toldOf(
  event: Notice['kind'],
  results: readonly RecipientResult[],
  { sender, origin }: OutboundEnvelope,
): readonly RecipientResult[] {
  return results.filter(
    ({ recipient: { notify } }) => isToldOf({ event, sender, origin, notify }).tell,
  );
}

/** Over LMTP it is in the mailbox; over SMTP it was given to one that tells of nothing. */
async function tellSuccess(parts: OutcomeParts, sent: readonly RecipientResult[]): Promise<void> {
  const { envelope } = parts.claim;
  const { route } = envelope;
  const kind = route.kind === 'host' && route.protocol === 'lmtp' ? 'delivered' : 'relayed';
  const here = sent.filter(({ dsnPassedOn }) => !dsnPassedOn);
  await tell(parts, kind, toldOf(kind, here, envelope));
}

/** @returns false when it could not be told */
async function tell(
  parts: OutcomeParts,
  kind: Notice['kind'],
  results: readonly RecipientResult[],
): Promise<boolean> {
  if (results.length === 0) return true;
  const { claim, options, report, logger } = parts;
  try {
    await report({
      kind,
      envelope: claim.envelope,
      recipients: results.map((result) => noticeRecipient(result, kind, parts.triedAt)),
      expiresAt: expiresAt(claim.envelope, options),
      read: (offset, length) => claim.read(offset, length),
    });
    return true;
  } catch (error) {
    const { id, trace } = claim.envelope;
    logger.warn({ id, trace, kind, error }, 'a notice could not be put anywhere yet');
    return false;
  }
}

const noticeRecipient = (
  { recipient, status, reply, text, remote }: RecipientResult,
  action: NoticeRecipient['action'],
  triedAt: number,
): NoticeRecipient => ({ recipient, action, status, reply, text, remote, triedAt });

/** One line for each recipient of each try. */
function log(
  result: RecipientResult,
  before: RecipientResult | undefined,
  tried: Tried,
  { claim, logger }: OutcomeParts,
): void {
  const { envelope } = claim;
  const { recipient, kind, status, remote } = result;
  const isGivenUp = kind === 'failed' && before?.kind === 'later';
  const word = isGivenUp ? 'expired' : WORDS[kind];
  counted.inc(word);
  const way = remote && tried.last?.target.address === remote.address ? tried.last : undefined;
  if (kind === 'sent') ways.inc(way?.tls ?? 'none');
  const fields = {
    trace: envelope.trace,
    id: envelope.id,
    from: envelope.sender,
    to: recipient.address,
    host: remote?.host,
    address: remote?.address,
    status,
    reply: result.reply ?? result.text,
    tls: way && way.protocol !== '' ? way.protocol : undefined,
    verified: way?.tls === 'verified' || way?.tls === 'dane' ? way.tls : undefined,
    ms: Math.round(tried.ms),
    tries: envelope.tries + (tried.counts ? 1 : 0),
  };
  const { code } = result;
  if (code === undefined) logger.info(fields, word);
  else logger.warn({ ...fields, code }, `${word}: ${code}`);
}

const WORDS = { sent: 'sent', later: 'deferred', failed: 'failed' } as const;
