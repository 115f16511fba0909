/**
 * Comments that are too wide, wrapped: the formatter leaves them as they are. What overflows goes
 * to the start of the next line of its paragraph, or to a line of its own; nothing else is touched.
 */
import { parse } from './parse.ts';

const COLUMNS_MAX = 100;

/** What begins a line of a comment: its margin, and a list mark if there is one. */
const LINE = /^(\s*(?:\*|\/\/)\s?)(\s*(?:[-*] |\d+\. |@\w+ )?)(.*)$/;

interface Line {
  readonly margin: string;
  readonly mark: string;
  readonly text: string;
}

function take(line: string | undefined): Line | undefined {
  const [, margin, mark, text] = LINE.exec(line ?? '') ?? [];
  return margin === undefined || mark === undefined || text === undefined
    ? undefined
    : { margin, mark, text };
}

/**
 * The text of a TypeScript file with its comments wrapped at 100 columns where that can be done.
 */
export function wrapComments(file: string, text: string): string {
  const code = parse(file, text).code.split('\n');
  // Only lines that hold nothing but a comment: in `code` those are blank.
  const isComment = code.map((line) => line.trim() === '');
  const lines = text.split('\n');
  for (let at = 0; at < lines.length; at += 1) {
    const line = lines[at] ?? '';
    if (!isComment[at] || Array.from(line).length <= COLUMNS_MAX) continue;
    const opened = openBlock(line);
    if (opened) {
      lines.splice(at, 1, ...opened);
      isComment.splice(at, 1, ...opened.map(() => true));
      continue; // The loop comes to the new lines next.
    }
    const broken = breakLine(line, isComment[at + 1] ? lines[at + 1] : undefined);
    if (!broken) continue;
    const replaced = broken.joined ? 2 : 1;
    lines.splice(at, replaced, broken.first, broken.second);
    isComment.splice(at, replaced, true, true);
  }
  return lines.join('\n');
}

/** A block in one line becomes three lines; undefined where it is something else. */
function openBlock(line: string): string[] | undefined {
  const [, indent, text] = /^(\s*)\/\*\* (.*) \*\/$/.exec(line) ?? [];
  if (indent === undefined || text === undefined) return undefined;
  return [`${indent}/**`, `${indent} * ${text}`, `${indent} */`];
}

function breakLine(
  line: string,
  next: string | undefined,
): { first: string; second: string; joined: boolean } | undefined {
  const parts = take(line);
  // A run of blanks inside a line is a drawing or a table: its columns are meant.
  if (!parts || parts.text.endsWith('*/') || /\S {2,}\S/.test(parts.text)) return undefined;
  const head = parts.margin + parts.mark;
  const words = parts.text.split(' ');
  let kept = words.length;
  const first = (): string => head + words.slice(0, kept).join(' ');
  while (kept > 1 && Array.from(first()).length > COLUMNS_MAX) kept -= 1;
  if (kept === words.length || Array.from(first()).length > COLUMNS_MAX) return undefined;
  const rest = words.slice(kept).join(' ');
  const hang = parts.margin + (/^\s*@/.test(parts.mark) ? '  ' : ' '.repeat(parts.mark.length));
  const below = take(next);
  const same = below?.margin === parts.margin && below.text !== '' && !/^\s*\S/.test(below.mark);
  // A line of its paragraph: as deep as what this line would hang at.
  if (below && same && below.margin + below.mark === hang && !below.text.endsWith('*/')) {
    return { first: first(), second: `${hang}${rest} ${below.text}`, joined: true };
  }
  return { first: first(), second: hang + rest, joined: false };
}
