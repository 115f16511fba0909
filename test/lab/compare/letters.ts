/** Letters that tell what they are, and what a sender knows of them. */
export interface Attempt {
  readonly base: string;
  /** `failed`: it is not there and will not be; `unknown`: the engine does not know. */
  readonly result: 'ok' | 'failed' | 'unknown';
  readonly why: string;
  readonly beganAt: number;
  readonly endedAt: number;
}

export interface Report {
  readonly attempts: readonly Attempt[];
  readonly reads: number;
  readonly readErrors: Readonly<Record<string, number>>;
  /** Listings without a letter that was acknowledged before, and letters with other bytes. */
  readonly wrongReads: readonly string[];
}

/** Octets from which a letter takes several writes. */
export const LONG = 200_000;

export const letterOf = (base: string, long: boolean): string =>
  `Subject: ${base}\n\n`.padEnd(long ? LONG : 5000, `${base}\n`);
