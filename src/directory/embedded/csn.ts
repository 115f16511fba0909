import type { Clock } from '../../base/clock.ts';

/**
 * Change sequence numbers in the form of OpenLDAP: `YYYYmmddHHMMSS.uuuuuuZ#cccccc#000#000000`:
 * time, count within the microsecond, server, modification. As text they compare as they follow.
 */
const CSN = /^(\d{14}\.\d{6})Z#([0-9a-f]{6})#[0-9a-f]{3}#[0-9a-f]{6}$/;
const COUNT_MAX = 0xff_ffff;

export class ChangeNumbers {
  readonly #clock: Clock;
  #last = '';

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** The newest one that was given or seen; empty before the first. */
  get last(): string {
    return this.#last;
  }

  /** Takes notice of one that is stored; what has not the form counts for nothing. */
  saw(csn: string): void {
    if (csn > this.#last && CSN.test(csn)) this.#last = csn;
  }

  /** A number above all before, also where the clock was put back. */
  next(): string {
    const now = csnAt(this.#clock.now() * 1_000, 0);
    this.#last = now > this.#last ? now : following(this.#last);
    return this.#last;
  }
}

function following(csn: string): string {
  const [, time = '', count = ''] = CSN.exec(csn) ?? [];
  const next = Number.parseInt(count, 16) + 1;
  if (next <= COUNT_MAX) return assemble(time, next);
  return csnAt(microsOf(time) + 1, 0);
}

function microsOf(time: string): number {
  const [, year, month, day, hour, minute, second, micros] =
    /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)\.(\d{6})$/.exec(time) ?? [];
  const parts = [year, month, day, hour, minute, second].map(Number);
  const [y = 0, mo = 1, d = 1, h = 0, mi = 0, s = 0] = parts;
  return Date.UTC(y, mo - 1, d, h, mi, s) * 1_000 + Number(micros);
}

function csnAt(micros: number, count: number): string {
  const whole = Math.floor(micros);
  const time = new Date(Math.floor(whole / 1_000)).toISOString().replace(/[-:T]/g, '').slice(0, 14);
  return assemble(`${time}.${String(whole % 1_000_000).padStart(6, '0')}`, count);
}

const assemble = (time: string, count: number): string =>
  `${time}Z#${count.toString(16).padStart(6, '0')}#000#000000`;

/** What an entry of before there were numbers has: the same one at each start. */
export function csnOfTimestamp(modified: string | undefined): string {
  const time = /^(\d{14})Z$/.exec(modified ?? '')?.[1] ?? '19700101000000';
  return assemble(`${time}.000000`, 0);
}
