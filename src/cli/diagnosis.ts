/** A diagnosis of volumes as people read it: what is wrong in full, what is well in one line. */
import type { Diagnosis } from '../volumes/doctor/checks.ts';
import { isNfs } from '../volumes/doctor/mounts.ts';
import type { Complaint, VolumeFacts } from '../volumes/doctor/types.ts';
import { counted } from './human.ts';
import type { Output } from './output.ts';

const WIDTH = 98;
const INDENT = 11;

/** One volume: a block. */
export function printDiagnosis(
  out: Output,
  volume: VolumeFacts,
  diagnosis: Diagnosis,
  how: { readonly verbose: boolean; readonly told: Set<string> },
): void {
  const { verbose, told } = how;
  const { mount, path } = volume;
  const from = mount && isNfs(mount) && mount.point === path ? `  from ${mount.source}` : '';
  out.styled([{ text: volume.name, style: 'bold' }, `  ${path}${from}`]);
  for (const complaint of diagnosis.complaints) printComplaint(out, complaint, told);
  const { well } = diagnosis;
  if (verbose) {
    for (const { check, text } of well) {
      printText(out, 'well', text.includes(check) ? text : `${check}: ${text}`);
    }
  } else if (well.length > 0) {
    const short = well.filter(isShort).map(({ text }) => text);
    if (short.length > 0) printText(out, 'well', short.join(', '));
  }
}

/** What is told in one line; the rest with --verbose. */
const SHORT: ReadonlySet<string> = new Set([
  'entry',
  'sentinel',
  'NFS version',
  'hard or soft',
  'look-up cache',
  'owner',
  'behaviour',
  'calls',
  'clock',
  'space',
  'other hosts',
]);
const isShort = ({ check }: { readonly check: string }): boolean => SHORT.has(check);

/** @param told what mends earlier ones: not said twice */
export function printComplaint(out: Output, complaint: Complaint, told: Set<string>): void {
  const { severity, wrong, mail, mend } = complaint;
  const style = severity === 'error' ? 'red' : 'yellow';
  const [first = '', ...rest] = wrap(wrong);
  const label = severity.padEnd(INDENT - 2);
  out.styled(['  ', { text: label, style }, { text: first, style: 'bold' }]);
  for (const line of rest) out.styled([' '.repeat(INDENT), { text: line, style: 'bold' }]);
  for (const line of wrap(mail)) out.styled([' '.repeat(INDENT), line]);
  // Commands stay on their line: they are copied.
  const lines = told.has(mend.join('\n')) ? ['as above'] : mend;
  told.add(mend.join('\n'));
  for (const line of lines) out.styled([' '.repeat(INDENT), { text: '→ ', style: 'dim' }, line]);
}

function printText(out: Output, label: string, text: string): void {
  wrap(text).forEach((line, i) => {
    const head = i === 0 ? label.padEnd(INDENT - 2) : ' '.repeat(INDENT - 2);
    out.styled(['  ', { text: head, style: 'green' }, line]);
  });
}

/** Lines of words, none broken. */
function wrap(text: string): readonly string[] {
  const lines: string[] = [];
  for (const word of text.split(' ')) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + word.length < WIDTH - INDENT) {
      lines[lines.length - 1] = `${last} ${word}`;
    } else lines.push(word);
  }
  return lines;
}

/** The last line: how much is wrong. */
export function summary(volumes: number, complaints: readonly Complaint[]): string {
  const errors = complaints.filter(({ severity }) => severity === 'error').length;
  const warnings = complaints.length - errors;
  const looked = counted(volumes, 'volume');
  if (complaints.length === 0) return `${looked}: all is well`;
  const told = [
    ...(errors > 0 ? [counted(errors, 'error')] : []),
    ...(warnings > 0 ? [counted(warnings, 'warning')] : []),
  ];
  return `${looked}: ${told.join(', ')}`;
}
