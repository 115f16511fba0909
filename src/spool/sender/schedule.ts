/** When what is tried: pure, so that a simulated week of retries is a table test. */
import type { Clock } from '../../base/clock.ts';
import type { Random } from '../../base/random.ts';
import type { OutboundEnvelope } from '../outbound.ts';
import type { SenderOptions } from './options.ts';

/** What a schedule goes by. */
type Timing = Pick<
  SenderOptions,
  'relay.retry.min' | 'relay.retry.max' | 'relay.expire' | 'relay.delay-notice'
>;
type Aged = Pick<OutboundEnvelope, 'acceptedAt' | 'tries' | 'delayTold'>;

/** 0 to 1. */
export function chance(random: Random): number {
  const [high = 0, low = 0] = random.bytes(2);
  return (high * 256 + low) / 65_536;
}

/** Up to a quarter more, never less: a greylist has a shortest time (and letters do not march). */
export const withJitter = (ms: number, random: Random): number =>
  Math.round(ms * (1 + chance(random) / 4));

export const expiresAt = (envelope: Aged, options: Timing): number =>
  envelope.acceptedAt + options['relay.expire'];

export const isExpired = (envelope: Aged, now: number, options: Timing): boolean =>
  now >= expiresAt(envelope, options);

/** Whether the sender is to be told now that it is delayed. */
export const isDelayDue = (envelope: Aged, now: number, options: Timing): boolean =>
  !envelope.delayTold &&
  options['relay.delay-notice'] > 0 &&
  now >= envelope.acceptedAt + options['relay.delay-notice'];

/**
 * When a letter is tried again after a try at `now`, or at `notBefore` where its destination rests:
 * each wait twice the one before, and punctually for the notice of delay and for the last try.
 */
export function nextTry(
  envelope: Aged,
  now: number,
  parts: { readonly options: Timing; readonly random: Random; readonly notBefore?: number },
): number {
  const { options, random, notBefore = 0 } = parts;
  const wait = Math.min(
    options['relay.retry.max'],
    options['relay.retry.min'] * 2 ** Math.min(envelope.tries, 30),
  );
  const due = Math.max(now + withJitter(wait, random), notBefore);
  const told = envelope.acceptedAt + options['relay.delay-notice'];
  const hasNotice = !envelope.delayTold && options['relay.delay-notice'] > 0 && told > now;
  return Math.min(due, expiresAt(envelope, options), hasNotice ? told : Infinity);
}

/** How long a destination that cannot be reached is left alone after so many failures in a row. */
export const restAfter = (failures: number, options: Timing, random: Random): number =>
  withJitter(
    Math.min(
      options['relay.retry.max'],
      (options['relay.retry.min'] / 6) * 2 ** Math.min(failures - 1, 30),
    ),
    random,
  );

/** Acts again and again, first after `ms`, until the signal aborts. */
export function every(
  ms: number,
  { act, clock, signal }: { act: () => void; clock: Clock; signal: AbortSignal },
): void {
  void (async () => {
    while (!signal.aborted) {
      await clock.sleep(ms, signal).catch(() => {});
      if (!signal.aborted) act();
    }
  })();
}
