/**
 * The one place where the command line writes. Standard output carries results, standard error
 * everything else, so that `mailfarm … --json | jq` always works.
 */
export interface Output {
  /** A result for people. */
  line(text: string): void;
  /** A result for programs: one JSON document. */
  json(value: unknown): void;
  /** Aligned columns with a header row. */
  table(header: readonly string[], rows: readonly (readonly string[])[]): void;
  /** Something went wrong or wants to be known. */
  note(text: string): void;
}

/** Text from a directory or a peer may carry control characters: a terminal must not obey them. */
export const printable = (text: string): string =>
  // eslint-disable-next-line no-control-regex
  text.replaceAll(/[\u0000-\u001f\u007f-\u009f]/g, '\u{FFFD}');

export function createOutput(streams: {
  readonly out: { write(text: string): unknown };
  readonly err: { write(text: string): unknown };
}): Output {
  const line = (text: string): void => void streams.out.write(`${text}\n`);
  return {
    line,
    json: (value) => line(JSON.stringify(value, null, 2)),
    table: (header, rows) => {
      const cells = [header, ...rows].map((row) => row.map(printable));
      const widths = header.map((_, i) => Math.max(...cells.map((row) => (row[i] ?? '').length)));
      for (const row of cells) {
        line(
          row
            .map((cell, i) => cell.padEnd(widths[i] ?? 0))
            .join('  ')
            .trimEnd(),
        );
      }
    },
    note: (text) => void streams.err.write(`${text.split('\n').map(printable).join('\n')}\n`),
  };
}
