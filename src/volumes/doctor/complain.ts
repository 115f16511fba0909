/** How the checks say what they found. */
import type { Complaint, Severity } from './types.ts';

const complaint =
  (severity: Severity) =>
  (wrong: string, mail: string, ...mend: readonly string[]): Complaint => ({
    severity,
    wrong,
    mail,
    mend,
  });

export const error = complaint('error');
export const warning = complaint('warning');

/** `12 ms`, `2.1 s`, `31 s`, `15 min`: a length of time, whatever its sign. */
export function span(ms: number): string {
  const s = Math.abs(ms) / 1000;
  if (s < 1) return `${Math.round(s * 1000)} ms`;
  if (s < 10) return `${s.toFixed(1)} s`;
  if (s < 600) return `${Math.round(s)} s`;
  return s < 36_000 ? `${Math.round(s / 60)} min` : `${Math.round(s / 3600)} h`;
}

/** `1.5 GB`, in steps of 1,000. */
export function size(bytes: number): string {
  const unit = Math.min(4, Math.max(0, Math.floor(Math.log10(Math.max(1, bytes)) / 3)));
  const value = bytes / 1000 ** unit;
  return `${value < 10 && unit > 0 ? value.toFixed(1) : Math.round(value)} ${UNITS[unit]}`;
}
const UNITS = ['B', 'KB', 'MB', 'GB', 'TB'] as const;

/** `0750` */
export const octal = (mode: number): string => mode.toString(8).padStart(4, '0');

/** A word of a command that people copy: nothing in it means anything to a shell. */
export const sh = (word: string): string =>
  /^[A-Za-z0-9@%+=:,./_-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
