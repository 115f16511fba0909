/**
 * A Date field of a stranger (RFC 5322 §3.3, obsolete forms of §4.3 among them). Comments,
 * missing names of days and two-digit years are read; an unknown zone is UTC.
 */
export interface SentDate {
  /** Milliseconds since 1970. */
  readonly time: number;
  /** The same were the clock of the sender that of UTC: its day is the day that is written. */
  readonly written: number;
}

const MONTHS = 'janfebmaraprmayjunjulaugsepoctnovdec';
const DAY = /(\d{1,2})[\s-]+([A-Za-z]{3})[a-z]{0,6}[\s-]+(\d{2,4})/;
const TIME = /(?:\s+(\d{1,2}):(\d{2})(?::(\d{2}))?)?\s*([+-]\d{4}|[A-Za-z]{1,5})?/;
const DATE = new RegExp(DAY.source + TIME.source);
/** Hours of zones by name (§4.3). */
const ZONES: Readonly<Record<string, number>> = {
  EST: -5,
  EDT: -4,
  CST: -6,
  CDT: -5,
  MST: -7,
  MDT: -6,
  PST: -8,
  PDT: -7,
};

/** @returns undefined for what is no date */
export function parseDate(field: string | undefined): SentDate | undefined {
  if (field === undefined) return undefined;
  const short = field.slice(0, 200);
  const match = DATE.exec(short.includes('(') ? short.replace(/\([^()]*\)/g, ' ') : short);
  if (match === null) return undefined;
  const month = MONTHS.indexOf((match[2] ?? '').toLowerCase());
  if (month < 0 || month % 3 !== 0) return undefined;
  const [day, hour, minute, second] = [match[1], match[4], match[5], match[6]].map((text) =>
    Number(text ?? 0),
  ) as [number, number, number, number];
  if (day < 1 || day > 31 || hour > 24 || minute > 59 || second > 61) return undefined;
  const written = Date.UTC(fullYear(match[3] ?? ''), month / 3, day, hour, minute, second);
  return { time: written - zoneMinutes(match[7] ?? '') * 60_000, written };
}

/** Years of two and three digits (§4.3). */
function fullYear(digits: string): number {
  const year = Number(digits);
  if (digits.length === 2) return year < 50 ? 2000 + year : 1900 + year;
  return digits.length === 3 ? 1900 + year : year;
}

function zoneMinutes(zone: string): number {
  const offset = /^([+-])(\d\d)(\d\d)$/.exec(zone);
  if (offset === null) {
    const name = zone.toUpperCase();
    return Object.hasOwn(ZONES, name) ? (ZONES[name] ?? 0) * 60 : 0;
  }
  const minutes = Number(offset[2]) * 60 + Number(offset[3]);
  return offset[1] === '-' ? -minutes : minutes;
}
