/** A moment as generalizedTime with milliseconds (RFC 4517 §3.3.13). */
export function toTime(ms: number): string {
  const iso = new Date(ms).toISOString(); // 2026-11-22T03:04:05.678Z
  return iso.replace(/[-:T]/g, '');
}

/** @returns ms since 1970; undefined for what is no generalizedTime in UTC */
export function fromTime(text: string | undefined): number | undefined {
  const parts = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(?:\.(\d{1,6}))?Z$/.exec(text ?? '');
  if (!parts) return undefined;
  const [, year, month, day, hour, minute, second, fraction = '0'] = parts;
  const ms = Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}.${fraction}Z`);
  return Number.isNaN(ms) ? undefined : ms;
}
