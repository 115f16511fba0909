import { cutToWidth, padToWidth, textWidth } from './text-width.ts';

export interface Column {
  readonly title: string;
  /** Numbers stand at the right. */
  readonly align?: 'left' | 'right';
  /** Never cut, so that it can be copied: on a narrow terminal it has a line of its own. */
  readonly whole?: boolean;
}

const GAP = 2;
/** A column is not made narrower than this, nor than its title: nothing could be read in it. */
const COLUMN_MIN = 8;

/**
 * Lines of a table, the header first. With a `width`, columns that need most are cut until the
 * table fits; when it cannot, lines are longer and the terminal folds them.
 */
export function layTable(given: {
  readonly header: readonly (string | Column)[];
  readonly rows: readonly (readonly string[])[];
  readonly width: number | undefined;
  readonly clean: (text: string) => string;
}): readonly string[] {
  const columns = given.header.map((cell) => (typeof cell === 'string' ? { title: cell } : cell));
  return isNarrow(columns, given) ? layStacked(columns, given) : layColumns(columns, given);
}

type Given = Parameters<typeof layTable>[0];

/** More than this part of the terminal is too much for a column that cannot give way. */
const WHOLE_PART = 1 / 3;
const INDENT = '  ';

/** Whether a first column that is whole leaves the others too little room. */
function isNarrow(columns: readonly Column[], { rows, width, clean }: Given): boolean {
  if (width === undefined || columns[0]?.whole !== true || rows.length === 0) return false;
  const first = rows.reduce((most, [cell = '']) => Math.max(most, textWidth(clean(cell))), 0);
  return first > width * WHOLE_PART;
}

/** The first column's cell on a line of its own, the others below it. */
function layStacked(columns: readonly Column[], given: Given): readonly string[] {
  const { rows, clean } = given;
  const width = given.width === undefined ? undefined : given.width - INDENT.length;
  const rest = rows.map((row) => row.slice(1));
  const [header = '', ...lines] = layColumns(columns.slice(1), { ...given, rows: rest, width });
  return [
    `${columns[0]?.title}: ${header}`,
    ...lines.flatMap((line, i) => [clean(rows[i]?.[0] ?? ''), `${INDENT}${line}`.trimEnd()]),
  ];
}

function layColumns(columns: readonly Column[], given: Given): readonly string[] {
  const cells = [columns.map(({ title }) => title), ...given.rows].map((row) =>
    row.map(given.clean),
  );
  const natural = columns.map((_, i) => {
    let width = 0; // Not Math.max(...): a table may have more rows than a call has arguments.
    for (const row of cells) width = Math.max(width, textWidth(row[i] ?? ''));
    return width;
  });
  const widths = given.width === undefined ? natural : fitted(natural, columns, given.width);
  return cells.map((row) =>
    columns
      .map(({ align }, i) => {
        const width = widths[i] ?? 0;
        return padToWidth(cutToWidth(row[i] ?? '', width), width, align);
      })
      .join(' '.repeat(GAP))
      .trimEnd(),
  );
}

/** The widest column gives way first. */
function fitted(
  natural: readonly number[],
  columns: readonly Column[],
  width: number,
): readonly number[] {
  const widths = [...natural];
  const least = columns.map(({ title, whole = false }, i) =>
    whole ? (natural[i] ?? 0) : Math.min(natural[i] ?? 0, Math.max(COLUMN_MIN, textWidth(title))),
  );
  let over = widths.reduce((sum, one) => sum + one + GAP, -GAP) - width;
  while (over > 0) {
    let widest = -1;
    for (const [i, own] of widths.entries()) {
      const room = own - (least[i] ?? 0);
      if (room > 0 && (widest < 0 || own > (widths[widest] ?? 0))) widest = i;
    }
    if (widest < 0) break;
    widths[widest] = (widths[widest] ?? 0) - 1;
    over -= 1;
  }
  return widths;
}
