import type { Language } from './text.ts';

const DAY_MS = 86_400_000;

/** Dates and sizes as a person of this language writes them. */
export class Formats {
  readonly #language: Language;
  readonly #time: Intl.DateTimeFormat;
  readonly #day: Intl.DateTimeFormat;
  readonly #date: Intl.DateTimeFormat;
  readonly #full: Intl.DateTimeFormat;

  constructor(language: Language) {
    this.#language = language;
    this.#time = new Intl.DateTimeFormat(language, { hour: '2-digit', minute: '2-digit' });
    this.#day = new Intl.DateTimeFormat(language, { day: 'numeric', month: 'short' });
    this.#date = new Intl.DateTimeFormat(language, { dateStyle: 'short' });
    this.#full = new Intl.DateTimeFormat(language, { dateStyle: 'full', timeStyle: 'short' });
  }

  /** As short as can be: the time today, the day this year, else the date. */
  short(iso: string, now: number): string {
    const [at, today] = [new Date(iso), new Date(now)];
    if (Number.isNaN(at.getTime())) return '';
    if (at.toDateString() === today.toDateString()) return this.#time.format(at);
    const recent = at.getFullYear() === today.getFullYear() || now - at.getTime() < 180 * DAY_MS;
    return (recent ? this.#day : this.#date).format(at);
  }

  full(iso: string): string {
    const at = new Date(iso);
    return Number.isNaN(at.getTime()) ? '' : this.#full.format(at);
  }

  /** Octets, as `1.2 MB`. */
  size(octets: number): string {
    const units = ['byte', 'kilobyte', 'megabyte', 'gigabyte'] as const;
    let [value, at] = [octets, 0];
    while (value >= 1000 && at < units.length - 1) [value, at] = [value / 1024, at + 1];
    return new Intl.NumberFormat(this.#language, {
      style: 'unit',
      unit: units[at] ?? 'byte',
      unitDisplay: at === 0 ? 'long' : 'short',
      maximumFractionDigits: value < 10 && at > 0 ? 1 : 0,
    }).format(value);
  }
}
