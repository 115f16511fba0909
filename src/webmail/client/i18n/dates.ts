const DAY_MS = 86_400_000;

/** Dates and sizes as a person of this language writes them. */
export class Formats {
  readonly #locale: string;
  readonly #time: Intl.DateTimeFormat;
  readonly #day: Intl.DateTimeFormat;
  readonly #date: Intl.DateTimeFormat;
  readonly #full: Intl.DateTimeFormat;

  /** @param locale a language, best with a region: `en-GB` writes times unlike `en-US` */
  constructor(locale: string) {
    this.#locale = locale;
    this.#time = new Intl.DateTimeFormat(locale, { hour: '2-digit', minute: '2-digit' });
    this.#day = new Intl.DateTimeFormat(locale, { day: 'numeric', month: 'short' });
    this.#date = new Intl.DateTimeFormat(locale, { dateStyle: 'short' });
    this.#full = new Intl.DateTimeFormat(locale, { dateStyle: 'full', timeStyle: 'short' });
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
    return new Intl.NumberFormat(this.#locale, {
      style: 'unit',
      unit: units[at] ?? 'byte',
      unitDisplay: at === 0 ? 'long' : 'short',
      maximumFractionDigits: value < 10 && at > 0 ? 1 : 0,
    }).format(value);
  }
}
