/** Status letters of a node (S0-34), and how long a node may be silent. */
import { isServiceName, SERVICES } from './services.ts';

/** Upper case is up, lower case down or draining. */
const LETTERS = {
  S: 'SMTP',
  P: 'POP3',
  L: 'LDAP',
  M: 'Mailfarm',
  B: 'balancer',
  A: 'web',
  G: 'IMAP',
} as const;
type Letter = keyof typeof LETTERS;

const DAY_MS = 86_400_000;
/** Beats that may be missing before a node counts as silent. */
const BEATS_MISSING_MAX = 3;

/**
 * The letters of what a node runs. `M` is the supervisor itself with a worker that serves.
 * @param listen the node's listeners, by service
 */
export function statusLetters(
  listen: readonly { readonly service: string }[],
  up: boolean,
): string {
  const runs = new Set<string>(['M']);
  for (const { service } of listen) {
    if (isServiceName(service)) runs.add(SERVICES[service].letter);
  }
  const letters = Object.keys(LETTERS).filter((letter) => runs.has(letter));
  return up ? letters.join('') : letters.join('').toLowerCase();
}

/** A status in words, such as `SMTP up, POP3 down`; a letter that we do not know as it is. */
export function statusInWords(status: string): string {
  return Array.from(status, (letter) => {
    const name = LETTERS[letter.toUpperCase() as Letter] ?? letter.toUpperCase();
    return `${name} ${letter === letter.toUpperCase() ? 'up' : 'down'}`;
  }).join(', ');
}

export interface BeatSettings {
  readonly 'node.beat': number;
  readonly 'node.beats.day': number;
}

/**
 * Time between two beats of one node, in ms. All nodes together beat `node.beats.day` times a day:
 * every beat is copied to every replica (0.8 kB with syncrepl, measured between two slapd), and
 * what replicas say to each other shall stay below 2 MB a day (S3-23) however many nodes there are:
 * 1,500 beats are 1.2 MB. A beat also moves contextCSN, so it makes every replica that has not got
 * it yet one that is behind, for the time it takes to arrive; another is asked meanwhile. With the
 * defaults a farm of one node beats every minute, one of ten every 10 minutes. Health is no matter
 * of beats: balancers ask /health/ready, and a changed status is written at once.
 */
export const beatMs = (settings: BeatSettings, nodes: number): number =>
  Math.max(settings['node.beat'], Math.ceil((nodes * DAY_MS) / settings['node.beats.day']));

/** Whether a node has not told for three beats that it lives. One that never did is silent. */
export const isSilent = (beat: {
  /** ms since 1970 */
  readonly at: number | undefined;
  readonly now: number;
  /** What `beatMs` says. */
  readonly everyMs: number;
}): boolean => beat.at === undefined || beat.now - beat.at > BEATS_MISSING_MAX * beat.everyMs;
